//! InferTrace's messages in, as its clients see it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests"
)]

mod batches;
mod definitions;
mod no_panic;
mod planned;
mod v1;
