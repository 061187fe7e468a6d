//! Metrics by name, points by series, the newest of each.

use annals_telemetry::{
    Error, Metric, MetricType, Metrics, Temporality,
    metric::Number,
    metrics::{MetricFilter, Selection},
};
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::json as value;

use super::{Kept as _, at, counter, gauge, json, number, numbers, open};

on_every_backend!(
    metrics_are_listed_by_what_is_asked_for,
    a_metric_that_changes_its_type_is_another_one_and_both_can_be_read,
    points_come_by_series_and_time_page_by_page,
    attributes_are_compared_by_value_and_type,
    a_window_begins_inclusive_and_ends_exclusive,
    the_newest_point_of_each_series_is_told,
    an_unknown_metric_is_an_error_that_says_so,
    a_metric_that_was_silent_before_the_window_is_no_unknown_one,
);

async fn listed(metrics: &Metrics, filter: MetricFilter) -> Vec<String> {
    let page = metrics.repository().list(filter).await.unwrap();
    page.rows
        .iter()
        .map(|metric| format!("{} {}", metric.name, metric.service_name))
        .collect()
}

async fn metrics_are_listed_by_what_is_asked_for(database: TestDatabase) {
    let metrics = open(&database).await;
    let of =
        |service: &str, name: &str, metric_type| Metric::new(service, name, metric_type).unwrap();
    metrics
        .insert_metrics(vec![
            of("db", "http.duration", MetricType::Histogram),
            of("api", "http.duration", MetricType::Histogram),
            of("api", "http.requests", MetricType::Sum),
            of("api", "cpu%_load", MetricType::Gauge),
        ])
        .await
        .unwrap()
        .kept();
    let any = MetricFilter::default;
    let all = [
        "cpu%_load api",
        "http.duration api",
        "http.duration db",
        "http.requests api",
    ];
    assert_eq!(listed(&metrics, any()).await, all);
    let named = MetricFilter {
        name: Some("http.duration".into()),
        ..any()
    };
    assert_eq!(listed(&metrics, named).await, all[1..3]);
    let begins = MetricFilter {
        prefix: Some("http.".into()),
        ..any()
    };
    assert_eq!(listed(&metrics, begins).await, all[1..]);
    // Taken literally, whatever its case.
    let contains = MetricFilter {
        contains: Some("%_LOAD".into()),
        ..any()
    };
    assert_eq!(listed(&metrics, contains).await, all[..1]);
    let of_service = MetricFilter {
        service_name: Some("db".into()),
        ..any()
    };
    assert_eq!(listed(&metrics, of_service).await, all[2..3]);
    let of_type = MetricFilter {
        metric_type: Some(MetricType::Sum),
        ..any()
    };
    assert_eq!(listed(&metrics, of_type).await, all[3..]);
    let mut after = None;
    let mut paged = Vec::new();
    loop {
        let page = MetricFilter {
            limit: Some(1),
            after: after.clone(),
            ..any()
        };
        let page = metrics.repository().list(page).await.unwrap();
        paged.extend(
            page.rows
                .iter()
                .map(|metric| format!("{} {}", metric.name, metric.service_name)),
        );
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, all);
}

async fn a_metric_that_changes_its_type_is_another_one_and_both_can_be_read(
    database: TestDatabase,
) {
    let metrics = open(&database).await;
    let before = gauge("load");
    let mut after = counter("load", Temporality::Cumulative);
    after.unit = Some("s".into());
    let after = after.identified();
    let batch = vec![
        (
            before.clone(),
            vec![number(&before, "{}", 0, Number::Double(0.5))],
        ),
        (after.clone(), vec![number(&after, "{}", 1, Number::Int(7))]),
    ];
    metrics.write(batch).await.unwrap().kept();
    let read = async |selection: Selection| {
        let page = metrics.repository().points(&selection, None, None).await;
        page.map(|page| page.points[0].as_number().unwrap())
    };
    let error = read(Selection::of("load")).await.unwrap_err();
    assert!(matches!(&error, Error::SeveralMetrics { .. }), "{error}");
    let told = error.to_string();
    assert!(
        told.contains("a gauge in no unit, a monotonic sum in \"s\""),
        "{told}"
    );
    let of_type = |metric_type| Selection {
        metric_type: Some(metric_type),
        ..Selection::of("load")
    };
    assert_eq!(
        read(of_type(MetricType::Gauge)).await.unwrap(),
        Number::Double(0.5)
    );
    assert_eq!(
        read(of_type(MetricType::Sum)).await.unwrap(),
        Number::Int(7)
    );
    let in_unit = |unit: &str| Selection {
        unit: Some(unit.into()),
        ..Selection::of("load")
    };
    assert_eq!(read(in_unit("s")).await.unwrap(), Number::Int(7));
    assert_eq!(read(in_unit("")).await.unwrap(), Number::Double(0.5));
}

async fn points_come_by_series_and_time_page_by_page(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let mut points = Vec::new();
    for core in 0..3 {
        let attributes = format!(r#"{{"core":{core}}}"#);
        points.extend(numbers(
            &metric,
            &attributes,
            &[(2, 2.0), (0, 0.0), (1, 1.0)],
        ));
    }
    let mut expected = points.clone();
    expected.sort_by_key(|point| (point.series_id, point.timestamp));
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let selection = Selection::of("cpu");
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = metrics
            .repository()
            .points(&selection, Some(2), after)
            .await
            .unwrap();
        assert!(page.points.len() <= 2);
        read.extend(page.points);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, expected);
}

async fn attributes_are_compared_by_value_and_type(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let all = [
        r#"{"a":"1","b":true}"#,
        r#"{"a":1,"b":"x"}"#,
        r#"{"a":true}"#,
        r#"{"a":[1]}"#,
        "{}",
    ];
    let points = all
        .iter()
        .map(|attributes| number(&metric, attributes, 0, Number::Int(1)));
    metrics
        .write(vec![(metric.clone(), points.collect())])
        .await
        .unwrap()
        .kept();
    let asked = async |attributes: &[(&str, Vec<serde_json::Value>)]| {
        let attributes = attributes
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.clone()));
        let selection = Selection {
            attributes: attributes.collect(),
            ..Selection::of("cpu")
        };
        let points = metrics
            .repository()
            .points(&selection, None, None)
            .await
            .unwrap()
            .points;
        let latest = metrics
            .repository()
            .latest(&selection, None)
            .await
            .unwrap()
            .points;
        let mut found: Vec<String> = points
            .iter()
            .map(|point| point.attributes.to_string())
            .collect();
        let mut newest: Vec<String> = latest
            .iter()
            .map(|point| point.attributes.to_string())
            .collect();
        found.sort();
        newest.sort();
        assert_eq!(found, newest);
        found
    };
    let stored = |places: &[usize]| {
        let mut texts: Vec<String> = places.iter().map(|at| json(all[*at]).to_string()).collect();
        texts.sort();
        texts
    };
    assert_eq!(asked(&[("a", vec![value!("1")])]).await, stored(&[0]));
    assert_eq!(asked(&[("a", vec![value!(1)])]).await, stored(&[1]));
    assert_eq!(asked(&[("a", vec![value!(true)])]).await, stored(&[2]));
    assert_eq!(
        asked(&[("a", vec![value!("1"), value!(1)])]).await,
        stored(&[0, 1])
    );
    assert_eq!(
        asked(&[("a", vec![value!("1")]), ("b", vec![value!(true)])]).await,
        stored(&[0])
    );
    assert!(
        asked(&[("a", vec![value!("1")]), ("b", vec![value!("x")])])
            .await
            .is_empty()
    );
    let list = Selection {
        attributes: vec![("a".into(), vec![value!([1])])],
        ..Selection::of("cpu")
    };
    let error = metrics
        .repository()
        .points(&list, None, None)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("attribute \"a\" must be compared with"),
        "{error}"
    );
}

async fn a_window_begins_inclusive_and_ends_exclusive(database: TestDatabase) {
    let metrics = open(&database).await;
    let metric = gauge("cpu");
    let points = numbers(&metric, "{}", &[(0, 0.0), (1, 1.0), (2, 2.0)]);
    metrics.write(vec![(metric, points)]).await.unwrap().kept();
    let selection = Selection {
        since: Some(at(0)),
        until: Some(at(2)),
        ..Selection::of("cpu")
    };
    let points = metrics
        .repository()
        .points(&selection, None, None)
        .await
        .unwrap()
        .points;
    assert_eq!(
        points
            .iter()
            .map(|point| point.value.unwrap())
            .collect::<Vec<_>>(),
        [0.0, 1.0]
    );
    let newest = metrics
        .repository()
        .latest(&selection, None)
        .await
        .unwrap()
        .points;
    assert_eq!(newest[0].value, Some(1.0));
    let backwards = Selection {
        since: Some(at(2)),
        until: Some(at(0)),
        ..Selection::of("cpu")
    };
    assert!(
        metrics
            .repository()
            .points(&backwards, None, None)
            .await
            .is_err()
    );
}

async fn the_newest_point_of_each_series_is_told(database: TestDatabase) {
    let metrics = open(&database).await;
    let (a, b) = (
        gauge("cpu"),
        Metric::new("db", "cpu", MetricType::Gauge).unwrap(),
    );
    let batch = vec![
        (
            a.clone(),
            numbers(&a, r#"{"core":0}"#, &[(0, 1.0), (5, 2.0)]),
        ),
        (a.clone(), numbers(&a, r#"{"core":1}"#, &[(3, 3.0)])),
        (
            b.clone(),
            numbers(&b, r#"{"core":0}"#, &[(9, 4.0), (8, 5.0)]),
        ),
    ];
    metrics.write(batch).await.unwrap().kept();
    let page = metrics
        .repository()
        .latest(&Selection::of("cpu"), None)
        .await
        .unwrap();
    let mut values: Vec<f64> = page
        .points
        .iter()
        .map(|point| point.value.unwrap())
        .collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [2.0, 3.0, 4.0]);
    assert_eq!(page.metrics.len(), 2);
    let of_service = Selection {
        service_name: Some("db".into()),
        ..Selection::of("cpu")
    };
    let page = metrics
        .repository()
        .latest(&of_service, None)
        .await
        .unwrap();
    assert_eq!(page.points.len(), 1);
    let page = metrics
        .repository()
        .latest(&Selection::of("cpu"), Some(2))
        .await
        .unwrap();
    assert_eq!(page.points.len(), 2);
}

async fn an_unknown_metric_is_an_error_that_says_so(database: TestDatabase) {
    let metrics = open(&database).await;
    metrics
        .insert_metrics(vec![gauge("cpu")])
        .await
        .unwrap()
        .kept();
    let selection = Selection {
        service_name: Some("db".into()),
        ..Selection::of("cpu")
    };
    let error = metrics
        .repository()
        .points(&selection, None, None)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::MetricNotFound { .. }));
    assert!(
        error
            .to_string()
            .contains("no metric \"cpu\" of service \"db\""),
        "{error}"
    );
}

async fn a_metric_that_was_silent_before_the_window_is_no_unknown_one(database: TestDatabase) {
    let metrics = open(&database).await;
    let mut metric = gauge("cpu");
    metric.last_seen = Metric::seen_at(at(0));
    metrics
        .insert_metrics(vec![metric.clone()])
        .await
        .unwrap()
        .kept();
    metrics
        .insert_points(numbers(&metric, "{}", &[(0, 1.0)]))
        .await
        .unwrap()
        .kept();
    let since = |days: i64| Selection {
        since: Some(at(days * 86_400)),
        ..Selection::of("cpu")
    };
    let points = metrics
        .repository()
        .points(&since(-1), None, None)
        .await
        .unwrap()
        .points;
    assert_eq!(points.len(), 1);
    let points = metrics
        .repository()
        .points(&since(10), None, None)
        .await
        .unwrap()
        .points;
    assert!(points.is_empty());
}
