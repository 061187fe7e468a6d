//! A span's links as they lie in its column.

use annals_record::Json;
use opentelemetry_proto::tonic::trace::v1::span::Link;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FieldError, attributes, ids};

const FIELD: &str = "links";

/// One link in the column's array.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Stored {
    trace_id: String,
    span_id: String,
    trace_state: String,
    attributes: Map<String, Value>,
    flags: u32,
    dropped_attributes_count: u32,
}

/// The column; absent when there are no links.
pub(super) fn to_json(links: Vec<Link>) -> Result<Option<Json>, FieldError> {
    let stored = links
        .into_iter()
        .enumerate()
        .map(|(i, link)| stored(link).map_err(|error| error.within_item(FIELD, i)));
    super::span::column(FIELD, &stored.collect::<Result<Vec<_>, _>>()?)
}

fn stored(link: Link) -> Result<Stored, FieldError> {
    Ok(Stored {
        trace_id: ids::of_link(&link.trace_id, ids::TRACE, "trace_id")?,
        span_id: ids::of_link(&link.span_id, ids::SPAN, "span_id")?,
        trace_state: link.trace_state,
        attributes: attributes::encode(link.attributes)?,
        flags: link.flags,
        dropped_attributes_count: link.dropped_attributes_count,
    })
}

/// The links in the column.
pub(super) fn from_json(column: Option<&Json>) -> Result<Vec<Link>, FieldError> {
    let stored: Vec<Stored> = super::span::items(FIELD, column)?;
    let links = stored
        .into_iter()
        .enumerate()
        .map(|(i, link)| message(link).map_err(|error| error.within_item(FIELD, i)));
    links.collect()
}

fn message(link: Stored) -> Result<Link, FieldError> {
    Ok(Link {
        trace_id: ids::bytes(&link.trace_id, ids::TRACE, "trace_id")?,
        span_id: ids::bytes(&link.span_id, ids::SPAN, "span_id")?,
        trace_state: link.trace_state,
        attributes: attributes::decode(link.attributes),
        flags: link.flags,
        dropped_attributes_count: link.dropped_attributes_count,
    })
}
