//! Writing: a trace at a time, and many at once.

use annals_deploy::DeploymentSpan;

use super::{ours::Ours, peer::Peer, plan::Plan};
use crate::{
    Options,
    bed::Bed,
    measure::{Contest, Turn, Way, contest},
};

/// Traces of a turn, a transaction each.
const TRACES: u64 = 1_000;

/// Writers that take turns: the predecessor's engine reconciled ten targets at once.
pub(super) const WRITERS: usize = 10;

/// Calls of a turn in bulk, and traces of a call: about 10,000 spans.
const CALLS: u64 = 5;
const TRACES_PER_CALL: u64 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Peer(Load),
    Ours(Load),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// A trace is a transaction, of so many writers.
    Traces(usize),
    /// About 10,000 spans are a transaction.
    Bulk,
}

const LOADS: [Load; 3] = [Load::Traces(1), Load::Traces(WRITERS), Load::Bulk];

/// New traces behind those of the plan, the same for both.
struct Supply {
    plan: Plan,
    next: u64,
}

impl Supply {
    fn of(plan: Plan) -> Self {
        Self {
            next: plan.traces(),
            plan,
        }
    }

    fn take(&mut self, load: Load) -> Vec<Vec<DeploymentSpan>> {
        // A quick try is quick.
        let most = (self.plan.traces() / 4).max(1);
        let (calls, each) = match load {
            Load::Traces(_) => (TRACES.min(most), 1),
            Load::Bulk => (CALLS, TRACES_PER_CALL.min(most)),
        };
        let first = self.next;
        self.next += calls * each;
        (0..calls)
            .map(|call| {
                let first = first + call * each;
                self.plan.spans(first..first + each)
            })
            .collect()
    }
}

/// Lets both write, or ours alone where there is nobody else.
pub(super) async fn measure(
    options: &Options,
    bed: &Bed,
    plan: Plan,
    peer: Option<&Peer>,
    ours: &Ours,
) -> Contest<How> {
    let mut ways = Vec::new();
    for load in LOADS {
        let hows = peer.map(|_| ("predecessor", How::Peer(load)));
        for (who, how) in hows.into_iter().chain([("ours", How::Ours(load))]) {
            ways.push(Way {
                name: who,
                how,
                goal: None,
            });
        }
    }
    let (mut of_peer, mut of_ours) = (Supply::of(plan), Supply::of(plan));
    let turn = async |how| -> Turn {
        match (how, peer) {
            (How::Peer(load), Some(peer)) => {
                let (batches, writers) = (of_peer.take(load), load.writers());
                bed.metered(peer.write(batches, writers)).await
            }
            (How::Ours(Load::Bulk), _) => {
                let batches = of_ours.take(Load::Bulk);
                bed.metered(ours.write_all(batches)).await
            }
            (How::Ours(load), _) => {
                let (batches, writers) = (of_ours.take(load), load.writers());
                bed.metered(ours.write(batches, writers)).await
            }
            (How::Peer(_), None) => unreachable!("a way without its table"),
        }
    };
    let title = format!("inserts on {}", bed.cluster.flavor());
    contest(&title, options.rounds, ways, turn).await
}

impl Load {
    fn writers(self) -> usize {
        match self {
            Self::Traces(writers) => writers,
            Self::Bulk => 1,
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Traces(1) => "a trace a transaction, 1 writer".to_owned(),
            Self::Traces(writers) => format!("a trace a transaction, {writers} writers"),
            Self::Bulk => "10,000 spans a call, 1 writer".to_owned(),
        }
    }
}
