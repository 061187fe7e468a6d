//! A span becomes a row: attributes with a prefix become columns, and all are kept.

use annals_record::{Timestamp, TimestampMicros};

use crate::{DeploymentSpan, OtelSpan, WorkspaceId};

/// Why a span cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("span {name:?} (trace_id={trace_id}, span_id={span_id}) {problem}")]
pub struct SpanError {
    /// What the span is called, shortened.
    pub name: String,
    /// Its trace, shortened.
    pub trace_id: String,
    /// Its id, shortened.
    pub span_id: String,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: String,
}

/// How spans become rows.
#[derive(Clone, Debug)]
pub struct Intake {
    prefix: String,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            prefix: "ctrlplane.".to_owned(),
        }
    }
}

impl Intake {
    /// With another prefix than `ctrlplane.` of the attributes that become columns.
    #[must_use]
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The prefix of the attributes that become columns.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The row of a span. `workspace` is that of spans that name none; one that names another is refused.
    ///
    /// `version` orders what is written of one span: the version with the larger one stays.
    ///
    /// # Errors
    ///
    /// The span has no workspace or a foreign one, an attribute does not fit its column, or a value cannot be stored
    /// anywhere.
    pub fn row(
        &self,
        span: OtelSpan,
        workspace: Option<WorkspaceId>,
        version: Revision,
    ) -> Result<DeploymentSpan, SpanError> {
        let _ = (span, workspace, version);
        todo!()
    }

    /// The rows of a batch, all or none.
    ///
    /// # Errors
    ///
    /// The first span that cannot be taken.
    pub fn rows(
        &self,
        spans: Vec<OtelSpan>,
        workspace: Option<WorkspaceId>,
    ) -> Result<Vec<DeploymentSpan>, SpanError> {
        spans
            .into_iter()
            .map(|span| {
                let version = Revision::of(span.end_time);
                self.row(span, workspace, version)
            })
            .collect()
    }

    /// The rows of those spans of a batch that can be taken, and why the others cannot.
    #[must_use]
    pub fn rows_that_fit(
        &self,
        spans: Vec<OtelSpan>,
        workspace: Option<WorkspaceId>,
    ) -> (Vec<DeploymentSpan>, Vec<SpanError>) {
        let mut refused = Vec::new();
        let mut rows = Vec::new();
        for span in spans {
            let version = Revision::of(span.end_time);
            match self.row(span, workspace, version) {
                Ok(row) => rows.push(row),
                Err(error) => refused.push(error),
            }
        }
        (rows, refused)
    }
}

/// The order of what is written of one span: one that has ended is more than one that was aborted, and that more than
/// one that runs; of those that have ended the one that ended later; then the one that was changed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(i64);

/// Bits of a revision for changes after the end.
const CHANGES: u32 = 8;

/// Bits for the end, in microseconds: until the year 2112.
const END: u32 = 52;

impl Revision {
    /// Of a span that runs, after so many changes.
    #[must_use]
    pub fn running(changes: u32) -> Self {
        Self(changes.into())
    }

    /// Of a span that was still open when its recorder ended.
    #[must_use]
    pub fn aborted(end: Timestamp, changes: u32) -> Self {
        Self::over(1, end, changes)
    }

    /// Of a span that has ended.
    #[must_use]
    pub fn ended(end: Timestamp, changes: u32) -> Self {
        Self::over(2, end, changes)
    }

    /// Of a span of which only its end is known.
    #[must_use]
    pub fn of(end: Option<Timestamp>) -> Self {
        end.map_or(Self::running(0), |end| Self::ended(end, 0))
    }

    fn over(rank: i64, end: Timestamp, changes: u32) -> Self {
        let end = TimestampMicros::floor(end)
            .unix_micros()
            .clamp(0, (1 << END) - 1);
        let changes = i64::from(changes.min((1 << CHANGES) - 1));
        Self(rank << (END + CHANGES) | end << CHANGES | changes)
    }

    /// As it is stored.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }
}
