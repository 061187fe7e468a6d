//! What calls of models cost: prices, and how they are applied.

use crate::Span;

/// Billionths of a US dollar in one.
const NANOS: f64 = 1e9;

/// What one span may cost at most, in billionths: a million dollars. What is beyond is no cost of a call.
const MOST: f64 = 1e15;

/// A cost in billionths of a US dollar, in which sums are exact; `None` for what is no cost.
#[must_use]
pub fn nanodollars(dollars: f64) -> Option<i64> {
    let nanos = (dollars * NANOS).round();
    (0.0..=MOST).contains(&nanos).then_some(nanos as i64)
}

/// A cost in US dollars.
#[must_use]
pub fn dollars(nanodollars: i64) -> f64 {
    nanodollars as f64 / NANOS
}

/// Prices of models, by time.
#[derive(Clone, Debug, Default)]
pub struct PriceList {}

impl PriceList {
    /// The prices that this program was made with.
    #[must_use]
    pub fn shipped() -> &'static Self {
        todo!()
    }

    /// Gives a call of a model its cost, unless its source has told it. A span that is no call, or whose model has no
    /// price at its time, stays without.
    pub fn apply(&self, _span: &mut Span) {}
}
