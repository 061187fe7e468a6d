//! Making true what came past this program, and finding what cannot be.

use std::time::Duration;

use annals_store::{Names, Store};

use crate::Result;

/// What was rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Streams whose head changed.
    pub streams: u64,
    /// Ids that were not known.
    pub ids: u64,
    /// The place of the last message.
    pub global_position: i64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Messages that are kept.
    pub messages: i64,
    /// Streams.
    pub streams: i64,
    /// What cannot be, as sentences; at most a hundred.
    pub faults: Vec<String>,
}

pub(crate) async fn forget_ids(store: &Store, names: &Names, window: Duration) -> Result<u64> {
    todo!()
}
pub(crate) async fn rebuild_heads(store: &Store, names: &Names) -> Result<Rebuilt> {
    todo!()
}
pub(crate) async fn verify(store: &Store, names: &Names) -> Result<Verified> {
    todo!()
}
