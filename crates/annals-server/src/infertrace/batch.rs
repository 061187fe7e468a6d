//! Whole requests of either contract.

use annals_telemetry::Span;

use super::{
    ids::{self, MadeIds, Maker},
    messages::{planned, v1},
    span,
};
use crate::otlp::{Decoded, FieldError, Identity};

/// What a request held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Its spans, and those that were refused.
    pub decoded: Decoded,
    /// Ids that its spans lacked.
    pub made_ids: MadeIds,
}

impl Batch {
    /// The same without the spans that a check refuses. Ids that were made for them stay counted.
    #[must_use]
    pub fn checked(self, check: impl Fn(&Span) -> Result<(), FieldError>) -> Self {
        Self {
            decoded: self.decoded.checked(check),
            ..self
        }
    }
}

/// The spans of a request of the first plan. A bad span refuses itself alone.
#[must_use]
pub fn planned_batch(spans: Vec<planned::Span>) -> Batch {
    batch(spans, span::planned, |span| {
        Identity::of_span(
            ids::readable(&span.trace_id, ids::TRACE),
            ids::readable(&span.span_id, ids::SPAN),
        )
    })
}

/// The spans of a request of v1. A bad span refuses itself alone.
#[must_use]
pub fn v1_batch(spans: Vec<v1::Span>) -> Batch {
    batch(spans, span::v1, |span| {
        Identity::of_span(Some(span.trace_id.clone()), Some(span.span_id.clone()))
    })
}

fn batch<M>(
    messages: Vec<M>,
    record: impl Fn(M, &mut Maker) -> Result<Span, FieldError>,
    identity: impl Fn(&M) -> Identity,
) -> Batch {
    let mut maker = Maker::default();
    let mut decoded = Decoded::default();
    for message in messages {
        let identity = identity(&message);
        decoded.push(record(message, &mut maker), || identity);
    }
    Batch {
        decoded,
        made_ids: maker.made(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Problem;

    #[test]
    fn what_a_check_refuses_keeps_its_place_in_the_request() {
        let span = |name: &str, start_time_unix_nano| planned::Span {
            operation_name: name.to_owned(),
            start_time_unix_nano,
            ..planned::Span::default()
        };
        // The second and the last have no start.
        let spans = ["a", "", "b", "a", "b", ""];
        let batch = planned_batch(
            spans
                .map(|name| span(name, i64::from(!name.is_empty())))
                .into(),
        );
        let checked = batch.checked(|span| {
            if span.operation_name == "b" {
                Err(FieldError::new("operation_name", Problem::Missing))
            } else {
                Ok(())
            }
        });
        assert_eq!(checked.decoded.records.len(), 2);
        let refused: Vec<_> = checked
            .decoded
            .refused
            .iter()
            .map(|refused| (refused.index, refused.reason.field.as_str()))
            .collect();
        assert_eq!(
            refused,
            [
                (1, "start_time_unix_nano"),
                (2, "operation_name"),
                (4, "operation_name"),
                (5, "start_time_unix_nano"),
            ]
        );
        assert_eq!(checked.made_ids.total(), 8);
    }
}
