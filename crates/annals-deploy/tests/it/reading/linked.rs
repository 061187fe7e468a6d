//! The tree of linked traces, in the shape that deployments give it.

use annals_deploy::{DeploymentSpan, Deployments, Error, Tree};
use annals_testkit::{Backend, TestDatabase, backend, on_every_backend};

use super::model::written;
use crate::support::{deployments, id, row};

on_every_backend!(
    a_deployment_its_job_and_what_followed_are_one_tree_from_wherever_it_is_asked_for,
    a_parent_that_was_never_stored_leaves_the_rest_of_the_tree,
    traces_that_continue_each_other_in_a_circle_are_read_once,
    a_long_chain_of_traces_is_one_tree,
    more_traces_than_a_tree_has_are_cut_and_the_one_asked_for_stays,
    links_that_came_past_the_directory_are_followed_by_their_spans,
    a_trace_whose_spans_are_gone_is_not_there,
);

/// A span under another of its own trace.
fn under(trace: &str, span: &str, parent: &str, millis: i64) -> DeploymentSpan {
    let mut row = row(1, trace, span, millis);
    row.parent_span_id = Some(parent.to_owned());
    row
}

/// A span of a trace that continues another.
fn linked(trace: &str, span: &str, parent: (&str, &str), millis: i64) -> DeploymentSpan {
    let mut row = under(trace, span, parent.1, millis);
    row.parent_trace_id = Some(parent.0.to_owned());
    row
}

/// `depth trace/span` of every span, in the tree's order.
fn drawn(tree: &Tree) -> Vec<String> {
    let nodes = tree.walk().map(|node| {
        let span = &node.span;
        format!("{} {}/{}", node.depth, span.trace_id, span.span_id)
    });
    nodes.collect()
}

fn deployment() -> Vec<DeploymentSpan> {
    vec![
        row(1, "deploy", "reconciliation", 0),
        under("deploy", "planning", "reconciliation", 1),
        under("deploy", "approval policy", "planning", 2),
        under("deploy", "execution", "reconciliation", 10),
        under("deploy", "job", "execution", 11),
        // What the job's system did under its token, days later.
        linked("external", "build", ("deploy", "job"), 20),
        linked("external", "compile", ("deploy", "build"), 21),
        linked("external", "push", ("deploy", "job"), 86_400_000 * 9),
        // What the engine did when the job reported.
        linked("again", "reconciliation", ("deploy", "job"), 30),
        linked("again", "verification", ("deploy", "reconciliation"), 31),
        // And what a step of the external system set off.
        linked("scan", "scan", ("external", "compile"), 25),
        row(1, "unrelated", "job", 5),
    ]
}

async fn a_deployment_its_job_and_what_followed_are_one_tree_from_wherever_it_is_asked_for(
    database: TestDatabase,
) {
    let deployments = deployments(&database).await;
    written(&deployments, &deployment()).await;
    let reads = deployments.workspace(id(1));
    let expected = [
        "0 deploy/reconciliation",
        "1 deploy/planning",
        "2 deploy/approval policy",
        "1 deploy/execution",
        "2 deploy/job",
        "3 external/build",
        "4 external/compile",
        "5 scan/scan",
        "3 again/reconciliation",
        "4 again/verification",
        "3 external/push",
    ];
    for trace in ["deploy", "external", "again", "scan"] {
        let tree = reads.tree(trace).await.unwrap();
        assert_eq!(drawn(&tree), expected, "asked for {trace}");
        assert!(!tree.is_cut);
    }
    let other = reads.tree("unrelated").await.unwrap();
    assert_eq!(drawn(&other), ["0 unrelated/job"]);
}

async fn a_parent_that_was_never_stored_leaves_the_rest_of_the_tree(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let spans = deployment()
        .into_iter()
        .filter(|span| span.trace_id != "deploy")
        .collect::<Vec<_>>();
    written(&deployments, &spans).await;
    let reads = deployments.workspace(id(1));
    let tree = reads.tree("scan").await.unwrap();
    assert_eq!(
        drawn(&tree),
        [
            "0 external/build",
            "1 external/compile",
            "2 scan/scan",
            "0 external/push"
        ]
    );
    // What else continued the missing one is not found by way of it.
    let tree = reads.tree("again").await.unwrap();
    assert_eq!(drawn(&tree)[0], "0 again/reconciliation");
}

async fn traces_that_continue_each_other_in_a_circle_are_read_once(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let spans = [
        linked("a", "s", ("c", "s"), 1),
        linked("b", "s", ("a", "s"), 2),
        linked("c", "s", ("b", "s"), 3),
        linked("d", "s", ("b", "s"), 4),
        linked("self", "s", ("self", "s"), 5),
    ];
    written(&deployments, &spans).await;
    let reads = deployments.workspace(id(1));
    for trace in ["a", "b", "c", "d"] {
        let tree = reads.tree(trace).await.unwrap();
        assert_eq!(
            drawn(&tree),
            ["0 a/s", "1 b/s", "2 c/s", "2 d/s"],
            "{trace}"
        );
    }
    let tree = reads.tree("self").await.unwrap();
    assert_eq!(drawn(&tree), ["0 self/s"]);
}

async fn a_long_chain_of_traces_is_one_tree(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let name = |n: i64| format!("t{n:03}");
    let mut spans = vec![row(1, &name(0), "s", 0)];
    spans.extend((1..300).map(|n| linked(&name(n), "s", (&name(n - 1), "s"), n)));
    written(&deployments, &spans).await;
    let reads = deployments.workspace(id(1));
    for asked in [0, 150, 299] {
        let tree = reads.tree(&name(asked)).await.unwrap();
        let expected: Vec<String> = (0..300).map(|n| format!("{n} {}/s", name(n))).collect();
        assert_eq!((drawn(&tree), tree.is_cut), (expected, false));
    }
}

async fn more_traces_than_a_tree_has_are_cut_and_the_one_asked_for_stays(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let mut spans = vec![row(1, "top", "job", 0)];
    spans.extend((0..1_200).map(|n| linked(&format!("t{n:04}"), "s", ("top", "job"), n)));
    spans.extend((0..5).map(|n| linked(&format!("below{n}"), "s", ("t1199", "s"), n)));
    written(&deployments, &spans).await;
    let reads = deployments.workspace(id(1));
    for asked in ["t0000", "t1199"] {
        let tree = reads.tree(asked).await.unwrap();
        let drawn = drawn(&tree);
        assert!(tree.is_cut);
        assert_eq!((drawn.len(), &*drawn[0]), (1_000, "0 top/job"));
        assert!(drawn.contains(&format!("1 {asked}/s")));
    }
    // All that is below the one that was asked for is there.
    let tree = reads.tree("t1199").await.unwrap();
    let below = drawn(&tree)
        .into_iter()
        .filter(|line| line.starts_with('2'));
    assert_eq!(below.count(), 5);
    let tree = reads.tree("top").await.unwrap();
    assert_eq!((tree.walk().count(), tree.is_cut), (1_000, true));
}

/// As a move by `INSERT … SELECT` out of another table leaves them.
async fn without_directory(deployments: &Deployments) {
    use annals_deploy::DeploymentTrace;
    let all = DeploymentTrace::TRACE_ID.ne("");
    deployments.store().delete(all).await.unwrap();
}

async fn links_that_came_past_the_directory_are_followed_by_their_spans(database: TestDatabase) {
    let deployments = deployments(&database).await;
    written(&deployments, &deployment()).await;
    let reads = deployments.workspace(id(1));
    let trace = reads.trace("external").await.unwrap();
    let tree = reads.tree("scan").await.unwrap();
    let children = reads.children("deploy", "reconciliation").await.unwrap();
    without_directory(&deployments).await;
    assert_eq!(reads.trace("external").await.unwrap(), trace);
    assert_eq!(reads.tree("scan").await.unwrap(), tree);
    assert_eq!(reads.tree("deploy").await.unwrap(), tree);
    assert_eq!(
        reads.children("deploy", "reconciliation").await.unwrap(),
        children
    );
    // A circle of such ends too, and other workspaces stay others.
    let circle = [
        linked("a", "s", ("b", "s"), 1),
        linked("b", "s", ("a", "s"), 2),
    ];
    written(&deployments, &circle).await;
    without_directory(&deployments).await;
    assert_eq!(drawn(&reads.tree("b").await.unwrap()), ["0 a/s", "1 b/s"]);
    let elsewhere = deployments.workspace(id(2));
    for trace in ["deploy", "external", "a"] {
        assert!(matches!(
            elsewhere.tree(trace).await,
            Err(Error::NoSuchTrace { .. })
        ));
        assert!(matches!(
            elsewhere.trace(trace).await,
            Err(Error::NoSuchTrace { .. })
        ));
    }
}

async fn a_trace_whose_spans_are_gone_is_not_there(database: TestDatabase) {
    let deployments = deployments(&database).await;
    written(&deployments, &deployment()).await;
    let spans = DeploymentSpan::TRACE_ID.eq("unrelated");
    deployments.store().delete(spans).await.unwrap();
    let reads = deployments.workspace(id(1));
    assert!(matches!(
        reads.trace("unrelated").await,
        Err(Error::NoSuchTrace { .. })
    ));
    assert!(matches!(
        reads.tree("unrelated").await,
        Err(Error::NoSuchTrace { .. })
    ));
}

/// On one backend: what is counted is counted here.
#[test]
fn more_spans_than_a_tree_has_are_cut_and_those_nearest_to_the_trace_stay() {
    backend::run(Backend::Sqlite, async |database| {
        let deployments = deployments(&database).await;
        let large = |trace: &str, from: i64| -> Vec<DeploymentSpan> {
            let spans =
                (from..from + 10_000).map(|n| linked(trace, &format!("{n}"), ("top", "job"), n));
            spans.collect()
        };
        written(&deployments, &[row(1, "top", "job", 0)]).await;
        for part in 0..5 {
            written(&deployments, &large("a", part * 10_000)).await;
            written(&deployments, &large("b", part * 10_000)).await;
        }
        let reads = deployments.workspace(id(1));
        for trace in ["a", "b"] {
            let tree = reads.tree(trace).await.unwrap();
            assert!(tree.is_cut);
            assert_eq!(tree.walk().count(), 100_000);
            let of_it = tree.walk().filter(|node| node.span.trace_id == trace);
            assert_eq!(of_it.count(), 50_000, "all of {trace}");
        }
    });
}
