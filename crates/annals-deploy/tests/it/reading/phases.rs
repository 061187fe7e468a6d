//! Durations and failures by phase, with numbers that were computed by hand.

use annals_deploy::{Asked, DeploymentSpan, Deployments, PhaseStatistics};
use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};

use super::model::{DAY, before, began, written};
use crate::support::{deployments, id, row};

on_every_backend!(
    percentiles_go_by_nearest_rank_to_the_nanosecond,
    phases_come_in_the_order_of_a_reconciliation_and_others_by_name,
    what_runs_is_counted_apart_and_what_was_aborted_has_failed,
    a_clock_that_was_set_back_makes_no_negative_duration,
    one_deployment_or_all_in_a_window,
    a_duration_of_centuries_breaks_nothing,
);

/// A phase that took so many nanoseconds.
fn took(phase: &str, n: i64, nanos: i64) -> DeploymentSpan {
    let mut span = row(1, "t", &format!("{phase}-{n}"), 0);
    let start = before(Timestamp::now(), 1_000_000_000 * (n + 2));
    span = began(span, start);
    span.end_time = Some(before(start, -nanos));
    span.phase = Some(phase.to_owned());
    span.status = Some("completed".to_owned());
    span
}

async fn statistics(deployments: &Deployments) -> Vec<PhaseStatistics> {
    let reads = deployments.workspace(id(1));
    reads.phases(None, Asked::default()).await.unwrap()
}

async fn percentiles_go_by_nearest_rank_to_the_nanosecond(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let mut spans = vec![took("planning", 0, 1_234_567)];
    let four = [4_000_000_001, 1_000_000_001, 3_000_000_001, 2_000_000_001];
    let four = four.into_iter().enumerate();
    spans.extend(four.map(|(n, nanos)| took("execution", n as i64, nanos)));
    // 1 to 257 microseconds and as many nanoseconds: ranks 129, 245 and 255.
    spans.extend((1..=257).map(|n| took("eligibility", n, n * 1_001)));
    written(&deployments, &spans).await;
    let [planning, eligibility, execution] = &statistics(&deployments).await[..] else {
        panic!("three phases")
    };
    let numbers = |phase: &PhaseStatistics| {
        assert_eq!((phase.failed, phase.running), (0, 0));
        assert!(phase.failure_rate.abs() < f64::EPSILON);
        (
            phase.count,
            phase.mean_nanos,
            [phase.p50_nanos, phase.p95_nanos, phase.p99_nanos],
            phase.max_nanos,
        )
    };
    assert_eq!(numbers(planning), (1, 1_234_567, [1_234_567; 3], 1_234_567));
    assert_eq!(
        numbers(execution),
        (
            4,
            2_500_000_001,
            [2_000_000_001, 4_000_000_001, 4_000_000_001],
            4_000_000_001
        )
    );
    assert_eq!(
        numbers(eligibility),
        (
            257,
            129 * 1_001,
            [129 * 1_001, 245 * 1_001, 255 * 1_001],
            257 * 1_001
        )
    );
}

async fn phases_come_in_the_order_of_a_reconciliation_and_others_by_name(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let phases = [
        "zebra",
        "external",
        "action",
        "Zebra",
        "execution",
        "a-b",
        "eligibility",
        "ab",
        "planning",
        "reconciliation",
    ];
    let spans = phases.iter().enumerate();
    let mut spans: Vec<_> = spans.map(|(n, phase)| took(phase, n as i64, 1)).collect();
    // What is no phase, or of none, is not told of.
    let mut step = took("action", 20, 9_999);
    step.node_type = Some("action".to_owned());
    let mut nameless = took("x", 21, 1);
    nameless.phase = None;
    spans.extend([step, nameless]);
    written(&deployments, &spans).await;
    let found = statistics(&deployments).await;
    let names: Vec<&str> = found.iter().map(|phase| &*phase.phase).collect();
    assert_eq!(
        names,
        [
            "reconciliation",
            "planning",
            "eligibility",
            "execution",
            "action",
            "external",
            "Zebra",
            "a-b",
            "ab",
            "zebra"
        ]
    );
    assert!(
        found
            .iter()
            .all(|phase| (phase.count, phase.max_nanos) == (1, 1))
    );
}

async fn what_runs_is_counted_apart_and_what_was_aborted_has_failed(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let mut spans: Vec<_> = (0..5).map(|n| took("planning", n, 10 * (n + 1))).collect();
    spans[1].status = Some("failed".to_owned());
    spans[2].status = Some("aborted".to_owned());
    spans[3].status = Some("skipped".to_owned());
    let mut running: Vec<_> = (5..8).map(|n| took("planning", n, 0)).collect();
    running.push(took("execution", 9, 0));
    for span in &mut running {
        span.end_time = None;
        span.status = Some("running".to_owned());
    }
    // A status does not end a span.
    running[2].status = Some("failed".to_owned());
    written(&deployments, &[spans, running].concat()).await;
    let [planning, execution] = &statistics(&deployments).await[..] else {
        panic!("two phases")
    };
    assert_eq!(
        (planning.count, planning.failed, planning.running),
        (5, 2, 3)
    );
    assert!((planning.failure_rate - 0.4).abs() < 1e-12);
    assert_eq!(
        [planning.mean_nanos, planning.p50_nanos, planning.p99_nanos],
        [30, 30, 50]
    );
    assert_eq!((execution.count, execution.running), (0, 1));
    assert_eq!((execution.mean_nanos, execution.max_nanos), (0, 0));
    assert!(execution.failure_rate.abs() < f64::EPSILON);
}

async fn a_clock_that_was_set_back_makes_no_negative_duration(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let spans = [took("planning", 0, -5_000_000_007), took("planning", 1, 10)];
    written(&deployments, &spans).await;
    let [planning] = &statistics(&deployments).await[..] else {
        panic!("one phase")
    };
    assert_eq!((planning.count, planning.mean_nanos), (2, 5));
    assert_eq!((planning.p50_nanos, planning.max_nanos), (0, 10));
}

async fn one_deployment_or_all_in_a_window(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let now = Timestamp::now();
    let spans: Vec<_> = (0..20)
        .map(|n| {
            let mut span = began(took("planning", n, 0), before(now, n * DAY + 1_000_000_000));
            span.end_time = Some(before(span.start_time, -100));
            span.deployment_id =
                [None, Some("a".to_owned()), Some("b".to_owned())][n as usize % 3].clone();
            span
        })
        .collect();
    written(&deployments, &spans).await;
    let mut elsewhere = took("planning", 99, 1);
    elsewhere.workspace_id = id(2).uuid();
    elsewhere.trace_id = "elsewhere".to_owned();
    written(
        &deployments,
        &[began(elsewhere.clone(), elsewhere.start_time)],
    )
    .await;
    let reads = deployments.workspace(id(1));
    let count = async |deployment: Option<&str>, asked: Asked| {
        let phases = reads.phases(deployment, asked).await.unwrap();
        phases.first().map_or(0, |phase| phase.count)
    };
    assert_eq!(count(None, Asked::default()).await, 7);
    assert_eq!(count(Some("a"), Asked::default()).await, 2);
    assert_eq!(count(Some("none"), Asked::default()).await, 0);
    let all = Asked {
        since: Some(before(now, 30 * DAY)),
        limit: Some(1),
        after: Some("means nothing here".to_owned()),
        ..Asked::default()
    };
    assert_eq!(count(None, all.clone()).await, 20);
    assert_eq!(count(Some("b"), all).await, 6);
    let some = Asked {
        since: Some(spans[9].start_time),
        until: Some(spans[5].start_time),
        ..Asked::default()
    };
    // To the microsecond, from the first to before the last.
    assert_eq!(count(None, some).await, 4);
}

async fn a_duration_of_centuries_breaks_nothing(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let mut spans: Vec<_> = (0..3).map(|n| took("planning", n, 0)).collect();
    for span in &mut spans {
        span.end_time = Some(Timestamp::MAX);
    }
    written(&deployments, &spans).await;
    let [planning] = &statistics(&deployments).await[..] else {
        panic!("one phase")
    };
    let longest = Timestamp::MAX.duration_since(spans[2].start_time);
    assert_eq!(planning.max_nanos as u128, longest.as_nanos());
    assert_eq!(planning.count, 3);
}
