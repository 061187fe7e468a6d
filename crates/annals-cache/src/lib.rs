//! Answers that are remembered, and used only while they are still right.
//!
//! A [`Cache`] keeps values in process, bounded in bytes, and in Redis beside that where there is one, so that many
//! servers share what one of them has read. Three rules make it harmless:
//!
//! - **Nothing is used by age.** Whoever asks brings the [`Version`] that the database has just told; a value of any
//!   other version is no answer. So nobody has to be told that a value is old: neither another server, nor a Redis that
//!   was away meanwhile, nor one that kept a value from before.
//! - **What comes from Redis is sealed.** Values are bound to their database, key, version and format by a code that
//!   only those can make who read the database's own secret ([`Space`]). What anybody else wrote there, in
//!   whatever way, is as good as nothing.
//! - **Redis costs nothing but speed.** Reads wait for it a fraction of a second at most, writes are nobody's to wait
//!   for, and one that fails is left alone until it answers again. No error of it reaches a caller.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`cache`] | the [`Cache`]: get, put, and [`remember`](Cache::remember), which reads once for all who ask at once |
//! | [`key`] | whose a value is, under which key, of which version |
//! | [`kept`] | what a value must be able to do |
//! | [`options`] | how much, how long, and which Redis |
//! | `memory` | values in process |
//! | `remote`, `breaker` | values in Redis; when it is left alone |
//! | `sealed` | the bytes of a value in Redis |
//! | `flight` | one reader for all who miss the same value at once |
//! | [`counts`] | the names of metrics |
//!
//! This crate knows no family, no SQL and no protocol of ours.

mod breaker;
pub mod cache;
pub mod counts;
mod flight;
pub mod kept;
pub mod key;
mod memory;
pub mod options;
mod remote;
mod sealed;

pub use cache::{Cache, Fresh};
pub use kept::Kept;
pub use key::{Space, Version};
pub use options::{CacheError, CacheOptions, RedisOptions};
