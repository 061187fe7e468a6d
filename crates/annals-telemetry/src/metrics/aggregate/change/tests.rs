//! Counters that go on, begin anew, and are silent.

use annals_record::Json;

use super::*;

fn counter() -> Metric {
    let mut metric = Metric::new("api", "m", MetricType::Sum).unwrap();
    metric.is_monotonic = true;
    metric.identified()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_nanos(seconds * 1_000_000_000)
}

/// What each of some points adds: its time, where it counts from, and its value.
fn changes(read_from: i64, points: &[(i64, Option<i64>, i64)]) -> Vec<Option<f64>> {
    let metric = counter();
    let mut series = Series::new(at(read_from).unix_micros());
    let changes = points.iter().map(|(time, start, value)| {
        let number = Number::Int(*value);
        let mut point =
            MetricDataPoint::number(&metric, Json::empty_object(), at(*time), number).unwrap();
        point.start_time = start.map(at);
        match series
            .take(&metric, Of::Changes, &point, Aggregate::Rate)
            .unwrap()
        {
            Some(Told::Number(change)) => Some(change),
            Some(Told::Distribution(..)) => panic!("a number was told"),
            None => None,
        }
    });
    changes.collect()
}

#[test]
fn a_counter_adds_what_it_has_grown_by() {
    assert_eq!(
        changes(
            100,
            &[(110, Some(0), 5), (120, Some(0), 7), (130, Some(0), 7)]
        ),
        [None, Some(2.0), Some(0.0)]
    );
}

#[test]
fn the_first_point_of_a_series_that_began_within_what_is_read_is_all_new() {
    assert_eq!(changes(100, &[(110, Some(105), 5)]), [Some(5.0)]);
    assert_eq!(changes(100, &[(110, None, 5)]), [None]);
}

#[test]
fn a_counter_that_begins_anew_adds_all_that_it_has_counted_since() {
    // It tells so by its start, though it is larger than before.
    assert_eq!(
        changes(0, &[(10, Some(0), 5), (20, Some(15), 9)]),
        [Some(5.0), Some(9.0)]
    );
    // It does not tell, but is less.
    assert_eq!(
        changes(0, &[(10, None, 5), (20, None, 3)]),
        [None, Some(3.0)]
    );
}

#[test]
fn a_start_that_only_wavers_is_no_new_beginning() {
    assert_eq!(
        changes(0, &[(10, Some(1), 5), (20, Some(2), 9)]),
        [Some(5.0), Some(4.0)]
    );
}

#[test]
fn a_point_that_records_nothing_changes_nothing() {
    let metric = counter();
    let mut series = Series::new(0);
    let mut take = |point: &MetricDataPoint| {
        series
            .take(&metric, Of::Changes, point, Aggregate::Sum)
            .unwrap()
    };
    let number = |time, value| {
        let point =
            MetricDataPoint::number(&metric, Json::empty_object(), at(time), Number::Int(value));
        point.unwrap().since(at(1))
    };
    take(&number(10, 5));
    let nothing = MetricDataPoint::nothing(&metric, Json::empty_object(), at(20)).unwrap();
    assert!(take(&nothing).is_none());
    assert!(matches!(take(&number(30, 6)), Some(Told::Number(change)) if change == 1.0));
}
