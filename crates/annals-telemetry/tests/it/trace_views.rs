//! The LLM storage crate's tables by SQL, as its document writes it.

use annals_record::{Json, Uuid};
use annals_telemetry::{
    Span, SpanStore, Spans, StatusCode, Trace, TraceRepository, TraceSearch, TraceStatus,
};
use annals_testkit::{Backend, TestDatabase, on_every_backend};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};

use crate::{
    search::write,
    spans::{T0, at, open, span},
};

on_every_backend!(
    what_is_inserted_by_sql_is_found_by_the_program,
    what_the_program_wrote_is_in_the_views,
    inserting_twice_is_inserting_once,
    what_cannot_be_is_refused_by_name,
    ids_of_any_form_lead_from_event_to_span,
);

/// What only servers have.
mod on_servers {
    use annals_testkit::on_every_server;

    use super::{
        one_trace_in_a_view_is_found_by_indexes, row_ids_are_those_that_the_program_makes,
        the_columns_are_the_document_s,
    };

    on_every_server!(
        one_trace_in_a_view_is_found_by_indexes,
        row_ids_are_those_that_the_program_makes,
        the_columns_are_the_document_s
    );
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A time as the backend writes it, so many microseconds behind the tests' own.
fn time(database: &TestDatabase, micros: i64) -> String {
    let micros = T0 / 1_000 + micros;
    match database.backend {
        Backend::Sqlite => micros.to_string(),
        _ => format!("(TIMESTAMPTZ 'epoch' + {micros} * INTERVAL '1 microsecond')"),
    }
}

fn insert_trace(database: &TestDatabase, id: Uuid, trace_id: &str) -> String {
    let start = time(database, 10);
    format!(
        "INSERT INTO traces (id, trace_id, service_name, start_time, status, created_at, updated_at)
         VALUES ('{id}', '{trace_id}', 'declared', {start}, 'unset', {start}, {start})"
    )
}

fn insert_span(
    database: &TestDatabase,
    trace: Uuid,
    span_id: &str,
    start: i64,
    more: (&str, &str),
) -> String {
    let (columns, values) = more;
    format!(
        "INSERT INTO trace_spans (trace_id, span_id, name, kind, service_name, start_time, end_time, status{columns})
         VALUES ('{trace}', '{span_id}', 'call', 'client', 'api', {}, {}, 'ok'{values})",
        time(database, start),
        time(database, start + 30),
    )
}

async fn what_is_inserted_by_sql_is_found_by_the_program(database: TestDatabase) {
    let spans = open(&database).await;
    let id = Trace::id_of(TRACE);
    database.execute(&insert_trace(&database, id, TRACE)).await;
    let child = insert_span(
        &database,
        id,
        "00f067aa0ba902b8",
        15,
        (", parent_span_id", ", '00f067aa0ba902b7'"),
    );
    let root = insert_span(
        &database,
        id,
        "00f067aa0ba902b7",
        5,
        (
            ", attributes, status_message",
            r#", '{"gen_ai.system": "openai"}', 'fine'"#,
        ),
    );
    database.execute(&child).await;
    database.execute(&root).await;
    database
        .execute(&format!(
            "INSERT INTO trace_events (id, span_id, name, timestamp, attributes)
             VALUES ('00000000-0000-4000-8000-000000000001', '{}', 'retry', {}, '{{\"n\": 1}}')",
            Span::row_id_of(id, "00f067aa0ba902b7"),
            time(&database, 7),
        ))
        .await;

    let found = spans.get_trace(TRACE).await.unwrap();
    let names: Vec<&str> = found.iter().map(|span| &*span.span_id).collect();
    assert_eq!(names, ["00f067aa0ba902b7", "00f067aa0ba902b8"]);
    assert_eq!(
        (found[0].start_time, found[0].duration_nanos),
        (at(5_000), 30_000)
    );
    assert_eq!(found[0].status_code, StatusCode::Ok);
    assert_eq!(
        found[0].tags,
        Json::parse(r#"{"gen_ai.system": "openai"}"#).ok()
    );
    let events = found[0].events.as_ref().unwrap().to_value();
    assert_eq!(events[0]["time_unix_nano"], (T0 + 7_000).to_string());

    let trace = spans.trace(TRACE).await.unwrap().unwrap();
    assert_eq!((trace.span_count, trace.status), (2, TraceStatus::Ok));
    assert_eq!(
        (trace.start_time, trace.end_time),
        (at(5_000), Some(at(45_000)))
    );
    assert_eq!((trace.duration_us, &*trace.service_name), (Some(40), "api"));
    assert_eq!(trace.root_span_name.as_deref(), Some("call"));
    let found = TraceSearch {
        name: Some("CALL".into()),
        since: Some(at(0)),
        ..TraceSearch::default()
    };
    assert_eq!(spans.search(found).await.unwrap().traces, [trace]);

    let repository = TraceRepository::new(spans.store().clone());
    let events = repository
        .get_events(Span::row_id_of(id, "00f067aa0ba902b7"))
        .await
        .unwrap();
    assert_eq!(
        (&*events[0].name, events[0].timestamp),
        ("retry", at(7_000))
    );
    assert_eq!(
        events[0].id,
        Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0001)
    );
}

async fn what_the_program_wrote_is_in_the_views(database: TestDatabase) {
    let spans = open(&database).await;
    let mut batch: Vec<Span> = (0..3)
        .map(|n| span(TRACE, &format!("00f067aa0ba902b{n}"), n * 5_000))
        .collect();
    batch[1].parent_span_id = Some("00f067aa0ba902b0".into());
    batch[1].status_code = StatusCode::Error;
    batch[1].events = Json::parse(&format!(
        r#"[{{"time_unix_nano": "{}", "name": "first", "attributes": {{"a": 1}}}}, {{"name": "second"}}, 7]"#,
        T0 + 6_001
    ))
    .ok();
    batch[2].duration_nanos = -9;
    batch.push(span("another", "readable", 0));
    write(&spans, batch).await;
    let id = Trace::id_of(TRACE);
    let count = |sql: String| {
        let database = &database;
        async move { database.number(&sql).await }
    };
    assert_eq!(
        count(format!(
            "SELECT count(*) FROM trace_spans WHERE trace_id = '{id}'"
        ))
        .await,
        3
    );
    assert_eq!(
        count(
            "SELECT count(*) FROM trace_spans WHERE attributes IS NULL OR created_at IS NULL"
                .into()
        )
        .await,
        0
    );
    assert_eq!(
        count(format!(
            "SELECT duration_us FROM trace_spans WHERE id = '{}'",
            Span::row_id_of(id, "00f067aa0ba902b1")
        ))
        .await,
        1
    );
    assert_eq!(
        count("SELECT count(*) FROM trace_spans WHERE status = 'error' AND parent_span_id = '00f067aa0ba902b0'".into()).await,
        1
    );
    // It never ends before it begins.
    assert_eq!(
        count("SELECT count(*) FROM trace_spans WHERE end_time < start_time".into()).await,
        0
    );
    let events = format!(
        "SELECT count(*) FROM trace_events e JOIN trace_spans s ON s.id = e.span_id WHERE s.trace_id = '{id}'"
    );
    assert_eq!(count(events).await, 2);
    let exact = format!(
        "SELECT CAST(timestamp_nanos AS bigint) FROM trace_events WHERE name = 'first' AND timestamp = {} AND trace_id = '{id}'",
        time(&database, 6)
    );
    assert_eq!(count(exact).await, 1);
}

async fn inserting_twice_is_inserting_once(database: TestDatabase) {
    let spans = open(&database).await;
    let id = Trace::id_of(TRACE);
    database.execute(&insert_trace(&database, id, TRACE)).await;
    let row = Span::row_id_of(id, "00f067aa0ba902b7");
    let event = |id: &str, name: &str| {
        let (column, value) = match id {
            "" => ("", String::new()),
            id => ("id, ", format!("'{id}', ")),
        };
        format!(
            "INSERT INTO trace_events ({column}span_id, name, timestamp) VALUES ({value}'{row}', '{name}', {})",
            time(&database, 7)
        )
    };
    for _ in 0..2 {
        database
            .execute(&insert_span(&database, id, "00f067aa0ba902b7", 5, ("", "")))
            .await;
        database.execute(&event("", "a")).await;
        database.execute(&event("", "b")).await;
        database
            .execute(&event("00000000-0000-4000-8000-000000000001", "a"))
            .await;
    }
    assert_eq!(spans.trace(TRACE).await.unwrap().unwrap().span_count, 1);
    assert_eq!(database.number("SELECT count(*) FROM trace_spans").await, 1);
    assert_eq!(
        database.number("SELECT count(*) FROM trace_events").await,
        3
    );
    // The same span by another road is the same one too.
    let mut again = span(TRACE, "00f067aa0ba902b7", 5_000);
    again.operation_name = "other".into();
    spans.write(again).await.unwrap();
    let found = spans.get_trace(TRACE).await.unwrap();
    assert_eq!((found.len(), &*found[0].operation_name), (1, "call"));
    assert_eq!(spans.trace(TRACE).await.unwrap().unwrap().span_count, 1);
}

async fn what_cannot_be_is_refused_by_name(database: TestDatabase) {
    let spans = open(&database).await;
    let id = Trace::id_of(TRACE);
    database.execute(&insert_trace(&database, id, TRACE)).await;
    let good = insert_span(&database, id, "00f067aa0ba902b7", 5, ("", ""));
    let start = time(&database, 5);
    for (bad, name) in [
        (
            good.replace(&id.to_string(), &Uuid::nil().to_string()),
            "trace_id",
        ),
        (good.replace("'client'", "'customer'"), "kind"),
        (good.replace("'ok'", "'success'"), "status"),
        (good.replace("'00f067aa0ba902b7'", "NULL"), "span_id"),
        (good.replace("'call'", "NULL"), "name"),
        (
            good.replace(&time(&database, 35), &time(&database, 4)),
            "end_time",
        ),
        (
            insert_span(
                &database,
                id,
                "00f067aa0ba902b7",
                5,
                (", attributes", ", '[1]'"),
            ),
            "attributes",
        ),
        (
            insert_span(&database, id, "00f067aa0ba902b7", 5, (", events", ", '{}'")),
            "events",
        ),
        (
            format!(
                "INSERT INTO trace_events (span_id, name, timestamp) VALUES ('{}', 'x', {start})",
                Uuid::nil()
            ),
            "span_id",
        ),
    ] {
        let message = database.refused(&bad).await;
        assert!(message.contains(name), "{bad}: {message}");
    }
    assert_eq!(database.number("SELECT count(*) FROM spans").await, 0);
    assert_eq!(spans.trace(TRACE).await.unwrap().unwrap().span_count, 0);
}

async fn ids_of_any_form_lead_from_event_to_span(database: TestDatabase) {
    let spans = open(&database).await;
    for trace in ["order 66", "größe", TRACE] {
        for id in ["readable", "ÄÖ", "00F067AA0BA902B7", "00f067aa0ba902b7"] {
            spans.write(span(trace, id, 5_000)).await.unwrap();
        }
    }
    let at = time(&database, 9);
    database
        .execute(&format!("INSERT INTO trace_events (span_id, name, timestamp) SELECT id, span_id, {at} FROM trace_spans"))
        .await;
    let right = "SELECT count(*) FROM trace_events e JOIN trace_spans s ON s.id = e.span_id AND s.span_id = e.name";
    assert_eq!(database.number(right).await, 12);
    for trace in ["order 66", "größe", TRACE] {
        for span in spans.get_trace(trace).await.unwrap() {
            let events = span.events.unwrap().to_value();
            assert_eq!(events.as_array().unwrap().len(), 1);
            assert_eq!(events[0]["name"], span.span_id);
        }
    }
}

async fn the_columns_are_the_document_s(database: TestDatabase) {
    let _spans = open(&database).await;
    let columns = async |table: &str| {
        let sql = format!(
            "SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position)
               FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'"
        );
        database.query(&sql).await
    };
    const TIME: &str = "timestamp with time zone";
    assert_eq!(
        columns("trace_spans").await,
        [format!(
            "id uuid, trace_id uuid, span_id text, parent_span_id text, name text, kind text, service_name text, \
             start_time {TIME}, end_time {TIME}, duration_us bigint, status text, status_message text, \
             attributes jsonb, events jsonb, links jsonb, created_at {TIME}"
        )]
    );
    assert_eq!(
        columns("trace_events").await,
        [format!(
            "id uuid, span_id uuid, name text, timestamp {TIME}, attributes jsonb, created_at {TIME}, \
             timestamp_nanos integer, trace_id uuid"
        )]
    );
}

async fn row_ids_are_those_that_the_program_makes(database: TestDatabase) {
    let _spans = open(&database).await;
    let mut runner = TestRunner::default();
    let mut ids: Vec<String> = vec![
        "00f067aa0ba902b7".into(),
        "00F067AA0BA902B7".into(),
        "ß".into(),
        "'\\".into(),
    ];
    ids.extend((0..50).map(|_| "[^\0]{1,20}".new_tree(&mut runner).unwrap().current()));
    for id in ids {
        let trace = Trace::id_of(&id);
        let sql = format!(
            "SELECT trace_span_id('{trace}', '{}')::text",
            id.replace('\'', "''")
        );
        assert_eq!(
            database.query(&sql).await,
            [Span::row_id_of(trace, &id).to_string()],
            "{id:?}"
        );
    }
}

async fn one_trace_in_a_view_is_found_by_indexes(database: TestDatabase) {
    let spans: Spans = open(&database).await;
    let day = 86_400_000_000_000;
    for n in 0..20 {
        let batch = (0..500).map(|s| span(&format!("t{n}-{s}"), "00f067aa0ba902b7", n * day + s));
        write(&spans, batch.collect()).await;
    }
    database.execute("ANALYZE").await;
    let id = Trace::id_of("t7-77");
    for view in ["trace_spans", "trace_events"] {
        let plan = database.query(&format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT * FROM {view} WHERE trace_id = '{id}'")).await;
        let plan = plan.join("\n");
        assert!(!plan.contains("Seq Scan on"), "{plan}");
    }
    let found = format!("SELECT count(*) FROM trace_spans WHERE trace_id = '{id}'");
    assert_eq!(database.number(&found).await, 1);
}
