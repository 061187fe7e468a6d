//! Points as they age, and metrics that go with them.

use annals_store::{Interval, lifecycle::Expiry};
use annals_telemetry::{
    Metric, Metrics, life,
    metrics::{MetricFilter, Selection},
};
use annals_testkit::{TestDatabase, on_community, on_every_backend};

use super::{Kept as _, at, gauge, numbers, open};

on_every_backend!(
    a_metric_goes_with_its_points_when_nobody_has_sent_any_since,
    a_metric_that_was_just_seen_stays_without_points,
);

const DAY: i64 = 86_400;

async fn expire(metrics: &Metrics) -> Expiry {
    let store = metrics.store();
    let table = life::tables(store.names())
        .into_iter()
        .find(|table| table.label() == "metric_data_points")
        .unwrap();
    let life = store.lifecycle(table).at(at(20 * DAY));
    life.expire(&Interval::days(7), false, &mut |_| {})
        .await
        .unwrap()
}

async fn names(metrics: &Metrics) -> Vec<String> {
    let page = metrics.repository().list(MetricFilter::default()).await;
    page.unwrap()
        .rows
        .into_iter()
        .map(|metric| metric.name)
        .collect()
}

async fn a_metric_goes_with_its_points_when_nobody_has_sent_any_since(database: TestDatabase) {
    let metrics = open(&database).await;
    let seen = |name: &str, day: i64| {
        let mut metric = gauge(name);
        metric.last_seen = Metric::seen_at(at(day * DAY));
        metric
    };
    let (old, both, young) = (seen("old", 1), seen("both", 1), seen("young", 19));
    metrics
        .insert_metrics(vec![old.clone(), both.clone(), young.clone()])
        .await
        .unwrap()
        .kept();
    let mut points = numbers(&old, "{}", &[(DAY, 1.0)]);
    points.extend(numbers(&both, "{}", &[(DAY, 1.0), (19 * DAY, 2.0)]));
    points.extend(numbers(&young, "{}", &[(19 * DAY, 2.0)]));
    metrics.insert_points(points).await.unwrap().kept();
    expire(&metrics).await;
    assert_eq!(names(&metrics).await, ["both", "young"]);
    assert_eq!(
        database
            .number("SELECT count(*) FROM metric_data_points")
            .await,
        2
    );
    // Who sends it again makes it again.
    let batch = vec![(old.clone(), numbers(&old, "{}", &[(19 * DAY, 3.0)]))];
    metrics.write(batch).await.unwrap().kept();
    assert_eq!(names(&metrics).await, ["both", "old", "young"]);
}

async fn a_metric_that_was_just_seen_stays_without_points(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let points = numbers(&metric, "{}", &[(DAY, 1.0)]);
    metrics
        .write(vec![(metric.clone(), points)])
        .await
        .unwrap()
        .kept();
    expire(&metrics).await;
    // A process that knows it may be about to send more points of it.
    assert_eq!(names(&metrics).await, ["cpu"]);
    let points = numbers(&metric, "{}", &[(19 * DAY, 1.0)]);
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let page = metrics
        .repository()
        .points(&Selection::of("cpu"), None, None)
        .await
        .unwrap();
    assert_eq!(page.points.len(), 1);
}

#[test]
fn compressed_points_answer_as_others() {
    on_community(async |database: TestDatabase| {
        let metrics = open(&database).await;
        let (a, b) = (gauge("a"), gauge("b"));
        let batch = vec![
            (
                a.clone(),
                numbers(&a, r#"{"core":0}"#, &[(0, 1.0), (60, 2.0)]),
            ),
            (a.clone(), numbers(&a, r#"{"core":1}"#, &[(0, 4.0)])),
            (b.clone(), numbers(&b, "{}", &[(0, 8.0)])),
        ];
        metrics.write(batch).await.unwrap().kept();
        let before = super::aggregates::asked(&metrics, ("a", 0, 120), "sum", Some(60), None)
            .await
            .unwrap();
        let read = metrics
            .repository()
            .points(&Selection::of("a"), None, None)
            .await
            .unwrap();
        let store = metrics.store();
        let mut tables = life::tables(store.names()).into_iter();
        let table = tables
            .find(|table| table.label() == "metric_data_points")
            .unwrap();
        let life = store.lifecycle(table).at(at(20 * DAY));
        life.compress_chunks(&Interval::days(7), false, &mut |_| {})
            .await
            .unwrap();
        let after = super::aggregates::asked(&metrics, ("a", 0, 120), "sum", Some(60), None)
            .await
            .unwrap();
        assert_eq!(after, before);
        assert_eq!(
            metrics
                .repository()
                .points(&Selection::of("a"), None, None)
                .await
                .unwrap(),
            read
        );
        assert_eq!(
            metrics
                .repository()
                .latest(&Selection::of("a"), None)
                .await
                .unwrap()
                .points
                .len(),
            2
        );
        // What comes late, and what comes again.
        metrics
            .write(vec![(
                a.clone(),
                numbers(&a, r#"{"core":0}"#, &[(0, 1.0), (30, 3.0)]),
            )])
            .await
            .unwrap()
            .kept();
        assert_eq!(
            database
                .number("SELECT count(*) FROM metric_data_points")
                .await,
            5
        );
    });
}
