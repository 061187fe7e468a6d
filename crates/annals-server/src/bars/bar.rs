//! One bar as a JSON object.

use annals_market::Bar;
use annals_record::{Timestamp, TimestampMicros};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    rows::without_line,
    values::{self, Field, micros, number, whole},
};

/// A bar of one minute. Times are RFC 3339, or integers: milliseconds since 1970.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BarInput)]
pub(crate) struct BarFields<'a> {
    /// What was traded: any text of at most 256 bytes.
    #[serde(borrow)]
    #[schema(value_type = String, required)]
    symbol: Field<'a>,
    /// When the minute began; on the minute.
    #[serde(borrow)]
    #[schema(value_type = String, format = DateTime, required)]
    timestamp: Field<'a>,
    /// Price of the first trade.
    #[serde(borrow)]
    #[schema(value_type = f64, required)]
    open: Field<'a>,
    /// Highest price.
    #[serde(borrow)]
    #[schema(value_type = f64, required)]
    high: Field<'a>,
    /// Lowest price.
    #[serde(borrow)]
    #[schema(value_type = f64, required)]
    low: Field<'a>,
    /// Price of the last trade.
    #[serde(borrow)]
    #[schema(value_type = f64, required)]
    close: Field<'a>,
    /// How much was traded, whole.
    #[serde(borrow)]
    #[schema(value_type = i64, required)]
    volume: Field<'a>,
    /// Mean price, weighted by volume; without it the typical price, (high + low + close) / 3.
    #[serde(borrow)]
    #[schema(value_type = Option<f64>)]
    vwap: Field<'a>,
    /// When the first trade was, where that is known; kept to the microsecond.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, format = DateTime)]
    opened_at: Field<'a>,
    /// When the last trade was, where that is known; kept to the microsecond.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Field<'a>,
}

/// Reads a bar; which rules it keeps is looked at later.
pub(crate) fn read(text: &str) -> Result<Bar, String> {
    let fields: BarFields<'_> = serde_json::from_str(text).map_err(|error| without_line(&error))?;
    let time = values::time("timestamp", fields.timestamp)?;
    let timestamp = TimestampMicros::floor(time);
    if Timestamp::from(timestamp) != time {
        return Err(format!("the timestamp {time} is not on the minute"));
    }
    let (high, low) = (number("high", fields.high)?, number("low", fields.low)?);
    let close = number("close", fields.close)?;
    Ok(Bar {
        symbol: values::symbol(fields.symbol)?,
        timestamp,
        open: number("open", fields.open)?,
        high,
        low,
        close,
        volume: whole("volume", fields.volume)?,
        vwap: match fields.vwap {
            None => (high + low + close) / 3.0,
            vwap => number("vwap", vwap)?,
        },
        opened_at: micros("opened_at", fields.opened_at)?,
        closed_at: micros("closed_at", fields.closed_at)?,
    })
}

/// A bar read elsewhere, whose symbol is not too long here either.
pub(crate) fn with_fitting_symbol(bar: Bar) -> Result<Bar, String> {
    if bar.symbol.len() > values::MAX_SYMBOL {
        return Err(values::too_long(&bar.symbol));
    }
    Ok(bar)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAR: &str = r#"{"symbol":"AAPL","timestamp":"2023-11-14T22:14:00Z","open":150,
        "high":151.5,"low":149,"close":150.5,"volume":425}"#;

    #[test]
    fn the_typical_price_stands_in_for_a_mean_that_is_not_known() {
        let bar = read(BAR).unwrap();
        assert_eq!(bar.vwap, (151.5 + 149.0 + 150.5) / 3.0);
        assert_eq!(bar.check(), Ok(()));
        let null = BAR.replace("425", "425,\"vwap\":null,\"opened_at\":null");
        assert_eq!(read(&null).unwrap(), bar);
        let known = BAR.replace("425", "425,\"vwap\":150.25");
        assert_eq!(read(&known).unwrap().vwap, 150.25);
    }

    #[test]
    fn every_mistake_is_refused_by_name() {
        for (old, new, told) in [
            ("\"open\":150,", "", "open is missing"),
            ("\"open\":150", "\"open\":\"150\"", "open is \"150\""),
            ("\"open\":150", "\"open\":null", "open is missing"),
            ("425", "0.5", "volume is 0.5"),
            ("425", "425,\"vwap\":\"x\"", "vwap is \"x\""),
            ("425", "425,\"vwop\":1", "vwop"),
            ("425", "425,\"open\":1", "duplicate field `open`"),
            ("425", "425,\"closed_at\":5", "closed_at is 5"),
            ("22:14:00Z", "22:14:00.000000001Z", "not on the minute"),
            ("\"AAPL\"", "7", "symbol is 7"),
        ] {
            let error = read(&BAR.replace(old, new)).unwrap_err();
            assert!(error.contains(told), "{error}");
            assert!(!error.contains("line"), "{error}");
        }
        for other in ["[]", "null", "7", "\"bar\""] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}
