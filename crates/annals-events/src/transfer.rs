//! Messages with their places, ids and times, out of one namespace and into another.

use annals_record::{Json, TimestampMicros};
use annals_store::{Names, Store};
use uuid::Uuid;

use crate::{Place, Result};

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

pub(crate) async fn import(store: &Store, names: &Names, records: Vec<Record>) -> Result<()> {
    todo!()
}
pub(crate) async fn clear(store: &Store, names: &Names) -> Result<()> {
    todo!()
}
