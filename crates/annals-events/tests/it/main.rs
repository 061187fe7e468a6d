//! The behaviour suite of the event store, on every backend.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod appending;
mod breaking;
mod community;
mod importing;
mod lifecycle;
mod namespaces;
mod public_sql;
mod reading;
mod subscribing;
mod support;
