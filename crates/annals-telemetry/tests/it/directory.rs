//! The directory `traces` is true after any order of batches, and spares a trace the other chunks.

use annals_record::Record;
use annals_store::Store;
use annals_telemetry::{
    MIGRATIONS, Span, SpanStore, Spans, SpansOptions, StatusCode, Trace, TraceStatus,
};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

use crate::spans::{T0, at, open, span};

on_every_backend!(
    the_tables_fit_their_records,
    migrations_go_back_on_filled_tables,
    the_order_of_batches_does_not_matter,
    batches_of_many_writers_add_up,
    a_trace_by_id_touches_its_own_chunks_only,
    a_trace_that_came_past_the_directory_is_found,
    a_root_that_comes_last_names_the_trace,
    names_that_no_index_holds_harm_nobody,
);

async fn the_tables_fit_their_records(database: TestDatabase) {
    let store = database.store_in("tenant").await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    store.check_table::<Span>().await.unwrap();
    store.check_table::<Trace>().await.unwrap();
}

async fn migrations_go_back_on_filled_tables(database: TestDatabase) {
    for _ in 0..2 {
        let spans = open(&database).await;
        assert_eq!(
            spans
                .write_batch(vec![span("t", "s", 0), span("t", "s2", 1)])
                .await
                .unwrap()
                .committed,
            2
        );
        // One by one, each on what the one before has left.
        let mut sets = Vec::new();
        loop {
            let migrator = spans.store().migrator(&[&MIGRATIONS]);
            let Some(one) = migrator.down(1).await.unwrap().pop() else {
                break;
            };
            sets.push(one.set);
        }
        let first_of_kernel = sets.iter().position(|set| set == "kernel").unwrap();
        let (telemetry, kernel) = sets.split_at(first_of_kernel);
        assert!(
            telemetry.len() >= 5 && telemetry.iter().all(|set| set == "telemetry"),
            "{sets:?}"
        );
        assert!(kernel.iter().all(|set| set == "kernel"), "{sets:?}");
        assert!(spans.store().check_table::<Span>().await.is_err());
    }
}

/// A trace of four spans, with all that a summary is made of.
fn trace() -> Vec<Span> {
    let mut spans: Vec<Span> = (0..4_i64)
        .map(|n| span("t", &format!("s{n}"), n * 1_500))
        .collect();
    for (n, span) in spans.iter_mut().enumerate() {
        span.service_name = format!("service-{n}");
        span.parent_span_id = (n != 2).then(|| "s2".to_owned());
        span.duration_nanos = [10, 90_001, 5, 7][n];
    }
    spans[0].status_code = StatusCode::Ok;
    spans[3].status_code = StatusCode::Error;
    spans[3].status_message = Some("out of memory".into());
    // Two calls whose cost is known, one whose is not, and the agent around them, which repeats what they took.
    let known = [
        ("chat", Some(0.1)),
        ("chat", Some(0.2)),
        ("invoke_agent", Some(0.3)),
        ("embeddings", None),
    ];
    for (span, (operation, cost)) in spans.iter_mut().zip(known) {
        span.gen_ai_operation = Some(operation.into());
        span.input_tokens = Some(i32::MAX);
        span.output_tokens = Some(-7);
        span.cost = cost;
    }
    spans[1].user_id = Some("berta".into());
    spans[3].user_id = Some("anton".into());
    spans[2].conversation_id = Some("c".into());
    spans
}

fn without_clock(mut trace: Trace) -> Trace {
    trace.created_at = Default::default();
    trace.updated_at = Default::default();
    trace
}

async fn the_order_of_batches_does_not_matter(database: TestDatabase) {
    let spans = open(&database).await;
    let mut found = Vec::new();
    for (n, order) in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]]
        .into_iter()
        .enumerate()
    {
        let trace_id = format!("t{n}");
        for position in order {
            let span = Span {
                trace_id: trace_id.clone(),
                ..trace()[position].clone()
            };
            assert_eq!(spans.write_batch(vec![span]).await.unwrap().committed, 1);
        }
        found.push(without_clock(
            spans.trace(&trace_id).await.unwrap().unwrap(),
        ));
    }
    for (n, one) in found.iter().enumerate() {
        assert_eq!(one.id, Trace::id_of(&format!("t{n}")));
        assert_eq!(
            (one.start_time, one.end_time),
            (at(0), Some(at(1_500 + 90_001)))
        );
        assert_eq!(one.duration_us, Some(91));
        assert_eq!(one.status, TraceStatus::Error);
        assert_eq!(one.status_message.as_deref(), Some("out of memory"));
        assert_eq!(
            (one.root_span_name.as_deref(), &*one.service_name),
            (Some("GET /"), "service-2")
        );
        assert_eq!((one.span_count, one.error_count), (4, 1));
        assert_eq!((one.model_calls, one.unpriced_calls), (3, 1));
        assert_eq!(one.input_tokens, 3 * i64::from(i32::MAX));
        assert_eq!(one.output_tokens, 0, "nobody writes less than nothing");
        // Not 0.30000000000000004, in whatever order they come.
        assert_eq!(one.cost, Some(0.3));
        assert_eq!(one.user_id.as_deref(), Some("anton"));
        assert_eq!(one.conversation_id.as_deref(), Some("c"));
    }
}

async fn batches_of_many_writers_add_up(database: TestDatabase) {
    let (one, two) = (open(&database).await, open(&database).await);
    let batch = |writer: usize, round: usize| -> Vec<Span> {
        (0..60)
            .map(|n| {
                span(
                    &format!("t{}", (n * 7 + round) % 20),
                    &format!("{writer}-{round}-{n}"),
                    n as i64,
                )
            })
            .collect()
    };
    let write = |spans: Spans, writer| async move {
        for round in 0..15 {
            assert_eq!(
                spans
                    .write_batch(batch(writer, round))
                    .await
                    .unwrap()
                    .committed,
                60
            );
        }
        spans
    };
    let (one, _two) = tokio::join!(write(one, 1), write(two, 2));
    let mut total = 0;
    for trace in 0..20 {
        let trace_id = format!("t{trace}");
        let counted = one.trace(&trace_id).await.unwrap().unwrap().span_count;
        assert_eq!(
            one.get_trace(&trace_id).await.unwrap().len(),
            counted as usize
        );
        total += counted;
    }
    assert_eq!(total, 2 * 15 * 60);
}

async fn a_trace_by_id_touches_its_own_chunks_only(database: TestDatabase) {
    let spans = open(&database).await;
    let day = 86_400_000_000_000;
    let batch = (0..30)
        .map(|n| span(&format!("t{n}"), "s", n * day))
        .collect();
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 30);
    assert_eq!(
        spans.get_trace("t12").await.unwrap()[0].start_time,
        at(12 * day)
    );
    if database.backend == Backend::Timescale {
        // What the store asks, as the planner sees it.
        let micros = (T0 + 12 * day) / 1_000;
        let plan = database
            .query(&format!(
                "EXPLAIN SELECT * FROM spans WHERE trace_id = 't12'
                   AND start_time >= to_timestamp({micros} / 1000000.0) AND start_time <= to_timestamp({micros} / 1000000.0)"
            ))
            .await;
        let chunks = plan
            .iter()
            .filter(|line| line.contains("_hyper_") && line.contains("Scan"))
            .count();
        assert_eq!(chunks, 1, "{plan:#?}");
    }
}

async fn a_trace_that_came_past_the_directory_is_found(database: TestDatabase) {
    let store: Store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    let past = Spans::new(store.clone(), SpansOptions::default().with_directory(false))
        .await
        .unwrap();
    assert_eq!(
        past.write_batch(vec![span("t", "a", 0), span("t", "b", 1)])
            .await
            .unwrap()
            .committed,
        2
    );
    assert!(past.trace("t").await.unwrap().is_none());
    assert_eq!(past.get_trace("t").await.unwrap().len(), 2);
    assert_eq!(Span::DESCRIPTOR.table, "spans");
}

async fn a_root_that_comes_last_names_the_trace(database: TestDatabase) {
    let spans = open(&database).await;
    let child = Span {
        parent_span_id: Some("root".into()),
        service_name: "db".into(),
        ..span("t", "child", 10)
    };
    spans.write(child).await.unwrap();
    let before = spans.trace("t").await.unwrap().unwrap();
    assert_eq!((before.root_span_name, &*before.service_name), (None, "db"));
    spans.write(span("t", "root", 20)).await.unwrap();
    let after = spans.trace("t").await.unwrap().unwrap();
    assert_eq!(
        (after.root_span_name.as_deref(), &*after.service_name),
        (Some("GET /"), "api")
    );
}

async fn names_that_no_index_holds_harm_nobody(database: TestDatabase) {
    let spans = open(&database).await;
    // Nothing packs these.
    let long: String = (0..40_000_u32)
        .map(|n| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000).unwrap())
        .collect();
    let mut odd = span("odd", "s", 0);
    odd.service_name.clone_from(&long);
    odd.user_id = Some(long.clone());
    odd.conversation_id = Some(long.clone());
    let batch = vec![odd, span("plain", "s", 1)];
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 2);
    assert_eq!(spans.get_trace("odd").await.unwrap()[0].service_name, long);
    let row = spans.trace("odd").await.unwrap().unwrap();
    assert!(long.starts_with(&row.service_name) && row.service_name.len() > 500);
    assert!(spans.trace("plain").await.unwrap().is_some());
}
