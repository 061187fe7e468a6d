//! Bars of market data on any backend.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`bar`] | one bar of one minute, and which rules it keeps |
//! | [`timeframe`] | 1m, 5m, 15m, 1h and 1d: where each begins and ends, days by an exchange's time zone |
//! | [`rollup`] | longer bars from bars of a minute |
//! | [`aggregator`] | bars of a minute from trades |
//!
//! This crate knows no protocol: what arrives by HTTP or from a file has become a [`Bar`] or a
//! tick before it gets here.

pub mod aggregator;
pub mod bar;
pub mod error;
pub mod rollup;
pub mod timeframe;

use annals_store::Migrations;

pub use bar::{Bar, BarError};
pub use error::{Error, Result};

/// The tables of this crate.
pub static MIGRATIONS: Migrations = annals_store::migrations!("market", "0001_bars");
