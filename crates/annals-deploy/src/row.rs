//! The tables, as records.

use annals_record::{Json, Record, Timestamp, TimestampMicros, Uuid};

use crate::StatusCode;

/// One span, as a row of `deployment_trace_span`.
///
/// The first 20 columns are those of the table that this one takes the place of, by name and type. The key is
/// (`trace_id`, `span_id`, `start_time` to the microsecond), since a hypertable's key contains its time.
///
/// A span may be written several times while it runs and once it has ended: the version with the larger
/// `revision` stays.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "deployment_trace_span",
    time = "start_time",
    key("trace_id", "span_id", "start_time"),
    on_conflict = "newer by revision",
    chunk = "7 days",
    segment_by = "workspace_id",
    order_by = "start_time desc",
    index("workspace_id", "start_time desc"),
    index("release_target_key", "start_time desc"),
    index("release_id", "start_time desc"),
    index("job_id", "start_time desc")
)]
pub struct DeploymentSpan {
    /// UUID of version 5 made of the key; see [`DeploymentSpan::id_of`].
    pub id: Uuid,
    /// The trace.
    pub trace_id: String,
    /// Id within the trace.
    pub span_id: String,
    /// The span above it. Of the topmost span of a linked trace the span in the other trace under which it hangs.
    pub parent_span_id: Option<String>,
    /// What it is called.
    pub name: String,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended; absent while it runs.
    pub end_time: Option<Timestamp>,
    /// Whose it is.
    #[record(merge = "same")]
    pub workspace_id: Uuid,
    /// What is deployed where: resource, environment and deployment, joined by dashes.
    pub release_target_key: Option<String>,
    /// The release.
    pub release_id: Option<String>,
    /// The job.
    pub job_id: Option<String>,
    /// The trace that this one continues; of every span of such a trace.
    #[record(merge = "same")]
    pub parent_trace_id: Option<String>,
    /// See [`Phase`](crate::Phase); others may come from elsewhere.
    pub phase: Option<String>,
    /// See [`NodeType`](crate::NodeType); others may come from elsewhere.
    pub node_type: Option<String>,
    /// See [`Status`](crate::Status); others may come from elsewhere.
    pub status: Option<String>,
    /// Levels above it in its own trace.
    pub depth: Option<i32>,
    /// Its place among the starts of its trace, from 0.
    pub sequence: Option<i32>,
    /// Every attribute, those that have a column included.
    pub attributes: Json,
    /// An array of objects with `name`, `timestamp` (RFC 3339 with nanoseconds) and `attributes`.
    pub events: Json,
    /// When its first version was stored.
    #[record(merge = "min")]
    pub created_at: TimestampMicros,

    /// The deployment.
    pub deployment_id: Option<String>,
    /// What set the reconciliation off; see [`Trigger`](crate::Trigger).
    pub trigger: Option<String>,
    /// Why it ended as it did.
    pub message: Option<String>,
    /// How it ended, in OpenTelemetry's words.
    pub status_code: StatusCode,
    /// Which version of the span this is; see [`Revision`](crate::intake::Revision).
    pub revision: i64,
}

/// Spans among UUIDs of version 5.
const SPAN_IDS: Uuid = Uuid::from_u128(0x3f0a_6c1d_2be7_4d88_9f1e_5ad0_7c3b_e001);

impl DeploymentSpan {
    /// The row id of a span: the same for each of its versions.
    #[must_use]
    pub fn id_of(trace_id: &str, span_id: &str, start_time: Timestamp) -> Uuid {
        let name = format!("{trace_id}\0{span_id}\0{}", start_time.unix_micros());
        Uuid::new_v5(&SPAN_IDS, name.as_bytes())
    }
}

/// One trace, as a row of `deployment_trace`: whose it is and where in time it lies, kept in the transaction of
/// its spans. An ordinary table, so that a trace is found by its id without a time, and so that a foreign key
/// can point from it to its workspace.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "deployment_trace",
    key("trace_id"),
    on_conflict = "update"
)]
pub struct DeploymentTrace {
    /// The trace.
    pub trace_id: String,
    /// Whose it is.
    pub workspace_id: Uuid,
    /// The trace that it continues.
    pub parent_trace_id: Option<String>,
    /// When its earliest span began.
    pub start_time: TimestampMicros,
    /// When its latest span began, to find its spans by.
    pub last_start_time: TimestampMicros,
}

/// Whose traces are together, as a row of `workspace`.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "workspace",
    key("id"),
    on_conflict = "ignore"
)]
pub struct Workspace {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: TimestampMicros,
}
