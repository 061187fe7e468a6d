//! The inference store's SQL works as its document has it.

use annals_telemetry::{Error, SpanStore};
use annals_testkit::{TestDatabase, on_every_server};

use crate::spans::{open, span};

on_every_server!(
    the_15_columns_have_the_names_and_types_of_the_document,
    an_insert_that_knows_only_8_columns_works,
    the_two_indexes_of_the_document_are_there,
);

async fn the_15_columns_have_the_names_and_types_of_the_document(database: TestDatabase) {
    let _spans = open(&database).await;
    let columns = database
        .query(
            "SELECT column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END
               FROM information_schema.columns
              WHERE table_schema = 'public' AND table_name = 'spans' ORDER BY ordinal_position LIMIT 15",
        )
        .await;
    assert_eq!(
        columns,
        [
            "trace_id text not null",
            "span_id text not null",
            "parent_span_id text",
            "service_name text not null",
            "operation_name text not null",
            "start_time timestamp with time zone not null",
            "duration_nanos bigint not null",
            "status text",
            "model_name text",
            "model_version text",
            "batch_size integer",
            "input_tokens integer",
            "output_tokens integer",
            "gpu_utilization double precision",
            "tags jsonb",
        ]
    );
}

async fn an_insert_that_knows_only_8_columns_works(database: TestDatabase) {
    let spans = open(&database).await;
    database
        .execute(
            "INSERT INTO spans (trace_id, span_id, service_name, operation_name,
                                start_time, duration_nanos, model_name, batch_size)
             VALUES ('t', 's', 'api', 'chat', '2026-01-02T03:04:05Z', 12, 'gpt-4', 32)",
        )
        .await;
    let read = spans.get_trace("t").await.unwrap();
    assert_eq!((read[0].duration_nanos, read[0].batch_size), (12, Some(32)));
    assert!(matches!(
        spans.get_trace("u").await,
        Err(Error::TraceNotFound { .. })
    ));
    // And what the store wrote is there for the document's queries.
    spans.write(span("v", "s", 0)).await.unwrap();
    let rows = database
        .query("SELECT operation_name FROM spans WHERE trace_id = 'v' ORDER BY start_time ASC")
        .await;
    assert_eq!(rows, ["GET /"]);
}

async fn the_two_indexes_of_the_document_are_there(database: TestDatabase) {
    let _spans = open(&database).await;
    let indexes = database
        .query("SELECT substring(indexdef FROM '\\(.*') FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'spans'")
        .await;
    for index in [
        "(trace_id, start_time DESC)",
        "(model_name, start_time DESC)",
    ] {
        assert!(indexes.iter().any(|known| known == index), "{indexes:?}");
    }
}
