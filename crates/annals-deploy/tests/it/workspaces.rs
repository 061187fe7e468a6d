//! The end of a workspace takes everything in it along, and nothing else.

use std::sync::Arc;

use annals_deploy::{Deployments, WorkspaceId};
use annals_store::{Interval, lifecycle::Policy};
use annals_testkit::{TestDatabase, on_community, on_every_backend};

use crate::support::{days_ago, deployments, id, row, stored};

on_every_backend!(
    deleting_a_workspace_deletes_its_spans,
    sql_that_deletes_a_workspace_deletes_its_spans,
    spans_that_come_while_their_workspace_is_deleted_leave_none_without_a_workspace,
    retention_of_one_workspace_leaves_the_others,
    retention_of_the_table_takes_the_directory_along,
    a_retention_policy_of_no_uuid_is_refused_by_name,
);

#[test]
fn compressed_spans_go_with_their_workspace_too() {
    on_community(compressed_spans_go);
}

async fn number_of(database: &TestDatabase, table: &str, workspace: WorkspaceId) -> i64 {
    let sql = format!("SELECT count(*) FROM {table} WHERE workspace_id = '{workspace}'");
    database.number(&sql).await
}

async fn left_of(database: &TestDatabase, workspace: WorkspaceId) -> (i64, i64) {
    (
        number_of(database, "deployment_trace_span", workspace).await,
        number_of(database, "deployment_trace", workspace).await,
    )
}

/// 13 weeks of two workspaces: a trace of two spans a day in each.
async fn filled(database: &TestDatabase) -> Deployments {
    let deployments = deployments(database).await;
    let mut rows = Vec::new();
    for day in 0..91 {
        for workspace in [1, 2] {
            let trace = format!("w{workspace}d{day}");
            for span in 0..2 {
                let row = row(workspace, &trace, &format!("s{span}"), 0);
                rows.push(days_ago(row, day));
            }
        }
    }
    let written = deployments.write_each(rows).await.unwrap();
    assert_eq!((written.committed, written.parked), (364, 0));
    deployments
}

async fn deleting_a_workspace_deletes_its_spans(database: TestDatabase) {
    let deployments = filled(&database).await;
    assert_eq!(
        deployments.delete_workspace(id(1)).await.unwrap(),
        Some(182)
    );
    assert_eq!(left_of(&database, id(1)).await, (0, 0));
    assert_eq!(left_of(&database, id(2)).await, (182, 91));
    assert_eq!(deployments.delete_workspace(id(1)).await.unwrap(), None);
    assert_eq!(deployments.find_workspace(id(1)).await.unwrap(), None);
}

async fn sql_that_deletes_a_workspace_deletes_its_spans(database: TestDatabase) {
    let _deployments = filled(&database).await;
    let delete = format!("DELETE FROM workspace WHERE id = '{}'", id(1));
    database.execute(&delete).await;
    assert_eq!(left_of(&database, id(1)).await, (0, 0));
    assert_eq!(left_of(&database, id(2)).await, (182, 91));
}

async fn spans_that_come_while_their_workspace_is_deleted_leave_none_without_a_workspace(
    database: TestDatabase,
) {
    let deployments = Arc::new(deployments(&database).await);
    let writing = {
        let deployments = Arc::clone(&deployments);
        tokio::spawn(async move {
            for n in 0..150 {
                // Half of them of a trace that is there before, unless it was just deleted.
                let trace = if n % 2 == 0 {
                    "t".to_owned()
                } else {
                    format!("t{n}")
                };
                let row = row(1, &trace, &format!("s{n}"), n);
                deployments.write(vec![row]).await.unwrap();
            }
        })
    };
    while !writing.is_finished() {
        let _ = deployments.delete_workspace(id(1)).await.unwrap();
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    for table in ["deployment_trace_span", "deployment_trace"] {
        let orphans = format!(
            "SELECT count(*) FROM {table} WHERE workspace_id NOT IN (SELECT id FROM workspace)"
        );
        assert_eq!(database.number(&orphans).await, 0, "{table}");
    }
    let without_trace = "SELECT count(*) FROM deployment_trace_span
                          WHERE trace_id NOT IN (SELECT trace_id FROM deployment_trace)";
    assert_eq!(database.number(without_trace).await, 0);
    let _ = deployments.delete_workspace(id(1)).await.unwrap();
    assert_eq!(stored(&deployments).await, []);
}

async fn retention_of_one_workspace_leaves_the_others(database: TestDatabase) {
    let deployments = filled(&database).await;
    let lifecycle = deployments.lifecycle();
    let age = Interval::days(30);
    let mut policy = Policy::retention(age.clone());
    policy.owner = Some(id(1).to_string().to_uppercase());
    lifecycle.set_policy(&policy).await.unwrap();
    let ran = lifecycle.run_policies().await.unwrap();
    let ran = ran.iter().find(|(policy, _)| policy.owner.is_some());
    assert_eq!(ran.unwrap().0.owner, Some(id(1).to_string()));
    let (spans, traces) = left_of(&database, id(1)).await;
    // Day 30 is just too old, since the fill was before the run.
    assert_eq!((spans, traces), (60, 30));
    assert_eq!(left_of(&database, id(2)).await, (182, 91));
}

async fn retention_of_the_table_takes_the_directory_along(database: TestDatabase) {
    let deployments = filled(&database).await;
    let lifecycle = deployments.lifecycle();
    lifecycle
        .expire(&Interval::days(60), false, &mut |_| {})
        .await
        .unwrap();
    for workspace in [id(1), id(2)] {
        let (spans, traces) = left_of(&database, workspace).await;
        assert_eq!(spans, traces * 2);
        // Whole chunks of a week go, or rows.
        assert!((60..=67).contains(&traces), "{traces}");
    }
}

async fn a_retention_policy_of_no_uuid_is_refused_by_name(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let lifecycle = deployments.lifecycle();
    let mut policy = Policy::retention(Interval::days(90));
    policy.owner = Some("ws-123".to_owned());
    let refused = lifecycle.set_policy(&policy).await.unwrap_err().to_string();
    assert!(
        refused.contains("\"ws-123\"") && refused.contains("UUID"),
        "{refused}"
    );
}

async fn compressed_spans_go(database: TestDatabase) {
    let deployments = filled(&database).await;
    let lifecycle = deployments.lifecycle();
    let mut compressed = 0;
    lifecycle
        .compress_chunks(&Interval::days(0), false, &mut |_| compressed += 1)
        .await
        .unwrap();
    assert!(compressed >= 13, "{compressed}");
    let delete = format!("DELETE FROM workspace WHERE id = '{}'", id(1));
    database.execute(&delete).await;
    assert_eq!(left_of(&database, id(1)).await, (0, 0));
    assert_eq!(left_of(&database, id(2)).await, (182, 91));
    // A late span of a compressed chunk is taken, and goes with its workspace as well.
    let late = days_ago(row(2, "late", "s", 0), 80);
    deployments.write(vec![late]).await.unwrap();
    assert_eq!(
        deployments.delete_workspace(id(2)).await.unwrap(),
        Some(183)
    );
    assert_eq!(stored(&deployments).await, []);
}
