//! `annals dead-letters replay`: each letter by the writer of its table's family.

use std::{process::ExitCode, time::Duration};

use annals_deploy::{DeploymentSpan, Deployments, DeploymentsOptions};
use annals_market::{Bar, BarStore as _, Bars, BarsOptions};
use annals_record::Record as _;
use annals_store::{DeadLetter, Replayed, Store};
use annals_telemetry::{
    LogRecord, Logs, LogsOptions, Metric, MetricDataPoint, Metrics, MetricsOptions, Span, Spans,
    SpansOptions,
};

use super::{PAGE, filter_of};
use crate::{
    command::{DatabaseArgs, Which},
    database::sources,
    error::CliError,
    output::{print_json, print_line},
};

/// Nothing is held when letters are replayed, so that writers end at once.
const END: Duration = Duration::from_secs(10);

/// The writers of every family.
struct Writers {
    spans: Spans,
    bars: Bars,
    deployments: Deployments,
    logs: Logs,
    metrics: Metrics,
}

pub(super) async fn run(
    args: &DatabaseArgs,
    store: &Store,
    which: &Which,
    json: bool,
) -> Result<ExitCode, CliError> {
    for id in &which.ids {
        if store.dead_letters().get(*id).await?.is_none() {
            return Err(CliError::NoSuchLetter(*id));
        }
    }
    let bars = BarsOptions::from_sources(&sources(args)?)?;
    let writers = Writers {
        spans: Spans::new(store.clone(), SpansOptions::default()).await?,
        bars: Bars::new(store.clone(), bars).await?,
        deployments: Deployments::new(store.clone(), DeploymentsOptions::default()).await?,
        logs: Logs::new(store.clone(), LogsOptions::default()).await?,
        metrics: Metrics::new(store.clone(), MetricsOptions::default()).await?,
    };
    let total = writers.replay_all(store, which).await?;
    writers.spans.shutdown(END).await;
    writers.bars.close(END).await;
    writers.deployments.shutdown(END).await;
    writers.logs.shutdown(END).await;
    writers.metrics.shutdown(END).await;
    if json {
        print_json(&serde_json::json!({ "committed": total.committed, "refused": total.refused }))?;
    } else {
        print_line(&format!(
            "replayed {}, refused again {}",
            total.committed, total.refused
        ))?;
    }
    Ok(if total.refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Writers {
    async fn replay_all(&self, store: &Store, which: &Which) -> Result<Replayed, CliError> {
        let mut total = Replayed::default();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = store
                .dead_letters()
                .list()
                .filter(filter_of(which))
                .limit(PAGE);
            if let Some(cursor) = cursor.take() {
                query = query.after(cursor);
            }
            let page = query.fetch().await?;
            for replayed in self.replay(page.rows).await? {
                total.committed += replayed.committed;
                total.refused += replayed.refused;
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(total),
            }
        }
    }

    /// Replays nothing when a letter is of no family.
    async fn replay(&self, letters: Vec<DeadLetter>) -> Result<[Replayed; 6], CliError> {
        let of_table = |table: &str, letters: Vec<DeadLetter>| -> (Vec<_>, Vec<_>) {
            let is_of = |letter: &DeadLetter| letter.table_name == table;
            letters.into_iter().partition(is_of)
        };
        let (spans, rest) = of_table(Span::DESCRIPTOR.table, letters);
        let (bars, rest) = of_table(Bar::DESCRIPTOR.table, rest);
        let (deployments, rest) = of_table(DeploymentSpan::DESCRIPTOR.table, rest);
        let (logs, rest) = of_table(LogRecord::DESCRIPTOR.table, rest);
        let (metrics, rest) = of_table(Metric::DESCRIPTOR.table, rest);
        let (points, rest) = of_table(MetricDataPoint::DESCRIPTOR.table, rest);
        if let Some(foreign) = rest.into_iter().next() {
            return Err(CliError::ForeignTable(foreign.table_name));
        }
        Ok([
            self.spans.writer().replay(spans).await?,
            self.bars.writer().replay(bars).await?,
            self.deployments.writer().replay(deployments).await?,
            self.logs.writer().replay(logs).await?,
            // A point's metric is there before it.
            self.metrics.metrics_writer().replay(metrics).await?,
            self.metrics.writer().replay(points).await?,
        ])
    }
}
