//! What points refuse, and what their columns keep.

use super::*;
use crate::metric::ExponentialBuckets;

fn metric(metric_type: MetricType) -> Metric {
    Metric::new("api", "m", metric_type).unwrap()
}

fn histogram(bounds: &[f64], counts: &[u64]) -> Result<MetricDataPoint, MetricError> {
    let histogram = Histogram {
        count: counts.iter().sum(),
        bounds: bounds.to_vec(),
        counts: counts.to_vec(),
        ..Histogram::default()
    };
    MetricDataPoint::histogram(
        &metric(MetricType::Histogram),
        Json::empty_object(),
        Timestamp::default(),
        &histogram,
    )
}

#[test]
fn bad_histograms_are_refused_by_the_field_that_is_wrong() {
    let refused =
        |bounds: &[f64], counts: &[u64]| histogram(bounds, counts).unwrap_err().to_string();
    assert_eq!(
        refused(&[1.0, 1.0], &[0, 0, 0]),
        "bounds[1] is not above the bound before it"
    );
    assert_eq!(
        refused(&[2.0, 1.0], &[0, 0, 0]),
        "bounds[1] is not above the bound before it"
    );
    assert_eq!(refused(&[f64::NAN], &[0, 0]), "bounds[0] is not a number");
    assert_eq!(refused(&[1.0], &[0]), "counts are not one more than bounds");
    assert_eq!(refused(&[1.0], &[]), "counts are not one more than bounds");
    assert!(histogram(&[], &[]).is_ok());
    assert!(histogram(&[], &[7]).is_ok());
    assert!(histogram(&[-0.0, 1.0, f64::INFINITY], &[1, 2, 3, 4]).is_ok());
}

#[test]
fn other_bad_points_are_refused_by_the_field_that_is_wrong() {
    let at = Timestamp::default();
    let empty = Json::empty_object;
    let summary = Summary {
        quantiles: vec![(0.5, f64::NAN), (f64::NAN, 1.0)],
        ..Summary::default()
    };
    let error = MetricDataPoint::summary(&metric(MetricType::Summary), empty(), at, &summary);
    assert_eq!(
        error.unwrap_err().to_string(),
        "quantiles[1].quantile is not within 0 and 1"
    );
    for zero_threshold in [-1.0, f64::NAN] {
        let histogram = Exponential {
            zero_threshold,
            ..Exponential::default()
        };
        let of = metric(MetricType::ExponentialHistogram);
        let error = MetricDataPoint::exponential(&of, empty(), at, &histogram).unwrap_err();
        assert_eq!(error.field, "zero_threshold");
    }
    let histogram = Exponential {
        negative: Some(ExponentialBuckets {
            offset: i32::MAX,
            counts: vec![1, 1],
        }),
        ..Exponential::default()
    };
    let of = metric(MetricType::ExponentialHistogram);
    let error = MetricDataPoint::exponential(&of, empty(), at, &histogram).unwrap_err();
    assert_eq!(error.field, "negative.counts");
    let error = MetricDataPoint::number(&of, empty(), at, Number::Int(1)).unwrap_err();
    assert_eq!(error.to_string(), "metric_type has points of another kind");
    let list = Json::parse("[]").unwrap();
    let error = MetricDataPoint::number(&metric(MetricType::Gauge), list, at, Number::Int(1));
    assert_eq!(error.unwrap_err().field, "attributes");
}

#[test]
fn columns_give_back_what_went_in_numbers_that_json_does_not_have_included() {
    let point = histogram(
        &[f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX],
        &[0, u64::MAX >> 1, 1, 2, 3],
    );
    let read = point.unwrap().as_histogram().unwrap();
    assert_eq!(
        format!("{:?}", read.bounds),
        "[-inf, -0.0, 5e-324, 1.7976931348623157e308]"
    );
    assert_eq!(read.counts, [0, u64::MAX >> 1, 1, 2, 3]);
    let summary = Summary {
        count: u64::MAX,
        sum: -0.0,
        quantiles: vec![(0.0, f64::NAN), (0.1, f64::INFINITY), (1.0, -0.0)],
    };
    let of = metric(MetricType::Summary);
    let point = MetricDataPoint::summary(&of, Json::empty_object(), Timestamp::default(), &summary);
    let read = point.unwrap().as_summary().unwrap();
    assert_eq!(format!("{read:?}"), format!("{summary:?}"));
}

#[test]
fn series_differ_by_metric_and_attributes_and_not_by_the_order_of_these() {
    let (a, b) = (metric(MetricType::Gauge), metric(MetricType::Sum));
    let json = |text| Json::parse(text).unwrap();
    let series = |metric: &Metric, text| MetricDataPoint::series_of(metric.id, &json(text));
    assert_eq!(
        series(&a, r#"{"x":1,"y":"2"}"#),
        series(&a, r#"{"y":"2","x":1}"#)
    );
    assert_ne!(series(&a, r#"{"x":1}"#), series(&a, r#"{"x":"1"}"#));
    assert_ne!(series(&a, "{}"), series(&b, "{}"));
}

#[test]
fn whole_numbers_are_compared_beyond_what_a_double_tells_apart() {
    let (now, before) = (Number::Int(i64::MAX), Number::Int(i64::MAX - 1));
    assert_eq!(now.since(before), 1.0);
    assert!(before.is_below(now));
    assert_eq!(
        Number::Int(i64::MAX).since(Number::Int(i64::MIN)),
        u64::MAX as f64
    );
}
