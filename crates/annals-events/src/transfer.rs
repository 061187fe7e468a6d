//! Messages with their places, ids and times, into a namespace.
//!
//! Places keep their gaps: an import may hold some categories of what was exported.

mod postgres;
mod sqlite;

use std::collections::HashSet;

use annals_record::{Json, TimestampMicros};
use annals_store::{Access, Names, Store};
use uuid::Uuid;

use crate::{
    Error, Place, Result,
    message::{check_content, check_text},
};

/// A message with everything that it had where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its id.
    pub id: Uuid,
    /// Its stream.
    pub stream: String,
    /// What happened.
    pub kind: String,
    /// Where it stands.
    pub place: Place,
    /// What is told of it.
    pub data: Json,
    /// What is told about the message itself.
    pub metadata: Option<Json>,
    /// When it was written.
    pub time: TimestampMicros,
}

impl Record {
    fn check(&self) -> Result<()> {
        check_text("the stream name", &self.stream)?;
        check_content(&self.kind, &self.data, self.metadata.as_ref())?;
        let Place {
            position,
            global_position,
        } = self.place;
        if position < 0 || global_position < 1 {
            return Err(Error::Invalid {
                field: "the place",
                problem: "must be a position from 0 and a global position from 1",
            });
        }
        Ok(())
    }
}

/// Takes records, all or nothing.
pub(crate) async fn import(store: &Store, names: &Names, records: Vec<Record>) -> Result<()> {
    let mut places = HashSet::new();
    let mut positions = HashSet::new();
    let mut ids = HashSet::new();
    for record in &records {
        record.check()?;
        let Place {
            position,
            global_position,
        } = record.place;
        let twice = |what| Err(Error::PlaceTaken { what });
        if !places.insert(global_position) {
            return twice(format!("global position {global_position}"));
        }
        if !positions.insert((&record.stream, position)) {
            return twice(format!("position {position} of stream {}", record.stream));
        }
        if !ids.insert(record.id) {
            return twice(format!("message id {}", record.id));
        }
    }
    if records.is_empty() {
        return Ok(());
    }
    let import = Import {
        names: names.clone(),
        records,
    };
    store.run(Access::Write, import).await
}

/// Deletes every message of a namespace.
pub(crate) async fn clear(store: &Store, names: &Names) -> Result<()> {
    store.run(Access::Write, Clear(names.clone())).await
}

struct Import {
    names: Names,
    records: Vec<Record>,
}

struct Clear(Names);
