//! The predecessor: its table on plain PostgreSQL, and its driver's way of writing.

use std::{pin::pin, time::Instant};

use annals_deploy::DeploymentSpan;
use futures_util::future::try_join_all;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio_postgres::{Client, NoTls, binary_copy::BinaryCopyInWriter, types::ToSql};

use super::{
    filled::Filled,
    plan::{Plan, WORKSPACES, workspace},
    wire::{COLUMNS, TYPES, values},
};
use crate::{
    bed::{Bed, execute},
    measure::{Clock, Turn},
};

const SCHEMA: &str = include_str!("peer.sql");

/// Traces that one COPY brings.
const TRACES_PER_COPY: u64 = 500;

/// The predecessor's table in a database of its own.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    url: String,
}

impl Peer {
    /// On a server that has other databases too.
    pub(super) async fn make(bed: &Bed) -> Self {
        let name = bed
            .cluster
            .create_database()
            .await
            .unwrap_or_else(|error| panic!("no database: {error}"));
        let peer = Self {
            url: bed.cluster.url(&name),
        };
        let mut connection = peer.connect().await;
        execute(&mut connection, SCHEMA.to_owned()).await;
        for number in 0..WORKSPACES {
            sqlx::query("INSERT INTO workspace (id, name) VALUES ($1, $2)")
                .bind(workspace(number))
                .bind(format!("workspace {number}"))
                .execute(&mut connection)
                .await
                .expect("a workspace");
        }
        peer
    }

    /// A connection that plans each statement for the values at hand, as those of its driver for reads are.
    pub(super) async fn connect(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.url)
            .await
            .expect("a connection");
        execute(
            &mut connection,
            "SET plan_cache_mode = force_custom_plan".to_owned(),
        )
        .await;
        connection
    }

    /// Fills the table by COPY, its indexes in place.
    pub(super) async fn fill(&self, plan: Plan) -> Filled {
        let began = Instant::now();
        let roads = [0, 1].map(|road| {
            let peer = self.clone();
            tokio::spawn(async move { peer.copy(plan, road).await })
        });
        for road in roads {
            road.await.expect("a road that ends");
        }
        let wall = began.elapsed();
        let mut connection = self.connect().await;
        execute(&mut connection, "VACUUM ANALYZE".to_owned()).await;
        execute(&mut connection, "CHECKPOINT".to_owned()).await;
        Filled::of(&mut connection, wall).await
    }

    /// Copies every second part, on a connection of its own.
    async fn copy(&self, plan: Plan, road: u64) {
        let client = self.client().await;
        let copy = format!("COPY deployment_trace_span ({COLUMNS}) FROM STDIN (FORMAT binary)");
        let parts = (road * TRACES_PER_COPY..plan.traces()).step_by(2 * TRACES_PER_COPY as usize);
        for first in parts {
            let spans = plan.spans(first..plan.traces().min(first + TRACES_PER_COPY));
            let sink = client.copy_in(copy.as_str()).await.expect("a COPY");
            let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
            for span in &spans {
                let values = values(span);
                let values = values.each_ref().map(|value| value as &(dyn ToSql + Sync));
                writer.as_mut().write(&values).await.expect("a row");
            }
            let copied = writer.finish().await.expect("rows are copied");
            assert_eq!(copied, spans.len() as u64);
        }
    }

    /// A connection by a driver that sends statements together.
    async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls)
            .await
            .expect("a connection");
        tokio::spawn(connection);
        client
    }

    /// Writes batches as the predecessor did: BEGIN, one INSERT for each span, prepared once and sent together, COMMIT. Each
    /// writer has a connection, and takes turns with the others.
    pub(super) async fn write(&self, batches: Vec<Vec<DeploymentSpan>>, writers: usize) -> Turn {
        let rows = batches.iter().map(Vec::len).sum();
        let parameters: Vec<String> = (1..=TYPES.len())
            .map(|number| format!("${number}"))
            .collect();
        let insert = format!(
            "INSERT INTO deployment_trace_span ({COLUMNS}) VALUES ({}) ON CONFLICT (trace_id, span_id) DO NOTHING",
            parameters.join(", ")
        );
        let mut shares: Vec<Vec<Vec<DeploymentSpan>>> = vec![Vec::new(); writers];
        for (number, batch) in batches.into_iter().enumerate() {
            shares[number % writers].push(batch);
        }
        let mut ready = Vec::new();
        for share in shares {
            let client = self.client().await;
            let statement = client.prepare(&insert).await.expect("a statement");
            ready.push((client, statement, share));
        }
        let clock = Clock::start();
        let writing: Vec<_> = ready
            .into_iter()
            .map(|(client, statement, share)| {
                tokio::spawn(async move {
                    for batch in share {
                        client.batch_execute("BEGIN").await.expect("BEGIN");
                        let inserts = batch.iter().map(|span| async {
                            let values = values(span);
                            let values =
                                values.each_ref().map(|value| value as &(dyn ToSql + Sync));
                            client.execute(&statement, &values).await
                        });
                        try_join_all(inserts).await.expect("rows are inserted");
                        client.batch_execute("COMMIT").await.expect("COMMIT");
                    }
                })
            })
            .collect();
        for writer in writing {
            writer.await.expect("a writer that ends");
        }
        clock.stop(rows)
    }

    /// Bytes of rows and of indexes.
    pub(super) async fn sizes(&self) -> [f64; 2] {
        let mut connection = self.connect().await;
        let sql = "SELECT pg_table_size('deployment_trace_span')::float8, pg_indexes_size('deployment_trace_span')::float8";
        let sizes: (f64, f64) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await
            .expect("sizes");
        [sizes.0, sizes.1]
    }
}
