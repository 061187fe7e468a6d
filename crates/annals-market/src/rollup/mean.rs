//! A mean of prices, weighted by volume.

/// Volumes are divided by this power of two before they are multiplied by prices. That rounds nothing,
/// and all weights together are then below one, so that no price is too large to be summed.
const SCALE: f64 = 1.0 / 18_446_744_073_709_551_616.0;

/// The sum of volumes, and the mean of prices weighted by them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VolumeMean {
    volume: i64,
    /// Prices times scaled volumes, and …
    sum: f64,
    /// … what was rounded off that sum (source: Neumaier 1974), so that a day of small trades
    /// does not fade behind its first large one.
    rounded_off: f64,
    lowest: f64,
    highest: f64,
}

/// A volume of more than 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

impl VolumeMean {
    /// Of nothing.
    pub(crate) const fn new() -> Self {
        Self {
            volume: 0,
            sum: 0.0,
            rounded_off: 0.0,
            lowest: f64::INFINITY,
            highest: f64::NEG_INFINITY,
        }
    }

    /// Adds `volume` at `price`, or nothing at all where the volumes' sum cannot be told.
    pub(crate) fn add(&mut self, price: f64, volume: i64) -> Result<(), TooMuch> {
        self.volume = self.volume.checked_add(volume).ok_or(TooMuch)?;
        if volume == 0 {
            return Ok(());
        }
        let term = price * (volume as f64 * SCALE);
        let sum = self.sum + term;
        self.rounded_off += if self.sum.abs() >= term.abs() {
            (self.sum - sum) + term
        } else {
            (term - sum) + self.sum
        };
        self.sum = sum;
        self.lowest = self.lowest.min(price);
        self.highest = self.highest.max(price);
        Ok(())
    }

    /// The sum of volumes.
    pub(crate) const fn volume(&self) -> i64 {
        self.volume
    }

    /// The mean price; none where there is no volume.
    pub(crate) fn mean(&self) -> Option<f64> {
        if self.volume <= 0 {
            return None;
        }
        let mean = (self.sum + self.rounded_off) / (self.volume as f64 * SCALE);
        // No mean lies outside of what it is the mean of, but the last digit could. One price stays
        // itself this way, whatever its volume.
        Some(mean.max(self.lowest).min(self.highest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(parts: impl IntoIterator<Item = (f64, i64)>) -> Option<f64> {
        let mut mean = VolumeMean::new();
        for (price, volume) in parts {
            mean.add(price, volume).unwrap();
        }
        mean.mean()
    }

    #[test]
    fn weights_are_volumes() {
        let expected = (150.0 * 100.0 + 151.0 * 200.0 + 149.0 * 300.0) / 600.0;
        assert_eq!(
            mean([(150.0, 100), (151.0, 200), (149.0, 300)]),
            Some(expected)
        );
        assert_eq!(mean([(150.0, 0), (151.0, 0)]), None);
        assert_eq!(mean([(150.0, 0), (151.0, 7)]), Some(151.0));
    }

    #[test]
    fn one_price_is_its_own_mean() {
        for volume in [1, 3, 7, 1_000_003, i64::MAX / 7] {
            for price in [0.1, -37.63, 1e-9, f64::MAX, f64::MIN, 123.456_789] {
                assert_eq!(mean([(price, volume); 7]), Some(price));
            }
        }
    }

    #[test]
    fn small_trades_do_not_fade_behind_a_large_one() {
        let small = 1_000_000;
        let parts = (0..small).map(|_| (0.1, 1));
        let parts = std::iter::once((1e9, 1_000_000_000)).chain(parts);
        // All terms are near a whole number of tenths: 1e18 + 100000.
        let exact = 1_000_000_000_000_100_000.0 / 1_001_000_000.0;
        assert_eq!(mean(parts), Some(exact));
    }

    #[test]
    fn the_largest_prices_have_a_mean() {
        let parts = [(f64::MAX, i64::MAX / 2), (f64::MAX / 2.0, i64::MAX / 2)];
        let mean = mean(parts).unwrap();
        assert!((mean / (f64::MAX * 0.75) - 1.0).abs() < 1e-15, "{mean}");
    }

    #[test]
    fn too_much_changes_nothing() {
        let mut mean = VolumeMean::new();
        mean.add(2.0, i64::MAX).unwrap();
        assert_eq!(mean.add(9.0, 1), Err(TooMuch));
        assert_eq!((mean.volume(), mean.mean()), (i64::MAX, Some(2.0)));
    }
}
