//! What is written is there, once, whole, and nobody else's.

use annals_deploy::{
    Deployments, DeploymentsOptions, Error, MIGRATIONS, WorkspaceId, WorkspacePolicy,
};
use annals_record::{Json, TimestampMicros, Uuid};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::support::{deployments, end, id, row, stored};

on_every_backend!(
    every_field_of_a_span_comes_back,
    a_trace_that_is_persisted_twice_is_stored_once,
    a_more_complete_version_replaces_a_lesser_one_and_never_the_other_way_round,
    versions_of_a_span_in_one_batch_leave_the_newest,
    one_span_that_cannot_be_stored_refuses_the_whole_batch,
    more_spans_than_one_transaction_takes_are_refused,
    no_spans_are_written_without_a_database,
    a_trace_of_another_workspace_is_refused_and_stays_as_it_is,
    not_even_a_bulk_write_takes_the_place_of_a_span_of_another_workspace,
    a_workspace_is_made_on_first_use,
    a_workspace_that_must_exist_and_does_not_refuses_its_spans,
    the_directory_tells_where_in_time_a_trace_lies,
    many_writers_of_the_same_traces_all_succeed,
    a_write_that_is_dropped_leaves_all_or_nothing,
);

async fn every_field_of_a_span_comes_back(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let mut full = end(row(1, "t", "full", 1), 2);
    full.parent_span_id = Some("above".to_owned());
    full.release_id = Some("r".to_owned());
    full.job_id = Some("j".to_owned());
    full.parent_trace_id = Some("other".to_owned());
    full.deployment_id = Some("d".to_owned());
    full.trigger = Some("policy.updated".to_owned());
    full.message = Some("3/3 ready ✓".to_owned());
    full.attributes = Json::parse(r#"{"a": 1.50, "b": [true, null, "ü"]}"#).unwrap();
    full.events = Json::parse(r#"[{"name": "x"}]"#).unwrap();
    let mut empty = row(1, "t", "empty", 3);
    for field in [
        &mut empty.release_target_key,
        &mut empty.phase,
        &mut empty.node_type,
        &mut empty.status,
    ] {
        *field = None;
    }
    (empty.depth, empty.sequence) = (None, None);
    let rows = vec![full, empty];
    deployments.write(rows.clone()).await.unwrap();
    assert_eq!(stored(&deployments).await, rows);
    let absent = "SELECT count(*) FROM deployment_trace_span
                   WHERE span_id = 'empty' AND parent_span_id IS NULL AND end_time IS NULL AND job_id IS NULL
                     AND release_id IS NULL AND parent_trace_id IS NULL AND phase IS NULL";
    assert_eq!(database.number(absent).await, 1);
}

async fn a_trace_that_is_persisted_twice_is_stored_once(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let rows: Vec<_> = (0..20)
        .map(|n| end(row(1, "t", &format!("s{n:02}"), n), n + 1))
        .collect();
    deployments.write(rows.clone()).await.unwrap();
    // Later, as another program would make the same rows.
    let again = rows.iter().cloned().map(|mut row| {
        row.created_at = TimestampMicros::from_unix_micros(4_000_000_000_000_000).unwrap();
        row
    });
    deployments.write(again.collect()).await.unwrap();
    assert_eq!(stored(&deployments).await, rows);
}

async fn a_more_complete_version_replaces_a_lesser_one_and_never_the_other_way_round(
    database: TestDatabase,
) {
    let deployments = deployments(&database).await;
    let running = row(1, "t", "s", 0);
    let mut ended = end(running.clone(), 5);
    ended.message = Some("done".to_owned());
    for version in [&running, &ended, &running] {
        deployments.write(vec![version.clone()]).await.unwrap();
    }
    assert_eq!(stored(&deployments).await, [ended.clone()]);
    let later = end(running, 9);
    deployments.write(vec![later.clone()]).await.unwrap();
    deployments.write(vec![ended]).await.unwrap();
    assert_eq!(stored(&deployments).await, [later]);
}

async fn versions_of_a_span_in_one_batch_leave_the_newest(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let running = row(1, "t", "s", 0);
    let ended = end(running.clone(), 5);
    let rows = vec![running.clone(), ended.clone(), running];
    deployments.write(rows).await.unwrap();
    assert_eq!(stored(&deployments).await, [ended]);
}

async fn one_span_that_cannot_be_stored_refuses_the_whole_batch(database: TestDatabase) {
    let deployments = deployments(&database).await;
    // Whatever a table refuses for a reason of its own.
    database
        .execute(match deployments.store().names().dialect() {
            annals_store::Dialect::Postgres => {
                "ALTER TABLE deployment_trace_span ADD CHECK (name <> 'bad')"
            }
            _ => {
                "CREATE TRIGGER bad BEFORE INSERT ON deployment_trace_span WHEN NEW.name = 'bad'
                 BEGIN SELECT RAISE(ABORT, 'bad'); END"
            }
        })
        .await;
    let mut rows: Vec<_> = (0..10).map(|n| row(1, "t", &format!("s{n}"), n)).collect();
    rows[7].name = "bad".to_owned();
    deployments.write(rows).await.unwrap_err();
    assert_eq!(stored(&deployments).await, []);
    for table in ["deployment_trace", "workspace", "annals_dead_letters"] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(database.number(&count).await, 0, "{table}");
    }
}

async fn more_spans_than_one_transaction_takes_are_refused(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let rows: Vec<_> = (0..10_001)
        .map(|n| row(1, "t", &format!("s{n}"), 0))
        .collect();
    let refused = deployments.write(rows).await.unwrap_err();
    assert!(
        matches!(refused, Error::TooManySpans { spans: 10_001, .. }),
        "{refused}"
    );
    assert_eq!(stored(&deployments).await, []);
}

/// Case 28.
async fn no_spans_are_written_without_a_database(database: TestDatabase) {
    let deployments = deployments(&database).await;
    deployments.store().close().await;
    deployments.write(Vec::new()).await.unwrap();
}

async fn a_trace_of_another_workspace_is_refused_and_stays_as_it_is(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let ours = end(row(1, "t", "s", 0), 1);
    deployments.write(vec![ours.clone()]).await.unwrap();
    let theirs = vec![row(2, "u", "a", 0), row(2, "t", "b", 0)];
    let refused = deployments.write(theirs).await.unwrap_err();
    assert!(
        matches!(&refused, Error::ForeignTrace { trace_id } if trace_id == "t"),
        "{refused}"
    );
    assert_eq!(stored(&deployments).await, [ours]);
}

async fn not_even_a_bulk_write_takes_the_place_of_a_span_of_another_workspace(
    database: TestDatabase,
) {
    let deployments = deployments(&database).await;
    let ours = end(row(1, "t", "s", 0), 1);
    deployments.write(vec![ours.clone()]).await.unwrap();
    let mut theirs = end(row(2, "t", "s", 0), 99);
    theirs.name = "stolen".to_owned();
    let written = deployments.write_each(vec![theirs]).await.unwrap();
    assert_eq!(written.parked, 0);
    assert_eq!(stored(&deployments).await, [ours]);
    let whose = "SELECT count(*) FROM deployment_trace WHERE trace_id = 't' AND workspace_id = ";
    assert_eq!(database.number(&format!("{whose}'{}'", id(1))).await, 1);
}

async fn a_workspace_is_made_on_first_use(database: TestDatabase) {
    let deployments = deployments(&database).await;
    deployments
        .write(vec![row(2, "u", "s", 0), row(1, "t", "s", 0)])
        .await
        .unwrap();
    let page = deployments.workspaces(10, None).await.unwrap();
    let ids: Vec<Uuid> = page.rows.iter().map(|workspace| workspace.id).collect();
    assert_eq!(ids, [id(1).uuid(), id(2).uuid()]);
    let named = deployments
        .create_workspace(id(1), Some("production"))
        .await
        .unwrap();
    assert_eq!(named.name.as_deref(), Some("production"));
    assert_eq!(named.created_at, page.rows[0].created_at);
    let kept = deployments.create_workspace(id(1), None).await.unwrap();
    assert_eq!(kept, named);
}

async fn a_workspace_that_must_exist_and_does_not_refuses_its_spans(database: TestDatabase) {
    let store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    let options = DeploymentsOptions::default().with_workspaces(WorkspacePolicy::MustExist);
    let deployments = Deployments::new(store, options).await.unwrap();
    deployments.create_workspace(id(1), None).await.unwrap();
    let rows = vec![row(1, "t", "s", 0), row(2, "u", "s", 0)];
    let refused = deployments.write(rows.clone()).await.unwrap_err();
    assert!(
        matches!(refused, Error::NoSuchWorkspace { workspace } if workspace == id(2)),
        "{refused}"
    );
    assert_eq!(stored(&deployments).await, []);
    // Where rows are taken one by one, the foreign key keeps it out.
    let written = deployments.write_each(rows).await.unwrap();
    assert_eq!((written.committed, written.parked), (1, 1));
    assert_eq!(stored(&deployments).await.len(), 1);
}

async fn the_directory_tells_where_in_time_a_trace_lies(database: TestDatabase) {
    let deployments = deployments(&database).await;
    deployments
        .write(vec![row(1, "t", "b", 50), row(1, "t", "c", 70)])
        .await
        .unwrap();
    deployments.write(vec![row(1, "t", "a", 10)]).await.unwrap();
    deployments.write(vec![row(1, "t", "d", 90)]).await.unwrap();
    let query = deployments
        .store()
        .query::<annals_deploy::DeploymentTrace>();
    let rows = query.fetch().await.unwrap().rows;
    let micros = |n| TimestampMicros::floor(row(1, "t", "x", n).start_time);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].start_time, rows[0].last_start_time),
        (micros(10), micros(90))
    );
}

async fn many_writers_of_the_same_traces_all_succeed(database: TestDatabase) {
    let deployments = std::sync::Arc::new(deployments(&database).await);
    let tasks = (0..8).map(|writer: i64| {
        let deployments = std::sync::Arc::clone(&deployments);
        tokio::spawn(async move {
            for round in 0..10 {
                // Traces in another order in each writer, so that locks could be taken in circles.
                let rows = (0..6).map(|n| {
                    let trace = format!("t{}", (n * (writer + 1) + round) % 6);
                    let span = format!("{writer}/{round}/{n}");
                    end(row(n % 2, &format!("{trace}/{}", n % 2), &span, n), n + 1)
                });
                deployments.write(rows.collect()).await.unwrap();
            }
        })
    });
    for task in Vec::from_iter(tasks) {
        task.await.unwrap();
    }
    assert_eq!(stored(&deployments).await.len(), 480);
}

async fn a_write_that_is_dropped_leaves_all_or_nothing(database: TestDatabase) {
    let deployments = deployments(&database).await;
    for trace in 0..30 {
        let trace = format!("t{trace}");
        let rows: Vec<_> = (0..40)
            .map(|n| row(1, &trace, &format!("s{n}"), n))
            .collect();
        let write = deployments.write(rows);
        // Given up somewhere on its way, or not at all.
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            done = write => done.unwrap(),
        }
    }
    let _ = deployments
        .shutdown(std::time::Duration::from_secs(60))
        .await;
    let partly = "SELECT count(*) FROM (
                      SELECT trace_id FROM deployment_trace_span GROUP BY trace_id HAVING count(*) <> 40
                  ) AS partly";
    assert_eq!(database.number(partly).await, 0);
}

#[test]
fn an_id_of_a_workspace_is_a_uuid_and_anything_else_is_refused_by_name() {
    for text in [
        "ws-123",
        "",
        "7f0c2a9e8d1b4b529d3f1f2a3b4c5d6e",
        "urn:uuid:7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e",
        "7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e'; DROP TABLE workspace; --",
    ] {
        let refused = text.parse::<WorkspaceId>().unwrap_err().to_string();
        let named: String = text.chars().take(64).collect();
        assert!(refused.contains(&format!("{named:?}")), "{refused}");
    }
    let id: WorkspaceId = "7F0C2A9E-8d1b-4b52-9d3f-1f2a3b4c5d6e".parse().unwrap();
    assert_eq!(id.to_string(), "7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e");
}
