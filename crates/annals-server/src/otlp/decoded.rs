//! What a request held: records that were taken over, and those that were refused.

use std::collections::HashSet;

use annals_telemetry::Span;

use super::{FieldError, Identity, Kind, RefusedRecord};

/// A record of which a request may have many, so that one that is refused has to be told from the others.
pub trait Told {
    /// Of what kind it is.
    const KIND: Kind;

    /// What tells it from others.
    fn identity(&self) -> Identity;
}

impl Told for Span {
    const KIND: Kind = Kind::Span;

    fn identity(&self) -> Identity {
        Identity::of_span(Some(self.trace_id.clone()), Some(self.span_id.clone()))
    }
}

/// What a request held.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<R = Span> {
    /// Records that were taken over, in the request's order.
    pub records: Vec<R>,
    /// Records that were not, in the request's order.
    pub refused: Vec<RefusedRecord>,
}

impl<R> Default for Decoded<R> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            refused: Vec::new(),
        }
    }
}

impl<R: Told> Decoded<R> {
    /// Adds a record or its refusal; what tells it from others is asked for only then.
    pub(crate) fn push(
        &mut self,
        record: Result<R, FieldError>,
        identity: impl FnOnce() -> Identity,
    ) {
        match record {
            Ok(record) => self.records.push(record),
            Err(reason) => {
                let index = self.records.len() + self.refused.len();
                self.refused
                    .push(RefusedRecord::new(R::KIND, index, identity(), reason));
            }
        }
    }

    /// The same without the records that a check refuses, which then stand among the refused at their
    /// place in the request.
    #[must_use]
    pub fn checked(self, check: impl Fn(&R) -> Result<(), FieldError>) -> Self {
        let mut refused = self.refused;
        let places: HashSet<usize> = refused.iter().map(|refused| refused.index).collect();
        let mut free = (0..).filter(|place| !places.contains(place));
        let mut records = self.records;
        records.retain(|record| {
            let place = free.next().unwrap_or_default();
            let Err(reason) = check(record) else {
                return true;
            };
            refused.push(RefusedRecord::new(
                R::KIND,
                place,
                record.identity(),
                reason,
            ));
            false
        });
        refused.sort_by_key(|refused| refused.index);
        Self { records, refused }
    }
}
