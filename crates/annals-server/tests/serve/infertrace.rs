//! InferTrace's clients, by both contracts.

use annals_record::Timestamp;
use annals_server::infertrace::messages::{planned, v1};
use annals_testkit::{TestDatabase, on_every_backend};
use tonic::Code;

use crate::{
    client::get,
    grpc::{Reply, SEND, SEND_BATCH, SEND_BATCH_V1, call},
    serving::{self, Served},
};

on_every_backend!(
    a_batch_of_v1_counts_what_was_taken_and_what_was_not,
    spans_of_the_first_plan_are_there_once_they_are_accepted,
    absent_ids_are_made_and_the_same_request_twice_does_not_double,
    any_text_is_an_id_and_is_found_by_it,
    both_contracts_come_together_in_one_trace,
    a_nul_in_a_text_is_rejected_where_the_database_has_none,
);

pub(crate) fn now() -> i64 {
    Timestamp::now().unix_nanos()
}

/// A good span of v1.
pub(crate) fn v1_span(trace: &str, id: &str) -> v1::Span {
    v1::Span {
        trace_id: trace.to_owned(),
        span_id: id.to_owned(),
        service_name: "shop".to_owned(),
        operation_name: "infer".to_owned(),
        model_name: "gpt-4".to_owned(),
        start_time_unix_nano: now(),
        duration_nanos: 1_000_000,
        status: "ok".to_owned(),
    }
}

/// A good span of the first plan.
pub(crate) fn planned_span(trace: &[u8], id: &[u8]) -> planned::Span {
    planned::Span {
        trace_id: trace.to_vec(),
        span_id: id.to_vec(),
        service_name: "shop".to_owned(),
        operation_name: "infer".to_owned(),
        start_time_unix_nano: now(),
        duration_nanos: 1_000_000,
        ..planned::Span::default()
    }
}

/// Sends spans of v1; gives how many were accepted and rejected.
pub(crate) async fn send_v1(served: &Served, spans: Vec<v1::Span>) -> (i32, i32) {
    let batch = v1::SendSpanBatchRequest { spans };
    let answer: v1::SendSpanBatchResponse = call(served.grpc, SEND_BATCH_V1, &batch).await.ok();
    (answer.accepted_count, answer.rejected_count)
}

/// Sends spans of the first plan.
pub(crate) async fn send_planned(served: &Served, spans: Vec<planned::Span>) -> Reply {
    let batch = planned::SendSpanBatchRequest { spans };
    call(served.grpc, SEND_BATCH, &batch).await
}

async fn send_one(served: &Served, span: Option<planned::Span>) -> Reply {
    call(served.grpc, SEND, &planned::SendSpanRequest { span }).await
}

fn is_accepted(reply: &Reply) -> bool {
    reply.ok::<planned::SendSpanResponse>().accepted
}

/// The reasons beside an answer.
fn reasons(reply: &Reply) -> &str {
    let reasons = reply.metadata.get("infertrace-rejected");
    reasons.map_or("", |reasons| reasons.to_str().unwrap())
}

async fn a_batch_of_v1_counts_what_was_taken_and_what_was_not(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let good = [v1_span("t", "a"), v1_span("t", "b")];
    assert_eq!(send_v1(&served, good.into()).await, (2, 0));
    assert_eq!(send_v1(&served, vec![]).await, (0, 0));
    let changes: [fn(&mut v1::Span); 6] = [
        |span| span.service_name.clear(),
        |span| span.model_name.clear(),
        |span| span.start_time_unix_nano = 0,
        |span| span.start_time_unix_nano = 1,
        |span| span.duration_nanos = 0,
        |span| span.duration_nanos = -1,
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut malformed = v1_span("bad", "x");
        change(&mut malformed);
        let spans = vec![malformed, v1_span("good", &format!("{i}"))];
        assert_eq!(send_v1(&served, spans).await, (1, 1), "{i}");
    }
    assert_eq!(served.trace("t").await.len(), 2);
    assert_eq!(served.trace("good").await.len(), 6);
    assert!(served.trace("bad").await.is_empty());
}

async fn spans_of_the_first_plan_are_there_once_they_are_accepted(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    assert!(is_accepted(
        &send_one(&served, Some(planned_span(b"t", b"1"))).await
    ));
    assert_eq!(served.trace("t").await.len(), 1);
    let good = vec![planned_span(b"t", b"2"), planned_span(b"t", b"3")];
    assert!(is_accepted(&send_planned(&served, good).await));
    assert!(is_accepted(&send_planned(&served, vec![]).await));
    let mut malformed = planned_span(b"t", b"5");
    malformed.start_time_unix_nano = 0;
    let reply = send_planned(&served, vec![planned_span(b"t", b"4"), malformed.clone()]).await;
    assert!(!is_accepted(&reply), "not all of it");
    assert!(
        reasons(&reply).contains("start_time_unix_nano"),
        "{reply:?}"
    );
    assert_eq!(served.trace("t").await.len(), 4);
    let reply = send_one(&served, Some(malformed)).await;
    assert_eq!(reply.code, Code::InvalidArgument);
    assert!(reply.message.contains("start_time_unix_nano"), "{reply:?}");
    let reply = send_one(&served, None).await;
    assert_eq!(reply.code, Code::InvalidArgument);
}

async fn absent_ids_are_made_and_the_same_request_twice_does_not_double(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    // As the Python SDK sends them: two calls of one moment have nothing to tell them apart.
    let v1_spans = vec![v1_span("", ""); 2];
    let planned_spans = vec![planned_span(b"", b""); 2];
    for _ in 0..2 {
        assert_eq!(send_v1(&served, v1_spans.clone()).await, (2, 0));
        assert!(is_accepted(
            &send_planned(&served, planned_spans.clone()).await
        ));
    }
    let stored = get(served.http, "/spans").await.found();
    let stored = stored.as_array().unwrap();
    assert_eq!(stored.len(), 4);
    for span in stored {
        let id = span["trace_id"].as_str().unwrap();
        assert_eq!(served.trace(id).await.len(), 1, "{id}");
    }
}

async fn any_text_is_an_id_and_is_found_by_it(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let hexadecimal = "4BF92F3577B34DA6A3CE929D0E0E4736";
    let ids = [
        ("request-7", "request-7"),
        ("a b", "a%20b"),
        ("x/y?z#%", "x%2Fy%3Fz%23%25"),
        ("Zürich", "Z%C3%BCrich"),
        ("sixteen-letters!", "sixteen-letters!"),
        (hexadecimal, hexadecimal),
        ("../..", "..%2F.."),
    ];
    for (id, path) in ids {
        assert_eq!(send_v1(&served, vec![v1_span(id, "1")]).await, (1, 0));
        assert_eq!(served.trace(path).await.len(), 1, "{id} by v1");
        let span = planned_span(id.as_bytes(), b"2");
        assert!(is_accepted(&send_planned(&served, vec![span]).await));
        let found = served.trace(path).await;
        assert!(!found.is_empty(), "{id} by the first plan");
    }
    let long = "x".repeat(257);
    let spans = vec![v1_span(&long, "1"), v1_span(&"y".repeat(256), "1")];
    assert_eq!(send_v1(&served, spans).await, (1, 1));
    assert_eq!(served.trace(&"y".repeat(256)).await.len(), 1);
}

async fn both_contracts_come_together_in_one_trace(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let mut rich = planned_span(&[0xAB; 16], &[1; 8]);
    rich.parent_span_id = vec![2; 8];
    rich.tags = [("zone".to_owned(), "eu".to_owned())].into();
    rich.status = "Timed out".to_owned();
    rich.inference = Some(planned::InferenceContext {
        model_name: "llama/70b".to_owned(),
        input_tokens: 12,
        queue_depth: 5,
        ..planned::InferenceContext::default()
    });
    rich.resources = Some(planned::ResourceMetrics {
        gpu_utilization_percent: 22.5,
        ..planned::ResourceMetrics::default()
    });
    assert!(is_accepted(&send_planned(&served, vec![rich]).await));
    let plain = v1_span(&"AB".repeat(16), &"02".repeat(8));
    assert_eq!(send_v1(&served, vec![plain]).await, (1, 0));
    let stored = served.trace(&"ab".repeat(16)).await;
    assert_eq!(stored.len(), 2);
    let rich = &stored[0];
    assert_eq!(rich["parent_span_id"], stored[1]["span_id"]);
    assert_eq!(
        (&rich["model_name"], &rich["input_tokens"]),
        (&"llama/70b".into(), &12.into())
    );
    assert_eq!(rich["gpu_utilization"], 22.5);
    assert_eq!(rich["status_code"], "error");
    assert_eq!(rich["tags"]["zone"], "eu");
    assert_eq!(rich["tags"]["infertrace.queue_depth"], 5);
}

async fn a_nul_in_a_text_is_rejected_where_the_database_has_none(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let mut odd = v1_span("t", "x");
    odd.operation_name = "a\0b".to_owned();
    let spans = vec![v1_span("t", "a"), odd, v1_span("t", "b")];
    let expected = match database.backend.flavor() {
        None => (3, 0),
        Some(_) => (2, 1),
    };
    assert_eq!(send_v1(&served, spans).await, expected);
    let stored = served.trace("t").await.len();
    assert_eq!(i32::try_from(stored).unwrap(), expected.0);
}

#[tokio::test]
async fn ingested_spans_and_the_queue_are_measured() {
    let served = serving::in_memory(&[]).await;
    let service = "measured \"shop\"";
    let spans = ["a", "b", "c"].map(|id| v1::Span {
        service_name: service.to_owned(),
        ..v1_span("t", id)
    });
    assert_eq!(send_v1(&served, spans.into()).await, (3, 0));
    let answer = get(served.http, "/metrics").await;
    assert!(answer.header("content-type").starts_with("text/plain"));
    let lines: Vec<&str> = answer.text().lines().collect();
    let counted = r#"infertrace_spans_ingested_total{service_name="measured \"shop\""} 3"#;
    assert!(lines.contains(&counted), "{lines:?}");
    let depth = |line: &&str| line.starts_with("infertrace_queue_depth ");
    assert!(lines.iter().any(depth), "{lines:?}");
    for name in ["annals_spans_total{", "annals_request_seconds_bucket{"] {
        assert!(answer.text().contains(name), "{name}");
    }
}
