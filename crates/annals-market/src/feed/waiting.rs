//! Parts of bars that wait for the writer.

use std::collections::{HashMap, VecDeque};

use annals_record::TimestampMicros;

use crate::Bar;

/// So many are not worth merging.
const FEW: usize = 10_000;

/// Parts that wait for the writer, the oldest first. When there are many, those of one bar are merged, so
/// that an outage costs memory by bars and not by time.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    parts: VecDeque<Bar>,
    /// How many are too many to be left as they are.
    merge_at: usize,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(super) fn add(&mut self, parts: Vec<Bar>) {
        self.parts.extend(parts);
        if self.parts.len() > self.merge_at.max(FEW) {
            self.merge();
            self.merge_at = 2 * self.parts.len();
        }
    }

    /// The oldest, at most so many.
    pub(super) fn take(&mut self, most: usize) -> Vec<Bar> {
        let count = most.min(self.parts.len());
        self.parts.drain(..count).collect()
    }

    /// Gives parts back that were taken.
    pub(super) fn put_back(&mut self, parts: Vec<Bar>) {
        for part in parts.into_iter().rev() {
            self.parts.push_front(part);
        }
    }

    /// Leaves one part of each bar.
    pub(super) fn merge(&mut self) {
        let mut places: HashMap<(String, TimestampMicros), usize> = HashMap::new();
        let mut merged: Vec<Bar> = Vec::new();
        for part in self.parts.drain(..) {
            let key = (part.symbol.clone(), part.timestamp);
            let place = places.get(&key).copied();
            let whole = place.and_then(|place| merged.get_mut(place));
            // A volume that fits no bar stays apart.
            if whole.is_some_and(|whole| whole.absorb(&part)) {
                continue;
            }
            places.insert(key, merged.len());
            merged.push(part);
        }
        self.parts = merged.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(minute: i64, volume: i64) -> Bar {
        let timestamp = TimestampMicros::from_unix_micros(minute * 60_000_000).unwrap();
        Bar::new("A", timestamp, [1.0; 4], volume, 1.0).unwrap()
    }

    #[test]
    fn parts_that_wait_long_are_merged_and_none_is_lost() {
        let mut waiting = Waiting::default();
        for _ in 0..100 {
            waiting.add((0..300).map(|minute| part(minute, 1)).collect());
        }
        assert!(waiting.len() <= FEW + 300, "{}", waiting.len());
        let taken = waiting.take(usize::MAX);
        assert_eq!(taken.iter().map(|part| part.volume).sum::<i64>(), 30_000);
    }

    #[test]
    fn more_volume_than_a_bar_holds_stays_in_parts() {
        let mut waiting = Waiting::default();
        waiting.add(vec![part(0, i64::MAX); 3]);
        waiting.merge();
        assert_eq!(waiting.len(), 3);
    }

    #[test]
    fn what_is_put_back_is_taken_again_first() {
        let mut waiting = Waiting::default();
        waiting.add((0..5).map(|minute| part(minute, minute)).collect());
        let taken = waiting.take(2);
        waiting.put_back(taken.clone());
        assert_eq!(waiting.take(2), taken);
        assert_eq!(waiting.len(), 3);
    }
}
