//! Which models were at work, and how fast each version was.

use annals_telemetry::{Model, Span, SpanStore, Spans, StatusCode};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::spans::{at, open, span};

on_every_backend!(
    models_come_with_their_counts_times_and_versions,
    models_of_equal_counts_come_by_name,
    a_window_of_models_begins_inclusive_and_ends_exclusive,
    of_many_versions_the_last_seen_are_named,
    latency_of_a_version_is_of_that_version_only,
);

/// A span of a model's version; its id is made of all that tells it apart.
pub(crate) fn call(model: &str, version: Option<&str>, start: i64, duration: i64) -> Span {
    let mut span = span(model, &format!("{version:?}-{start}"), start);
    span.model_name = Some(model.to_owned());
    span.model_version = version.map(str::to_owned);
    span.duration_nanos = duration;
    span
}

pub(crate) async fn write(spans: &Spans, batch: Vec<Span>) {
    let count = batch.len();
    let written = spans.write_batch(batch).await.unwrap();
    assert_eq!((written.committed, written.parked), (count, 0));
}

async fn models_come_with_their_counts_times_and_versions(database: TestDatabase) {
    let spans = open(&database).await;
    let mut batch = vec![
        call("gpt-4", Some("v2"), 3_999, 10),
        call("gpt-4", Some("v1"), 1_001, 10),
        call("gpt-4", Some("v1"), 2_000, 10),
        call("gpt-4", None, 500, 10),
        call("clip", None, 7_000, 10),
        call("clip", None, 8_000, 10),
        span("none", "s", 0),
    ];
    batch[0].status_code = StatusCode::Error;
    batch[1].status_code = StatusCode::Error;
    batch[2].status_code = StatusCode::Ok;
    write(&spans, batch).await;
    let found = spans.models(at(0), at(1_000_000)).await.unwrap();
    let [gpt, clip] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (&*gpt.model_name, gpt.span_count, gpt.error_count),
        ("gpt-4", 4, 2)
    );
    assert_eq!((gpt.first_seen, gpt.last_seen), (at(0), at(3_000)));
    assert_eq!(gpt.versions, ["v1", "v2"]);
    assert_eq!(
        (&*clip.model_name, clip.span_count, clip.error_count),
        ("clip", 2, 0)
    );
    assert_eq!((clip.first_seen, clip.last_seen), (at(7_000), at(8_000)));
    assert_eq!(clip.versions, [""; 0]);
}

fn names(models: &[Model]) -> Vec<&str> {
    models.iter().map(|model| &*model.model_name).collect()
}

async fn models_of_equal_counts_come_by_name(database: TestDatabase) {
    let spans = open(&database).await;
    // Bytes decide, whatever the database's locale thinks of case and hyphens.
    let batch = ["b", "a-2", "B", "a", "a1"].map(|model| call(model, None, 0, 10));
    write(&spans, batch.into()).await;
    write(
        &spans,
        vec![call("z", None, 0, 10), call("z", None, 1_000, 10)],
    )
    .await;
    let found = spans.models(at(0), at(2_000)).await.unwrap();
    assert_eq!(names(&found), ["z", "B", "a", "a-2", "a1", "b"]);
}

async fn a_window_of_models_begins_inclusive_and_ends_exclusive(database: TestDatabase) {
    let spans = open(&database).await;
    let batch = [
        ("early", 999),
        ("first", 1_000),
        ("last", 1_999),
        ("late", 2_000),
    ]
    .map(|(model, start)| call(model, None, start, 10));
    write(&spans, batch.into()).await;
    let found = spans.models(at(1_000), at(2_000)).await.unwrap();
    assert_eq!(names(&found), ["first", "last"]);
    assert!(spans.models(at(2_000), at(1_000)).await.unwrap().is_empty());
}

async fn of_many_versions_the_last_seen_are_named(database: TestDatabase) {
    let spans = open(&database).await;
    let version = |n: i64| format!("v{n:02}");
    let batch = (0..25).map(|n| call("m", Some(&version(n)), (25 - n) * 1_000, 10));
    write(&spans, batch.collect()).await;
    let found = spans.models(at(0), at(1_000_000)).await.unwrap();
    let expected: Vec<String> = (0..20).map(version).collect();
    assert_eq!((found[0].span_count, &found[0].versions), (25, &expected));
}

async fn latency_of_a_version_is_of_that_version_only(database: TestDatabase) {
    let spans = open(&database).await;
    let batch = vec![
        call("m", Some("v1"), 0, 100),
        call("m", Some("v1"), 1_000, 200),
        call("m", Some("v2"), 1_000, 900),
        call("m", Some("v1"), 2_000, 300),
        call("m", None, 1_000, 5),
        call("other", Some("v1"), 1_000, 7),
    ];
    write(&spans, batch).await;
    let read = async |version: Option<&str>, from, to| {
        let latency = spans
            .latency_of_version("m", version, at(from), at(to))
            .await
            .unwrap();
        (latency.sample_count, latency.p50_nanos, latency.p99_nanos)
    };
    assert_eq!(read(Some("v1"), 0, 3_000).await, (3, 200, 300));
    assert_eq!(read(Some("v2"), 0, 3_000).await, (1, 900, 900));
    assert_eq!(read(Some("v3"), 0, 3_000).await, (0, 0, 0));
    assert_eq!(read(None, 0, 3_000).await, (5, 200, 900));
    let all = spans.latency("m", at(0), at(3_000)).await.unwrap();
    assert_eq!(all.sample_count, 5);
    // At exactly `from` it counts, at exactly `to` it does not.
    assert_eq!(read(Some("v1"), 1_000, 2_000).await, (1, 200, 200));
}
