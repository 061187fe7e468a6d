//! Rows that their table refused: kept whole, with why, to be listed, replayed and purged.

use annals_record::{Filter, Payload, Record, Timestamp, Uuid};

use crate::{Error, Query, Result, Store};

/// A row that its table refused.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "annals_dead_letters",
    key("id"),
    index("table_name", "parked_at desc"),
    index("batch_id")
)]
pub struct DeadLetter {
    /// Its own id.
    pub id: Uuid,
    /// The table that refused it, without schema or prefix.
    pub table_name: String,
    /// What the database, or the check before it, said.
    pub reason: String,
    /// The five-character SQLSTATE, or `SQLITE_<extended code>`.
    pub code: Option<String>,
    /// The column at fault, where it is known.
    pub column_name: Option<String>,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// How often it was tried.
    pub attempts: i32,
    /// The batch in which it was parked.
    pub batch_id: Uuid,
    /// Its position in that batch.
    pub batch_row: i32,
    /// The record, as [`Payload`] bytes: bytes, because text could not hold what made it refused.
    pub payload: Vec<u8>,
}

impl DeadLetter {
    /// The record as names and values.
    ///
    /// # Errors
    ///
    /// The payload is damaged, or newer than this program.
    pub fn content(&self) -> Result<Payload> {
        Payload::from_bytes(&self.payload).map_err(|source| Error::Payload {
            id: self.id,
            source,
        })
    }
}

/// The dead letters of a store.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetters<'a> {
    store: &'a Store,
}

impl<'a> DeadLetters<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store }
    }

    /// A query of dead letters, oldest first: filter, limit and page it as any other.
    pub fn list(&self) -> Query<'a, DeadLetter> {
        self.store.query().order(DeadLetter::PARKED_AT.asc())
    }

    /// One dead letter; `None` when there is none with this id.
    ///
    /// # Errors
    ///
    /// The database could not be asked.
    pub async fn get(&self, id: Uuid) -> Result<Option<DeadLetter>> {
        let page = self
            .store
            .query()
            .filter(DeadLetter::ID.eq(id))
            .limit(1)
            .fetch()
            .await?;
        Ok(page.rows.into_iter().next())
    }

    /// Deletes the dead letters that match, for good. Gives their number.
    ///
    /// # Errors
    ///
    /// The database could not be asked.
    pub async fn purge(&self, filter: Filter<DeadLetter>) -> Result<u64> {
        self.store.delete(filter).await
    }
}
