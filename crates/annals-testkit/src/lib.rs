//! What tests share: real servers, a fault proxy, record generators and the behaviour suite.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`backend`] | a fresh database on each backend, and the macro that stamps tests out for all |
//! | [`community`] | tests of what only TimescaleDB's Community edition does |
//! | [`llm`] | the helpers that tests of the LLM storage crate begin and end with |
//! | [`server`] | private PostgreSQL and TimescaleDB clusters that die with the test process |
//! | [`redis`] | a Redis of a test's own |
//! | [`proxy`] | a TCP proxy that cuts, stalls and swallows what lies between us and a server |
//! | [`generate`] | records with every type of column and every nasty value |
//!
//! Which backends run is told by `ANNALS_TEST_BACKENDS`, a list of `sqlite`, `postgres` and
//! `timescale`; by default it is `sqlite` alone, which needs nothing installed. A backend that is
//! named there and cannot be started is a failure, never a skip.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up must fail loudly"
)]

pub mod backend;
pub mod community;
pub mod generate;
pub mod llm;
pub mod proxy;
pub mod redis;
pub mod server;

pub use backend::{Backend, TestDatabase};
pub use community::on_community;
pub use redis::RedisServer;
