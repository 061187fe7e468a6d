//! Rows of the predecessor's table as its driver would send them.

use std::error::Error;

use annals_deploy::DeploymentSpan;
use annals_record::Uuid;
use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// The twenty columns, in the order of [`values`].
pub(super) const COLUMNS: &str = "id, trace_id, span_id, parent_span_id, name, start_time, end_time, workspace_id, \
     release_target_key, release_id, job_id, parent_trace_id, phase, node_type, status, depth, sequence, attributes, \
     events, created_at";

/// Their types.
pub(super) const TYPES: [Type; 20] = [
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT4,
    Type::INT4,
    Type::JSONB,
    Type::JSONB,
    Type::TIMESTAMPTZ,
];

/// Microseconds from 1970 to 2000, from which PostgreSQL counts.
const EPOCH: i64 = 946_684_800_000_000;

/// A value of a row.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Uuid(Uuid),
    Text(Option<&'a str>),
    /// Microseconds since 1970.
    Time(Option<i64>),
    Int(Option<i32>),
    Json(&'a str),
}

fn text(value: &str) -> Value<'_> {
    Value::Text(Some(value))
}

fn nullable(value: Option<&String>) -> Value<'_> {
    Value::Text(value.map(String::as_str))
}

/// The values of a span.
pub(super) fn values(span: &DeploymentSpan) -> [Value<'_>; 20] {
    [
        Value::Uuid(span.id),
        text(&span.trace_id),
        text(&span.span_id),
        nullable(span.parent_span_id.as_ref()),
        text(&span.name),
        Value::Time(Some(span.start_time.unix_micros())),
        Value::Time(span.end_time.map(|end| end.unix_micros())),
        Value::Uuid(span.workspace_id),
        nullable(span.release_target_key.as_ref()),
        nullable(span.release_id.as_ref()),
        nullable(span.job_id.as_ref()),
        nullable(span.parent_trace_id.as_ref()),
        nullable(span.phase.as_ref()),
        nullable(span.node_type.as_ref()),
        nullable(span.status.as_ref()),
        Value::Int(span.depth),
        Value::Int(span.sequence),
        Value::Json(span.attributes.as_str()),
        Value::Json(span.events.as_str()),
        Value::Time(Some(span.created_at.unix_micros())),
    ]
}

impl ToSql for Value<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Text(None) | Self::Time(None) | Self::Int(None) => return Ok(IsNull::Yes),
            Self::Uuid(id) => out.extend_from_slice(id.as_bytes()),
            Self::Text(Some(text)) => out.extend_from_slice(text.as_bytes()),
            Self::Time(Some(micros)) => out.extend_from_slice(&(micros - EPOCH).to_be_bytes()),
            Self::Int(Some(number)) => out.extend_from_slice(&number.to_be_bytes()),
            Self::Json(text) => {
                // The version of the form.
                out.extend_from_slice(&[1]);
                out.extend_from_slice(text.as_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
