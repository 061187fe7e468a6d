//! One tick as a JSON object.

use annals_market::{Tick, TickKind};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    rows::without_line,
    values::{self, Field, number, text, time, whole},
};

/// A tick. Times are RFC 3339, or integers: milliseconds since 1970.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TickInput)]
pub(crate) struct TickFields<'a> {
    /// What was traded: any text of at most 256 bytes.
    #[serde(borrow)]
    #[schema(value_type = String, required)]
    symbol: Field<'a>,
    /// The price.
    #[serde(borrow)]
    #[schema(value_type = f64, required)]
    price: Field<'a>,
    /// How much, whole.
    #[serde(borrow)]
    #[schema(value_type = i64, required)]
    size: Field<'a>,
    /// When, by the exchange's clock.
    #[serde(borrow)]
    #[schema(value_type = String, format = DateTime, required)]
    timestamp: Field<'a>,
    /// trade (the default) or quote; quotes are counted and ignored.
    #[serde(borrow, rename = "type")]
    #[schema(value_type = Option<String>)]
    kind: Field<'a>,
}

/// Reads a tick; which rules it keeps is looked at later.
pub(crate) fn read(json: &str) -> Result<Tick, String> {
    let fields: TickFields<'_> =
        serde_json::from_str(json).map_err(|error| without_line(&error))?;
    Ok(Tick {
        symbol: values::symbol(fields.symbol)?,
        price: number("price", fields.price)?,
        size: whole("size", fields.size)?,
        timestamp: time("timestamp", fields.timestamp)?,
        kind: match fields.kind {
            None => TickKind::Trade,
            kind => match text("type", kind)?.as_str() {
                "trade" => TickKind::Trade,
                "quote" => TickKind::Quote,
                other => {
                    let shown: String = other.chars().take(20).collect();
                    return Err(format!("type is {shown:?}, but must be trade or quote"));
                }
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: &str = r#"{"symbol":"AAPL","timestamp":1700000040123,"price":150.5,"size":100}"#;

    #[test]
    fn a_tick_is_a_trade_unless_it_says_otherwise() {
        let tick = read(TICK).unwrap();
        assert_eq!(tick.kind, TickKind::Trade);
        assert_eq!(tick.timestamp.to_string(), "2023-11-14T22:14:00.123Z");
        let with = |kind: &str| read(&TICK.replace("100}", &format!("100,\"type\":{kind}}}")));
        assert_eq!(with("\"quote\"").unwrap().kind, TickKind::Quote);
        assert_eq!(with("\"trade\"").unwrap(), tick);
        for bad in ["\"Trade\"", "1", "\"\""] {
            assert!(with(bad).unwrap_err().starts_with("type is"), "{bad}");
        }
    }

    #[test]
    fn every_mistake_is_refused_by_name() {
        for (old, new, told) in [
            ("\"price\":150.5,", "", "price is missing"),
            ("150.5", "\"150.5\"", "price is"),
            ("100", "0.1", "size is 0.1"),
            ("\"size\"", "\"Size\"", "Size"),
            ("1700000040123", "1700000040", "milliseconds"),
        ] {
            let error = read(&TICK.replace(old, new)).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
