//! Spans of several workspaces that share every key, and what a listing of them must give.

use std::future::Future;

use annals_deploy::{Asked, DeploymentSpan, Deployments, Page, Result};
use annals_record::{Timestamp, TimestampMicros};

use crate::support::{id, row};

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// The span, begun at a time.
pub(crate) fn began(mut row: DeploymentSpan, start: Timestamp) -> DeploymentSpan {
    row.start_time = start;
    row.id = DeploymentSpan::id_of(&row.trace_id, &row.span_id, start);
    row.created_at = TimestampMicros::floor(start);
    row
}

/// So many nanoseconds before a time.
pub(crate) fn before(time: Timestamp, nanos: i64) -> Timestamp {
    Timestamp::from_unix_nanos(time.unix_nanos() - nanos)
}

/// Numbers that look like chance and are the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64 (source: Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(crate) fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    /// One of these, or none.
    pub(crate) fn perhaps(&mut self, of: &[&str]) -> Option<String> {
        let at = self.below(of.len() as u64 + 1) as usize;
        of.get(at).map(|text| (*text).to_owned())
    }
}

/// Spans of three workspaces in the 100 days before `now`, dense where they are new, many of them begun at once.
pub(crate) fn drawn(now: Timestamp, count: u64) -> Vec<DeploymentSpan> {
    let mut chance = Chance(7);
    let spans = (0..count).map(|n| {
        let workspace = 1 + chance.below(3) as i64;
        let trace = format!("trace-{workspace}-{}", chance.below(count / 8));
        let mut span = row(workspace, &trace, &format!("s{n:04}"), 0);
        let ago = match chance.below(4) {
            0 => chance.below(100) as i64 * DAY,
            1 => chance.below(8 * 24) as i64 * 3_600 * SECOND,
            _ => chance.below(20) as i64 * 3_600 * SECOND,
        };
        // Two in three share their microsecond with others, and half of these their nanosecond.
        let apart = [0, 1, 2 * 1_000_000 + n as i64 * 1_000][chance.below(3) as usize];
        span = began(span, before(now, SECOND + ago + apart));
        span.name = format!(
            "{} {n}",
            chance.one(&["Deploy api", "deploy_API", "50% of %"])
        );
        if chance.below(3) > 0 {
            span.parent_span_id = Some(format!("s{:04}", chance.below(count)));
        }
        span.release_target_key = chance.perhaps(&["r1-e1-d1", "r1-e1-d2", "r2-e1-d1"]);
        span.release_id = chance.perhaps(&["rel-1", "rel-2"]);
        span.job_id = chance.perhaps(&["job-1", "job-2", "job-3"]);
        span.deployment_id = chance.perhaps(&["d1", "d2"]);
        span.trigger = chance.perhaps(&["scheduled", "policy.updated"]);
        span.phase = chance.perhaps(&["planning", "eligibility"]);
        span.node_type = chance.perhaps(&["phase", "evaluation", "decision", "decision"]);
        span.status = chance.perhaps(&["completed", "failed", "failed", "running"]);
        span.sequence = Some(n as i32);
        span
    });
    spans.collect()
}

/// The spans of a workspace in a page's window, newest first, as every listing has them.
pub(crate) fn listed<T>(
    spans: &[DeploymentSpan],
    workspace: i64,
    window: &Page<T>,
    is_asked_for: impl Fn(&DeploymentSpan) -> bool,
) -> Vec<DeploymentSpan> {
    let mut found: Vec<DeploymentSpan> = spans
        .iter()
        .filter(|span| {
            let start = span.start_time;
            span.workspace_id == id(workspace).uuid()
                && start >= window.since
                && start < window.until
                && is_asked_for(span)
        })
        .cloned()
        .collect();
    found.sort_by(|a, b| {
        let key =
            |span: &DeploymentSpan| (span.start_time, span.trace_id.clone(), span.span_id.clone());
        key(b).cmp(&key(a))
    });
    found
}

/// Turns all pages of a listing, of `limit` rows each, and does something after each of them.
pub(crate) async fn paged<T, F, M>(
    asked: Asked,
    limit: u32,
    list: impl Fn(Asked) -> F,
    mut meanwhile: impl FnMut() -> M,
) -> Vec<T>
where
    F: Future<Output = Result<Page<T>>>,
    M: Future<Output = ()>,
{
    let mut rows = Vec::new();
    let mut next = Asked {
        limit: Some(limit),
        ..asked
    };
    let mut window = None;
    loop {
        let page = list(next).await.unwrap();
        assert_eq!(
            *window.get_or_insert((page.since, page.until)),
            (page.since, page.until),
            "every page is of the first one's window"
        );
        assert!(page.rows.len() <= limit as usize);
        assert!(page.next.is_none() || page.rows.len() == limit as usize);
        rows.extend(page.rows);
        meanwhile().await;
        next = match page.next {
            Some(cursor) => Asked {
                limit: Some(limit),
                after: Some(cursor),
                ..Asked::default()
            },
            None => return rows,
        };
    }
}

pub(crate) async fn written(deployments: &Deployments, spans: &[DeploymentSpan]) {
    deployments.write(spans.to_vec()).await.unwrap();
}
