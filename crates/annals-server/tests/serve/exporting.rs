//! Spans by OTLP, on every road and in every packing: an answer means that they are committed.

use annals_testkit::{TestDatabase, on_every_backend};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;

use crate::{
    client::post,
    exports::{Packing, ROADS, Road, Taken, attribute, document, span, trace_id},
    serving,
};

on_every_backend!(
    an_answer_means_that_the_span_can_be_read,
    a_bad_span_refuses_itself_alone,
    the_same_request_twice_is_there_once,
    a_nul_in_a_text_is_refused_by_column_where_the_database_has_none,
    a_refusal_tells_the_place_in_the_request,
);

const ALL_TAKEN: Taken = Taken {
    rejected: 0,
    message: String::new(),
};

async fn an_answer_means_that_the_span_can_be_read(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let mut trace = 0;
    for road in ROADS {
        for packing in Packing::ALL {
            trace += 1;
            let bytes = road.encode(&[span(trace, 1), span(trace, 2)]);
            let taken = road.send(&served, packing, &[], bytes).await;
            assert_eq!(taken.unwrap(), ALL_TAKEN, "{road:?} {packing:?}");
            let stored = served.trace(&trace_id(trace)).await;
            assert_eq!(stored.len(), 2, "{road:?} {packing:?}");
            assert_eq!(stored[0]["service_name"], "shop");
        }
    }
}

async fn a_bad_span_refuses_itself_alone(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    for (trace, road) in (1..).zip(ROADS) {
        let mut bad = span(trace, 0xBB);
        bad.start_time_unix_nano = 0;
        let spans = [span(trace, 1), bad, span(trace, 2)];
        let taken = road.export(&served, &spans).await.unwrap();
        assert_eq!(taken.rejected, 1, "{road:?}");
        let field = match road {
            Road::Json => "startTimeUnixNano",
            _ => "start_time_unix_nano",
        };
        for told in [field, &trace_id(trace), "bbbbbbbbbbbbbbbb", "span 1"] {
            assert!(taken.message.contains(told), "{road:?}: {taken:?}");
        }
        assert_eq!(served.trace(&trace_id(trace)).await.len(), 2, "{road:?}");
    }
}

async fn the_same_request_twice_is_there_once(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    for (trace, road) in (1..).zip(ROADS) {
        let spans = [span(trace, 1), span(trace, 2)];
        for _ in 0..2 {
            assert_eq!(road.export(&served, &spans).await.unwrap(), ALL_TAKEN);
        }
        assert_eq!(served.trace(&trace_id(trace)).await.len(), 2, "{road:?}");
    }
}

async fn a_nul_in_a_text_is_refused_by_column_where_the_database_has_none(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let keeps_nul = database.backend.flavor().is_none();
    for (trace, road) in (1..).zip(ROADS) {
        let mut odd = span(trace, 0xBB);
        odd.name = "a\0b".to_owned();
        let spans = [span(trace, 1), odd, span(trace, 2)];
        let taken = road.export(&served, &spans).await.unwrap();
        let stored = served.trace(&trace_id(trace)).await;
        let names: Vec<&str> = stored
            .iter()
            .map(|span| span["operation_name"].as_str().unwrap())
            .collect();
        if keeps_nul {
            assert_eq!(taken, ALL_TAKEN, "{road:?}");
            assert!(names.contains(&"a\0b"), "{names:?}");
        } else {
            assert_eq!(taken.rejected, 1, "{road:?}");
            for told in ["operation_name", "bbbbbbbbbbbbbbbb", &trace_id(trace)] {
                assert!(taken.message.contains(told), "{road:?}: {taken:?}");
            }
            assert_eq!(names, ["work", "work"]);
        }
    }
}

async fn a_refusal_tells_the_place_in_the_request(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let mut nul = span(1, 3);
    nul.name = "a\0b".to_owned();
    let spans = [span(0, 1), span(1, 2), nul];
    let taken = Road::Grpc.export(&served, &spans).await.unwrap();
    let (first, last) = taken
        .message
        .split_once("; ")
        .unwrap_or((&taken.message, ""));
    assert!(first.starts_with("span 0 "), "{taken:?}");
    if database.backend.flavor().is_some() {
        assert!(last.starts_with("span 2 "), "{taken:?}");
    }
}

#[tokio::test]
async fn a_request_without_spans_is_answered_with_nothing() {
    let served = serving::in_memory(&[]).await;
    for (road, empty) in [
        (Road::Protobuf, ""),
        (Road::Json, "{}"),
        (Road::Json, r#"{"resourceSpans":[]}"#),
        (Road::Grpc, ""),
    ] {
        for packing in Packing::ALL {
            let taken = road.send(&served, packing, &[], empty).await;
            assert_eq!(taken.unwrap(), ALL_TAKEN, "{road:?} {packing:?} {empty}");
        }
    }
    assert_eq!(served.count().await, 0);
    // On the wire too there is nothing.
    let headers = [("content-type", "application/x-protobuf")];
    let answer = post(served.otlp, "/v1/traces", &headers, "").await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.text()),
        (200, "application/x-protobuf", "")
    );
    let headers = [("content-type", "application/json")];
    let answer = post(served.otlp, "/v1/traces", &headers, "{}").await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.text()),
        (200, "application/json", "{}")
    );
}

#[tokio::test]
async fn a_request_of_refused_spans_alone_is_a_partial_success() {
    let served = serving::in_memory(&[]).await;
    for road in ROADS {
        let bad: Vec<_> = (1..=5).map(|id| span(0, id)).collect();
        let taken = road.export(&served, &bad).await.unwrap();
        assert_eq!(taken.rejected, 5, "{road:?}");
        assert!(taken.message.contains("and 2 more"), "{taken:?}");
    }
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn attributes_come_out_as_they_went_in_and_promote_the_model() {
    let served = serving::in_memory(&[]).await;
    for (trace, road) in (1..).zip(ROADS) {
        let mut call = span(trace, 1);
        let model = Any::StringValue("gpt-4".to_owned());
        call.attributes = vec![attribute("gen_ai.request.model", model)];
        road.export(&served, &[call]).await.unwrap();
        let stored = &served.trace(&trace_id(trace)).await[0];
        assert_eq!(stored["tags"]["gen_ai.request.model"], "gpt-4");
        assert_eq!(stored["request_model"], "gpt-4", "{road:?}");
    }
}

#[tokio::test]
async fn a_content_type_may_have_parameters_and_capitals() {
    let served = serving::in_memory(&[]).await;
    let body = document(&[span(1, 1)]).to_string();
    let headers = [("content-type", "Application/JSON; charset=utf-8")];
    let answer = post(served.otlp, "/v1/traces", &headers, body).await;
    assert_eq!((answer.status, answer.text()), (200, "{}"));
}

#[tokio::test]
async fn content_codings_are_known_in_any_case() {
    let served = serving::in_memory(&[]).await;
    let packed = Packing::Gzip.pack(&Road::Protobuf.encode(&[span(1, 1)]));
    for coding in ["gzip", "GZIP", "Gzip", "x-gzip"] {
        let sent = Road::Protobuf.send_packed(&served, coding, &[], packed.clone());
        assert_eq!(sent.await.unwrap(), ALL_TAKEN, "{coding}");
    }
}

/// Requests one after the other are one request (source: protobuf, "Last One Wins"), and members of gzip
/// or frames of Zstandard one after the other are one body.
#[tokio::test]
async fn of_a_body_packed_in_parts_no_part_is_lost_in_silence() {
    let served = serving::in_memory(&[]).await;
    let mut lost = Vec::new();
    let mut trace = 0;
    for packing in [Packing::Gzip, Packing::Zstd] {
        for road in [Road::Protobuf, Road::Grpc] {
            trace += 2;
            let parts = [trace, trace + 1].map(|trace| road.encode(&[span(trace, 1)]));
            let packed = parts.map(|part| packing.pack(&part)).concat();
            let sent = road.send_packed(&served, packing.name(), &[], packed);
            let taken = sent.await.is_ok();
            for trace in [trace, trace + 1] {
                if taken && served.trace(&trace_id(trace)).await.is_empty() {
                    lost.push((road, packing));
                }
            }
        }
    }
    assert_eq!(lost, []);
}
