//! The one road of spans from any protocol into the store: admission, deadline, and an honest answer.

use std::time::Duration;

use annals_store::{Overflow, Store, WriteError, WriterOptions, WriterReport};
use annals_telemetry::{SpanStore as _, Spans, SpansOptions};

use crate::{
    Result,
    config::QueueConfig,
    metrics::{self, Road},
    not_taken::{NotTaken, is_away},
    otlp::{Decoded, FieldError, Problem, RefusedSpan},
};

/// Spans on their way from one road to the store.
#[derive(Debug)]
pub(crate) struct Intake {
    spans: Spans,
    timeout: Duration,
}

/// What became of a request whose spans could be told apart.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Spans that are in their table or kept as dead letters.
    pub(crate) kept: usize,
    /// Spans that were refused before anything was written, in the request's order.
    pub(crate) refused: Vec<RefusedSpan>,
}

impl Intake {
    pub(crate) async fn start(
        store: Store,
        queue: &QueueConfig,
        timeout: Duration,
    ) -> Result<Self> {
        let mut writer = WriterOptions::default();
        writer.queue_rows = queue.rows;
        writer.queue_bytes = queue.bytes;
        writer.batch_rows = queue.batch_rows;
        writer.connections = queue.connections;
        writer.overflow = Overflow::Reject;
        // A server that is away is asked often: who waits here has a client who waits.
        writer.retry_delay_max = Duration::from_secs(1);
        let spans = Spans::new(store, SpansOptions::default().with_writer(writer)).await?;
        Ok(Self { spans, timeout })
    }

    /// The store behind it, for reading.
    pub(crate) fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Writes the spans that their table can hold, and answers once they are committed. Those that were
    /// refused before are among the refused.
    ///
    /// `patience` is how long the client says that it waits.
    pub(crate) async fn write(
        &self,
        road: Road,
        decoded: Decoded,
        patience: Option<Duration>,
    ) -> Result<Taken, NotTaken> {
        let Decoded { spans, refused } = self.holdable(decoded);
        let rows = spans.len();
        if rows > 0 {
            if is_away(self.spans.writer()) {
                metrics::turned_away(road, rows);
                return Err(NotTaken::away());
            }
            // Answered before the client gives up: it would send the same again and hear nothing.
            let timeout = patience.map_or(self.timeout, |patience| {
                self.timeout.min(patience.mul_f64(0.8))
            });
            let services = metrics::count_services(&spans);
            let written = tokio::time::timeout(timeout, self.spans.write_batch(spans)).await;
            let written = written
                .unwrap_or_else(|_| Err(annals_telemetry::Error::from(WriteError::Lost { rows })))
                .map_err(|error| {
                    metrics::turned_away(road, rows);
                    match &error {
                        annals_telemetry::Error::Store(error) => NotTaken::of(error, rows),
                        error => NotTaken::unexpected(error, rows),
                    }
                })?;
            metrics::kept(road, written.committed, written.parked);
            metrics::ingested(services);
        }
        metrics::refused(road, refused.len());
        Ok(Taken {
            kept: rows,
            refused,
        })
    }

    /// Takes out spans that no row of the table can hold: their senders hear it by field name.
    fn holdable(&self, decoded: Decoded) -> Decoded {
        let store = self.spans.store();
        decoded.checked(|span| {
            store.check(span).map_err(|refusal| {
                let problem = Problem::Table {
                    reason: refusal.reason,
                };
                FieldError::new(refusal.column, problem)
            })
        })
    }

    /// Spans held now, in flight included.
    pub(crate) fn held(&self) -> usize {
        self.spans.writer().held()
    }

    /// The report of a writer that nobody waits for: what it holds counts as lost.
    pub(crate) fn report_as_lost(&self) -> WriterReport {
        let mut report = self.spans.writer().report();
        report.lost = std::mem::take(&mut report.held);
        report
    }

    /// Takes nothing more, writes what is held, and reports.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.spans.shutdown(deadline).await
    }
}
