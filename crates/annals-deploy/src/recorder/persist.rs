//! What has changed goes to a store.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use annals_record::{Timestamp, TimestampMicros};
use metrics::counter;
use tokio::{runtime::Handle, time::timeout};

use super::{journal::Journal, noted::Noted};
use crate::{DeploymentSpan, Error, Result, SpanError, SpanSink};

/// Spans that are written together: what a store takes in one transaction.
const TOGETHER: usize = 10_000;

/// Rows that are made before others get the thread.
const ROWS_AT_ONCE: usize = 256;

impl Journal {
    /// To the recorder's own store: what has changed since that had everything.
    pub(super) async fn persist(&self) -> Result<()> {
        let store = self.store.as_deref().ok_or(Error::NoStore)?;
        self.persist_changes(store, true).await
    }

    /// To any store. Which of them has what is known of the recorder's own alone: others may have gone, and another one may be in
    /// the same place.
    pub(super) async fn persist_to(&self, store: &dyn SpanSink) -> Result<()> {
        let own = self.store.as_deref();
        let is_own = size_of_val(store) > 0
            && own.is_some_and(|own| std::ptr::addr_eq(std::ptr::from_ref(own), store));
        self.persist_changes(store, is_own).await
    }

    async fn persist_changes(&self, store: &dyn SpanSink, is_own: bool) -> Result<()> {
        let (changed, stamp) = self.changed(is_own);
        self.within_the_timeout(self.write_parts(store, &changed))
            .await?;
        let mut state = self.state();
        state.kept = state.kept.max(stamp);
        if is_own {
            state.stored = state.stored.max(stamp);
        }
        Ok(())
    }

    /// Spans that the store has not, and up to which change they are.
    fn changed(&self, is_own: bool) -> (Vec<Arc<Noted>>, u64) {
        let now = TimestampMicros::floor(Timestamp::now());
        let mut state = self.state();
        let stored = if is_own { state.stored } else { 0 };
        let changed = state
            .spans
            .iter_mut()
            .filter(|span| span.stamp > stored)
            .map(|span| {
                if span.created_at.is_none() {
                    Arc::make_mut(span).created_at = Some(now);
                }
                Arc::clone(span)
            });
        (changed.collect(), state.stamp)
    }

    /// In one part, or in several when the store does not take as many at once.
    async fn write_parts(&self, store: &dyn SpanSink, spans: &[Arc<Noted>]) -> Result<()> {
        let mut together = TOGETHER;
        let mut left = spans;
        while !left.is_empty() {
            let (part, rest) = left.split_at(together.min(left.len()));
            let rows = self.rows(part).await;
            match store.write_spans(rows).await {
                Ok(()) => left = rest,
                Err(Error::TooManySpans { .. }) if part.len() > 1 => {
                    together = part.len().div_ceil(4)
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn rows(&self, spans: &[Arc<Noted>]) -> Vec<DeploymentSpan> {
        let mut rows = Vec::with_capacity(spans.len());
        for some in spans.chunks(ROWS_AT_ONCE) {
            rows.extend(some.iter().filter_map(|span| self.row(span)));
            if rows.len() < spans.len() {
                tokio::task::yield_now().await;
            }
        }
        rows
    }

    /// The row of a span. What people noted has been made so that it fits; should it not, the span is worth more than that.
    fn row(&self, span: &Noted) -> Option<DeploymentSpan> {
        let row = self.row_of(span).or_else(|error| {
            self.tell_of_refusal(&error);
            self.row_of(&span.bare())
        });
        let mut row = row.inspect_err(|error| self.tell_of_refusal(error)).ok()?;
        if let Some(created_at) = span.created_at {
            row.created_at = created_at;
        }
        Some(row)
    }

    fn row_of(&self, span: &Noted) -> Result<DeploymentSpan, SpanError> {
        let otel = span.to_otel(&self.constants);
        let workspace = Some(self.constants.workspace);
        self.intake.row(otel, workspace, span.revision())
    }

    fn tell_of_refusal(&self, error: &SpanError) {
        counter!("annals_deploy_refused_total").increment(1);
        if !self.has_told_of_refusal.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "a span of a deployment trace is left out, or its attributes and events are");
        }
    }

    async fn within_the_timeout(&self, write: impl Future<Output = Result<()>>) -> Result<()> {
        // A timer needs a runtime; a store in memory does not.
        if Handle::try_current().is_err() {
            return write.await;
        }
        let most = self.persist_timeout;
        timeout(most, write).await.unwrap_or_else(|_| {
            Err(Error::PersistTimedOut {
                seconds: whole_seconds(most),
            })
        })
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
