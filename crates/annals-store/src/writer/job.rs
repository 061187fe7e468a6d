//! Rows on their way into one transaction, each with the request to which it belongs.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use annals_record::{OnConflict, Record};

use super::{
    key,
    queue::{Part, Queue, Room},
    ticket::Request,
};

/// What was taken from the queue together: room and keys are given back when the last job is done.
#[derive(Debug)]
pub(super) struct Taken<R> {
    requests: Vec<Arc<Request>>,
    hashes: Vec<u64>,
    _rooms: Vec<Arc<Room>>,
    queue: Arc<Queue<R>>,
}

impl<R> Drop for Taken<R> {
    fn drop(&mut self) {
        self.queue.release(&self.hashes);
    }
}

/// A row that gave way, or stood back, for another with the same key in the same batch.
#[derive(Debug)]
struct Superseded<R> {
    /// Position of the row that it gave way to.
    by: usize,
    row: R,
    owner: usize,
}

/// Rows that commit together or not at all.
#[derive(Debug)]
pub(super) struct Job<R> {
    pub(super) rows: Vec<R>,
    /// For each row the request to which it belongs, by position.
    owners: Vec<usize>,
    superseded: Vec<Superseded<R>>,
    on_conflict: OnConflict,
    taken: Arc<Taken<R>>,
}

impl<R: Record> Job<R> {
    /// Makes one job of parts.
    pub(super) fn new(parts: Vec<Part<R>>, queue: &Arc<Queue<R>>, on_conflict: OnConflict) -> Self {
        let total = parts.iter().map(|part| part.records.len()).sum();
        let mut taken = Taken {
            requests: Vec::with_capacity(parts.len()),
            hashes: Vec::new(),
            _rooms: Vec::with_capacity(parts.len()),
            queue: Arc::clone(queue),
        };
        let mut rows = Vec::new();
        let mut owners = Vec::with_capacity(total);
        for mut part in parts {
            owners.extend(std::iter::repeat_n(
                taken.requests.len(),
                part.records.len(),
            ));
            taken.requests.push(part.request);
            taken.hashes.append(&mut part.hashes);
            taken._rooms.push(part.room);
            if rows.is_empty() {
                rows = part.records;
                rows.reserve_exact(total.saturating_sub(rows.len()));
            } else {
                rows.append(&mut part.records);
            }
        }
        Self {
            rows,
            owners,
            superseded: Vec::new(),
            on_conflict,
            taken: Arc::new(taken),
        }
    }

    /// Leaves one row for each key: the last for records that are updated, the newest for those that have
    /// versions, else the first.
    ///
    /// `state` hashes the rows' keys. Rows that give way are kept: should the table refuse the one that
    /// stayed, they get their turn. Where rows are merged they get it in any case, since the table does
    /// that.
    pub(super) fn leave_one_row_for_each_key(&mut self, state: &std::hash::RandomState) {
        if R::DESCRIPTOR.key.is_empty() || self.rows.len() < 2 {
            return;
        }
        let mut seen: HashMap<u64, usize> = HashMap::with_capacity(self.rows.len());
        // Different keys with one hash; next to never used, and needed all the same.
        let mut collided: Vec<usize> = Vec::new();
        let mut gives_way: Vec<Option<usize>> = vec![None; self.rows.len()];
        let mut any = false;
        let known = self.taken.hashes.as_slice();
        for (position, row) in self.rows.iter().enumerate() {
            // Parts that were hashed for their order are in the order of the rows.
            let hash = match known.get(position) {
                Some(hash) if known.len() == self.rows.len() => *hash,
                _ => key::hash(row, state),
            };
            let same_key = |at: usize| {
                self.rows
                    .get(at)
                    .is_some_and(|other| key::bytes(other) == key::bytes(row))
            };
            let kept = match seen.entry(hash) {
                Entry::Vacant(entry) => {
                    entry.insert(position);
                    continue;
                }
                Entry::Occupied(entry) if same_key(*entry.get()) => entry.into_mut(),
                Entry::Occupied(_) => match collided.iter_mut().find(|at| same_key(**at)) {
                    Some(kept) => kept,
                    None => {
                        collided.push(position);
                        continue;
                    }
                },
            };
            any = true;
            let (stays, goes) = match self.on_conflict {
                OnConflict::Update => (position, *kept),
                OnConflict::Newer if self.is_newer(position, *kept) => (position, *kept),
                _ => (*kept, position),
            };
            if let Some(slot) = gives_way.get_mut(goes) {
                *slot = Some(stays);
            }
            *kept = stays;
        }
        if any {
            self.take_out(&gives_way);
        }
    }

    fn is_newer(&self, position: usize, than: usize) -> bool {
        let version = |at: usize| self.rows.get(at).map(key::version);
        version(position) > version(than)
    }

    /// Whether its rows are to commit together or not at all; it is then of one request.
    pub(super) fn is_whole(&self) -> bool {
        self.taken.requests.iter().any(|request| request.whole)
    }

    fn take_out(&mut self, gives_way: &[Option<usize>]) {
        // A row may give way to one that gives way itself: the last of the chain is the one kept.
        let kept_for = |mut position: usize| {
            while let Some(Some(next)) = gives_way.get(position) {
                position = *next;
            }
            position
        };
        let mut new_position = vec![0; gives_way.len()];
        let mut next = 0;
        for (position, slot) in new_position.iter_mut().enumerate() {
            *slot = next;
            next += usize::from(gives_way.get(position).is_some_and(Option::is_none));
        }
        let rows = std::mem::take(&mut self.rows);
        let owners = std::mem::take(&mut self.owners);
        for (position, (row, owner)) in rows.into_iter().zip(owners).enumerate() {
            if gives_way.get(position).is_some_and(Option::is_some) {
                let by = new_position
                    .get(kept_for(position))
                    .copied()
                    .unwrap_or_default();
                self.superseded.push(Superseded { by, row, owner });
            } else {
                self.rows.push(row);
                self.owners.push(owner);
            }
        }
    }

    /// Divides rows that lie in more than `chunks` chunks, and sorts rows by chunk when there is
    /// more than one. `chunk` is the range of a chunk in microseconds.
    pub(super) fn split_by_chunk(self, chunk: i64, chunks: usize) -> Vec<Self> {
        let bucket = |row: &R| key::time(row).map_or(0, |time| time.div_euclid(chunk.max(1)));
        let mut buckets: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (position, row) in self.rows.iter().enumerate() {
            buckets.entry(bucket(row)).or_default().push(position);
        }
        if buckets.len() < 2 {
            return vec![self];
        }
        let groups: Vec<Vec<usize>> = buckets.into_values().collect();
        let groups = groups.chunks(chunks).map(<[Vec<usize>]>::concat).collect();
        self.regroup(groups)
    }

    /// Two halves.
    pub(super) fn halves(self) -> Vec<Self> {
        let middle = self.rows.len() / 2;
        let groups = vec![(0..middle).collect(), (middle..self.rows.len()).collect()];
        self.regroup(groups)
    }

    /// One job for each group of positions; every position must be in one group.
    fn regroup(self, groups: Vec<Vec<usize>>) -> Vec<Self> {
        let Self {
            rows,
            owners,
            superseded,
            on_conflict,
            taken,
        } = self;
        let mut place = vec![(0, 0); rows.len()];
        for (group, positions) in groups.iter().enumerate() {
            for (at, position) in positions.iter().enumerate() {
                if let Some(slot) = place.get_mut(*position) {
                    *slot = (group, at);
                }
            }
        }
        let mut cells: Vec<Option<(R, usize)>> = rows.into_iter().zip(owners).map(Some).collect();
        let mut jobs: Vec<Self> = groups
            .into_iter()
            .map(|positions| {
                let cells = positions
                    .iter()
                    .filter_map(|at| cells.get_mut(*at).and_then(Option::take));
                let (rows, owners) = cells.unzip();
                Self {
                    rows,
                    owners,
                    superseded: Vec::new(),
                    on_conflict,
                    taken: Arc::clone(&taken),
                }
            })
            .collect();
        for mut row in superseded {
            let (group, at) = place.get(row.by).copied().unwrap_or_default();
            row.by = at;
            if let Some(job) = jobs.get_mut(group) {
                job.superseded.push(row);
            }
        }
        jobs.retain(|job| !job.rows.is_empty());
        jobs
    }

    /// Whether nobody waits any more for some request to which rows belonged.
    pub(super) fn any_withdrawn(&self) -> bool {
        let mut requests = self.taken.requests.iter();
        requests.any(|request| request.withdrawn())
    }

    /// Takes out the rows of requests that nobody waits for any more. Gives their number.
    pub(super) fn drop_withdrawn(&mut self) -> usize {
        let gone: Vec<bool> = self
            .taken
            .requests
            .iter()
            .map(|request| request.withdrawn())
            .collect();
        self.retain_requests(|owner| !gone.get(owner).copied().unwrap_or_default())
    }

    /// Takes out the rows of requests that somebody waits for, and fails these. `book` hears the
    /// number of rows first.
    pub(super) fn fail_awaited(&mut self, error: &Arc<crate::Error>, book: impl FnOnce(usize)) {
        let requests = self.taken.requests.clone();
        let awaited = |owner: usize| requests.get(owner).is_some_and(|request| request.awaited);
        let mut failed = vec![false; requests.len()];
        let superseded = self.superseded.iter().map(|row| row.owner);
        for owner in self.owners.iter().copied().chain(superseded) {
            if let Some(failed) = failed.get_mut(owner) {
                *failed = awaited(owner);
            }
        }
        book(self.retain_requests(|owner| !awaited(owner)));
        for (request, _) in requests.iter().zip(failed).filter(|(_, failed)| *failed) {
            request.fail(|written| crate::WriteError::Stopped {
                committed: written.committed,
                parked: written.parked,
                cause: Arc::clone(error),
            });
        }
    }

    /// Fails the one request to which all rows belong. `book` hears the number of rows first.
    pub(super) fn refuse(self, error: crate::Error, book: impl FnOnce(usize)) {
        let requests = self.taken.requests.clone();
        let cause = Arc::new(error);
        let rows = self.rows.len() + self.superseded.len();
        book(rows);
        // Room and keys go back before anybody hears of it.
        drop(self);
        for request in requests {
            request.fail(|_| crate::WriteError::Refused {
                rows,
                cause: Arc::clone(&cause),
            });
        }
    }

    /// Keeps the rows of some requests. A row whose winner goes is promoted to a row.
    fn retain_requests(&mut self, keep: impl Fn(usize) -> bool) -> usize {
        let before = self.rows.len() + self.superseded.len();
        let mut rows = Vec::new();
        let mut owners = Vec::new();
        let mut superseded: HashMap<usize, Vec<Superseded<R>>> = HashMap::new();
        for row in self.superseded.drain(..).filter(|row| keep(row.owner)) {
            superseded.entry(row.by).or_default().push(row);
        }
        let old = std::mem::take(&mut self.rows)
            .into_iter()
            .zip(std::mem::take(&mut self.owners));
        for (position, (row, owner)) in old.enumerate() {
            let mut others = superseded.remove(&position).unwrap_or_default();
            let (row, owner) = if keep(owner) {
                (row, owner)
            } else if let Some(heir) = heir(&mut others, self.on_conflict) {
                (heir.row, heir.owner)
            } else {
                continue;
            };
            self.superseded
                .extend(others.into_iter().map(|other| Superseded {
                    by: rows.len(),
                    ..other
                }));
            rows.push(row);
            owners.push(owner);
        }
        self.rows = rows;
        self.owners = owners;
        before - self.rows.len() - self.superseded.len()
    }

    /// Tells the requests what became of their rows. Rows that gave way to a parked one, or to one with
    /// which they are to be merged, were not written by anybody; they come back as a job of their own.
    /// `book` hears of it first and room is given back first, so that who is told finds the books in
    /// order.
    pub(super) fn settle(mut self, parked: &[usize], book: impl FnOnce(Settled)) -> Option<Self> {
        let mut is_parked = vec![false; self.owners.len()];
        for position in parked {
            if let Some(slot) = is_parked.get_mut(*position) {
                *slot = true;
            }
        }
        let mut counts = vec![Settled::default(); self.taken.requests.len()];
        let mut count = |owner: usize, parked: bool| {
            if let Some(count) = counts.get_mut(owner) {
                if parked {
                    count.parked += 1
                } else {
                    count.committed += 1
                }
            }
        };
        for (owner, parked) in self.owners.iter().zip(&is_parked) {
            count(*owner, *parked);
        }
        let mut again: BTreeMap<usize, Vec<Superseded<R>>> = BTreeMap::new();
        let merges = self.on_conflict.merges();
        for row in self.superseded.drain(..) {
            if merges || is_parked.get(row.by).copied().unwrap_or_default() {
                again.entry(row.by).or_default().push(row);
            } else {
                count(row.owner, false);
            }
        }
        book(Settled {
            committed: counts.iter().map(|count| count.committed).sum(),
            parked: counts.iter().map(|count| count.parked).sum(),
        });
        let requests = self.taken.requests.clone();
        let next = self.next_after(again);
        for (request, count) in requests.iter().zip(&counts) {
            if count.committed + count.parked > 0 {
                request.settle(count.committed, count.parked);
            }
        }
        next
    }

    /// A job of what gave way to rows that were parked. Without any, all that was taken for this one
    /// is given back.
    fn next_after(self, again: BTreeMap<usize, Vec<Superseded<R>>>) -> Option<Self> {
        if again.is_empty() {
            return None;
        }
        let mut next = Self {
            rows: Vec::new(),
            owners: Vec::new(),
            superseded: Vec::new(),
            on_conflict: self.on_conflict,
            taken: self.taken,
        };
        for (_, mut others) in again {
            if let Some(heir) = heir(&mut others, self.on_conflict) {
                let by = next.rows.len();
                next.superseded
                    .extend(others.into_iter().map(|other| Superseded { by, ..other }));
                next.rows.push(heir.row);
                next.owners.push(heir.owner);
            }
        }
        Some(next)
    }
}

/// Of rows with one key the one that would have stayed: the last when updated, the newest of versions, else
/// the first.
fn heir<R: Record>(
    others: &mut Vec<Superseded<R>>,
    on_conflict: OnConflict,
) -> Option<Superseded<R>> {
    match on_conflict {
        OnConflict::Update => others.pop(),
        OnConflict::Newer => {
            let versions = others.iter().enumerate();
            // Of equal versions the first: it would be the one that is there.
            let newest = versions
                .rev()
                .max_by_key(|(_, other)| key::version(&other.row));
            let newest = newest.map(|(position, _)| position)?;
            Some(others.remove(newest))
        }
        _ if others.is_empty() => None,
        _ => Some(others.remove(0)),
    }
}

/// How many rows ended where.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settled {
    pub(super) committed: usize,
    pub(super) parked: usize,
}
