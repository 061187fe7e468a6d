//! What an external system may write under a token, and what it may not.

use annals_deploy::{Claims, DeploymentSpan, Deployments, Error, TokenError};
use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};

use crate::support::{deployments, end, id, row, stored};

on_every_backend!(
    spans_of_a_trace_of_their_own_hang_under_the_job,
    spans_of_the_token_s_own_trace_are_external,
    a_later_version_replaces_what_came_under_the_same_token,
    what_is_not_the_token_s_to_write_is_refused_and_nothing_is_stored,
    a_token_whose_trace_is_of_another_workspace_is_refused,
);

fn token() -> Claims {
    Claims {
        trace_id: "deploy".to_owned(),
        span_id: "job-span".to_owned(),
        job_id: "job-1".to_owned(),
        workspace: id(1),
        expires_at: Timestamp::MAX,
    }
}

/// A store with a deployment that has a job, and with another trace of the workspace.
async fn prepared(database: &TestDatabase) -> Deployments {
    let deployments = deployments(database).await;
    let rows = vec![
        row(1, "deploy", "root", 0),
        row(1, "deploy", "job-span", 1),
        row(1, "another", "root", 0),
        row(2, "foreign", "root", 0),
    ];
    deployments.write(rows).await.unwrap();
    deployments
}

async fn of_trace(deployments: &Deployments, trace: &str) -> Vec<DeploymentSpan> {
    let mut rows = stored(deployments).await;
    rows.retain(|row| row.trace_id == trace);
    rows
}

async fn spans_of_a_trace_of_their_own_hang_under_the_job(database: TestDatabase) {
    let deployments = prepared(&database).await;
    let mut below = row(1, "ci", "test", 6);
    below.parent_span_id = Some("build".to_owned());
    below.job_id = Some("job-of-its-own".to_owned());
    let rows = vec![row(1, "ci", "build", 5), below];
    deployments.write_under(&token(), rows).await.unwrap();
    let found = of_trace(&deployments, "ci").await;
    let links: Vec<_> = found
        .iter()
        .map(|row| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            [
                text(&row.parent_trace_id),
                text(&row.parent_span_id),
                text(&row.job_id),
            ]
        })
        .collect();
    assert_eq!(
        links,
        [
            ["deploy", "job-span", "job-1"],
            ["deploy", "build", "job-of-its-own"]
        ]
    );
}

async fn spans_of_the_token_s_own_trace_are_external(database: TestDatabase) {
    let deployments = prepared(&database).await;
    let mut span = row(1, "deploy", "outside", 5);
    span.parent_trace_id = Some("deploy".to_owned());
    deployments
        .write_under(&token(), vec![span.clone()])
        .await
        .unwrap();
    let found = of_trace(&deployments, "deploy").await;
    let outside = found.iter().find(|row| row.span_id == "outside").unwrap();
    assert_eq!(outside.phase.as_deref(), Some("external"));
    assert_eq!(outside.parent_span_id.as_deref(), Some("job-span"));
    assert_eq!(outside.parent_trace_id, None);
    // And it may come again.
    let again = end(span, 9);
    deployments
        .write_under(&token(), vec![again])
        .await
        .unwrap();
    let found = of_trace(&deployments, "deploy").await;
    assert_eq!(found.len(), 3);
    assert!(found.iter().any(|row| row.end_time.is_some()));
}

async fn a_later_version_replaces_what_came_under_the_same_token(database: TestDatabase) {
    let deployments = prepared(&database).await;
    let running = row(1, "ci", "build", 5);
    for version in [running.clone(), end(running.clone(), 7), running] {
        deployments
            .write_under(&token(), vec![version])
            .await
            .unwrap();
    }
    let found = of_trace(&deployments, "ci").await;
    assert_eq!(found.len(), 1);
    assert!(found[0].end_time.is_some());
}

async fn what_is_not_the_token_s_to_write_is_refused_and_nothing_is_stored(database: TestDatabase) {
    let deployments = prepared(&database).await;
    let before = stored(&deployments).await;
    let mut of_another = row(1, "ci", "x", 5);
    of_another.parent_trace_id = Some("another".to_owned());
    for (what, span) in [
        ("another workspace", row(2, "ci", "x", 5)),
        ("a trace of another workspace", row(1, "foreign", "x", 5)),
        ("a trace that is no continuation", row(1, "another", "x", 5)),
        ("a continuation of another trace", of_another),
        ("the job's own span", row(1, "deploy", "job-span", 5)),
        ("a span of the engine", end(row(1, "deploy", "root", 0), 50)),
        (
            "a span of the engine, at another time",
            row(1, "deploy", "root", 7),
        ),
    ] {
        let rows = vec![row(1, "ci", "good", 5), span];
        let refused = deployments.write_under(&token(), rows).await.unwrap_err();
        assert!(
            matches!(
                refused,
                Error::ForeignTrace { .. }
                    | Error::ForeignSpan { .. }
                    | Error::Token(TokenError::ForeignWorkspace { .. })
            ),
            "{what}: {refused}"
        );
        assert_eq!(stored(&deployments).await, before, "{what}");
    }
}

/// Only who has the secret can make one, and it leads nowhere.
async fn a_token_whose_trace_is_of_another_workspace_is_refused(database: TestDatabase) {
    let deployments = prepared(&database).await;
    let before = stored(&deployments).await;
    let token = Claims {
        workspace: id(2),
        ..token()
    };
    let rows = vec![row(2, "ci", "x", 5)];
    let refused = deployments.write_under(&token, rows).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Token(TokenError::ForeignTrace { of }) if *of == id(2)),
        "{refused}"
    );
    assert_eq!(stored(&deployments).await, before);
}
