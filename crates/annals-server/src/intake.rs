//! The one road of records from any protocol into the store: admission, deadline, and an honest answer.

mod logs;
mod points;
mod spans;

use std::time::Duration;

use annals_store::{Overflow, Refusal, WriteError, WriterOptions, WriterReport, Written};

pub(crate) use logs::LogSink;
pub(crate) use points::MetricSink;
pub(crate) use spans::SpanSink;

use crate::{
    config::QueueConfig,
    metrics::{self, Road},
    not_taken::NotTaken,
    otlp::{Decoded, FieldError, Problem, RefusedRecord, Told},
};

/// Where records of a signal go.
pub(crate) trait Sink: Send + Sync {
    /// A record of the signal.
    type Record: Told + Send;

    /// Whether its table can hold a record.
    fn check(&self, record: &Self::Record) -> Result<(), Refusal>;

    /// Whether waiting for it would be in vain; see [`crate::not_taken::is_away`].
    fn is_away(&self) -> bool;

    /// Writes records, and answers once each is committed or parked.
    fn write(
        &self,
        records: Vec<Self::Record>,
    ) -> impl Future<Output = annals_telemetry::Result<Written>> + Send;

    /// Records held now, in flight included.
    fn held(&self) -> usize;

    /// What became of its rows so far.
    fn report(&self) -> WriterReport;

    /// Takes nothing more, writes what is held, and reports.
    fn shutdown(&self, deadline: Duration) -> impl Future<Output = WriterReport> + Send;
}

/// Records on their way from one road to the store.
#[derive(Debug)]
pub(crate) struct Intake<S> {
    sink: S,
    timeout: Duration,
}

/// What became of a request whose records could be told apart.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Records that are in their table or kept as dead letters.
    pub(crate) kept: usize,
    /// Records that were refused before anything was written, in the request's order.
    pub(crate) refused: Vec<RefusedRecord>,
}

impl<S: Sink> Intake<S> {
    pub(crate) fn new(sink: S, timeout: Duration) -> Self {
        Self { sink, timeout }
    }

    /// What is written to.
    pub(crate) fn sink(&self) -> &S {
        &self.sink
    }

    /// Writes the records that their table can hold, and answers once they are committed. Those that were
    /// refused before are among the refused.
    ///
    /// `patience` is how long the client says that it waits.
    pub(crate) async fn write(
        &self,
        road: Road,
        decoded: Decoded<S::Record>,
        patience: Option<Duration>,
    ) -> Result<Taken, NotTaken> {
        let kind = S::Record::KIND;
        let Decoded { records, refused } = self.holdable(decoded);
        let rows = records.len();
        if rows > 0 {
            if self.sink.is_away() {
                metrics::turned_away(kind, road, rows);
                return Err(NotTaken::away());
            }
            // Answered before the client gives up: it would send the same again and hear nothing.
            let timeout = patience.map_or(self.timeout, |patience| {
                self.timeout.min(patience.mul_f64(0.8))
            });
            let written = tokio::time::timeout(timeout, self.sink.write(records)).await;
            let written = written
                .unwrap_or_else(|_| Err(annals_telemetry::Error::from(WriteError::Lost { rows })))
                .map_err(|error| {
                    metrics::turned_away(kind, road, rows);
                    match &error {
                        annals_telemetry::Error::Store(error) => NotTaken::of(error, rows),
                        error => NotTaken::unexpected(error, rows),
                    }
                })?;
            metrics::kept(kind, road, written.committed, written.parked);
        }
        metrics::refused(kind, road, refused.len());
        Ok(Taken {
            kept: rows,
            refused,
        })
    }

    /// Takes out records that no row of the table can hold: their senders hear it by field name.
    fn holdable(&self, decoded: Decoded<S::Record>) -> Decoded<S::Record> {
        decoded.checked(|record| {
            self.sink.check(record).map_err(|refusal| {
                let problem = Problem::Table {
                    reason: refusal.reason,
                };
                FieldError::new(refusal.column, problem)
            })
        })
    }

    /// Records held now, in flight included.
    pub(crate) fn held(&self) -> usize {
        self.sink.held()
    }

    /// The report of a writer that nobody waits for: what it holds counts as lost.
    pub(crate) fn report_as_lost(&self) -> WriterReport {
        let mut report = self.sink.report();
        report.lost = std::mem::take(&mut report.held);
        report
    }

    /// Takes nothing more, writes what is held, and reports.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.sink.shutdown(deadline).await
    }
}

/// The options of a writer behind a road.
pub(crate) fn writer(queue: &QueueConfig) -> WriterOptions {
    let mut writer = WriterOptions::default();
    writer.queue_rows = queue.rows;
    writer.queue_bytes = queue.bytes;
    writer.batch_rows = queue.batch_rows;
    writer.connections = queue.connections;
    writer.overflow = Overflow::Reject;
    // A server that is away is asked often: who waits here has a client who waits.
    writer.retry_delay_max = Duration::from_secs(1);
    writer
}
