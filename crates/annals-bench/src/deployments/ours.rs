//! Ours: `Deployments` on some server.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use annals_deploy::{DeploymentSpan, Deployments, DeploymentsOptions, MIGRATIONS};
use annals_record::Timestamp;
use annals_store::{Interval, Store, WriterOptions};
use sqlx::{Connection as _, PgConnection};

use super::{filled::Filled, plan::Plan};
use crate::{
    bed::execute,
    measure::{Clock, Turn},
};

/// Traces of one call: about as many rows as a batch has.
const TRACES_PER_CALL: u64 = 500;

const DAY: Duration = Duration::from_secs(86_400);

/// A database with our tables.
#[derive(Clone, Debug)]
pub(super) struct Ours {
    url: String,
    pub(super) deployments: Arc<Deployments>,
}

/// Bytes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) rows: f64,
    pub(super) indexes: f64,
    pub(super) directory: f64,
    /// Of what is compressed, whatever it is.
    pub(super) compressed_chunks: u64,
    pub(super) chunks: u64,
}

impl Sizes {
    pub(super) fn total(&self) -> f64 {
        self.rows + self.indexes + self.directory
    }
}

impl Ours {
    /// Makes the tables in an empty database.
    pub(super) async fn make(url: String) -> Self {
        let store = Store::open(&url).await.expect("a store");
        store
            .migrator(&[&MIGRATIONS])
            .up()
            .await
            .expect("migrations");
        let mut writer = WriterOptions::default();
        writer.connections = NonZeroUsize::new(2).expect("connections");
        let options = DeploymentsOptions::default().with_writer(writer);
        let deployments = Deployments::new(store, options).await.expect("a writer");
        Self {
            url,
            deployments: Arc::new(deployments),
        }
    }

    pub(super) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url)
            .await
            .expect("a connection")
    }

    /// Writes all traces, in calls of about 10,000 spans by two tasks.
    pub(super) async fn fill(&self, plan: Plan) -> Filled {
        let began = Instant::now();
        let roads = [0, 1].map(|road| {
            let ours = self.clone();
            tokio::spawn(async move {
                let first = road * TRACES_PER_CALL;
                for first in (first..plan.traces()).step_by(2 * TRACES_PER_CALL as usize) {
                    let last = plan.traces().min(first + TRACES_PER_CALL);
                    ours.write_each(plan.spans(first..last)).await;
                }
            })
        });
        for road in roads {
            road.await.expect("a road that ends");
        }
        let wall = began.elapsed();
        self.settle().await;
        Filled::of(&mut self.connect().await, wall).await
    }

    async fn write_each(&self, spans: Vec<DeploymentSpan>) {
        let written = self.deployments.write_each(spans).await;
        assert_eq!(written.expect("rows are taken").parked, 0);
    }

    /// As after a night: statistics are there, and all of it is on disk.
    async fn settle(&self) {
        let mut connection = self.connect().await;
        execute(&mut connection, "VACUUM ANALYZE".to_owned()).await;
        execute(&mut connection, "CHECKPOINT".to_owned()).await;
        connection.close().await.expect("a goodbye");
    }

    /// Compresses chunks that end before a time.
    pub(super) async fn compress(&self, before: Timestamp) -> Duration {
        let began = Instant::now();
        let lifecycle = self.deployments.lifecycle().at(before + DAY);
        lifecycle
            .compress_chunks(&Interval::days(1), false, &mut |_| {})
            .await
            .expect("chunks are compressed");
        let wall = began.elapsed();
        self.settle().await;
        wall
    }

    pub(super) async fn sizes(&self) -> Sizes {
        let lifecycle = self.deployments.lifecycle();
        let spans = lifecycle.table_size().await.expect("a size");
        let directory = "SELECT pg_total_relation_size('deployment_trace')::float8";
        let directory: f64 = sqlx::query_scalar(directory)
            .fetch_one(&mut self.connect().await)
            .await
            .expect("a size");
        Sizes {
            rows: (spans.total_bytes - spans.index_bytes) as f64,
            indexes: spans.index_bytes as f64,
            directory,
            compressed_chunks: spans.compressed_chunks,
            chunks: spans.chunks,
        }
    }

    /// Writes batches in one transaction each; writers take turns.
    pub(super) async fn write(&self, batches: Vec<Vec<DeploymentSpan>>, writers: usize) -> Turn {
        let rows = batches.iter().map(Vec::len).sum();
        let mut shares: Vec<Vec<Vec<DeploymentSpan>>> = vec![Vec::new(); writers];
        for (number, batch) in batches.into_iter().enumerate() {
            shares[number % writers].push(batch);
        }
        let clock = Clock::start();
        let writing: Vec<_> = shares
            .into_iter()
            .map(|share| {
                let ours = self.clone();
                tokio::spawn(async move {
                    for batch in share {
                        let written = ours.deployments.write(batch).await;
                        written.expect("spans are written");
                    }
                })
            })
            .collect();
        for writer in writing {
            writer.await.expect("a writer that ends");
        }
        clock.stop(rows)
    }

    /// Writes batches by way of the queue.
    pub(super) async fn write_all(&self, batches: Vec<Vec<DeploymentSpan>>) -> Turn {
        let rows = batches.iter().map(Vec::len).sum();
        let clock = Clock::start();
        for batch in batches {
            self.write_each(batch).await;
        }
        clock.stop(rows)
    }

    /// Takes the pool and the writer away.
    pub(super) async fn end(self) {
        let report = self.deployments.shutdown(Duration::from_secs(60)).await;
        assert_eq!((report.held, report.lost), (0, 0));
        self.deployments.store().close().await;
    }
}
