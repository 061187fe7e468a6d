//! What has changed goes to a store.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use annals_record::{Timestamp, TimestampMicros};
use metrics::counter;
use tokio::{runtime::Handle, time::timeout};

use super::{journal::Journal, noted::Noted};
use crate::{DeploymentSpan, Error, Result, SpanSink};

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
        if !changed.is_empty() {
            let rows = self.rows(changed).await;
            self.within_the_timeout(write_parts(store, rows)).await?;
        }
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

    async fn rows(&self, spans: Vec<Arc<Noted>>) -> Vec<DeploymentSpan> {
        let mut rows = Vec::with_capacity(spans.len());
        let mut left = spans.into_iter();
        loop {
            rows.extend(
                left.by_ref()
                    .take(ROWS_AT_ONCE)
                    .filter_map(|span| self.row(&span)),
            );
            if left.len() == 0 {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The row of a span. One that is none is not worth the others; it has been made so that it always is one.
    fn row(&self, span: &Noted) -> Option<DeploymentSpan> {
        let workspace = self.constants.workspace;
        let otel = span.to_otel(&self.constants);
        match self.intake.row(otel, Some(workspace), span.revision()) {
            Ok(mut row) => {
                if let Some(created_at) = span.created_at {
                    row.created_at = created_at;
                }
                Some(row)
            }
            Err(error) => {
                counter!("annals_deploy_refused_total").increment(1);
                if !self.has_told_of_refusal.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "a span of a deployment trace is left out");
                }
                None
            }
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

async fn write_parts(store: &dyn SpanSink, rows: Vec<DeploymentSpan>) -> Result<()> {
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        store
            .write_spans(rows.by_ref().take(TOGETHER).collect())
            .await?;
    }
    Ok(())
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
