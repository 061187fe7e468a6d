//! Metrics and points that come, come again, and cannot be.

use annals_record::{Json, TimestampMicros, Uuid};
use annals_telemetry::{
    Error, Metric, MetricDataPoint, MetricType, Temporality,
    metric::Number,
    metrics::{MetricFilter, Selection},
};
use annals_testkit::{TestDatabase, generate, on_every_backend};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{Kept as _, at, gauge, json, number, numbers, open, shown};

on_every_backend!(
    the_tables_are_what_the_records_say,
    every_field_of_a_metric_and_a_point_survives,
    what_is_sent_twice_is_there_once,
    a_metric_takes_over_what_may_change_and_keeps_when_it_was_seen,
    a_point_of_another_metric_is_refused_and_nothing_is_written,
    points_without_their_metric_are_refused,
    metrics_and_points_can_be_inserted_by_themselves,
    many_points_of_many_series_come_at_once,
);

async fn the_tables_are_what_the_records_say(database: TestDatabase) {
    let metrics = open(&database).await;
    metrics.store().check_table::<Metric>().await.unwrap();
    metrics
        .store()
        .check_table::<MetricDataPoint>()
        .await
        .unwrap();
}

fn metric() -> impl Strategy<Value = Metric> {
    let texts = prop::collection::vec(prop::option::of(generate::text()), 6);
    let types = (
        prop::sample::select(MetricType::ALL.to_vec()),
        prop::sample::select(vec![
            Temporality::Unspecified,
            Temporality::Delta,
            Temporality::Cumulative,
        ]),
        any::<bool>(),
    );
    let objects = prop::collection::vec(generate::text(), 3);
    (texts, types, objects, any::<(u32, u32)>()).prop_map(
        |(texts, (metric_type, temporality, is_monotonic), objects, dropped)| {
            let object = |text: &String| {
                let value = serde_json::json!({ "a": text, "b": 1.0, "c": { "d": [text] } });
                Json::try_from(&value).unwrap()
            };
            let mut metric = Metric::new("api", "name", metric_type).unwrap();
            metric.temporality = temporality;
            metric.is_monotonic = is_monotonic && metric_type == MetricType::Sum;
            metric.description = texts[0].clone();
            metric.unit = texts[1].clone();
            metric.resource_schema_url = texts[2].clone();
            metric.scope_name = texts[3].clone();
            metric.scope_version = texts[4].clone();
            metric.scope_schema_url = texts[5].clone();
            metric.attributes = object(&objects[0]);
            metric.resource_attributes = object(&objects[1]);
            metric.scope_attributes = texts[0].is_some().then(|| object(&objects[2]));
            (
                metric.resource_dropped_attributes_count,
                metric.scope_dropped_attributes_count,
            ) = dropped;
            metric.identified()
        },
    )
}

fn point() -> impl Strategy<Value = MetricDataPoint> {
    let doubles = prop::collection::vec(prop::option::of(generate::double()), 5);
    let whole = any::<(Option<i64>, Option<u64>, Option<u64>, Option<i32>, u32)>();
    let texts = prop::collection::vec(prop::option::of(generate::json()), 3);
    let times = (generate::recent(), prop::option::of(generate::timestamp()));
    (doubles, whole, texts, times, generate::text()).prop_map(
        |(doubles, (value_int, count, zero_count, scale, flags), texts, times, attribute)| {
            let attributes = Json::try_from(&serde_json::json!({ "a": attribute })).unwrap();
            let mut point = MetricDataPoint::nothing(&gauge("x"), attributes, times.0).unwrap();
            point.start_time = times.1;
            point.value = doubles[0];
            point.value_int = value_int;
            point.count = count;
            point.sum = doubles[1];
            point.min = doubles[2];
            point.max = doubles[3];
            point.scale = scale;
            point.zero_count = zero_count;
            point.zero_threshold = doubles[4];
            point.buckets = texts[0].clone();
            point.quantiles = texts[1].clone();
            point.exemplars = texts[2].clone();
            point.flags = flags;
            point
        },
    )
}

async fn every_field_of_a_metric_and_a_point_survives(database: TestDatabase) {
    let metrics = open(&database).await;
    let mut runner = TestRunner::default();
    let mut batch = Vec::new();
    for n in 0..60 {
        let mut metric = metric().new_tree(&mut runner).unwrap().current();
        metric.name = format!("name {n:03}");
        let metric = metric.identified();
        let points = (0..3).map(|n| {
            let mut point = point().new_tree(&mut runner).unwrap().current();
            point.metric_id = metric.id;
            point.series_id = Uuid::from_u128(n);
            point
        });
        let points: Vec<_> = points.collect();
        batch.push((metric, points));
    }
    // Half of them by few rows, the other half at once.
    for one in batch[..30].iter().cloned() {
        assert_eq!(metrics.write(vec![one]).await.unwrap().committed, 3);
    }
    assert_eq!(
        metrics.write(batch[30..].to_vec()).await.unwrap().committed,
        90
    );
    for (metric, points) in batch {
        let selection = Selection::of(metric.name.as_str());
        let page = metrics
            .repository()
            .points(&selection, None, None)
            .await
            .unwrap();
        let read = &page.metrics[&metric.id];
        assert!(read.last_seen >= metric.last_seen);
        let same = Metric {
            last_seen: read.last_seen,
            ..metric
        };
        assert_eq!(read, &same);
        assert_eq!(shown(&page.points), shown(&points));
    }
}

async fn what_is_sent_twice_is_there_once(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let points = numbers(&metric, "{}", &[(0, 1.0), (1, 2.0)]);
    for _ in 0..3 {
        let batch = vec![
            (metric.clone(), points.clone()),
            (metric.clone(), points.clone()),
        ];
        assert_eq!(metrics.write(batch).await.unwrap().committed, 4);
    }
    // Another program, which does not know what is there.
    let other = open(&database).await;
    other.write(vec![(metric, points)]).await.unwrap().kept();
    assert_eq!(
        database
            .number("SELECT count(*) FROM metric_data_points")
            .await,
        2
    );
    assert_eq!(database.number("SELECT count(*) FROM metrics").await, 1);
}

async fn a_metric_takes_over_what_may_change_and_keeps_when_it_was_seen(database: TestDatabase) {
    let metrics = open(&database).await;
    let mut metric = gauge("cpu");
    metric.description = Some("old".into());
    metrics
        .insert_metrics(vec![metric.clone()])
        .await
        .unwrap()
        .kept();
    let seen = metric.last_seen;
    metric.description = Some("new".into());
    metric.last_seen = TimestampMicros::default();
    metrics
        .insert_metrics(vec![metric.clone()])
        .await
        .unwrap()
        .kept();
    let read = metrics
        .repository()
        .get_by_id(metric.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.description.as_deref(), Some("new"));
    assert_eq!(read.last_seen, seen);
}

async fn a_point_of_another_metric_is_refused_and_nothing_is_written(database: TestDatabase) {
    let metrics = open(&database).await;
    let (a, b) = (gauge("a"), gauge("b"));
    let point = number(&b, "{}", 0, Number::Int(1));
    let error = metrics
        .write(vec![(a.clone(), vec![point])])
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Metric(error) if error.field == "metric_id"),
        "{error}"
    );
    let mut wrong = a;
    wrong.unit = Some("ms".into());
    let error = metrics.write(vec![(wrong, Vec::new())]).await.unwrap_err();
    assert!(
        matches!(&error, Error::Metric(error) if error.field == "id"),
        "{error}"
    );
    assert_eq!(database.number("SELECT count(*) FROM metrics").await, 0);
}

async fn points_without_their_metric_are_refused(database: TestDatabase) {
    let metrics = open(&database).await;
    let point = number(&gauge("a"), "{}", 0, Number::Int(1));
    let error = metrics.insert_points(vec![point]).await.unwrap_err();
    assert!(
        error.to_string().contains("insert_metrics comes first"),
        "{error}"
    );
    assert_eq!(
        database
            .number("SELECT count(*) FROM metric_data_points")
            .await,
        0
    );
}

async fn metrics_and_points_can_be_inserted_by_themselves(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("a");
    metrics
        .insert_metrics(vec![metric.clone(), metric.clone()])
        .await
        .unwrap()
        .kept();
    let points = numbers(&metric, "{}", &[(0, 1.0), (0, 1.0)]);
    assert_eq!(
        metrics
            .insert_points(points.clone())
            .await
            .unwrap()
            .committed,
        2
    );
    metrics.insert_points(points).await.unwrap().kept();
    assert_eq!(
        database
            .number("SELECT count(*) FROM metric_data_points")
            .await,
        1
    );
    let listed = metrics
        .repository()
        .list(MetricFilter::default())
        .await
        .unwrap();
    assert_eq!(listed.rows, [metric]);
}

async fn many_points_of_many_series_come_at_once(database: TestDatabase) {
    let metrics = open(&database).await;
    let batch = (0..40).map(|m| {
        let metric = gauge(&format!("m{m}"));
        let points = (0..100).map(|n| {
            let attributes = json(&format!(r#"{{"n":{}}}"#, n % 10));
            MetricDataPoint::number(&metric, attributes, at(n / 10), Number::Int(n)).unwrap()
        });
        let points = points.collect();
        (metric, points)
    });
    assert_eq!(
        metrics.write(batch.collect()).await.unwrap().committed,
        4_000
    );
    assert_eq!(
        database
            .number("SELECT count(*) FROM metric_data_points")
            .await,
        4_000
    );
}
