//! Reads: each of many parameters, of both in turns.

use std::time::{Duration, Instant};

use annals_deploy::Deployments;
use annals_record::Timestamp;
use fastrand::Rng;
use sqlx::PgConnection;

use super::{
    plan::Plan,
    question::{PAGE, Parameter, QUESTIONS, Question},
};
use crate::report::{median, thousands};

/// Parameters of one read.
const PARAMETERS: usize = 20;

/// Fewer when they take longer than this, of one way.
const ENOUGH: Duration = Duration::from_secs(4);
const FEWEST: usize = 5;

/// Asks of ours before any counts, unless they take as long as is enough: each connection of its pool prepares a
/// statement, and looks at some values before it keeps a plan.
const WARM_UP: usize = 60;

/// Where the page in the middle of a long list begins: page 50.
const DEEP: usize = 5_000;

/// The largest page that ours gives.
const LARGEST: usize = 1_000;

/// A question about many parameters.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) question: Question,
    /// In the large workspace.
    pub(super) large: bool,
    /// Rows before the page.
    pub(super) offset: usize,
    parameters: Vec<Parameter>,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed {
    /// Milliseconds, as the median.
    pub(super) millis: f64,
    /// Rows, as the median.
    pub(super) rows: f64,
}

/// What an asking took of each way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) peer: Option<Timed>,
    /// With the window that it has when nobody says another.
    pub(super) by_default: Option<Timed>,
    /// Over all there is, which is what the predecessor always looks through.
    pub(super) over_all: Option<Timed>,
}

/// Everything that is asked: each question in the large workspace and in small ones, the first page and one further back where a
/// list is that long.
pub(super) async fn askings(plan: &Plan, peer: &mut PgConnection) -> Vec<Asking> {
    let mut askings = Vec::new();
    for question in QUESTIONS {
        for large in [true, false] {
            let mut rng = Rng::with_seed(7);
            let parameters: Vec<Parameter> = (0..PARAMETERS)
                .map(|_| question.parameter(plan, large, &mut rng))
                .collect();
            let mut least = usize::MAX;
            if question.is_list() {
                for parameter in parameters.iter().take(FEWEST) {
                    least = least.min(question.count(peer, parameter).await);
                }
            }
            let first = Asking {
                question,
                large,
                offset: 0,
                parameters,
            };
            let offset = DEEP.min((least / PAGE).saturating_sub(1) * PAGE);
            askings.push(first.clone());
            if question.is_list() && offset >= 2 * PAGE {
                askings.push(Asking { offset, ..first });
            }
        }
    }
    askings
}

/// One way of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Peer,
    ByDefault,
    OverAll,
}

#[derive(Debug, Default)]
struct Taken {
    millis: Vec<f64>,
    rows: Vec<f64>,
    all: Duration,
}

impl Taken {
    fn timed(&self) -> Option<Timed> {
        (!self.millis.is_empty()).then(|| Timed {
            millis: median(&self.millis),
            rows: median(&self.rows),
        })
    }

    fn is_enough(&self) -> bool {
        self.millis.len() >= FEWEST && self.all > ENOUGH
    }
}

impl Asking {
    fn asks(&self, way: Way) -> bool {
        match way {
            Way::Peer => self.question.has_peer(),
            // Further back a default window may have nothing.
            Way::ByDefault => self.offset == 0,
            Way::OverAll => self.question.has_window(),
        }
    }

    /// Asks about each parameter twice, of which the second counts: both are warm.
    pub(super) async fn time(
        &self,
        plan: &Plan,
        mut peer: Option<&mut PgConnection>,
        ours: &Deployments,
    ) -> Times {
        let mut ways = [Way::Peer, Way::ByDefault, Way::OverAll].map(|way| (way, Taken::default()));
        self.warm_up(plan, ours).await;
        for (number, parameter) in self.parameters.iter().enumerate() {
            let mut place = None;
            if self.offset > 0 {
                place = self.cursor(ours, parameter, plan.begin()).await;
                // Of another parameter the list may be shorter.
                if place.is_none() {
                    continue;
                }
            }
            for turn in 0..ways.len() {
                let count = ways.len();
                let (way, taken) = &mut ways[(number + turn) % count];
                if !self.asks(*way) || taken.is_enough() {
                    continue;
                }
                for warm in [false, true] {
                    let began = Instant::now();
                    let rows = match (*way, peer.as_deref_mut()) {
                        (Way::Peer, None) => break,
                        (Way::Peer, Some(peer)) => {
                            self.question.of_peer(peer, parameter, self.offset).await
                        }
                        (way, _) => {
                            let since = (way == Way::OverAll).then(|| plan.begin());
                            let page = (PAGE as u32, place.clone());
                            let answer = self.question.of_ours(ours, parameter, since, page);
                            answer.await.rows
                        }
                    };
                    let took = began.elapsed();
                    taken.all += took;
                    if warm {
                        taken.millis.push(took.as_secs_f64() * 1e3);
                        taken.rows.push(rows as f64);
                    }
                }
            }
        }
        let [peer, by_default, over_all] = ways.map(|(_, taken)| taken.timed());
        let times = Times {
            peer,
            by_default,
            over_all,
        };
        eprintln!("{}: {}", self.name(), times.told());
        times
    }

    async fn warm_up(&self, plan: &Plan, ours: &Deployments) {
        let began = Instant::now();
        for (number, parameter) in self.parameters.iter().cycle().take(WARM_UP).enumerate() {
            let over_all = self.question.has_window() && !number.is_multiple_of(4);
            let since = over_all.then(|| plan.begin());
            let page = (PAGE as u32, None);
            self.question.of_ours(ours, parameter, since, page).await;
            if began.elapsed() > ENOUGH {
                break;
            }
        }
    }

    /// Where ours goes on behind the rows before the page; `None` when it ends there or before.
    async fn cursor(
        &self,
        ours: &Deployments,
        parameter: &Parameter,
        since: Timestamp,
    ) -> Option<String> {
        let mut next = None;
        let mut left = self.offset;
        while left > 0 {
            let limit = left.min(LARGEST);
            let page = (limit as u32, next);
            let answer = self.question.of_ours(ours, parameter, Some(since), page);
            next = Some(answer.await.next?);
            left -= limit;
        }
        next
    }

    pub(super) fn name(&self) -> String {
        let size = if self.large { "large" } else { "small" };
        match self.offset {
            0 => format!("{}, {size}", self.question.name),
            offset => format!(
                "{}, {size}, from row {}",
                self.question.name,
                thousands(offset as f64)
            ),
        }
    }
}

impl Times {
    fn told(&self) -> String {
        let ways = [
            ("predecessor", self.peer),
            ("by default", self.by_default),
            ("over all", self.over_all),
        ];
        let told = ways.iter().filter_map(|(name, timed)| {
            let timed = timed.as_ref()?;
            Some(format!(
                "{name} {:.3} ms ({} rows)",
                timed.millis, timed.rows
            ))
        });
        told.collect::<Vec<_>>().join(", ")
    }
}
