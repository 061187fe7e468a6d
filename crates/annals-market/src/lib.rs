//! Bars of market data on any backend.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`bar`] | one bar of one minute, and which rules it keeps |
//! | [`bars`] | the contract [`BarStore`] and its implementation [`Bars`]: writing, ranges, newest bars |
//! | [`symbols`], [`gaps`] | which symbols were traded, and in which minutes they were not |
//! | [`timeframe`] | 1m, 5m, 15m, 1h and 1d: where each begins and ends, days by an exchange's time zone |
//! | [`rollup`] | longer bars from bars of a minute, level by level |
//! | [`level`] | the tables of 5m, 15m and 1h |
//! | [`refresh`] | rolling up what has changed, and a task that does it over and over |
//! | [`dropped`] | minutes that went by age, whose longer bars stay |
//! | [`life`] | the tables that age |
//! | `changed` | the queue of minutes that have changed, written with them |
//! | `range`, `latest`, `longer` | reading: stored bars, and minutes where those have changed |
//! | [`recent`] | latest bars that were read a moment ago, for whoever says how old they may be |
//! | `tx` | one transaction of either dialect, for what is written once |
//! | [`aggregator`] | bars of a minute from trades |
//! | [`feed`] | from trades to bars in the database, without keeping the feed waiting |
//! | [`config`] | the settings of the bar writer |
//!
//! This crate knows no protocol: what arrives by HTTP or from a file has become a [`Bar`] or a
//! tick before it gets here.

pub mod aggregator;
pub mod bar;
pub mod bars;
mod changed;
pub mod config;
pub mod dropped;
pub mod error;
pub mod feed;
pub mod gaps;
mod latest;
pub mod level;
pub mod life;
mod longer;
mod range;
pub mod recent;
pub mod refresh;
pub mod rollup;
pub mod symbols;
pub mod timeframe;
mod tx;

use annals_store::Migrations;

pub use aggregator::{Aggregator, AggregatorOptions, Tick, TickCounts, TickError, TickKind};
pub use bar::{Bar, BarError};
pub use bars::{BarPage, BarRange, BarStore, Bars, EnqueuedBars, RefusedBar, WrittenBars};
pub use config::{BarsOptions, Conflict};
pub use dropped::DroppedMinutes;
pub use error::{Error, Result};
pub use feed::{Fed, FeedFull, FeedOptions, FeedReport, RefusedTick, TickFeed};
pub use gaps::Gap;
pub use level::{Bar1h, Bar5m, Bar15m};
pub use life::tables;
pub use recent::LatestBars;
pub use refresh::{Refreshed, RollUp};
pub use rollup::{Rollup, RollupError, roll_up};
pub use symbols::SeenSymbol;
pub use timeframe::{Timeframe, Zone};

/// The tables of this crate.
pub static MIGRATIONS: Migrations = annals_store::migrations!(
    "market",
    "0001_bars",
    "0002_rollups",
    "0003_dropped_minutes",
);
