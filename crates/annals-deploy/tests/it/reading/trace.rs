//! One trace by its id, and the children of a span.

use annals_deploy::{DeploymentSpan, Error};
use annals_testkit::{TestDatabase, on_every_backend};

use super::model::written;
use crate::support::{deployments, end, id, row};

on_every_backend!(
    a_trace_comes_by_start_and_then_by_sequence,
    children_come_by_sequence_and_then_by_start,
    an_unknown_trace_is_an_error_that_names_it_and_the_workspace,
    the_newest_version_of_a_span_is_read,
    a_trace_that_grows_is_read_whole,
);

fn ids(spans: &[DeploymentSpan]) -> String {
    let ids: Vec<&str> = spans.iter().map(|span| &*span.span_id).collect();
    ids.join(" ")
}

fn numbered(span: &str, millis: i64, sequence: Option<i32>, parent: &str) -> DeploymentSpan {
    let mut row = row(1, "t", span, millis);
    row.sequence = sequence;
    row.parent_span_id = Some(parent.to_owned());
    row
}

async fn a_trace_comes_by_start_and_then_by_sequence(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let spans = [
        numbered("late", 9, Some(0), "x"),
        numbered("c", 5, None, "x"),
        numbered("b", 5, Some(2), "x"),
        numbered("z", 5, Some(1), "x"),
        numbered("early", 1, Some(7), "x"),
    ];
    written(&deployments, &spans).await;
    written(&deployments, &[row(1, "other", "s", 5)]).await;
    let trace = deployments.workspace(id(1)).trace("t").await.unwrap();
    assert_eq!(ids(&trace), "early z b c late");
}

async fn children_come_by_sequence_and_then_by_start(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let spans = [
        row(1, "t", "root", 0),
        numbered("none-late", 8, None, "root"),
        numbered("none-early", 2, None, "root"),
        numbered("two", 1, Some(2), "root"),
        numbered("one", 9, Some(1), "root"),
        numbered("grandchild", 9, Some(3), "one"),
    ];
    written(&deployments, &spans).await;
    // A span of another trace that names a parent of the same id is no child of this one.
    let mut other = row(1, "other", "s", 5);
    other.parent_span_id = Some("root".to_owned());
    written(&deployments, &[other]).await;
    let reads = deployments.workspace(id(1));
    let children = reads.children("t", "root").await.unwrap();
    assert_eq!(ids(&children), "one two none-early none-late");
    assert_eq!(
        ids(&reads.children("t", "one").await.unwrap()),
        "grandchild"
    );
    assert_eq!(ids(&reads.children("t", "grandchild").await.unwrap()), "");
    assert_eq!(ids(&reads.children("nowhere", "root").await.unwrap()), "");
}

async fn an_unknown_trace_is_an_error_that_names_it_and_the_workspace(database: TestDatabase) {
    let deployments = deployments(&database).await;
    // Not even a trace without an id is there for it.
    written(&deployments, &[row(1, "", "s", 0)]).await;
    let reads = deployments.workspace(id(1));
    for error in [
        reads.trace("nowhere").await.unwrap_err(),
        reads.tree("nowhere").await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::NoSuchTrace { trace_id, workspace } if trace_id == "nowhere" && *workspace == id(1))
        );
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}

async fn the_newest_version_of_a_span_is_read(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let running = row(1, "t", "s", 0);
    written(&deployments, std::slice::from_ref(&running)).await;
    let reads = deployments.workspace(id(1));
    assert_eq!(
        reads.trace("t").await.unwrap(),
        std::slice::from_ref(&running)
    );
    let ended = end(running, 5);
    written(&deployments, std::slice::from_ref(&ended)).await;
    assert_eq!(reads.trace("t").await.unwrap(), [ended]);
}

/// The directory's range grows with the trace: over days, and to both sides.
async fn a_trace_that_grows_is_read_whole(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let day = 86_400_000;
    let reads = deployments.workspace(id(1));
    for (n, days) in [0, 20, -20, 5].into_iter().enumerate() {
        written(
            &deployments,
            &[numbered(&format!("s{n}"), days * day, None, "x")],
        )
        .await;
        assert_eq!(reads.trace("t").await.unwrap().len(), n + 1);
        assert_eq!(reads.children("t", "x").await.unwrap().len(), n + 1);
        assert_eq!(reads.tree("t").await.unwrap().walk().count(), n + 1);
    }
}
