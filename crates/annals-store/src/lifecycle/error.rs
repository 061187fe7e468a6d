//! What is refused, and the way out.

use crate::capabilities::{Edition, ExtensionVersion};

/// Why something was not done; nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// A text that is no interval of time.
    #[error("{text:?} is no age: {problem}; write one like 90 days, 12 hours or 1 year 6 months")]
    Interval {
        /// The text.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A table that nobody knows.
    #[error("there is no table {name:?} that ages; those that do are {known}")]
    NoTable {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A chunk that its table does not have.
    #[error("{table} has no chunk {chunk:?}; `annals chunks list {table}` shows those that it has")]
    NoChunk {
        /// The table.
        table: String,
        /// The chunk.
        chunk: String,
    },
    /// The backend has no chunks, or cannot compress them.
    #[error("{feature} needs {needs}, and this is {edition}; {way_out}")]
    Unsupported {
        /// What was asked for.
        feature: &'static str,
        /// What it needs.
        needs: &'static str,
        /// What the server is.
        edition: Edition,
        /// What to do.
        way_out: &'static str,
    },
    /// An extension of before the columnstore's names.
    #[error(
        "{feature} needs TimescaleDB {needs} or newer, and this is {found}; update it with ALTER EXTENSION timescaledb UPDATE"
    )]
    TooOld {
        /// What was asked for.
        feature: &'static str,
        /// The first version that can.
        needs: ExtensionVersion,
        /// The one at hand.
        found: ExtensionVersion,
    },
    /// An ordinary table where a hypertable should be: it was made before the extension was there.
    #[error(
        "{table} is an ordinary table, though TimescaleDB is here: it was made before the extension; \
         SELECT create_hypertable('{table}', by_range('{time}'), migrate_data => true) makes it one"
    )]
    NoHypertable {
        /// The table.
        table: String,
        /// Its time column.
        time: &'static str,
    },
    /// Somebody else is at it.
    #[error(
        "{table} is in the hands of {purpose}, until {until} at most; try again when that is done"
    )]
    Busy {
        /// The table.
        table: String,
        /// What is being done there.
        purpose: String,
        /// When it is taken for dead.
        until: annals_record::Timestamp,
    },
    /// The table was taken by somebody else in the middle.
    #[error("{table} was taken over by somebody else in the middle; what was told as done is done")]
    TakenOver {
        /// The table.
        table: String,
    },
    /// An owner whom the table cannot have.
    #[error(
        "{owner:?} owns nothing in {table}: its column {column:?} holds UUIDs such as 7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e"
    )]
    Owner {
        /// The table.
        table: String,
        /// The column that says whose a row is.
        column: &'static str,
        /// Who was named, shortened.
        owner: String,
    },
    /// A policy that a table of this kind cannot have.
    #[error("{table} cannot have a policy of {kind}: {why}")]
    Policy {
        /// The table.
        table: String,
        /// Which kind.
        kind: super::PolicyKind,
        /// Why, and the way out.
        why: &'static str,
    },
    /// The user of the database may not do this.
    #[error(
        "the database's user {user:?} may not do this to {table}: connect as the table's owner, {owner:?}"
    )]
    NotOwner {
        /// The table.
        table: String,
        /// Who is connected.
        user: String,
        /// Whose table it is.
        owner: String,
    },
    /// The file or socket that a chunk was to be written to.
    #[error("the export could not be written")]
    Write(#[source] std::io::Error),
}
