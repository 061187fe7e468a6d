//! The tables of this crate that age.
//!
//! Minutes and each stored level have a retention of their own, if any: longer bars stay when the minutes go
//! that they were made of (see [`dropped`](crate::dropped)). A level should not go before the one that it is
//! made of. A symbol whose minutes are deleted loses its longer bars too. Where the server compresses, it does so when late corrections have become rare, and the later the
//! fewer rows there are.

use annals_store::{AgingTable, Interval, Lifecycle, Names};

use crate::{Bar, Bar1h, Bar5m, Bar15m, Bars, DroppedMinutes, RollUp, Timeframe};

/// Days after which bars of a minute, of 5m, of 15m and of an hour are compressed unless a policy says
/// otherwise.
const COMPRESSED_AFTER: [u16; 4] = [30, 60, 180, 730];

/// Minutes and the stored levels, each by the name of its table. `refresh_every` is how often minutes are rolled
/// up unless a policy says otherwise.
#[must_use]
pub fn tables(names: &Names, refresh_every: Option<Interval>) -> Vec<AgingTable> {
    let minutes = AgingTable::of::<Bar>(names)
        .with_derived(DroppedMinutes)
        .aging_as_a_whole(
            "longer bars are of all symbols in a range of time; set it for the whole table, or delete one symbol \
             with annals delete",
        )
        .with_refresh(RollUp, refresh_every);
    let tables = [
        minutes,
        AgingTable::of::<Bar5m>(names),
        AgingTable::of::<Bar15m>(names),
        AgingTable::of::<Bar1h>(names),
    ];
    let tables = tables.into_iter().zip(COMPRESSED_AFTER);
    tables
        .map(|(table, days)| table.compressed_after(Some(Interval::days(days))))
        .collect()
}

impl Bars {
    /// The life of the table of a timeframe; days have none.
    #[must_use]
    pub fn lifecycle(&self, timeframe: Timeframe) -> Option<Lifecycle> {
        let place = Timeframe::ALL
            .iter()
            .position(|other| *other == timeframe)?;
        let table = tables(self.store().names(), None).into_iter().nth(place)?;
        Some(self.store().lifecycle(table))
    }
}
