//! A bar as JSON.

use annals_market::Bar;
use serde::Serialize;
use utoipa::ToSchema;

/// A bar. What is absent is left out.
#[derive(Serialize, ToSchema)]
pub(super) struct BarJson {
    symbol: String,
    /// When its time range began: RFC 3339.
    #[schema(format = DateTime)]
    timestamp: String,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: i64,
    /// Mean price, weighted by volume.
    vwap: f64,
    /// When the first trade was, where that is known: RFC 3339, to the microsecond.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    opened_at: Option<String>,
    /// When the last trade was, where that is known: RFC 3339, to the microsecond.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    closed_at: Option<String>,
}

impl From<Bar> for BarJson {
    fn from(bar: Bar) -> Self {
        // Taken apart, so that a column added there cannot be forgotten here.
        let Bar {
            symbol,
            timestamp,
            open,
            high,
            low,
            close,
            volume,
            vwap,
            opened_at,
            closed_at,
        } = bar;
        Self {
            symbol,
            timestamp: timestamp.to_string(),
            open,
            high,
            low,
            close,
            volume,
            vwap,
            opened_at: opened_at.map(|time| time.to_string()),
            closed_at: closed_at.map(|time| time.to_string()),
        }
    }
}

/// Bars as they are answered.
pub(super) fn shown(bars: Vec<Bar>) -> Vec<BarJson> {
    bars.into_iter().map(BarJson::from).collect()
}
