//! Where records are kept: one [`Store`] over SQLite, PostgreSQL and TimescaleDB.
//!
//! This crate knows any record by its descriptor and no family by name.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`config`] | settings from flags, environment and file, with one table of defaults |
//! | [`store`] | a connected database: [`Store`] |
//! | [`capabilities`] | what the server at hand can do |
//! | [`writer`] | bounded, batched, acknowledged writes: [`Writer`] |
//! | [`session`] | a connection that is kept between works: [`Session`] |
//! | [`work`] | a family's own statements in one transaction: [`Work`] |
//! | [`listen`] | hearing of what others do: [`Listener`] |
//! | [`arrivals`] | following a table: rows in the order in which they became visible |
//! | [`query`] | typed reads with filters, orders and cursors: [`Query`] |
//! | [`dead_letter`] | rows that their table refused |
//! | [`diagnosis`] | what is wrong, or could be better: [`Diagnosis`] |
//! | [`lifecycle`] | chunks, compression, retention and the policies of them: [`Lifecycle`] |
//! | [`migrate`] | numbered, reversible, embedded migrations |
//! | [`error`] | what can go wrong, and what is done about it |
//! | [`metrics`] | the names of the metrics |
//! | [`sql`] | the only place that makes SQL from anything but literals |

pub mod arrivals;
mod backend;
pub mod capabilities;
pub mod config;
mod ddl;
pub mod dead_letter;
pub mod diagnosis;
pub mod error;
pub mod lifecycle;
pub mod listen;
pub mod metrics;
pub mod migrate;
pub mod query;
pub mod session;
pub mod sql;
pub mod store;
pub mod work;
pub mod writer;

/// The drivers whose types appear where a family writes SQL of its own.
pub use {rusqlite, sqlx};

pub use arrivals::{ArrivalCursor, Arrivals};
pub use capabilities::{Capabilities, Edition};
pub use config::{ConfigError, DatabaseConfig};
pub use dead_letter::{DeadLetter, DeadLetters};
pub use diagnosis::{Diagnosis, Severity};
pub use error::{Action, DriverError, Error, Refusal, Result, WriteError};
pub use lifecycle::{AgingTable, Interval, Lifecycle, LifecycleError};
pub use listen::{Heard, Listener};
pub use migrate::{MigrationError, Migrations, Migrator};
pub use query::{Page, Query};
pub use session::Session;
pub use sql::{Dialect, Names, Sql};
pub use store::{Health, Store};
pub use work::{Access, Work};
pub use writer::{
    Companion, Overflow, Replayed, Ticket, Writer, WriterOptions, WriterReport, Written,
};
