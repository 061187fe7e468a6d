//! Histograms, exponential ones and summaries over buckets of time.

use annals_telemetry::{
    Metric, MetricDataPoint, MetricType, Temporality,
    metric::{Exponential, ExponentialBuckets, Histogram, Summary},
};
use annals_testkit::{TestDatabase, on_every_backend};

use super::{
    Kept as _,
    aggregates::{asked, one},
    at, json, open,
};

on_every_backend!(
    cumulative_histograms_are_subtracted_and_those_of_series_added,
    delta_histograms_are_added_and_know_their_extremes,
    exponential_histograms_of_different_scales_are_added,
    a_summary_tells_what_its_source_worked_out,
    histograms_without_anything_in_them_have_no_percentiles,
);

fn metric(name: &str, metric_type: MetricType, temporality: Temporality) -> Metric {
    let mut metric = Metric::new("api", name, metric_type).unwrap();
    metric.temporality = temporality;
    metric.identified()
}

fn histogram(
    metric: &Metric,
    attributes: &str,
    seconds: i64,
    counts: [u64; 4],
    sum: f64,
) -> MetricDataPoint {
    let count = counts.iter().sum();
    let histogram = Histogram {
        count,
        sum: Some(sum),
        min: (count > 0).then_some(0.5),
        max: (count > 0).then_some(45.0),
        bounds: vec![1.0, 10.0, 100.0],
        counts: counts.to_vec(),
    };
    MetricDataPoint::histogram(metric, json(attributes), at(seconds), &histogram)
        .unwrap()
        .since(at(0))
}

async fn cumulative_histograms_are_subtracted_and_those_of_series_added(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = metric("took", MetricType::Histogram, Temporality::Cumulative);
    let points = vec![
        histogram(&metric, r#"{"road":"a"}"#, 10, [99, 0, 0, 0], 50.0),
        histogram(&metric, r#"{"road":"a"}"#, 70, [99, 10, 0, 0], 100.0),
        histogram(&metric, r#"{"road":"b"}"#, 10, [0, 0, 1, 0], 47.0),
        histogram(&metric, r#"{"road":"b"}"#, 70, [0, 0, 1, 0], 47.0),
        // Counting began anew.
        histogram(&metric, r#"{"road":"b"}"#, 130, [0, 1, 0, 0], 5.0),
    ];
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let all = async |aggregate: &str| {
        let answer = asked(&metrics, ("took", 0, 180), aggregate, Some(60), Some("all"))
            .await
            .unwrap();
        answer.groups[0]
            .buckets
            .iter()
            .map(|bucket| bucket.value.unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(all("count").await, [100.0, 10.0, 1.0]);
    assert_eq!(all("sum").await, [97.0, 50.0, 5.0]);
    assert_eq!(all("avg").await, [0.97, 5.0, 5.0]);
    assert_eq!(all("rate").await, [100.0 / 60.0, 10.0 / 60.0, 1.0 / 60.0]);
    // Of a hundred calls 99 are fast, whichever road they took; a mean of percentiles would say 50.
    let p95 = all("p95").await;
    assert!(p95[0] <= 1.0 && (1.0..=10.0).contains(&p95[1]), "{p95:?}");
    assert_eq!(all("p100").await[0], 100.0);
    let whole = asked(&metrics, ("took", 0, 180), "p50", None, Some("all"))
        .await
        .unwrap();
    assert_eq!(whole.groups[0].buckets[0].count, 111);
}

async fn delta_histograms_are_added_and_know_their_extremes(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = metric("took", MetricType::Histogram, Temporality::Delta);
    let points = vec![
        histogram(&metric, "{}", 10, [1, 1, 0, 0], 6.0),
        histogram(&metric, "{}", 20, [0, 0, 2, 0], 60.0),
        histogram(&metric, "{}", 30, [0, 0, 0, 0], 0.0),
    ];
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    for (aggregate, value) in [
        ("count", 4.0),
        ("sum", 66.0),
        ("avg", 16.5),
        ("min", 0.5),
        ("max", 45.0),
        ("p100", 45.0),
        ("p25", 1.0),
    ] {
        let found = one(&metrics, ("took", 0, 60), aggregate, None).await;
        assert_eq!(found, [(0, Some(value))], "{aggregate}");
    }
}

async fn exponential_histograms_of_different_scales_are_added(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = metric("took", MetricType::ExponentialHistogram, Temporality::Delta);
    let point = |attributes: &str, scale: i32, offset: i32, counts: &[u64]| {
        let histogram = Exponential {
            count: counts.iter().sum::<u64>() + 1,
            sum: Some(1.0),
            scale,
            zero_count: 1,
            positive: Some(ExponentialBuckets {
                offset,
                counts: counts.to_vec(),
            }),
            ..Exponential::default()
        };
        MetricDataPoint::exponential(&metric, json(attributes), at(10), &histogram).unwrap()
    };
    // 2 to 4 in two buckets, and 4 to 8 in one.
    let points = vec![
        point(r#"{"a":1}"#, 1, 2, &[3, 3]),
        point(r#"{"a":2}"#, 0, 2, &[2]),
    ];
    metrics
        .write(vec![(metric.clone(), points)])
        .await
        .unwrap()
        .kept();
    let all = async |aggregate: &str| {
        let answer = asked(&metrics, ("took", 0, 60), aggregate, None, Some("all"))
            .await
            .unwrap();
        answer.groups[0].buckets[0].value.unwrap()
    };
    assert_eq!(all("count").await, 10.0);
    assert_eq!(all("p20").await, 0.0);
    assert_eq!(all("p80").await, 4.0);
    assert_eq!(all("p100").await, 8.0);
}

async fn a_summary_tells_what_its_source_worked_out(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = Metric::new("api", "took", MetricType::Summary).unwrap();
    let point = |seconds, count, sum, median| {
        let summary = Summary {
            count,
            sum,
            quantiles: vec![(0.5, median), (0.99, f64::NAN)],
        };
        MetricDataPoint::summary(&metric, json("{}"), at(seconds), &summary)
            .unwrap()
            .since(at(0))
    };
    let points = vec![point(10, 4, 8.0, 1.5), point(20, 6, 20.0, 2.5)];
    metrics
        .write(vec![(metric.clone(), points)])
        .await
        .unwrap()
        .kept();
    for (aggregate, value) in [
        ("p50", Some(2.5)),
        ("p99", None),
        ("p90", None),
        ("count", Some(6.0)),
        ("sum", Some(20.0)),
        ("rate", Some(0.1)),
    ] {
        let found = one(&metrics, ("took", 0, 60), aggregate, None).await;
        assert_eq!(found, [(0, value)], "{aggregate}");
    }
    let error = asked(&metrics, ("took", 0, 60), "p50", None, Some("all"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("ask by series"), "{error}");
}

async fn histograms_without_anything_in_them_have_no_percentiles(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = metric("took", MetricType::Histogram, Temporality::Cumulative);
    let points = vec![
        histogram(&metric, "{}", 10, [0; 4], 0.0),
        histogram(&metric, "{}", 20, [0; 4], 0.0),
    ];
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    for (aggregate, value) in [("p95", None), ("avg", None), ("count", Some(0.0))] {
        let found = one(&metrics, ("took", 0, 60), aggregate, None).await;
        assert_eq!(found, [(0, value)], "{aggregate}");
    }
}
