//! The table `traces`: one row for each trace, kept in the transaction of its spans.

mod forget;
mod summary;
mod upsert;

use annals_record::{Filter, Json, Record, TextEnum, Timestamp, TimestampMicros, Uuid};
use annals_store::Store;

pub(crate) use forget::Forget;
pub(crate) use upsert::Directory;

use crate::{Error, Result, Span};

/// A trace as its row in `traces` tells it.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "traces",
    key("id"),
    on_conflict = "update",
    index("trace_id"),
    index("start_time desc"),
    index("service_name", "start_time desc"),
    index("status", "start_time desc"),
    index("duration_us")
)]
pub struct Trace {
    /// UUID of version 5 made of the trace id; see [`Trace::id_of`].
    pub id: Uuid,
    /// The trace's id, as its spans have it.
    pub trace_id: String,
    /// Service of the root span; of the earliest span while there is no root.
    pub service_name: String,
    /// When the earliest span began.
    pub start_time: Timestamp,
    /// When the latest span ended.
    pub end_time: Option<Timestamp>,
    /// From the earliest start to the latest end, in microseconds.
    pub duration_us: Option<i64>,
    /// The worst status of any span.
    pub status: TraceStatus,
    /// The message of a span that failed.
    pub status_message: Option<String>,
    /// What the root span did; absent while there is no root.
    pub root_span_name: Option<String>,
    /// Attributes of the trace.
    pub attributes: Json,
    /// Attributes of the resource.
    pub resource_attributes: Json,
    /// Spans stored.
    pub span_count: i32,
    /// When the first span was stored.
    pub created_at: TimestampMicros,
    /// When the last span was stored.
    pub updated_at: TimestampMicros,
    /// Whom it was done for; where spans disagree, the first in the order of texts.
    pub user_id: Option<String>,
    /// The conversation that it is part of; where spans disagree, the first in the order of texts.
    pub conversation_id: Option<String>,
    /// Spans that failed.
    pub error_count: i32,
    /// Calls of models: spans that say which model was asked for tokens, agents and chains around them left out.
    pub model_calls: i32,
    /// Those of them whose cost nobody knows.
    pub unpriced_calls: i32,
    /// Tokens that its calls of models read.
    pub input_tokens: i64,
    /// Tokens that its calls of models wrote.
    pub output_tokens: i64,
    /// What its calls of models cost, in US dollars, as far as it is known; absent when of none it is.
    pub cost: Option<f64>,
}

/// The worst status of a trace's spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum TraceStatus {
    /// No span says.
    #[default]
    Unset,
    /// Some say that they went well, none that it failed.
    Ok,
    /// One failed.
    Error,
}

/// The namespace of trace ids among UUIDs of version 5.
const TRACE_IDS: Uuid = Uuid::from_u128(0x6f1c_8f0e_54b1_4f5a_9d3b_7a21_c0de_a11a);

impl Trace {
    /// The row id of a trace: whoever knows the trace id knows it, so nothing has to be looked up.
    #[must_use]
    pub fn id_of(trace_id: &str) -> Uuid {
        Uuid::new_v5(&TRACE_IDS, trace_id.as_bytes())
    }
}

/// Reads one trace's row.
pub(crate) async fn find(store: &Store, trace_id: &str) -> Result<Option<Trace>> {
    let page = store
        .query::<Trace>()
        .filter(Trace::ID.eq(Trace::id_of(trace_id)))
        .limit(1)
        .fetch()
        .await?;
    Ok(page.rows.into_iter().next())
}

/// The condition that finds a trace's spans: with the directory's range, so that other chunks are
/// not touched; without it for spans that came past the directory, by psql.
pub(crate) async fn spans_of(store: &Store, trace_id: &str) -> Result<Filter<Span>> {
    let by_id = Span::TRACE_ID.eq(trace_id);
    Ok(match find(store, trace_id).await? {
        Some(trace) => by_id
            .and(Span::START_TIME.at_least(trace.start_time))
            .and(Span::START_TIME.at_most(trace.end_time.unwrap_or(Timestamp::MAX))),
        None => by_id,
    })
}

/// The error for a trace of which nothing is stored.
pub(crate) fn not_found(trace_id: &str) -> Error {
    Error::TraceNotFound {
        trace_id: trace_id.to_owned(),
    }
}
