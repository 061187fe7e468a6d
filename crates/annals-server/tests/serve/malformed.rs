//! What is not OTLP/HTTP is refused as such, in the form that the client speaks, and nothing is kept.

use http::Method;
use prost::Message as _;
use tonic_types::pb;

use crate::{
    client::{get, post, request, send, whole},
    exports::{Packing, Road, document, span},
    serving::{self, Served},
};

const TRACES: &str = "/v1/traces";

/// Some bytes without sense, always the same.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

async fn refused(served: &Served, road: Road, bytes: impl AsRef<[u8]>) -> String {
    let refused = road.send(served, Packing::Plain, &[], bytes).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.http, Some(400), "{refused:?}");
    assert_eq!(refused.code, tonic::Code::InvalidArgument);
    assert_eq!(refused.retry, None);
    refused.message
}

#[tokio::test]
async fn what_is_not_protobuf_of_traces_is_refused() {
    let served = serving::in_memory(&[]).await;
    let good = Road::Protobuf.encode(&[span(1, 1)]);
    for length in [1, 2, good.len() / 2, good.len() - 1] {
        refused(&served, Road::Protobuf, &good[..length]).await;
    }
    for length in [1, 7, 100, 10_000] {
        refused(&served, Road::Protobuf, noise(length)).await;
    }
    // Another message: every field of it is unknown here, or of another type.
    let other = pb::RetryInfo {
        retry_delay: Some(std::time::Duration::from_secs(1).try_into().unwrap()),
    };
    refused(&served, Road::Protobuf, other.encode_to_vec()).await;
    let unknown = pb::Status {
        message: "no spans at all".to_owned(),
        ..pb::Status::default()
    };
    let message = refused(&served, Road::Protobuf, unknown.encode_to_vec()).await;
    assert!(message.contains("resource_spans"), "{message}");
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn what_is_not_json_of_traces_is_refused() {
    let served = serving::in_memory(&[]).await;
    let good = document(&[span(1, 1)]).to_string();
    let snake = good.replace("resourceSpans", "resource_spans");
    let inner_snake = good.replace("scopeSpans", "scope_spans");
    for (bytes, told) in [
        (snake.as_bytes(), "resourceSpans"),
        (inner_snake.as_bytes(), "scopeSpans"),
        (b"{\"resourceSpans\":[{\"x\":\"\xff\xfe\"}]}", "UTF-8"),
        (br#"{"resourceMetrics":[]}"#, "resourceMetrics"),
        (br#"["resourceSpans"]"#, "JSON"),
        (b"7", "JSON"),
        (b"", "JSON"),
        (&good.as_bytes()[..good.len() - 1], "JSON"),
        (&[good.as_bytes(), good.as_bytes()].concat(), "JSON"),
        (&Road::Protobuf.encode(&[span(1, 1)]), ""),
        (&noise(100), ""),
    ] {
        let message = refused(&served, Road::Json, bytes).await;
        assert!(message.contains(told), "{told}: {message}");
    }
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn a_span_in_snake_case_refuses_itself_by_the_name() {
    let served = serving::in_memory(&[]).await;
    let document = document(&[span(1, 1), span(2, 2)]).to_string();
    let odd = document.replacen("traceId", "trace_id", 1);
    let taken = Road::Json.send(&served, Packing::Plain, &[], odd).await;
    let taken = taken.unwrap();
    assert_eq!(taken.rejected, 1);
    assert!(taken.message.contains("traceId"), "{taken:?}");
    assert_eq!(served.count().await, 1);
}

#[tokio::test]
async fn a_content_type_that_is_not_spoken_is_415() {
    let served = serving::in_memory(&[]).await;
    let body = Road::Protobuf.encode(&[span(1, 1)]);
    let headers: [&[(&str, &str)]; 4] = [
        &[],
        &[("content-type", "text/plain")],
        &[("content-type", "application/protobuf")],
        &[("content-type", "application/grpc")],
    ];
    for headers in headers {
        let answer = post(served.otlp, TRACES, headers, body.clone()).await;
        assert_eq!(answer.status, 415, "{headers:?}");
        let refused = Road::Json.of_http(&answer).unwrap_err();
        assert!(refused.message.contains("application/x-protobuf"));
    }
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn a_content_encoding_that_is_not_spoken_is_415() {
    let served = serving::in_memory(&[]).await;
    for road in [Road::Protobuf, Road::Json] {
        for encoding in ["br", "deflate", "snappy", "gzip, br", "x-nothing"] {
            let bytes = road.encode(&[span(1, 1)]);
            let refused = road.send_packed(&served, encoding, &[], bytes).await;
            let refused = refused.unwrap_err();
            assert_eq!(refused.http, Some(415), "{encoding} {refused:?}");
            assert!(refused.message.contains("gzip"), "{refused:?}");
        }
    }
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn a_body_that_cannot_be_unpacked_is_refused() {
    let served = serving::in_memory(&[]).await;
    for road in [Road::Protobuf, Road::Json] {
        let good = road.encode(&[span(1, 1)]);
        for packing in [Packing::Gzip, Packing::Zstd] {
            let packed = packing.pack(&good);
            let mut damaged = packed.clone();
            let middle = damaged.len() / 2;
            damaged[middle] ^= 0xFF;
            for broken in [packed[..packed.len() - 5].to_vec(), damaged, good.clone()] {
                let refused = road.send_packed(&served, packing.name(), &[], broken).await;
                let refused = refused.unwrap_err();
                assert_eq!(refused.http, Some(400), "{road:?} {packing:?} {refused:?}");
                assert_eq!(refused.code, tonic::Code::InvalidArgument);
            }
        }
    }
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_with_the_way_out() {
    let served = serving::in_memory(&[]).await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let asked = request(method.clone(), TRACES, &[], whole(""));
        let answer = send(served.otlp, asked).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), "POST");
        assert!(answer.json()["message"].as_str().unwrap().contains("POST"));
    }
    for path in ["/", "/v1/profiles", "/v1/traces/", "/nowhere"] {
        let answer = get(served.otlp, path).await;
        assert_eq!(answer.status, 404, "{path}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        for way in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
            assert!(message.contains(way), "{message}");
        }
    }
    let headers = [("content-type", "application/x-protobuf")];
    let answer = post(served.otlp, "/v1/profiles", &headers, "").await;
    assert_eq!(answer.status, 404);
    Road::Protobuf.of_http(&answer).unwrap_err();
}

#[tokio::test]
async fn another_method_is_refused_in_the_form_that_the_client_speaks() {
    let served = serving::in_memory(&[]).await;
    for road in [Road::Protobuf, Road::Json] {
        let headers = [("content-type", road.media())];
        let asked = request(Method::PUT, TRACES, &headers, whole(""));
        let refused = road.of_http(&send(served.otlp, asked).await).unwrap_err();
        assert_eq!(refused.http, Some(405), "{refused:?}");
    }
}
