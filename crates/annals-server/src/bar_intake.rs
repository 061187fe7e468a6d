//! The one road of bars from any format into the store: a writer for each policy, a deadline, and an
//! honest answer.

use std::time::Duration;

use annals_market::{Bar, BarStore as _, Bars, BarsOptions, Conflict};
use annals_store::{Store, WriteError, WriterReport};
use tokio::{sync::OnceCell, time::Instant};

use crate::{
    Result,
    bars::rows::{Refused, Rows},
    metrics,
    not_taken::{NotTaken, is_away},
};

/// Bars on their way to the store.
#[derive(Debug)]
pub(crate) struct BarIntake {
    store: Store,
    options: BarsOptions,
    /// By the policy of the settings.
    bars: Bars,
    /// By each policy that is another one, from its first bars on: a writer costs tasks and memory.
    others: [(Conflict, OnceCell<Bars>); 3],
    timeout: Duration,
}

/// What became of a request whose bars could be told apart.
#[derive(Debug)]
pub(crate) struct TakenBars {
    /// Bars that are in the table.
    pub(crate) committed: usize,
    /// Bars that the table refused and that are kept as dead letters.
    pub(crate) parked: usize,
    /// Bars of which nothing is kept.
    pub(crate) refused: Refused,
}

impl BarIntake {
    pub(crate) async fn start(
        store: Store,
        options: &BarsOptions,
        timeout: Duration,
    ) -> Result<Self> {
        let mut options = options.clone();
        // A server that is away is asked often: who waits here has a client who waits.
        options.writer.retry_delay_max = options.writer.retry_delay.max(Duration::from_secs(1));
        Ok(Self {
            bars: Bars::new(store.clone(), options.clone()).await?,
            others: [Conflict::Replace, Conflict::Merge, Conflict::Ignore]
                .map(|conflict| (conflict, OnceCell::new())),
            store,
            options,
            timeout,
        })
    }

    /// The store behind it, for reading.
    pub(crate) fn bars(&self) -> &Bars {
        &self.bars
    }

    /// Writes bars by a policy, and answers once they are committed. Those that were refused before are
    /// among the refused.
    pub(crate) async fn write(
        &self,
        mut rows: Rows<Bar>,
        conflict: Option<Conflict>,
    ) -> Result<TakenBars, NotTaken> {
        let end = Instant::now() + self.timeout;
        let conflict = conflict.unwrap_or(self.options.conflict);
        let bars = std::mem::take(&mut rows.rows);
        let count = bars.len();
        let mut taken = TakenBars {
            committed: 0,
            parked: 0,
            refused: Refused::default(),
        };
        if count > 0 {
            let turned_away = |why| {
                metrics::bars("turned_away", count);
                why
            };
            let late = |_| turned_away(NotTaken::away());
            let writer = tokio::time::timeout_at(end, self.writer(conflict)).await;
            let writer = writer.map_err(late)?.map_err(turned_away)?;
            if is_away(writer.writer()) {
                return Err(turned_away(NotTaken::away()));
            }
            let written = tokio::time::timeout_at(end, writer.write_bars(bars)).await;
            let written = written.unwrap_or_else(|_| Err(WriteError::Lost { rows: count }.into()));
            let written =
                written.map_err(|error| turned_away(not_taken(&error, count, conflict)))?;
            for bar in &written.refused {
                rows.refuse(bar.index, bar.reason);
            }
            (taken.committed, taken.parked) = (written.committed, written.parked);
            metrics::bars("committed", taken.committed);
            metrics::bars("parked", taken.parked);
        }
        taken.refused = rows.refused;
        metrics::bars("refused", taken.refused.count);
        Ok(taken)
    }

    async fn writer(&self, conflict: Conflict) -> Result<&Bars, NotTaken> {
        let other = self.others.iter().find(|(policy, _)| *policy == conflict);
        let Some((_, cell)) = other.filter(|_| conflict != self.options.conflict) else {
            return Ok(&self.bars);
        };
        let options = self.options.clone().with_conflict(conflict);
        cell.get_or_try_init(|| Bars::new(self.store.clone(), options))
            .await
            .map_err(|error| {
                tracing::warn!(%error, "a writer of bars did not start");
                NotTaken::away()
            })
    }

    fn started(&self) -> impl Iterator<Item = &Bars> {
        let others = self.others.iter().filter_map(|(_, cell)| cell.get());
        std::iter::once(&self.bars).chain(others)
    }

    /// The report of writers that nobody waits for: what they hold counts as lost.
    pub(crate) fn report_as_lost(&self) -> WriterReport {
        let mut report = sum(self.started().map(|bars| bars.writer().report()));
        report.lost += std::mem::take(&mut report.held);
        report
    }

    /// Takes nothing more, writes what is held, and reports.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> WriterReport {
        let all = self.started().map(|bars| bars.close(deadline));
        sum(futures_util::future::join_all(all).await)
    }
}

fn not_taken(error: &annals_market::Error, rows: usize, conflict: Conflict) -> NotTaken {
    let annals_market::Error::Store(error) = error else {
        return NotTaken::unexpected(error, rows);
    };
    // Replacing and ignoring can be done twice; merging cannot.
    let is_closed = matches!(error, annals_store::Error::Write(WriteError::Closed));
    match NotTaken::of(error, rows) {
        NotTaken::Away { .. } | NotTaken::Stopping { .. }
            if conflict == Conflict::Merge && !is_closed =>
        {
            NotTaken::merged()
        }
        other => other,
    }
}

fn sum(reports: impl IntoIterator<Item = WriterReport>) -> WriterReport {
    let mut sum = WriterReport::default();
    for report in reports {
        sum.accepted += report.accepted;
        sum.committed += report.committed;
        sum.parked += report.parked;
        sum.returned += report.returned;
        sum.dropped += report.dropped;
        sum.refused += report.refused;
        sum.held += report.held;
        sum.lost += report.lost;
    }
    sum
}
