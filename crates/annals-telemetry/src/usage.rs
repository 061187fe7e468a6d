//! What models were used for: calls, tokens and money, summed up by time and by whom.
//!
//! | Module | What lives there |
//! |---|---|
//! | `counts` | what a batch of spans adds, by hour and by day |
//! | `add` | the statements that add it, in the transaction of the spans |
//! | `summary` | sums over a window, by one or two of their dimensions |
//! | `recompute` | costs anew from other prices |
//!
//! # Tables
//!
//! `usage_hourly` has a row for each hour, service, provider and model; `usage_daily` one for each day, user or
//! conversation, provider and model. Both are kept in the transaction of the spans, of those alone that are new, so they
//! are true as soon as the spans are there, and batches that come twice count once. Money is in whole billionths of a
//! US dollar, and so is exact in whatever order batches come. What is not known is `''`.
//!
//! `usage_days` has a row for each day with usage. Whoever changes the usage of a day updates its row first, in the order
//! of days, and so waits for whoever else does: rows of usage need no order of their own, and a day's version tells whether a
//! summary that was remembered is that of now. Batches come to these tables behind `traces`, whose rows
//! they lock in the order of their ids; so does a recomputation.
//!
//! Usage outlives spans: when spans are deleted by age, money that was spent stays spent. Names longer than 512 bytes count
//! by their beginnings, because a key has no room for more.

mod add;
mod columns;
mod counts;
mod recompute;
mod summary;

use annals_record::Timestamp;

pub(crate) use add::{Addition, add_sqlite};
pub use recompute::{Recompute, Recomputed};
pub use summary::{Usage, UsageGroup, UsageQuery, UsageSummary};

use crate::{PriceList, Result, Spans};

/// By what usage is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum UsageBy {
    /// The model that answered, or else was asked for.
    Model,
    /// Who serves it.
    Provider,
    /// The service that called it.
    Service,
    /// For whom.
    User,
    /// In which conversation.
    Conversation,
    /// The day, in UTC.
    Day,
    /// The hour.
    Hour,
}

impl UsageBy {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Model,
        Self::Provider,
        Self::Service,
        Self::User,
        Self::Conversation,
        Self::Day,
        Self::Hour,
    ];

    /// Its name: `model`, `provider` and so on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Service => "service",
            Self::User => "user",
            Self::Conversation => "conversation",
            Self::Day => "day",
            Self::Hour => "hour",
        }
    }

    /// That of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.name() == name)
    }
}

impl Spans {
    /// Sums up what models were used for. Reads the tables of usage alone, so it takes as long for a million spans as for
    /// ten.
    ///
    /// # Errors
    ///
    /// The question is about what is not kept together, such as users by service ([`Error::Usage`](crate::Error::Usage)); or
    /// the database failed.
    pub async fn usage(&self, query: &UsageQuery) -> Result<UsageSummary> {
        summary::of(self.store(), self.remembered(), query).await
    }

    /// Gives calls the costs that they have by a price list, and corrects traces and usage by the difference; costs
    /// that were reported stay. `told` hears after each step what was done until then.
    ///
    /// # Errors
    ///
    /// The database failed; what was told is done, and doing it again goes on from there.
    pub async fn recompute(
        &self,
        prices: &PriceList,
        asked: &Recompute,
        told: &(dyn Fn(&Recomputed) + Sync),
    ) -> Result<Recomputed> {
        recompute::run(self.store(), prices, asked, told).await
    }
}

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// Microseconds of a day.
const DAY: i64 = 24 * HOUR;

/// The beginning of the time of a given length that an instant is in, in microseconds.
fn floor(at: Timestamp, length: i64) -> i64 {
    at.unix_micros().div_euclid(length) * length
}
