//! Traces, spans and events as typed rows.

use std::collections::BTreeMap;

use annals_record::{Json, Uuid};
use annals_telemetry::{
    Error, Span, SpanStore, StatusCode, Trace, TraceEvent, TraceFilters, TraceRepository,
    TraceStatus,
};
use annals_testkit::{
    Backend, TestDatabase,
    llm::{cleanup_test_db, setup_test_db},
    on_every_backend,
};

use crate::spans::{at, open, span};

on_every_backend!(
    test_write_and_read_trace,
    batches_that_are_written_twice_are_there_once,
    one_bad_row_harms_only_itself,
    more_rows_than_a_statement_binds,
    what_spans_tell_is_not_talked_away,
    declared_before_or_after_its_spans_is_the_same,
    a_listing_filters_and_pages,
    events_are_appended_once_by_many_writers,
    what_is_not_there_is_an_error_that_says_so,
);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The document's own test.
async fn test_write_and_read_trace(database: TestDatabase) {
    let pool = setup_test_db(&database).await;
    let mut trace = Trace::new(TRACE, "api", at(0))
        .unwrap()
        .ending(at(5_000_000))
        .unwrap();
    trace.status = TraceStatus::Ok;
    trace.root_span_name = Some("chat".into());
    trace.attributes = Json::parse(r#"{"team": "search"}"#).unwrap();
    assert_eq!(
        pool.insert_traces(vec![trace.clone()])
            .await
            .unwrap()
            .written,
        1
    );
    let repository = TraceRepository::new(pool.store().clone());
    let mut read = repository.get_by_id(trace.id).await.unwrap();
    (read.created_at, read.updated_at) = (trace.created_at, trace.updated_at);
    assert_eq!(read, trace);
    assert_eq!(
        repository
            .get_by_trace_id(&TRACE.to_uppercase())
            .await
            .unwrap()
            .id,
        trace.id
    );

    let written = span(TRACE, "00f067aa0ba902b7", 1_000);
    assert_eq!(
        pool.insert_spans(vec![written.clone()])
            .await
            .unwrap()
            .written,
        1
    );
    let event = TraceEvent::new(
        written.row_id(),
        "retry",
        at(1_234),
        Json::parse(r#"{"n": 1}"#).unwrap(),
    )
    .unwrap();
    assert_eq!(
        pool.insert_events(vec![event.clone()])
            .await
            .unwrap()
            .written,
        1
    );
    let (read, spans) = repository.get_with_spans(TRACE).await.unwrap();
    assert_eq!((read.span_count, spans.len()), (1, 1));
    assert_eq!(
        (read.end_time, read.duration_us),
        (Some(at(5_000_000)), Some(5_000))
    );
    assert_eq!(
        repository.get_span_by_id(written.row_id()).await.unwrap(),
        spans[0]
    );
    assert_eq!(
        repository.get_events(written.row_id()).await.unwrap(),
        [event]
    );
    cleanup_test_db(&pool).await;
    assert!(repository.get_by_id(trace.id).await.is_err());
    assert_eq!(
        repository.list(TraceFilters::default()).await.unwrap().rows,
        []
    );
}

async fn batches_that_are_written_twice_are_there_once(database: TestDatabase) {
    let spans = open(&database).await;
    let repository = TraceRepository::new(spans.store().clone());
    let mut traces: Vec<Trace> = (0..5)
        .map(|n| Trace::new(format!("t{n}"), "api", at(n)).unwrap())
        .collect();
    // Of one trace twice in a batch the last one stays.
    traces.push(Trace {
        service_name: "last".into(),
        ..traces[2].clone()
    });
    let batch: Vec<Span> = (0..20)
        .map(|n| span(&format!("t{}", n % 5), &format!("s{n}"), n))
        .collect();
    let doubled: Vec<Span> = batch.iter().chain(&batch).cloned().collect();
    let event = |n: usize| {
        TraceEvent::new(
            batch[n % 20].row_id(),
            format!("e{n}"),
            at(5),
            Json::empty_object(),
        )
        .unwrap()
    };
    let events: Vec<TraceEvent> = (0..60).chain(0..60).map(event).collect();
    for _ in 0..2 {
        assert_eq!(
            spans.insert_traces(traces.clone()).await.unwrap().written,
            6
        );
        assert_eq!(
            spans.insert_spans(doubled.clone()).await.unwrap().written,
            40
        );
        assert_eq!(
            spans.insert_events(events.clone()).await.unwrap().written,
            120
        );
    }
    let rows = repository.list(TraceFilters::default()).await.unwrap().rows;
    let counts: BTreeMap<String, i32> = rows
        .into_iter()
        .map(|row| (row.trace_id, row.span_count))
        .collect();
    assert_eq!(counts.len(), 5);
    assert!(counts.values().all(|count| *count == 4), "{counts:?}");
    assert_eq!(
        repository
            .get_by_trace_id("t2")
            .await
            .unwrap()
            .root_span_name
            .as_deref(),
        Some("GET /")
    );
    for span in &batch {
        let events = repository.get_events(span.row_id()).await.unwrap();
        assert_eq!(events.len(), 3);
    }
}

async fn one_bad_row_harms_only_itself(database: TestDatabase) {
    let spans = open(&database).await;
    let good = |n: i64| Trace::new(format!("t{n}"), "api", at(n)).unwrap();
    let bad = Trace {
        service_name: "a\0b".into(),
        ..good(1)
    };
    let inserted = spans
        .insert_traces(vec![good(0), bad, good(2)])
        .await
        .unwrap();
    assert_eq!(
        (
            inserted.written,
            inserted.refused.len(),
            inserted.refused[0].index
        ),
        (2, 1, 1)
    );
    assert!(
        inserted.refused[0].reason.contains("service_name"),
        "{inserted:?}"
    );

    let bad = Span {
        duration_nanos: -1,
        ..span("t1", "b", 0)
    };
    let nul = Span {
        tags: Json::parse(r#"{"a": "\u0000"}"#).ok(),
        ..span("t1", "c", 0)
    };
    let inserted = spans
        .insert_spans(vec![span("t1", "a", 0), bad, nul])
        .await
        .unwrap();
    assert_eq!(inserted.written, 1);
    assert!(
        inserted.refused[0].reason.contains("duration_nanos"),
        "{inserted:?}"
    );
    assert!(inserted.refused[1].reason.contains("tags"), "{inserted:?}");

    let event = |span_id: Uuid| TraceEvent::new(span_id, "e", at(0), Json::empty_object()).unwrap();
    let nameless = TraceEvent {
        name: String::new(),
        ..event(span("t1", "a", 0).row_id())
    };
    let batch = vec![
        event(Uuid::nil()),
        nameless,
        event(span("t1", "a", 0).row_id()),
    ];
    let inserted = spans.insert_events(batch).await.unwrap();
    assert_eq!(inserted.written, 1);
    let indexes: Vec<usize> = inserted.refused.iter().map(|row| row.index).collect();
    assert_eq!(indexes, [0, 1]);
    assert!(
        inserted.refused[0].reason.contains("span_id"),
        "{inserted:?}"
    );
}

async fn more_rows_than_a_statement_binds(database: TestDatabase) {
    let spans = open(&database).await;
    // The predecessor's statement binds 12 values a row, and takes 65,535.
    let traces: Vec<Trace> = (0..12_000)
        .map(|n| Trace::new(format!("t{n}"), "api", at(n)).unwrap())
        .collect();
    assert_eq!(spans.insert_traces(traces).await.unwrap().written, 12_000);
    assert_eq!(database.number("SELECT count(*) FROM traces").await, 12_000);
    let batch: Vec<Span> = (0..700).map(|n| span(&format!("t{n}"), "s", n)).collect();
    let events = batch.iter().flat_map(|span| {
        (0..10).map(|n| {
            TraceEvent::new(span.row_id(), format!("e{n}"), at(n), Json::empty_object()).unwrap()
        })
    });
    let events: Vec<TraceEvent> = events.collect();
    assert_eq!(spans.insert_spans(batch).await.unwrap().written, 700);
    assert_eq!(spans.insert_events(events).await.unwrap().written, 7_000);
    assert_eq!(
        database.number("SELECT count(*) FROM trace_events").await,
        7_000
    );
}

async fn what_spans_tell_is_not_talked_away(database: TestDatabase) {
    let spans = open(&database).await;
    let mut failed = span("t", "s", 1_000_000);
    failed.status_code = StatusCode::Error;
    failed.status_message = Some("out of memory".into());
    spans.write(failed).await.unwrap();
    let mut declared = Trace::new("t", "other", at(1_500_000)).unwrap();
    declared.status = TraceStatus::Ok;
    declared.span_count = 99;
    declared.cost = Some(5.0);
    spans.insert_traces(vec![declared]).await.unwrap();
    let trace = spans.trace("t").await.unwrap().unwrap();
    assert_eq!(
        (trace.status, trace.status_message.as_deref()),
        (TraceStatus::Error, Some("out of memory"))
    );
    assert_eq!(
        (&*trace.service_name, trace.span_count, trace.cost),
        ("api", 1, None)
    );
    assert_eq!(
        (trace.start_time, trace.end_time),
        (at(1_000_000), Some(at(1_001_000)))
    );
    assert_eq!(spans.get_trace("t").await.unwrap().len(), 1);
}

async fn declared_before_or_after_its_spans_is_the_same(database: TestDatabase) {
    let spans = open(&database).await;
    let mut read = Vec::new();
    for (name, first) in [("before", true), ("after", false)] {
        let mut declared = Trace::new(name, "api", at(-3_000))
            .unwrap()
            .ending(at(9_001))
            .unwrap();
        declared.attributes = Json::parse(r#"{"a": 1}"#).unwrap();
        declared.user_id = Some("ann".into());
        let written = vec![span(name, "a", 0), span(name, "b", 500)];
        if first {
            spans.insert_traces(vec![declared.clone()]).await.unwrap();
        }
        spans.insert_spans(written).await.unwrap();
        if !first {
            spans.insert_traces(vec![declared]).await.unwrap();
        }
        let mut trace = spans.trace(name).await.unwrap().unwrap();
        trace.id = Uuid::nil();
        trace.trace_id.clear();
        (trace.created_at, trace.updated_at) = Default::default();
        assert_eq!(
            (trace.start_time, trace.end_time, trace.duration_us),
            (at(-3_000), Some(at(9_001)), Some(12))
        );
        read.push(trace);
    }
    assert_eq!(read[0], read[1]);
}

async fn a_listing_filters_and_pages(database: TestDatabase) {
    let spans = open(&database).await;
    let repository = TraceRepository::new(spans.store().clone());
    let traces = (0..10).map(|n| {
        let mut trace =
            Trace::new(format!("t{n}"), ["api", "db"][n as usize % 2], at(n / 3)).unwrap();
        trace.status = [TraceStatus::Ok, TraceStatus::Error][usize::from(n > 6)];
        trace.ending(at(n / 3 + n * 1_000)).unwrap()
    });
    spans.insert_traces(traces.collect()).await.unwrap();
    let count = async |filters: TraceFilters| repository.list(filters).await.unwrap().rows.len();
    let all = TraceFilters::default;
    assert_eq!(count(all()).await, 10);
    assert_eq!(
        count(TraceFilters {
            service_name: Some("db".into()),
            ..all()
        })
        .await,
        5
    );
    assert_eq!(
        count(TraceFilters {
            status: Some(TraceStatus::Error),
            ..all()
        })
        .await,
        3
    );
    assert_eq!(
        count(TraceFilters {
            start_time: Some(at(2)),
            ..all()
        })
        .await,
        4
    );
    assert_eq!(
        count(TraceFilters {
            end_time: Some(at(0)),
            ..all()
        })
        .await,
        3
    );
    assert_eq!(
        count(TraceFilters {
            min_duration_us: Some(4),
            max_duration_us: Some(6),
            ..all()
        })
        .await,
        3
    );
    assert_eq!(
        count(TraceFilters {
            offset: Some(8),
            ..all()
        })
        .await,
        2
    );
    let mut filters = TraceFilters {
        limit: Some(3),
        ..all()
    };
    let mut paged = Vec::new();
    loop {
        let page = repository.list(filters.clone()).await.unwrap();
        paged.extend(page.rows);
        filters.cursor = page.next;
        if filters.cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, repository.list(all()).await.unwrap().rows);
}

async fn events_are_appended_once_by_many_writers(database: TestDatabase) {
    let one = open(&database).await;
    let two = open(&database).await;
    let written: Vec<Span> = (0..5).map(|n| span("t", &format!("s{n}"), n)).collect();
    one.insert_spans(written.clone()).await.unwrap();
    let batch = |round: usize| -> Vec<TraceEvent> {
        let names = (0..10).map(|n| n + round * 5);
        names
            .flat_map(|n| written.iter().rev().map(move |span| (n, span)))
            .map(|(n, span)| {
                TraceEvent::new(span.row_id(), format!("e{n}"), at(0), Json::empty_object())
                    .unwrap()
            })
            .collect()
    };
    let write = async |spans: &annals_telemetry::Spans| {
        for round in 0..4 {
            assert_eq!(spans.insert_events(batch(round)).await.unwrap().written, 50);
        }
    };
    tokio::join!(write(&one), write(&two));
    let repository = TraceRepository::new(one.store().clone());
    for span in &written {
        let events = repository.get_events(span.row_id()).await.unwrap();
        let mut names: Vec<String> = events.into_iter().map(|event| event.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 25);
        assert_eq!(
            repository.get_events(span.row_id()).await.unwrap().len(),
            25
        );
    }
}

async fn what_is_not_there_is_an_error_that_says_so(database: TestDatabase) {
    let spans = open(&database).await;
    let repository = TraceRepository::new(spans.store().clone());
    let id = Uuid::from_u128(7);
    assert!(matches!(
        repository.get_by_id(id).await,
        Err(Error::TraceNotFound { .. })
    ));
    assert!(matches!(
        repository.get_by_trace_id("none").await,
        Err(Error::TraceNotFound { .. })
    ));
    assert!(matches!(
        repository.get_spans(id).await,
        Err(Error::TraceNotFound { .. })
    ));
    assert!(matches!(
        repository.get_span_by_id(id).await,
        Err(Error::SpanNotFound { .. })
    ));
    assert!(matches!(
        repository.get_events(id).await,
        Err(Error::SpanNotFound { .. })
    ));
    // A trace whose row was declared by SQL under an id of its own is found by its name.
    let start = match database.backend {
        Backend::Sqlite => "1, 1, 1".to_owned(),
        _ => "now(), now(), now()".to_owned(),
    };
    database
        .execute(&format!(
            "INSERT INTO traces (id, trace_id, service_name, status, start_time, created_at, updated_at)
             VALUES ('{id}', 'own', 'api', 'unset', {start})"
        ))
        .await;
    assert_eq!(repository.get_by_trace_id("own").await.unwrap().id, id);
    assert_eq!(repository.get_spans(id).await.unwrap(), []);
}
