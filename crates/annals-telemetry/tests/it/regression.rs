//! A regression is found where it is, and its baseline does not contain it.

use std::time::Duration;

use annals_telemetry::{
    Error, Regression, RegressionAlert, RegressionRule, Side, Span, Spans, Verdict,
};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::{
    models::{call, write},
    spans::{at, open},
};

on_every_backend!(
    a_model_that_became_slower_is_told_with_its_first_slow_span,
    a_regression_does_not_hide_in_its_own_baseline,
    the_edges_of_the_windows_decide_which_side_a_span_is_on,
    a_version_is_compared_with_itself_or_with_another,
    too_few_samples_and_a_baseline_of_nothing_are_no_regression,
    a_rule_out_of_bounds_is_refused_before_anything_is_read,
);

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const MS: i64 = 1_000_000;

/// The end of the current window, which by default begins at 30 minutes.
const NOW: i64 = 35 * MINUTE;

/// A call every ten seconds from one minute to another.
fn calls(version: Option<&str>, minutes: [i64; 2], duration: i64) -> impl Iterator<Item = Span> {
    (minutes[0] * 6..minutes[1] * 6).map(move |n| call("m", version, n * 10 * SECOND, duration))
}

async fn judged(spans: &Spans, version: Option<&str>, rule: &RegressionRule) -> Regression {
    spans.regression("m", version, rule, at(NOW)).await.unwrap()
}

fn alert(regression: &Regression) -> &RegressionAlert {
    match &regression.verdict {
        Verdict::Regressed(alert) => alert,
        other => panic!("{other:?}"),
    }
}

async fn a_model_that_became_slower_is_told_with_its_first_slow_span(database: TestDatabase) {
    let spans = open(&database).await;
    let rule = RegressionRule::default();
    write(&spans, calls(None, [0, 30], 100 * MS).collect()).await;
    write(&spans, calls(None, [30, 32], 150 * MS).collect()).await;
    let before = spans
        .regression("m", None, &rule, at(32 * MINUTE))
        .await
        .unwrap();
    assert_eq!(before.verdict, Verdict::Steady { multiplier: 1.5 });
    // Slow enough from minute 32 on, but for a nanosecond in the first of these.
    let mut slow: Vec<Span> = calls(None, [32, 35], 180 * MS).collect();
    slow[0].duration_nanos -= 1;
    slow[1].start_time = at(32 * MINUTE + 10 * SECOND + 1);
    write(&spans, slow).await;
    let after = judged(&spans, None, &rule).await;
    let alert = alert(&after);
    assert_eq!(
        (alert.current_p95_nanos, alert.baseline_p95_nanos),
        (180 * MS, 100 * MS)
    );
    assert_eq!((&*alert.model_name, alert.multiplier), ("m", 1.8));
    assert_eq!(alert.first_seen_at, at(32 * MINUTE + 10 * SECOND + 1));
    assert_eq!(
        (after.current.from, after.current.to),
        (at(30 * MINUTE), at(NOW))
    );
    assert_eq!(
        (after.baseline.from, after.baseline.to),
        (at(0), at(30 * MINUTE))
    );
    assert_eq!(
        (
            after.current.latency.sample_count,
            after.baseline.latency.sample_count
        ),
        (30, 180)
    );
}

async fn a_regression_does_not_hide_in_its_own_baseline(database: TestDatabase) {
    let spans = open(&database).await;
    // Few before, many after: a baseline that reached up to now were as slow as now.
    write(&spans, calls(None, [20, 30], 100 * MS).collect()).await;
    write(&spans, calls(None, [30, 35], 900 * MS).collect()).await;
    let found = judged(&spans, None, &RegressionRule::default()).await;
    assert_eq!(alert(&found).multiplier, 9.0);
}

async fn the_edges_of_the_windows_decide_which_side_a_span_is_on(database: TestDatabase) {
    let spans = open(&database).await;
    let at_the_edges = [
        (-1_000, 1),
        (0, 10),
        (30 * MINUTE - 1_000, 20),
        (30 * MINUTE, 300),
        (NOW - 1_000, 400),
        (NOW, 5_000),
    ];
    let batch = at_the_edges.map(|(start, duration)| call("m", None, start, duration));
    write(&spans, batch.into()).await;
    let rule = RegressionRule {
        min_samples: 2,
        ..RegressionRule::default()
    };
    let found = judged(&spans, None, &rule).await;
    let side = |window: annals_telemetry::LatencyWindow| {
        let latency = window.latency;
        (latency.sample_count, latency.p50_nanos, latency.p95_nanos)
    };
    assert_eq!(side(found.baseline), (2, 10, 20));
    assert_eq!(side(found.current), (2, 300, 400));
    assert_eq!(alert(&found).first_seen_at, at(30 * MINUTE));
}

async fn a_version_is_compared_with_itself_or_with_another(database: TestDatabase) {
    let spans = open(&database).await;
    // Deployed at minute 30; a few calls still go to the old one.
    write(&spans, calls(Some("v1"), [0, 30], 100 * MS).collect()).await;
    write(&spans, calls(Some("v2"), [30, 35], 300 * MS).collect()).await;
    let late = call("m", Some("v1"), 34 * MINUTE, 100 * MS);
    write(&spans, vec![late]).await;
    let rule = RegressionRule::default();
    let itself = judged(&spans, Some("v2"), &rule).await;
    let too_few = |side, has| Verdict::TooFewSamples {
        side,
        has,
        needs: 20,
    };
    assert_eq!(itself.verdict, too_few(Side::Baseline, 0));
    let before = RegressionRule {
        baseline_version: Some("v1".into()),
        ..rule
    };
    let against_v1 = judged(&spans, Some("v2"), &before).await;
    assert_eq!(alert(&against_v1).multiplier, 3.0);
    assert_eq!(
        (against_v1.baseline.from, against_v1.baseline.to),
        (at(0), at(NOW))
    );
    assert_eq!(against_v1.baseline.latency.sample_count, 181);
    assert_eq!(against_v1.current.latency.sample_count, 30);
    let unknown = judged(&spans, Some("v3"), &before).await;
    assert_eq!(unknown.verdict, too_few(Side::Current, 0));
}

async fn too_few_samples_and_a_baseline_of_nothing_are_no_regression(database: TestDatabase) {
    let spans = open(&database).await;
    let rule = |min_samples| RegressionRule {
        min_samples,
        ..RegressionRule::default()
    };
    write(&spans, calls(None, [0, 30], 0).collect()).await;
    write(&spans, calls(None, [30, 35], 900 * MS).collect()).await;
    assert_eq!(
        judged(&spans, None, &rule(31)).await.verdict,
        Verdict::TooFewSamples {
            side: Side::Current,
            has: 30,
            needs: 31
        }
    );
    assert_eq!(
        judged(&spans, None, &rule(30)).await.verdict,
        Verdict::NoBaseline
    );
}

async fn a_rule_out_of_bounds_is_refused_before_anything_is_read(database: TestDatabase) {
    let spans = open(&database).await;
    // Nothing can be read any more, so whatever is read is another error.
    spans.store().close().await;
    let rule = RegressionRule {
        baseline: Duration::ZERO,
        ..RegressionRule::default()
    };
    let error = spans.regression("m", None, &rule, at(0)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Rule {
                field: "baseline",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("baseline"), "{error}");
    let good = RegressionRule::default();
    let error = spans.regression("m", None, &good, at(0)).await.unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error}");
}
