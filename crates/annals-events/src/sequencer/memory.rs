//! What a writer on PostgreSQL remembers of a namespace, so that most groups need one statement and no look.

use std::collections::{HashMap, HashSet};

use annals_store::Names;
use uuid::Uuid;

use super::{
    group::Committed,
    plan::{Known, Plan, Request, Verdict},
    postgres::{Columns, Growth, Write, growth},
};

/// Streams whose versions are remembered.
const REMEMBERED: usize = 65_536;

/// The last turn, and versions that are true as long as it is.
///
/// It speaks of the groups in flight as if they were written: if one is not, none behind it is either, and
/// everything is forgotten. So the next group can be on its way before the answer is there.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The turn that it left, and the place of the last message; nothing before the first append.
    last: Option<(Uuid, i64)>,
    versions: HashMap<String, i64>,
    /// Streams that grow by a group in flight, upon a version that its answer tells.
    unsettled: HashSet<String>,
}

/// What a group comes to if it is written.
#[derive(Debug)]
pub(super) struct Landing {
    committed: Committed,
    /// Streams whose version is told by the answer: which of its versions, and how far the stream grows.
    untold: Vec<(usize, String, i64)>,
}

impl Memory {
    /// Makes a group ready from what is remembered, and remembers it as written. `None` when that is not
    /// enough.
    ///
    /// A stream of which nothing is remembered has the version that its first writer expects, or the statement
    /// tells: both hold only if nothing that is in flight writes to it.
    pub(super) fn ready(&mut self, names: &Names, group: &[Request]) -> Option<(Write, Landing)> {
        let (turn, global_position) = self.last?;
        let mut versions = HashMap::new();
        let mut assumed: HashMap<&str, Option<i64>> = HashMap::new();
        for append in group.iter().flat_map(|request| &request.appends) {
            let stream = append.stream.as_str();
            if self.unsettled.contains(stream) {
                return None;
            }
            if let Some(version) = self.versions.get(stream) {
                versions.insert(stream.to_owned(), *version);
                continue;
            }
            match assumed.get(stream) {
                // Nobody knows yet whether this one is right.
                Some(None) if append.expected_version.is_some() => return None,
                Some(_) => {}
                None => {
                    assumed.insert(stream, append.expected_version);
                    let version = append.expected_version.unwrap_or(-1);
                    versions.insert(stream.to_owned(), version);
                }
            }
        }
        let known = Known {
            global_position,
            versions,
            ids: HashMap::new(),
        };
        let plan = Plan::of(group, &known);
        // Only a commit proves what is remembered; a refusal alone proves nothing.
        plan.rows.last()?;
        // Nor does a commit prove what was assumed of a stream that it does not touch.
        let refuses = plan
            .verdicts
            .iter()
            .any(|verdict| !matches!(verdict, Verdict::Placed(_)));
        if refuses && !assumed.is_empty() {
            return None;
        }
        Some(self.depart(names, plan, turn, &known.versions, &assumed))
    }

    /// Makes a plan ready that was made of what the database said.
    pub(super) fn make_ready(
        &mut self,
        names: &Names,
        plan: Plan<'_>,
        turn: Uuid,
        versions: &HashMap<String, i64>,
    ) -> (Write, Landing) {
        self.depart(names, plan, turn, versions, &HashMap::new())
    }

    fn depart(
        &mut self,
        names: &Names,
        plan: Plan<'_>,
        turn: Uuid,
        versions: &HashMap<String, i64>,
        assumed: &HashMap<&str, Option<i64>>,
    ) -> (Write, Landing) {
        let next = Uuid::new_v4();
        let growth = growth(&plan, versions, assumed);
        let write = Write {
            names: names.clone(),
            columns: Columns::of(&plan, &growth),
            turns: (turn, next),
        };
        if let Some(row) = plan.rows.last() {
            self.last = Some((next, row.place.global_position));
        }
        if self.versions.len() + growth.len() > REMEMBERED {
            self.versions.clear();
        }
        let mut untold = Vec::new();
        for (index, growth) in growth.iter().enumerate() {
            let Growth { stream, last, .. } = growth;
            if growth.is_known || growth.required.is_some() {
                self.remember(stream, last.position);
            } else {
                self.unsettled.insert((*stream).to_owned());
                untold.push((index, (*stream).to_owned(), last.position - growth.base));
            }
        }
        let landing = Landing {
            committed: Committed::of(plan),
            untold,
        };
        (write, landing)
    }

    /// Remembers what the database said, and nothing of what was true at another turn.
    pub(super) fn learn(&mut self, known: &Known, turn: Uuid) {
        *self = Self {
            last: Some((turn, known.global_position)),
            versions: known.versions.clone(),
            unsettled: HashSet::new(),
        };
    }

    fn remember(&mut self, stream: &str, version: i64) {
        match self.versions.get_mut(stream) {
            Some(known) => *known = version,
            None => {
                self.versions.insert(stream.to_owned(), version);
            }
        }
    }
}

impl Landing {
    /// What was committed, upon the versions that the answer tells.
    pub(super) fn land(self, memory: &mut Memory, bases: &[i64]) -> Committed {
        let mut shifts = HashMap::new();
        for (index, stream, length) in self.untold {
            // The statement tells one version for each stream that it was given.
            let base = bases.get(index).copied().unwrap_or(-1);
            memory.unsettled.remove(&stream);
            memory.remember(&stream, base + length);
            if base != -1 {
                shifts.insert(stream, base + 1);
            }
        }
        self.committed.shifted(&shifts)
    }
}
