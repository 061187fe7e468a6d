//! Gauges and sums over buckets of time.

use std::time::Duration;

use annals_telemetry::{
    Metric, MetricDataPoint, MetricType, Metrics, Temporality,
    metric::Number,
    metrics::{Aggregate, Aggregated, Aggregation, Selection},
};
use annals_testkit::{TestDatabase, on_every_backend};

use super::{Kept as _, at, counter, gauge, json, numbers, open};

on_every_backend!(
    a_gauge_is_put_together_by_bucket,
    means_are_weighted_by_points_and_never_means_of_means,
    what_is_no_number_makes_a_sum_none_and_is_no_extreme,
    a_cumulative_counter_tells_what_it_grew_by_over_restarts_and_gaps,
    the_point_before_the_window_is_where_its_first_difference_begins,
    deltas_are_added,
    whole_numbers_beyond_2_to_the_53_keep_their_differences,
    series_are_put_together_by_an_attribute_of_theirs_or_of_their_resource,
    what_makes_no_sense_is_refused_with_the_way_out,
    too_many_buckets_or_groups_are_refused,
    a_point_that_records_nothing_is_not_counted,
    many_points_are_read_in_slices_and_none_twice,
);

pub(super) async fn asked(
    metrics: &Metrics,
    (name, since, until): (&str, i64, i64),
    aggregate: &str,
    bucket: Option<u64>,
    group_by: Option<&str>,
) -> annals_telemetry::Result<Aggregated> {
    let selection = Selection {
        since: Some(at(since)),
        until: Some(at(until)),
        ..Selection::of(name)
    };
    let aggregation = Aggregation {
        aggregate: aggregate.parse()?,
        bucket: bucket.map(Duration::from_secs),
        group_by: group_by.map(str::to_owned),
    };
    metrics
        .repository()
        .aggregate(&selection, &aggregation)
        .await
}

/// The buckets of the only group: their seconds and values.
pub(super) async fn one(
    metrics: &Metrics,
    window: (&str, i64, i64),
    aggregate: &str,
    bucket: Option<u64>,
) -> Vec<(i64, Option<f64>)> {
    let answer = asked(metrics, window, aggregate, bucket, None)
        .await
        .unwrap();
    assert_eq!(answer.groups.len(), 1, "{answer:?}");
    let buckets = answer.groups[0].buckets.iter();
    buckets
        .map(|bucket| {
            (
                (bucket.start.unix_nanos() - at(0).unix_nanos()) / 1_000_000_000,
                bucket.value,
            )
        })
        .collect()
}

async fn a_gauge_is_put_together_by_bucket(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let points = numbers(
        &metric,
        "{}",
        &[(0, 1.0), (30, 2.0), (59, 6.0), (60, -4.0), (180, 8.0)],
    );
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let window = ("cpu", 0, 180);
    for (aggregate, first, second) in [
        ("avg", 3.0, -4.0),
        ("sum", 9.0, -4.0),
        ("min", 1.0, -4.0),
        ("max", 6.0, -4.0),
        ("count", 3.0, 1.0),
        ("last", 6.0, -4.0),
    ] {
        let found = one(&metrics, window, aggregate, Some(60)).await;
        assert_eq!(found, [(0, Some(first)), (60, Some(second))], "{aggregate}");
    }
    assert_eq!(one(&metrics, window, "avg", None).await, [(0, Some(1.25))]);
    // Buckets are counted from 1970, wherever the window begins.
    let found = one(&metrics, ("cpu", 30, 61), "count", Some(60)).await;
    assert_eq!(found, [(0, Some(2.0)), (60, Some(1.0))]);
}

async fn means_are_weighted_by_points_and_never_means_of_means(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let mut points = numbers(&metric, r#"{"core":0}"#, &[(0, 1.0), (1, 1.0), (2, 1.0)]);
    points.extend(numbers(&metric, r#"{"core":1}"#, &[(0, 5.0)]));
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let answer = asked(&metrics, ("cpu", 0, 60), "avg", None, Some("none"))
        .await
        .unwrap();
    assert_eq!(answer.groups.len(), 1);
    assert_eq!(answer.groups[0].buckets[0].value, Some(2.0));
    assert_eq!(answer.groups[0].buckets[0].count, 4);
}

async fn what_is_no_number_makes_a_sum_none_and_is_no_extreme(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let values = [
        (0, f64::NAN),
        (1, 2.0),
        (60, f64::NAN),
        (120, f64::INFINITY),
        (121, 1.0),
    ];
    let points = numbers(&metric, "{}", &values);
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let window = ("cpu", 0, 180);
    let shown = async |aggregate: &str| {
        let found = one(&metrics, window, aggregate, Some(60)).await;
        let values = found.iter().map(|(_, value)| value.unwrap().to_string());
        values.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown("min").await, "2 NaN 1");
    assert_eq!(shown("max").await, "2 NaN inf");
    assert_eq!(shown("sum").await, "NaN NaN inf");
    assert_eq!(shown("avg").await, "NaN NaN inf");
    assert_eq!(shown("count").await, "2 1 2");
}

/// Points of a counter: seconds, since when it counts, and the value.
fn counted(metric: &Metric, values: &[(i64, i64, i64)]) -> Vec<MetricDataPoint> {
    let points = values.iter().map(|(seconds, start, value)| {
        let number = Number::Int(*value);
        MetricDataPoint::number(metric, json("{}"), at(*seconds), number)
            .unwrap()
            .since(at(*start))
    });
    points.collect()
}

async fn a_cumulative_counter_tells_what_it_grew_by_over_restarts_and_gaps(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = counter("requests", Temporality::Cumulative);
    let points = counted(
        &metric,
        // It begins anew at 70 s, and has counted more than before when it is seen again.
        &[
            (0, 0, 0),
            (30, 0, 6),
            (60, 0, 12),
            (90, 70, 30),
            (120, 70, 36),
            (300, 70, 40),
        ],
    );
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let window = ("requests", 0, 360);
    let grown = [
        (0, Some(6.0)),
        (60, Some(36.0)),
        (120, Some(6.0)),
        (300, Some(4.0)),
    ];
    assert_eq!(one(&metrics, window, "sum", Some(60)).await, grown);
    let rates = grown.map(|(start, value)| (start, value.map(|value| value / 60.0)));
    assert_eq!(one(&metrics, window, "rate", Some(60)).await, rates);
    // As it stands, not as it grew.
    assert_eq!(one(&metrics, window, "last", None).await, [(0, Some(40.0))]);
    assert_eq!(one(&metrics, window, "max", None).await, [(0, Some(40.0))]);
}

async fn the_point_before_the_window_is_where_its_first_difference_begins(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = counter("requests", Temporality::Cumulative);
    let points = counted(
        &metric,
        &[(0, -9_000, 100), (60, -9_000, 110), (120, -9_000, 125)],
    );
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    // Whatever it was before the first point is no growth of anybody's.
    assert_eq!(
        one(&metrics, ("requests", -600, 180), "sum", None).await,
        [(-600, Some(25.0))]
    );
    assert_eq!(
        one(&metrics, ("requests", 60, 180), "sum", None).await,
        [(60, Some(25.0))]
    );
    assert_eq!(
        one(&metrics, ("requests", 61, 180), "sum", None).await,
        [(61, Some(15.0))]
    );
}

async fn deltas_are_added(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = counter("requests", Temporality::Delta);
    let points = counted(&metric, &[(10, 0, 3), (20, 10, 4), (70, 60, 6)]);
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let window = ("requests", 0, 120);
    let found = one(&metrics, window, "sum", Some(60)).await;
    assert_eq!(found, [(0, Some(7.0)), (60, Some(6.0))]);
    let found = one(&metrics, window, "rate", Some(60)).await;
    assert_eq!(found, [(0, Some(7.0 / 60.0)), (60, Some(0.1))]);
}

async fn whole_numbers_beyond_2_to_the_53_keep_their_differences(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = counter("bytes", Temporality::Cumulative);
    let points = counted(
        &metric,
        &[
            (0, 0, i64::MAX - 10),
            (10, 0, i64::MAX - 7),
            (20, 0, i64::MAX),
        ],
    );
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    assert_eq!(
        one(&metrics, ("bytes", 1, 60), "sum", None).await,
        [(1, Some(10.0))]
    );
}

async fn series_are_put_together_by_an_attribute_of_theirs_or_of_their_resource(
    database: TestDatabase,
) {
    let metrics = open(&database).await;
    let on_host = |host: &str| {
        let mut metric = gauge("cpu");
        metric.resource_attributes = json(&format!(r#"{{"host":"{host}"}}"#));
        metric.identified()
    };
    let (a, b) = (on_host("a"), on_host("b"));
    let batch = vec![
        (a.clone(), numbers(&a, r#"{"core":0}"#, &[(0, 1.0)])),
        (a.clone(), numbers(&a, r#"{"core":1}"#, &[(0, 2.0)])),
        (b.clone(), numbers(&b, r#"{"core":0}"#, &[(0, 4.0)])),
    ];
    metrics.write(batch).await.unwrap().kept();
    let by = async |key: &str| {
        let answer = asked(&metrics, ("cpu", 0, 60), "sum", None, Some(key))
            .await
            .unwrap();
        let groups = answer.groups.iter();
        groups
            .map(|group| {
                (
                    group.attributes.to_string(),
                    group.buckets[0].value.unwrap(),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        by("core").await,
        [
            (r#"{"core":0}"#.to_owned(), 5.0),
            (r#"{"core":1}"#.to_owned(), 2.0)
        ]
    );
    assert_eq!(
        by("host").await,
        [
            (r#"{"host":"a"}"#.to_owned(), 3.0),
            (r#"{"host":"b"}"#.to_owned(), 4.0)
        ]
    );
    assert_eq!(by("rack").await, [("{}".to_owned(), 7.0)]);
    let each = asked(&metrics, ("cpu", 0, 60), "sum", None, None)
        .await
        .unwrap();
    assert_eq!(each.groups.len(), 3);
    assert!(
        each.groups
            .iter()
            .all(|group| group.metric.is_some() && group.series_id.is_some())
    );
}

async fn what_makes_no_sense_is_refused_with_the_way_out(database: TestDatabase) {
    let metrics = open(&database).await;
    let up_and_down = Metric::new("api", "queue", MetricType::Sum).unwrap();
    let histogram = Metric::new("api", "took", MetricType::Histogram).unwrap();
    metrics
        .insert_metrics(vec![gauge("cpu"), up_and_down, histogram])
        .await
        .unwrap()
        .kept();
    for (name, aggregate, way_out) in [
        ("cpu", "rate", "it counts nothing; ask for avg"),
        ("cpu", "p95", "percentiles are of histograms"),
        ("queue", "rate", "it goes up and down"),
        ("took", "last", "ask for the latest point itself"),
        ("took", "max", "ask for p0 or p100"),
    ] {
        let error = asked(&metrics, (name, 0, 60), aggregate, None, None)
            .await
            .unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with(&format!(
                "aggregate {aggregate} makes no sense of \"{name}\""
            )),
            "{told}"
        );
        assert!(told.contains(way_out), "{told}");
    }
    assert!("mean".parse::<Aggregate>().is_err());
}

async fn too_many_buckets_or_groups_are_refused(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let points = (0..1_001).map(|n| {
        let attributes = json(&format!(r#"{{"n":{n}}}"#));
        MetricDataPoint::number(&metric, attributes, at(0), Number::Int(n)).unwrap()
    });
    let points = points.collect();
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let error = asked(&metrics, ("cpu", 0, 60), "sum", None, None)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("more than 1000 series"),
        "{error}"
    );
    let error = asked(&metrics, ("cpu", 0, 86_400), "sum", Some(1), None)
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("bucket makes 86401"),
        "{error}"
    );
    let sum = asked(&metrics, ("cpu", 0, 60), "sum", None, Some("all"))
        .await
        .unwrap();
    assert_eq!(sum.groups[0].buckets[0].value, Some(500_500.0));
}

async fn a_point_that_records_nothing_is_not_counted(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let mut points = numbers(&metric, "{}", &[(0, 1.0), (1, 9.0)]);
    points[1].flags = 1;
    points.push(MetricDataPoint::nothing(&metric, json("{}"), at(2)).unwrap());
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    for (aggregate, value) in [("count", 1.0), ("max", 1.0), ("last", 1.0)] {
        let found = one(&metrics, ("cpu", 0, 60), aggregate, None).await;
        assert_eq!(found, [(0, Some(value))], "{aggregate}");
    }
}

async fn many_points_are_read_in_slices_and_none_twice(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = counter("requests", Temporality::Cumulative);
    // More than are in memory at once, most of them in a few seconds.
    for part in 0..6_i64 {
        let points = (0..10_000_i64).map(|n| {
            let nanos = (part * 10_000 + n) * 1_000_000;
            let time = annals_record::Timestamp::from_unix_nanos(at(0).unix_nanos() + nanos);
            let count = Number::Int(part * 10_000 + n + 1);
            MetricDataPoint::number(&metric, json("{}"), time, count)
                .unwrap()
                .since(at(0))
        });
        metrics
            .write(vec![(metric.clone(), points.collect())])
            .await
            .unwrap()
            .kept();
    }
    let found = one(&metrics, ("requests", 0, 86_400), "sum", None).await;
    assert_eq!(found, [(0, Some(60_000.0))]);
}
