//! What becomes of spans as they age.
//!
//! Spans are kept until a policy says otherwise, and compressed when they are a week old where the server can. The
//! directory `traces` follows them: when spans are gone by age, so are the rows of traces that ended with them,
//! and [`get_trace`](crate::SpanStore::get_trace) says that there is no such trace. A trace that reaches into
//! what is kept has its row still, with the counts, times and status of all that was stored.
//!
//! When the spans of one service are deleted, so are the rows of traces that had no others.
//!
//! Points of metrics age in the same way. A row of `metrics` goes when its points are gone and nobody has sent any for two days.

use annals_store::{AgingTable, Interval, Names};

use crate::{LogRecord, MetricDataPoint, Span, directory::Forget, metrics};

/// Days after which spans are compressed unless a policy says otherwise: those that arrive late have come by
/// then, and what is asked for most is read as rows.
const COMPRESSED_AFTER: u16 = 7;

/// The tables of this crate that age.
#[must_use]
pub fn tables(names: &Names) -> Vec<AgingTable> {
    vec![spans(names), metric_points(names), logs(names)]
}

pub(crate) fn spans(names: &Names) -> AgingTable {
    AgingTable::of::<Span>(names)
        // Compressed spans are in no segments, so that those of a trace are together.
        .owned_by("service_name")
        .compressed_after(Some(Interval::days(COMPRESSED_AFTER)))
        .with_derived(Forget)
}

pub(crate) fn logs(names: &Names) -> AgingTable {
    AgingTable::of::<LogRecord>(names)
        .owned_by("service_name")
        .compressed_after(Some(Interval::days(COMPRESSED_AFTER)))
}

pub(crate) fn metric_points(names: &Names) -> AgingTable {
    AgingTable::of::<MetricDataPoint>(names)
        .compressed_after(Some(Interval::days(COMPRESSED_AFTER)))
        .with_derived(metrics::forget::Forget)
}
