//! What a span may have: ids, times and attributes beyond bounds refuse the span by its field, on every
//! road, and the settings move the bounds.

use annals_record::Timestamp;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, any_value::Value as Any},
    trace::v1::Span,
};

use crate::{
    exports::{Road, attribute, span, trace_id},
    serving::{self, Served},
};

const BOTH: [Road; 2] = [Road::Protobuf, Road::Grpc];
const DAY: u64 = 86_400_000_000_000;

fn now() -> u64 {
    Timestamp::now().unix_nanos().unsigned_abs()
}

/// A span of trace 1 that is changed.
fn changed(id: u8, change: impl FnOnce(&mut Span)) -> Span {
    let mut span = span(1, id);
    change(&mut span);
    span
}

fn starting(id: u8, start: u64) -> Span {
    changed(id, |span| {
        span.start_time_unix_nano = start;
        span.end_time_unix_nano = start;
    })
}

/// Sends a span between two good ones, and asserts that it alone is refused and what is said of it.
async fn assert_refused(served: &Served, road: Road, odd: Span, told: &[&str]) {
    let taken = road.export(served, &[span(2, 1), odd, span(2, 2)]).await;
    let taken = taken.unwrap();
    assert_eq!(taken.rejected, 1, "{road:?} {told:?} {taken:?}");
    for told in told {
        assert!(taken.message.contains(told), "{road:?} {told}: {taken:?}");
    }
    assert!(served.trace(&trace_id(1)).await.is_empty());
    assert!(!served.trace(&trace_id(2)).await.is_empty());
}

#[tokio::test]
async fn an_id_of_another_length_or_of_zeros_refuses_its_span() {
    let served = serving::in_memory(&[]).await;
    let ids: [(&str, &str, Span); 6] = [
        (
            "trace_id",
            "15 bytes",
            changed(1, |span| span.trace_id = vec![1; 15]),
        ),
        (
            "trace_id",
            "missing",
            changed(1, |span| span.trace_id.clear()),
        ),
        (
            "trace_id",
            "zeros",
            changed(1, |span| span.trace_id = vec![0; 16]),
        ),
        (
            "span_id",
            "9 bytes",
            changed(1, |span| span.span_id = vec![1; 9]),
        ),
        (
            "span_id",
            "zeros",
            changed(1, |span| span.span_id = vec![0; 8]),
        ),
        (
            "parent_span_id",
            "7 bytes",
            changed(1, |span| span.parent_span_id = vec![1; 7]),
        ),
    ];
    for (field, problem, odd) in ids {
        for road in BOTH {
            assert_refused(&served, road, odd.clone(), &[field, problem]).await;
        }
        if field != "parent_span_id" {
            let field = field.replace("_id", "Id");
            assert_refused(&served, Road::Json, odd, &[&field, problem]).await;
        }
    }
}

#[tokio::test]
async fn a_start_out_of_range_refuses_its_span_by_field_and_setting() {
    let served = serving::in_memory(&[]).await;
    let window = &["start_time_unix_nano", "MAX_SPAN_AGE", "MAX_SPAN_LEAD"][..];
    let odd = [
        (starting(1, 0), window),
        (starting(1, 1), window),
        (starting(1, now() - 7_301 * DAY), window),
        (starting(1, now() + DAY + DAY / 24), window),
        (starting(1, i64::MAX as u64), window),
        (starting(1, 1 << 63), &["start_time_unix_nano", "2262"]),
        (starting(1, u64::MAX), &["start_time_unix_nano", "2262"]),
        (
            changed(1, |span| span.end_time_unix_nano = u64::MAX),
            &["end_time_unix_nano", "2262"],
        ),
    ];
    for (odd, told) in odd {
        for road in BOTH {
            assert_refused(&served, road, odd.clone(), told).await;
        }
    }
    let told = ["startTimeUnixNano", "MAX_SPAN_AGE"];
    assert_refused(&served, Road::Json, starting(1, 0), &told).await;
}

#[tokio::test]
async fn settings_move_the_times_that_are_taken() {
    let served = serving::in_memory(&[("MAX_SPAN_AGE", "1h"), ("MAX_SPAN_LEAD", "1h")]).await;
    let hour = DAY / 24;
    for (road, id) in BOTH.into_iter().zip(1..) {
        let window = ["start_time_unix_nano"];
        assert_refused(&served, road, starting(1, now() - hour - hour), &window).await;
        assert_refused(&served, road, starting(1, now() + hour + hour), &window).await;
        for start in [now() - hour / 2, now() + hour / 2] {
            let mut good = starting(id, start);
            good.trace_id = vec![3; 16];
            assert_eq!(road.export(&served, &[good]).await.unwrap().rejected, 0);
        }
    }
    assert_eq!(served.trace(&trace_id(3)).await.len(), 4);
}

fn with_attributes(count: usize) -> Span {
    changed(1, |span| {
        span.attributes = (0..count)
            .map(|i| attribute(&format!("k{i}"), Any::StringValue("v".to_owned())))
            .collect();
    })
}

fn nested(levels: usize) -> Span {
    let mut value = Any::IntValue(1);
    for _ in 0..levels {
        value = Any::ArrayValue(ArrayValue {
            values: vec![AnyValue { value: Some(value) }],
        });
    }
    changed(1, |span| span.attributes = vec![attribute("deep", value)])
}

fn elsewhere(mut span: Span, trace: u8) -> Span {
    span.trace_id = vec![trace; 16];
    span
}

#[tokio::test]
async fn too_many_or_too_deep_attributes_refuse_their_span() {
    let served = serving::in_memory(&[]).await;
    for road in [Road::Protobuf, Road::Json, Road::Grpc] {
        let told = ["attributes", "1025", "1024", "MAX_ATTRIBUTES"];
        assert_refused(&served, road, with_attributes(1_025), &told).await;
        let most = elsewhere(with_attributes(1_024), 3);
        assert_eq!(road.export(&served, &[most]).await.unwrap().rejected, 0);
    }
    for road in BOTH {
        let told = ["attributes[0]", "30 levels"];
        assert_refused(&served, road, nested(31), &told).await;
        let deepest = elsewhere(nested(30), 3);
        assert_eq!(road.export(&served, &[deepest]).await.unwrap().rejected, 0);
    }
}

/// Deeper than protobuf's reader goes, which gives up a whole request.
#[tokio::test]
async fn what_no_reader_goes_down_to_refuses_its_span_alone() {
    let served = serving::in_memory(&[]).await;
    for road in BOTH {
        for levels in [64, 500] {
            assert_refused(&served, road, nested(levels), &["span 1"]).await;
        }
    }
}

#[tokio::test]
async fn settings_move_the_attributes_that_are_taken() {
    let settings = [("MAX_ATTRIBUTES", "3"), ("MAX_ATTRIBUTE_DEPTH", "2")];
    let served = serving::in_memory(&settings).await;
    for road in BOTH {
        assert_refused(&served, road, with_attributes(4), &["attributes", "4"]).await;
        assert_refused(&served, road, nested(3), &["attributes[0]", "2 levels"]).await;
        for good in [with_attributes(3), nested(2)] {
            let good = elsewhere(good, 3);
            assert_eq!(road.export(&served, &[good]).await.unwrap().rejected, 0);
        }
    }
}
