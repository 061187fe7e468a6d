//! What a store of spans promises.

use std::time::Duration;

use annals_record::{Json, Timestamp};
use annals_telemetry::{Error, Latency, Span, SpanFilter, SpanOrder, SpanStore, Spans, StatusCode};
use annals_testkit::{Backend, TestDatabase, generate, on_every_backend};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

on_every_backend!(
    every_field_survives_every_write_path,
    a_trace_comes_by_start_to_the_nanosecond,
    an_unknown_trace_is_an_error_that_says_so,
    a_listing_filters_by_what_is_set_only,
    a_time_range_includes_both_ends,
    a_listing_pages_by_cursor,
    a_single_span_that_cannot_be_held_is_refused_by_field,
    spans_written_twice_are_there_once,
    two_spans_of_one_id_and_different_starts_both_survive,
    percentiles_go_by_nearest_rank,
    a_window_begins_inclusive_and_ends_exclusive,
    shutdown_reports,
);

pub(crate) const T0: i64 = 1_735_689_600_000_000_000;

pub(crate) fn at(nanos: i64) -> Timestamp {
    Timestamp::from_unix_nanos(T0 + nanos)
}

pub(crate) fn span(trace: &str, id: &str, start: i64) -> Span {
    Span::new(trace, id, "api", "GET /", at(start), 1_000)
}

pub(crate) async fn open(database: &TestDatabase) -> Spans {
    Spans::open(&database.url).await.unwrap()
}

/// The contract can be a trait object, and any implementation can stand behind it.
fn as_contract(spans: &Spans) -> &dyn SpanStore {
    spans
}

fn same(a: &Span, b: &Span) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

async fn every_field_survives_every_write_path(database: TestDatabase) {
    let spans = open(&database).await;
    let mut runner = TestRunner::default();
    let mut drawn: Vec<Span> = (0..120)
        .map(|_| generate::span().new_tree(&mut runner).unwrap().current())
        .collect();
    for (n, span) in drawn.iter_mut().enumerate() {
        span.trace_id = format!("trace-{}", n % 9);
        span.span_id = format!("{n:05}");
    }
    // One by one, in a batch, and in a batch of which half is there already.
    for span in &drawn[..20] {
        spans.write(span.clone()).await.unwrap();
    }
    assert_eq!(
        spans
            .write_batch(drawn[20..80].to_vec())
            .await
            .unwrap()
            .committed,
        60
    );
    assert_eq!(
        spans
            .write_batch(drawn[40..].to_vec())
            .await
            .unwrap()
            .committed,
        80
    );
    for trace in 0..9 {
        let trace_id = format!("trace-{trace}");
        let mut expected: Vec<&Span> = drawn
            .iter()
            .filter(|span| span.trace_id == trace_id)
            .collect();
        expected.sort_by_key(|span| (span.start_time, span.span_id.clone()));
        let read = as_contract(&spans).get_trace(&trace_id).await.unwrap();
        assert_eq!(read.len(), expected.len());
        for (read, written) in read.iter().zip(expected) {
            assert!(same(read, written), "read    {read:?}\nwritten {written:?}");
        }
    }
}

async fn a_trace_comes_by_start_to_the_nanosecond(database: TestDatabase) {
    let spans = open(&database).await;
    let starts = [999, 0, 500, 1_001, 1, 1_000];
    let batch = starts
        .iter()
        .map(|start| span("t", &format!("s{start}"), *start))
        .collect();
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 6);
    let read = spans.get_trace("t").await.unwrap();
    let order: Vec<i64> = read
        .iter()
        .map(|span| span.start_time.unix_nanos() - T0)
        .collect();
    assert_eq!(order, [0, 1, 500, 999, 1_000, 1_001]);
}

async fn an_unknown_trace_is_an_error_that_says_so(database: TestDatabase) {
    let spans = open(&database).await;
    let error = spans.get_trace("nowhere").await.unwrap_err();
    assert!(matches!(&error, Error::TraceNotFound { trace_id } if trace_id == "nowhere"));
    assert!(error.to_string().contains("nowhere"), "{error}");
}

async fn listed(spans: &Spans, filter: SpanFilter) -> Vec<String> {
    spans
        .list_spans(filter)
        .await
        .unwrap()
        .rows
        .into_iter()
        .map(|span| span.span_id)
        .collect()
}

async fn four_spans(database: &TestDatabase) -> Spans {
    let spans = open(database).await;
    let mut batch: Vec<Span> = (0..4)
        .map(|n| span("t", &format!("s{n}"), n * 1_000_000_000))
        .collect();
    batch[1].service_name = "db".into();
    batch[2].model_name = Some("gpt-4".into());
    batch[3].service_name = "db".into();
    batch[3].model_name = Some("gpt-4".into());
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 4);
    spans
}

async fn a_listing_filters_by_what_is_set_only(database: TestDatabase) {
    let spans = four_spans(&database).await;
    let all = SpanFilter::default;
    assert_eq!(listed(&spans, all()).await, ["s3", "s2", "s1", "s0"]);
    let oldest_first = SpanFilter {
        order: SpanOrder::OldestFirst,
        ..all()
    };
    assert_eq!(listed(&spans, oldest_first).await, ["s0", "s1", "s2", "s3"]);
    let service = SpanFilter {
        service_name: Some("db".into()),
        ..all()
    };
    assert_eq!(listed(&spans, service.clone()).await, ["s3", "s1"]);
    let model = SpanFilter {
        model_name: Some("gpt-4".into()),
        ..all()
    };
    assert_eq!(listed(&spans, model).await, ["s3", "s2"]);
    let both = SpanFilter {
        model_name: Some("gpt-4".into()),
        ..service
    };
    assert_eq!(listed(&spans, both).await, ["s3"]);
    assert_eq!(
        listed(
            &spans,
            SpanFilter {
                limit: Some(2),
                ..all()
            }
        )
        .await,
        ["s3", "s2"]
    );
    assert_eq!(
        listed(
            &spans,
            SpanFilter {
                limit: Some(0),
                ..all()
            }
        )
        .await
        .len(),
        4
    );
    let injected = SpanFilter {
        service_name: Some("db' OR '1'='1".into()),
        ..all()
    };
    assert!(listed(&spans, injected).await.is_empty());
}

async fn a_time_range_includes_both_ends(database: TestDatabase) {
    let spans = four_spans(&database).await;
    let range = |since: i64, until: i64| SpanFilter {
        since: Some(at(since)),
        until: Some(at(until)),
        ..SpanFilter::default()
    };
    let second = 1_000_000_000;
    assert_eq!(
        listed(&spans, range(second, 2 * second)).await,
        ["s2", "s1"]
    );
    assert_eq!(
        listed(&spans, range(second + 1, 2 * second - 1)).await,
        [""; 0]
    );
    assert_eq!(listed(&spans, range(second - 1, second)).await, ["s1"]);
}

async fn a_listing_pages_by_cursor(database: TestDatabase) {
    let spans = open(&database).await;
    // Many spans of one instant: only the key breaks the tie.
    let batch = (0..25)
        .map(|n| span("t", &format!("s{n:02}"), n / 10))
        .collect();
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 25);
    let whole = listed(&spans, SpanFilter::default()).await;
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = spans
            .list_spans(SpanFilter {
                limit: Some(4),
                after,
                ..SpanFilter::default()
            })
            .await
            .unwrap();
        paged.extend(page.rows.into_iter().map(|span| span.span_id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, whole);
    assert_eq!(whole.len(), 25);
}

async fn a_single_span_that_cannot_be_held_is_refused_by_field(database: TestDatabase) {
    let spans = open(&database).await;
    let mut bad = span("t", "s", 0);
    bad.tags = Some(Json::parse(r#"{"prompt": "a\u0000b"}"#).unwrap());
    let result = spans.write(bad.clone()).await;
    if database.backend == Backend::Sqlite {
        result.unwrap();
        assert_eq!(spans.get_trace("t").await.unwrap(), [bad]);
        return;
    }
    let message = result.unwrap_err().to_string();
    assert!(
        message.contains("tags") && message.contains("U+0000"),
        "{message}"
    );
    assert_eq!(
        spans.store().dead_letters().list().count().await.unwrap(),
        0
    );
    // In a batch it is parked, and its neighbours commit.
    let written = spans
        .write_batch(vec![span("t", "a", 0), bad, span("t", "b", 0)])
        .await
        .unwrap();
    assert_eq!((written.committed, written.parked), (2, 1));
    assert_eq!(spans.trace("t").await.unwrap().unwrap().span_count, 2);
}

async fn spans_written_twice_are_there_once(database: TestDatabase) {
    let spans = open(&database).await;
    let batch: Vec<Span> = (0..50).map(|n| span("t", &format!("s{n:02}"), n)).collect();
    for _ in 0..3 {
        assert_eq!(
            spans.write_batch(batch.clone()).await.unwrap().committed,
            50
        );
        spans.write(batch[7].clone()).await.unwrap();
    }
    assert_eq!(spans.get_trace("t").await.unwrap(), batch);
    assert_eq!(spans.trace("t").await.unwrap().unwrap().span_count, 50);
}

async fn two_spans_of_one_id_and_different_starts_both_survive(database: TestDatabase) {
    let spans = open(&database).await;
    let batch = vec![
        span("t", "s", 0),
        span("t", "s", 1_000),
        span("other", "s", 0),
    ];
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 3);
    assert_eq!(spans.get_trace("t").await.unwrap().len(), 2);
}

async fn with_latencies(spans: &Spans, model: &str, durations: &[i64]) {
    let batch = durations.iter().enumerate().map(|(n, duration)| {
        let mut span = span(model, &format!("s{n}"), n as i64);
        span.model_name = Some(model.to_owned());
        span.duration_nanos = *duration;
        span
    });
    assert_eq!(
        spans.write_batch(batch.collect()).await.unwrap().committed,
        durations.len()
    );
}

async fn latency(spans: &Spans, model: &str) -> (u64, i64, i64, i64) {
    let Latency {
        sample_count,
        p50_nanos,
        p95_nanos,
        p99_nanos,
        ..
    } = spans
        .latency(model, at(0), at(3_600_000_000_000))
        .await
        .unwrap();
    (sample_count, p50_nanos, p95_nanos, p99_nanos)
}

async fn percentiles_go_by_nearest_rank(database: TestDatabase) {
    let spans = open(&database).await;
    assert_eq!(latency(&spans, "none").await, (0, 0, 0, 0));
    with_latencies(&spans, "one", &[120]).await;
    assert_eq!(latency(&spans, "one").await, (1, 120, 120, 120));
    with_latencies(&spans, "four", &[40, 10, 30, 20]).await;
    assert_eq!(latency(&spans, "four").await, (4, 20, 40, 40));
    let durations: Vec<i64> = (1..=257).rev().collect();
    with_latencies(&spans, "many", &durations).await;
    let rank = |p: i64| (p * 257 + 99) / 100;
    assert_eq!(
        latency(&spans, "many").await,
        (257, rank(50), rank(95), rank(99))
    );
}

async fn a_window_begins_inclusive_and_ends_exclusive(database: TestDatabase) {
    let spans = open(&database).await;
    let batch = (0..3).map(|n| Span {
        model_name: Some("m".into()),
        ..span("t", &format!("s{n}"), n * 1_000)
    });
    assert_eq!(
        spans.write_batch(batch.collect()).await.unwrap().committed,
        3
    );
    let count = |from: i64, to: i64| spans.latency("m", at(from), at(to));
    assert_eq!(count(0, 2_000).await.unwrap().sample_count, 2);
    assert_eq!(count(1_000, 2_001).await.unwrap().sample_count, 1);
    assert_eq!(count(1_000, 3_000).await.unwrap().sample_count, 2);
}

async fn shutdown_reports(database: TestDatabase) {
    let spans = open(&database).await;
    let mut failed = span("t", "s", 0);
    failed.status_code = StatusCode::Error;
    spans.write(failed).await.unwrap();
    let report = spans.shutdown(Duration::from_secs(10)).await;
    assert_eq!((report.accepted, report.committed, report.lost), (1, 1, 0));
}
