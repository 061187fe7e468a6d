//! The behaviour suite of the store, on every backend.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod arrivals;
mod community;
mod companion;
mod diagnosis;
mod faults;
mod lifecycle;
mod listening;
mod merging;
mod migrations;
mod queries;
mod replay;
mod round_trip;
mod tls;
mod together;
mod versions;
mod writing;
