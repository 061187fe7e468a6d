//! A record as a bar, or why it is none.

use std::{borrow::Cow, io};

use annals_market::{Bar, BarError};
use annals_record::{Timestamp, TimestampMicros};

use super::{
    MAX_FIELDS, MAX_RECORD,
    clock::{Clock, TimeError},
    columns::{Column, Places, SymbolPlace},
    records::Records,
};

/// Characters of a field that a message shows.
const SHOWN: usize = 60;

/// The largest whole number below which every float that is one is told apart.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Why a row is no bar.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A field too many or too few; or a delimiter in a text without quotes.
    #[error("it has {found} field(s), but the header has {expected}")]
    Fields {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// Beyond the limits.
    #[error(
        "it is longer than {} KiB or {MAX_FIELDS} fields, up to line {until}, and all of that was skipped: is a quote not closed?",
        MAX_RECORD >> 10
    )]
    TooLong {
        /// Its last line.
        until: u64,
    },
    /// Bytes that are no text.
    #[error("{column} is not UTF-8: save the file in that encoding")]
    Encoding {
        /// Of which column.
        column: Column,
    },
    /// A price that is no number.
    #[error("{column} is {text:?}, which is no number such as 150.25")]
    Number {
        /// Of which column.
        column: Column,
        /// What stands there.
        text: String,
    },
    /// A volume that is no whole number.
    #[error("volume is {text:?}, which is no whole number up to 2^63-1")]
    Volume {
        /// What stands there.
        text: String,
    },
    /// A time that is none.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// A rule of bars is broken.
    #[error(transparent)]
    Rule(#[from] BarError),
    /// The input failed here. Nothing behind it was read.
    #[error("the input cannot be read any further: {0}")]
    Read(io::Error),
}

/// The bar that a record is.
pub(super) fn bar<R>(records: &Records<R>, places: &Places, clock: &Clock) -> Result<Bar, Reason> {
    if records.len() != places.fields {
        return Err(Reason::Fields {
            found: records.len(),
            expected: places.fields,
        });
    }
    let text =
        |column, at| str::from_utf8(records.field(at)).map_err(|_| Reason::Encoding { column });
    let price = |column, at| {
        let text = text(column, at)?.trim();
        text.parse::<f64>().map_err(|_| Reason::Number {
            column,
            text: excerpt(text).into_owned(),
        })
    };
    // Blanks around a symbol are part of it: what was exported has to come back.
    let symbol = match &places.symbol {
        SymbolPlace::Fixed(symbol) => symbol,
        SymbolPlace::At(at) => text(Column::Symbol, *at)?,
    };
    let timestamp = minute(clock.read(text(Column::Timestamp, places.timestamp)?)?)?;
    let open = price(Column::Open, places.open)?;
    let high = price(Column::High, places.high)?;
    let low = price(Column::Low, places.low)?;
    let close = price(Column::Close, places.close)?;
    let volume = volume(text(Column::Volume, places.volume)?.trim())?;
    let vwap = match places.vwap {
        Some(at) if !text(Column::Vwap, at)?.trim().is_empty() => price(Column::Vwap, at)?,
        _ => (high + low + close) / 3.0,
    };
    Ok(Bar::new(
        symbol,
        timestamp,
        [open, high, low, close],
        volume,
        vwap,
    )?)
}

/// Nanoseconds are not cut off in silence.
fn minute(time: Timestamp) -> Result<TimestampMicros, BarError> {
    let micros = TimestampMicros::floor(time);
    if Timestamp::from(micros) == time {
        Ok(micros)
    } else {
        Err(BarError::Timestamp { timestamp: time })
    }
}

/// `1234`, `1234.0` and `1.234e3` are the same volume.
fn volume(text: &str) -> Result<i64, Reason> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    whole
        .parse()
        .ok()
        .or_else(|| {
            let number: f64 = text.parse().ok()?;
            (number.fract() == 0.0 && number.abs() < MAX_WHOLE).then_some(number as i64)
        })
        .ok_or_else(|| Reason::Volume {
            text: excerpt(text).into_owned(),
        })
}

/// A field as far as a message shows it.
pub(super) fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}
