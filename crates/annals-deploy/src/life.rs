//! What becomes of deployment traces as they age.
//!
//! Spans are kept until a policy says otherwise, of the whole table or of one workspace, and compressed when they are a
//! week old where the server can. Rows of the directory go with the last spans of their trace.

use annals_store::{AgingTable, Interval, Names};

use crate::DeploymentSpan;

/// Days after which spans are compressed unless a policy says otherwise.
const COMPRESSED_AFTER: u16 = 7;

/// The tables of this crate that age.
#[must_use]
pub fn tables(names: &Names) -> Vec<AgingTable> {
    vec![spans(names)]
}

pub(crate) fn spans(names: &Names) -> AgingTable {
    AgingTable::of::<DeploymentSpan>(names).compressed_after(Some(Interval::days(COMPRESSED_AFTER)))
}
