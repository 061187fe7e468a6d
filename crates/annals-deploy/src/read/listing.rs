//! Lists of spans, newest first, page by page.
//!
//! Each statement is served by one index in the order of the list: equal columns first, then `start_time`. What breaks
//! ties between spans of one microsecond is sorted a few rows at a time on the way, and reading stops with the page.

use annals_record::{TextEnum as _, Value};
use annals_store::Store;

use super::{
    Asked, Page, SpanFilter, TraceFilter,
    cursor::{self, Place},
    window::{self, QUARTER, WEEK, Window},
};
use crate::{DeploymentSpan, Result, Status, WorkspaceId};

/// The columns of a span, in the order of [`DeploymentSpan`].
macro_rules! span_columns {
    () => {
        "id, trace_id, span_id, parent_span_id, name, start_time, start_time_nanos, end_time, end_time_nanos, \
         workspace_id, release_target_key, release_id, job_id, parent_trace_id, phase, node_type, status, depth, sequence, \
         attributes, events, created_at, deployment_id, trigger, message, status_code, revision"
    };
}
pub(super) use span_columns;

/// The statements of a listing. `$1` is the workspace, `$2` and `$3` are the window, `$4` is the number of rows; then come
/// what the listing is narrowed to, and the place of the last row.
#[derive(Clone, Copy)]
struct Listing {
    question: &'static str,
    first: &'static str,
    next: &'static str,
    /// Whether any plan is good: a question by a key of few rows, of 90 days with many chunks to plan for. Kept for a
    /// week of a workspace, a plan for any values reads and sorts all of it for its first hundred rows (15 to 50 ms
    /// instead of 0.3, at a million spans).
    keeps_plan: bool,
}

macro_rules! listing {
    ($question:literal, $plan:ident, $of:expr, $places:tt) => {
        Listing {
            question: $question,
            first: listing!(@statement "", "{deployment_trace_span}", $of, ""),
            next: listing!(@statement "", "{deployment_trace_span}", $of, listing!(@behind $places)),
            keeps_plan: listing!(@$plan),
        }
    };
    // Of few rows that a key finds, whatever index a plan for any values would rather take for the rest.
    ($question:literal, by $key:literal, $of:expr, $places:tt) => {
        Listing {
            question: $question,
            first: listing!(@statement listing!(@found $key), "found", $of, ""),
            next: listing!(@statement listing!(@found $key), "found", $of, listing!(@behind $places)),
            keeps_plan: true,
        }
    };
    (@found $key:literal) => {
        concat!(
            "WITH found AS MATERIALIZED (SELECT ", span_columns!(), " FROM {deployment_trace_span} WHERE ", $key,
            " AND workspace_id = $1 AND start_time >= $2 AND start_time < $3) "
        )
    };
    (@behind [$time:literal, $nanos:literal, $trace:literal, $span:literal]) => {
        concat!(
            // Said once more alone, so that chunks are excluded by it.
            " AND start_time <= ", $time,
            " AND (start_time, start_time_nanos, trace_id, span_id) < (",
            $time, ", ", $nanos, ", ", $trace, ", ", $span, ")"
        )
    };
    (@statement $found:expr, $from:expr, $of:expr, $behind:expr) => {
        concat!(
            $found, "SELECT ", span_columns!(), " FROM ", $from, " WHERE ", $of,
            " AND workspace_id = $1 AND start_time >= $2 AND start_time < $3", $behind,
            " ORDER BY start_time DESC, start_time_nanos DESC, trace_id DESC, span_id DESC LIMIT $4"
        )
    };
    (@kept) => { true };
    (@anew) => { false };
}

const OF_RELEASE: Listing = listing!(
    "of_release",
    kept,
    "release_id = $5",
    ["$6", "$7", "$8", "$9"]
);
const OF_TARGET: Listing = listing!(
    "of_release_target",
    kept,
    "release_target_key = $5",
    ["$6", "$7", "$8", "$9"]
);
const OF_JOB: Listing = listing!("of_job", kept, "job_id = $5", ["$6", "$7", "$8", "$9"]);
const ROOTS: Listing = listing!(
    "roots",
    anew,
    "parent_span_id IS NULL",
    ["$5", "$6", "$7", "$8"]
);

// What is absent is no condition: planned for the values at hand, it is gone from the plan. A text contains another if it
// is not the same without it, which is the one way that both dialects have.
macro_rules! spans {
    ($question:literal, $by:expr) => {
        listing!(
            $question,
            anew,
            concat!(
                $by,
                " AND (CAST($5 AS text) IS NULL OR phase = $5) AND (CAST($6 AS text) IS NULL OR status = $6) \
                 AND (CAST($7 AS text) IS NULL OR node_type = $7) AND (CAST($8 AS text) IS NULL OR deployment_id = $8) \
                 AND (CAST($9 AS text) IS NULL OR replace(name, $9, '') <> name)"
            ),
            ["$10", "$11", "$12", "$13"]
        )
    };
}

const SPANS: Listing = spans!("spans", "TRUE");

/// Those that have not ended well, which are few and have an index of their own. Its condition is said, since
/// neither dialect finds it by a parameter.
const SPANS_OF_STATUS: Listing = spans!("spans of status", "status = $6 AND status <> 'completed'");

/// Traces by the first of these that is asked for, so that SQLite too takes its index.
macro_rules! traces {
    ($question:literal, $($plan:tt)+) => { traces!(@split $question, $($plan)+) };
    (@split $question:literal, by $key:literal) => { traces!(@of $question, [by $key], "TRUE") };
    (@split $question:literal, $by:expr) => { traces!(@of $question, [anew], $by) };
    (@of $question:literal, [$($plan:tt)+], $by:expr) => {
        listing!(
            $question,
            $($plan)+,
            concat!(
                "parent_span_id IS NULL AND ", $by,
                " AND (CAST($5 AS text) IS NULL OR job_id = $5) AND (CAST($6 AS text) IS NULL OR release_id = $6) \
                 AND (CAST($7 AS text) IS NULL OR release_target_key = $7) \
                 AND (CAST($8 AS text) IS NULL OR deployment_id = $8) \
                 AND (CAST($9 AS text) IS NULL OR trigger = $9) AND (CAST($10 AS text) IS NULL OR status = $10)"
            ),
            ["$11", "$12", "$13", "$14"]
        )
    };
}

const TRACES_OF_JOB: Listing = traces!("traces of job", by "job_id = $5");
const TRACES_OF_RELEASE: Listing = traces!("traces of release", by "release_id = $6");
const TRACES_OF_TARGET: Listing = traces!("traces of target", "release_target_key = $7");
const TRACES_OF_DEPLOYMENT: Listing = traces!("traces of deployment", "deployment_id = $8");
const TRACES_OF_STATUS: Listing =
    traces!("traces of status", "status = $10 AND status <> 'completed'");
const TRACES: Listing = traces!("traces", "TRUE");

pub(super) async fn of_release(
    store: &Store,
    workspace: WorkspaceId,
    release_id: &str,
    asked: &Asked,
) -> Result<Page<DeploymentSpan>> {
    let narrowed = vec![text(release_id)];
    page(store, workspace, OF_RELEASE, narrowed, asked, QUARTER).await
}

pub(super) async fn of_release_target(
    store: &Store,
    workspace: WorkspaceId,
    key: &str,
    asked: &Asked,
) -> Result<Page<DeploymentSpan>> {
    let narrowed = vec![text(key)];
    page(store, workspace, OF_TARGET, narrowed, asked, WEEK).await
}

pub(super) async fn of_job(
    store: &Store,
    workspace: WorkspaceId,
    job_id: &str,
    asked: &Asked,
) -> Result<Page<DeploymentSpan>> {
    let narrowed = vec![text(job_id)];
    page(store, workspace, OF_JOB, narrowed, asked, QUARTER).await
}

pub(super) async fn roots(
    store: &Store,
    workspace: WorkspaceId,
    asked: &Asked,
) -> Result<Page<DeploymentSpan>> {
    page(store, workspace, ROOTS, Vec::new(), asked, WEEK).await
}

pub(super) async fn spans(
    store: &Store,
    workspace: WorkspaceId,
    filter: SpanFilter,
    asked: &Asked,
) -> Result<Page<DeploymentSpan>> {
    let listing = if is_rare(filter.status.as_deref()) {
        SPANS_OF_STATUS
    } else {
        SPANS
    };
    // Every name contains nothing.
    let name = filter.name.filter(|name| !name.is_empty());
    let narrowed = [
        filter.phase,
        filter.status,
        filter.node_type,
        filter.deployment_id,
        name,
    ];
    let narrowed = narrowed.map(optional).into();
    page(store, workspace, listing, narrowed, asked, WEEK).await
}

/// Whether a status is one that few have.
fn is_rare(status: Option<&str>) -> bool {
    status.is_some_and(|status| status != Status::Completed.as_text())
}

pub(super) async fn traces(
    store: &Store,
    workspace: WorkspaceId,
    filter: TraceFilter,
    asked: &Asked,
) -> Result<Page<DeploymentSpan>> {
    let (listing, usual) = if filter.job_id.is_some() {
        (TRACES_OF_JOB, QUARTER)
    } else if filter.release_id.is_some() {
        (TRACES_OF_RELEASE, QUARTER)
    } else if filter.release_target_key.is_some() {
        (TRACES_OF_TARGET, WEEK)
    } else if filter.deployment_id.is_some() {
        (TRACES_OF_DEPLOYMENT, WEEK)
    } else if is_rare(filter.status.as_deref()) {
        (TRACES_OF_STATUS, WEEK)
    } else {
        (TRACES, WEEK)
    };
    let narrowed = [
        filter.job_id,
        filter.release_id,
        filter.release_target_key,
        filter.deployment_id,
        filter.trigger,
        filter.status,
    ];
    let narrowed = narrowed.map(optional).into();
    page(store, workspace, listing, narrowed, asked, usual).await
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(super) fn optional(text: Option<String>) -> Value {
    text.map_or(Value::Null(annals_record::ColumnType::Text), Value::Text)
}

async fn page(
    store: &Store,
    workspace: WorkspaceId,
    listing: Listing,
    narrowed: Vec<Value>,
    asked: &Asked,
    usual: std::time::Duration,
) -> Result<Page<DeploymentSpan>> {
    let fingerprint = cursor::fingerprint(listing.question, workspace, &narrowed);
    let (window, place) = match &asked.after {
        Some(text) => {
            let (window, place) = cursor::read(text, fingerprint)?;
            (window, Some(place))
        }
        None => (Window::of(asked, usual)?, None),
    };
    let limit = window::limit(asked);
    let [since, until] = window.values();
    let mut values = vec![
        Value::Uuid(workspace.uuid()),
        since,
        until,
        more_than(limit),
    ];
    values.extend(narrowed);
    let sql = match place {
        Some(place) => {
            values.extend(place.values());
            listing.next
        }
        None => listing.first,
    };
    let sql = store.names().statement(sql);
    let rows: Vec<DeploymentSpan> = if listing.keeps_plan {
        store.fetch(sql, values).await?
    } else {
        store.fetch_planned(sql, values).await?
    };
    Ok(cut(rows, limit, fingerprint, window, |span| Place {
        start_time: span.start_time,
        trace_id: span.trace_id.clone(),
        span_id: span.span_id.clone(),
    }))
}

/// One row more than asked for tells whether there is another page.
pub(super) fn more_than(limit: usize) -> Value {
    Value::Int8(i64::try_from(limit + 1).unwrap_or(i64::MAX))
}

/// The page that was asked for, and the cursor of the next one if there were more rows.
pub(super) fn cut<T>(
    mut rows: Vec<T>,
    limit: usize,
    fingerprint: u64,
    window: Window,
    place: impl Fn(&T) -> Place,
) -> Page<T> {
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| is_more);
    Page {
        next: last.map(|row| cursor::written(fingerprint, window, place(row))),
        rows,
        since: window.since.into(),
        until: window.until.into(),
    }
}

#[cfg(test)]
mod tests {
    use annals_record::Record as _;

    use super::*;

    #[test]
    fn the_columns_that_are_read_are_those_of_a_span_in_their_order() {
        let columns = DeploymentSpan::DESCRIPTOR.columns;
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let read: Vec<&str> = span_columns!().split(", ").map(str::trim).collect();
        assert_eq!(read, names);
    }
}
