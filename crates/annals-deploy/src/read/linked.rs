//! A trace with those that it continues and those that continue it, within one workspace.

use std::collections::{HashMap, HashSet};

use annals_record::{Record, TimestampMicros, Value};
use annals_store::Store;

use super::trace::{between, not_found, within};
use crate::{DeploymentSpan, Result, Tree, WorkspaceId};

/// Traces of a tree at most.
const MOST_TRACES: usize = 1_000;

/// Spans of a tree at most.
const MOST_SPANS: usize = 100_000;

/// Traces whose spans are read by one statement; few sizes, so that few statements are prepared.
const TOGETHER: usize = 100;

/// A trace and the one that it continues. Where in time it lies is known to the directory only.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "linked")]
struct Link {
    trace_id: String,
    parent_trace_id: Option<String>,
    start_time: Option<TimestampMicros>,
    last_start_time: Option<TimestampMicros>,
}

/// Who says which traces are linked: the directory, or the spans themselves when a trace came past it, by psql. One
/// tree is told by one of them.
#[derive(Clone, Copy)]
struct Teller {
    up: &'static str,
    down: &'static str,
}

const DIRECTORY: Teller = Teller {
    up: include_str!("linked/up.sql"),
    down: include_str!("linked/down.sql"),
};

const SPANS: Teller = Teller {
    up: include_str!("linked/up_by_spans.sql"),
    down: include_str!("linked/down_by_spans.sql"),
};

pub(super) async fn tree(store: &Store, workspace: WorkspaceId, trace_id: &str) -> Result<Tree> {
    let mut teller = DIRECTORY;
    let mut above = links(store, workspace, teller.up, trace_id).await?;
    if above.is_empty() {
        teller = SPANS;
        above = links(store, workspace, teller.up, trace_id).await?;
    }
    if above.is_empty() {
        return Err(not_found(workspace, trace_id));
    }
    let mut is_cut = above.len() > MOST_TRACES;
    let chain = climbed(trace_id, above);
    let top = chain.last().map(|link| link.trace_id.clone());
    // What is nearest to the trace that was asked for comes first, and is what stays when there is too much.
    let mut traces = Gathered::default();
    traces.take(chain);
    traces.take(links(store, workspace, teller.down, trace_id).await?);
    if let Some(top) = top.filter(|top| top != trace_id) {
        traces.take(links(store, workspace, teller.down, &top).await?);
    }
    is_cut |= traces.is_cut;

    // The trace itself, which is the first, alone: it is not cut for what others have.
    let (itself, others) = traces.links.split_at(traces.links.len().min(1));
    let mut spans = Vec::new();
    for group in std::iter::once(itself).chain(others.chunks(TOGETHER)) {
        let left = MOST_SPANS - spans.len();
        if left == 0 {
            is_cut = true;
            break;
        }
        let query = store
            .query::<DeploymentSpan>()
            .filter(spans_of(workspace, group))
            .order(DeploymentSpan::START_TIME.asc());
        let page = query.limit(left as u64).fetch().await?;
        spans.extend(page.rows);
        if page.next.is_some() {
            is_cut = true;
            break;
        }
    }
    if spans.is_empty() {
        return Err(not_found(workspace, trace_id));
    }
    let mut tree = Tree::of(spans);
    tree.is_cut = is_cut;
    Ok(tree)
}

async fn links(
    store: &Store,
    workspace: WorkspaceId,
    sql: &'static str,
    trace_id: &str,
) -> Result<Vec<Link>> {
    let values = vec![
        Value::Text(trace_id.to_owned()),
        Value::Uuid(workspace.uuid()),
        Value::Int8(MOST_TRACES as i64 + 1),
    ];
    Ok(store.fetch(store.names().statement(sql), values).await?)
}

/// From a trace to the topmost one above it; to where a circle would close.
fn climbed(trace_id: &str, above: Vec<Link>) -> Vec<Link> {
    let mut known: HashMap<String, Link> = HashMap::new();
    for link in above {
        match known.get(&link.trace_id) {
            // Spans of one trace may differ, and what one knows is more than nothing.
            Some(other) if other.parent_trace_id.is_some() => {}
            _ => {
                known.insert(link.trace_id.clone(), link);
            }
        }
    }
    let mut chain: Vec<Link> = Vec::new();
    let mut next = known.remove(trace_id);
    while let Some(link) = next {
        next = link
            .parent_trace_id
            .as_ref()
            .and_then(|parent| known.remove(parent));
        chain.push(link);
    }
    chain
}

/// Traces, each once, and no more than there may be.
#[derive(Default)]
struct Gathered {
    links: Vec<Link>,
    known: HashSet<String>,
    is_cut: bool,
}

impl Gathered {
    fn take(&mut self, links: Vec<Link>) {
        for link in links {
            if self.known.contains(&link.trace_id) {
                continue;
            }
            if self.links.len() == MOST_TRACES {
                self.is_cut = true;
                return;
            }
            self.known.insert(link.trace_id.clone());
            self.links.push(link);
        }
    }
}

fn spans_of(workspace: WorkspaceId, group: &[Link]) -> annals_record::Filter<DeploymentSpan> {
    let mut ids: Vec<&str> = group.iter().map(|link| link.trace_id.as_str()).collect();
    let size = match ids.len() {
        ..=1 => 1,
        2..=10 => 10,
        _ => TOGETHER,
    };
    ids.resize(size, ids.first().copied().unwrap_or_default());
    let filter = within(workspace).and(DeploymentSpan::TRACE_ID.is_in(ids));
    let from: Option<Vec<_>> = group.iter().map(|link| link.start_time).collect();
    let to: Option<Vec<_>> = group.iter().map(|link| link.last_start_time).collect();
    match (
        from.and_then(|starts| starts.into_iter().min()),
        to.and_then(|starts| starts.into_iter().max()),
    ) {
        (Some(from), Some(to)) => filter.and(between(from, to)),
        _ => filter,
    }
}
