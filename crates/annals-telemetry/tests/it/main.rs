//! The behaviour suite of spans, on every backend.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod directory;
mod public_sql;
mod spans;
