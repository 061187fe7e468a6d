//! Asking, and what it took.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use annals_telemetry::Spans;
use fastrand::Rng;

use super::{
    plan::Plan,
    questions::{Ask, Goal, Question},
};
use crate::report::median;

/// Parameters that each question is asked about, each twice, of which the second counts.
const PARAMETERS: usize = 200;

/// Fewer when they take longer than this, but not fewer than some.
const ENOUGH: Duration = Duration::from_secs(20);
const FEWEST: usize = 20;

/// Askings before any counts: each connection of the pool prepares a statement, and looks at some values before it keeps
/// a plan.
const WARM_UP: usize = 60;
const WARM_ENOUGH: Duration = Duration::from_secs(5);

/// What a question took.
#[derive(Clone, Debug)]
pub(super) struct Timed {
    pub(super) name: &'static str,
    pub(super) goal: Goal,
    /// Milliseconds.
    pub(super) median: f64,
    pub(super) p99: f64,
    pub(super) rows: f64,
    pub(super) askings: usize,
}

/// Asks.
pub(super) async fn time(spans: &Arc<Spans>, plan: Plan, questions: Vec<Question>) -> Vec<Timed> {
    let mut times = Vec::new();
    for question in questions {
        let timed = question.time(spans, plan).await;
        if let Some(timed) = timed {
            eprintln!(
                "{}: {:.2} ms, 99 of 100 below {:.2} ms, {} rows",
                timed.name, timed.median, timed.p99, timed.rows
            );
            times.push(timed);
        }
    }
    times
}

impl Question {
    /// `None` when there was nothing to ask about, as in a small try.
    async fn time(&self, spans: &Arc<Spans>, plan: Plan) -> Option<Timed> {
        let began = Instant::now();
        for number in 0..WARM_UP {
            self.ask(spans, plan, !(number as u64)).await;
            if began.elapsed() > WARM_ENOUGH {
                break;
            }
        }
        let (mut millis, mut rows) = (Vec::new(), Vec::new());
        let began = Instant::now();
        for number in 0..PARAMETERS {
            self.ask(spans, plan, number as u64).await;
            let (took, found) = self.ask(spans, plan, number as u64).await.unzip();
            millis.extend(took.map(|took: Duration| took.as_secs_f64() * 1e3));
            rows.extend(found.map(|found: usize| found as f64));
            if millis.len() >= FEWEST && began.elapsed() > ENOUGH {
                break;
            }
        }
        millis.sort_by(f64::total_cmp);
        Some(Timed {
            name: self.name,
            goal: self.goal,
            median: (!millis.is_empty()).then(|| median(&millis))?,
            p99: millis[(millis.len() * 99).div_ceil(100) - 1],
            rows: median(&rows),
            askings: millis.len(),
        })
    }

    /// Asks once: what it took and how many rows came; nothing when there is no second page.
    async fn ask(&self, spans: &Arc<Spans>, plan: Plan, seed: u64) -> Option<(Duration, usize)> {
        let mut rng = Rng::with_seed(seed);
        match &self.ask {
            Ask::Search { of, second } => {
                let mut search = of(&plan, &mut rng);
                if *second {
                    let first = spans.search(search.clone()).await.expect("a page");
                    search.after = Some(first.next?);
                }
                let began = Instant::now();
                let page = spans.search(search).await.expect("a page");
                Some((began.elapsed(), page.traces.len()))
            }
            Ask::Other(ask) => {
                let asked = ask(Arc::clone(spans), plan, rng);
                let began = Instant::now();
                let rows = asked.await;
                Some((began.elapsed(), rows))
            }
        }
    }
}
