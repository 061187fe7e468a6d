//! The tables of the levels, and what is read off them.

use annals_record::{ChunkInterval, ColumnSink, ColumnSource, DecodeError, Descriptor, Record};

use crate::{
    Bar, Result, Timeframe,
    timeframe::{HOUR, MINUTE},
    tx::{Param, Tx},
};

/// Bars that are read at once.
pub(crate) const STEP: usize = 10_000;

/// The levels that are stored beside minutes, the shortest first.
pub(crate) const STORED: [Timeframe; 3] = [Timeframe::M5, Timeframe::M15, Timeframe::H1];

/// Fills a statement in for the table of a level; days have none.
macro_rules! of_level {
    ($level:expr, $before:literal, $after:literal) => {
        match $level {
            $crate::Timeframe::M1 => concat!($before, "{bars_1m}", $after),
            $crate::Timeframe::M5 => concat!($before, "{bars_5m}", $after),
            $crate::Timeframe::M15 | $crate::Timeframe::D1 => {
                concat!($before, "{bars_15m}", $after)
            }
            $crate::Timeframe::H1 => concat!($before, "{bars_1h}", $after),
        }
    };
}
pub(crate) use of_level;

/// The stored level that bars of a timeframe are read from, and how many of it are one at most.
pub(crate) const fn source_of(timeframe: Timeframe) -> (Timeframe, usize) {
    match timeframe {
        // A day of 25 hours, which the longest are.
        Timeframe::D1 => (Timeframe::M15, 100),
        other => (other, 1),
    }
}

/// Which bars of a symbol to read, by when they begin, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) level: Timeframe,
    pub(crate) from: i64,
    /// Excluded.
    pub(crate) until: i64,
    pub(crate) limit: usize,
}

/// Bars of a symbol, the oldest or the newest first.
pub(crate) async fn read<T: Tx>(
    tx: &mut T,
    symbol: &str,
    ask: Ask,
    newest_first: bool,
) -> Result<Vec<Bar>> {
    let sql = if newest_first {
        of_level!(
            ask.level,
            "SELECT symbol, timestamp, open, high, low, close, volume, vwap, opened_at, closed_at FROM ",
            " WHERE symbol = $1 AND timestamp >= $2 AND timestamp < $3 ORDER BY timestamp DESC LIMIT $4"
        )
    } else {
        of_level!(
            ask.level,
            "SELECT symbol, timestamp, open, high, low, close, volume, vwap, opened_at, closed_at FROM ",
            " WHERE symbol = $1 AND timestamp >= $2 AND timestamp < $3 ORDER BY timestamp LIMIT $4"
        )
    };
    let params = [
        Param::Text(symbol),
        Param::Time(in_time(ask.from)),
        Param::Time(in_time(ask.until)),
        Param::Count(i64::try_from(ask.limit).unwrap_or(i64::MAX)),
    ];
    tx.fetch(sql, &params).await
}

/// The time that a database can hold and that is closest.
pub(crate) fn in_time(micros: i64) -> i64 {
    let ends = [annals_record::Timestamp::MIN, annals_record::Timestamp::MAX];
    let [earliest, latest] = ends.map(annals_record::Timestamp::unix_micros);
    micros.clamp(earliest, latest)
}

/// When the hour of a time began, and when it ends, in microseconds.
pub(crate) const fn hour_of(micros: i64) -> (i64, i64) {
    let start = micros.saturating_sub(micros.rem_euclid(HOUR));
    (start, start.saturating_add(HOUR))
}

/// When the next bar of a stored level begins.
pub(crate) const fn behind(level: Timeframe, micros: i64) -> i64 {
    let length = match level {
        Timeframe::M1 => MINUTE,
        Timeframe::M5 => 5 * MINUTE,
        Timeframe::M15 | Timeframe::D1 => 15 * MINUTE,
        Timeframe::H1 => HOUR,
    };
    micros.saturating_add(length)
}

/// The table of minutes by another name and with other chunks.
const fn like_bars(table: &'static str, chunk: ChunkInterval) -> Descriptor {
    let bars = Bar::DESCRIPTOR;
    let mut other = Descriptor::new(table, bars.columns)
        .with_key(bars.key, bars.on_conflict)
        .with_merge(bars.merge)
        .with_indexes(bars.indexes);
    (other.time, other.chunk) = (bars.time, Some(chunk));
    (other.segment_by, other.order_by) = (bars.segment_by, bars.order_by);
    other
}

/// A row of a table that is `bars_1m` but for its name and the range of its chunks.
macro_rules! longer_record {
    ($(#[$doc:meta])* $name:ident, $table:literal, $chunk:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(
            /// The bar.
            pub Bar,
        );

        impl Record for $name {
            const DESCRIPTOR: &'static Descriptor = &like_bars($table, $chunk);

            fn encode<S: ColumnSink + ?Sized>(&self, sink: &mut S) {
                self.0.encode(sink);
            }

            fn decode<S: ColumnSource + ?Sized>(source: &mut S) -> Result<Self, DecodeError> {
                Bar::decode(source).map(Self)
            }
        }
    };
}

longer_record!(
    /// A bar of five minutes, as a row of `bars_5m`.
    Bar5m,
    "bars_5m",
    ChunkInterval::from_secs(30 * 86_400)
);
longer_record!(
    /// A bar of a quarter of an hour, as a row of `bars_15m`.
    Bar15m,
    "bars_15m",
    ChunkInterval::from_secs(90 * 86_400)
);
longer_record!(
    /// A bar of an hour, as a row of `bars_1h`.
    Bar1h,
    "bars_1h",
    ChunkInterval::from_secs(365 * 86_400)
);
