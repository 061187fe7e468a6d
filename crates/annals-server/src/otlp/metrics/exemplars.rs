//! A point's exemplars as they lie in their column.

use annals_record::Json;
use annals_telemetry::metric::value::{double_from_json, double_to_json};
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, exemplar::Value as ProtoValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::otlp::{Bounds, FieldError, Problem, attributes, ids, span};

const FIELD: &str = "exemplars";

/// One exemplar in the column's array.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Stored {
    /// Text, since JSON readers round numbers of this size.
    time_unix_nano: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_int: Option<i64>,
    trace_id: String,
    span_id: String,
    attributes: Map<String, Value>,
}

/// The column; absent when there are no exemplars.
pub(super) fn to_json(
    exemplars: Vec<Exemplar>,
    bounds: &Bounds,
) -> Result<Option<Json>, FieldError> {
    let stored = exemplars
        .into_iter()
        .enumerate()
        .map(|(i, exemplar)| stored(exemplar, bounds).map_err(|error| error.within_item(FIELD, i)));
    span::column(FIELD, &stored.collect::<Result<Vec<_>, _>>()?)
}

fn stored(exemplar: Exemplar, bounds: &Bounds) -> Result<Stored, FieldError> {
    let renamed = |mut error: FieldError| {
        error.field = error.field.replacen("attributes", "filtered_attributes", 1);
        error
    };
    bounds
        .check(&exemplar.filtered_attributes)
        .map_err(renamed)?;
    let (value, value_int) = match exemplar.value {
        None => (None, None),
        Some(ProtoValue::AsDouble(double)) => (Some(double_to_json(double)), None),
        Some(ProtoValue::AsInt(int)) => (None, Some(int)),
    };
    Ok(Stored {
        time_unix_nano: exemplar.time_unix_nano.to_string(),
        value,
        value_int,
        trace_id: ids::of_link(&exemplar.trace_id, ids::TRACE, "trace_id")?,
        span_id: ids::of_link(&exemplar.span_id, ids::SPAN, "span_id")?,
        attributes: attributes::encode(exemplar.filtered_attributes).map_err(renamed)?,
    })
}

/// The exemplars in the column.
pub(super) fn from_json(column: Option<&Json>) -> Result<Vec<Exemplar>, FieldError> {
    let stored: Vec<Stored> = span::items(FIELD, column)?;
    let exemplars = stored
        .into_iter()
        .enumerate()
        .map(|(i, stored)| message(stored).map_err(|error| error.within_item(FIELD, i)));
    exemplars.collect()
}

fn message(stored: Stored) -> Result<Exemplar, FieldError> {
    let time_unix_nano = stored
        .time_unix_nano
        .parse()
        .map_err(|_| FieldError::new("time_unix_nano", Problem::Time))?;
    let value = match (stored.value_int, &stored.value) {
        (Some(int), _) => Some(ProtoValue::AsInt(int)),
        (None, Some(value)) => {
            let double = double_from_json(value).ok_or_else(|| {
                let found = value.to_string();
                let expected = "a number";
                FieldError::new("value", Problem::Type { found, expected })
            })?;
            Some(ProtoValue::AsDouble(double))
        }
        (None, None) => None,
    };
    Ok(Exemplar {
        filtered_attributes: attributes::decode(stored.attributes),
        time_unix_nano,
        span_id: ids::bytes(&stored.span_id, ids::SPAN, "span_id")?,
        trace_id: ids::bytes(&stored.trace_id, ids::TRACE, "trace_id")?,
        value,
    })
}
