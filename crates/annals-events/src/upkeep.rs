//! Making true what came past this program, and finding what cannot be.

mod forget;
mod rebuild;
mod verify;

pub(crate) use forget::forget_ids;
pub(crate) use rebuild::rebuild_heads;
pub(crate) use verify::verify;

/// What was rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Streams whose head is another one now.
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
    /// Streams that were ever written.
    pub streams: i64,
    /// Messages whose id is not remembered, which is so when there is a window and it is over.
    pub forgotten_ids: i64,
    /// The place of the last message.
    pub global_position: i64,
    /// What cannot be, as sentences; a hundred at most.
    pub faults: Vec<String>,
}
