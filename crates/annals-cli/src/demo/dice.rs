//! Random numbers that are the same on every machine and in every release.

/// `SplitMix64` (Steele, Lea and Flood, 2014): ten lines, good enough for a demo, and whatever seed it
/// gets, the first number is as random as the last.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice of their own for these numbers.
    pub(super) fn new(seeds: &[u64]) -> Self {
        let mut dice = Self(0);
        for seed in seeds {
            dice.0 = dice.number() ^ seed;
        }
        dice
    }

    /// Any number.
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        number ^ (number >> 31)
    }

    /// A number from 0 to below 1.
    pub(super) fn fraction(&mut self) -> f64 {
        /// 2^53, as many as a double tells apart there.
        const STEPS: f64 = 9_007_199_254_740_992.0;
        (self.number() >> 11) as f64 / STEPS
    }

    /// A number from `low` to below `high`.
    pub(super) fn within(&mut self, low: f64, high: f64) -> f64 {
        low + self.fraction() * (high - low)
    }

    /// A whole number from 0 to below `end`; 0 where there is none.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.number()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A whole number from `low` to below `high`.
    pub(super) fn among(&mut self, (low, high): (u64, u64)) -> u64 {
        low + self.below(high.saturating_sub(low))
    }

    /// Yes, in so many of all cases.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.fraction() < share
    }

    /// One of these; the first of none is `other`.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T], other: &'a T) -> &'a T {
        let at = self.below(u64::try_from(items.len()).unwrap_or(0));
        items.get(usize::try_from(at).unwrap_or(0)).unwrap_or(other)
    }
}
