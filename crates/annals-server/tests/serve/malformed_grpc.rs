//! What is not a call of this server is refused by gRPC with INVALID_ARGUMENT, which clients do not send
//! again, and what it does not have with UNIMPLEMENTED.

use bytes::Bytes;
use prost::Message as _;
use tonic::Code;
use tonic_types::pb;

use crate::{
    exports::{Packing, Road, request, span},
    grpc::{EXPORT, SEND, SEND_BATCH, SEND_BATCH_V1, call, call_with, frame},
    serving::{self, Served},
};

fn good() -> Vec<u8> {
    Road::Grpc.encode(&[span(1, 1)])
}

async fn code(served: &Served, path: &str, headers: &[(&str, &str)], body: Bytes) -> Code {
    let reply = call_with(served.grpc, path, headers, body).await;
    assert_eq!(reply.retry_delay(), None);
    assert!(!reply.message.is_empty(), "{reply:?}");
    reply.code
}

#[tokio::test]
async fn a_message_that_cannot_be_decoded_is_an_invalid_argument() {
    let served = serving::in_memory(&[]).await;
    let good = good();
    let other = pb::Status {
        message: "no spans".to_owned(),
        ..pb::Status::default()
    };
    for message in [
        &good[..good.len() - 1],
        &good[..good.len() / 2],
        &[0xFF; 50],
        &other.encode_to_vec(),
    ] {
        let found = code(&served, EXPORT, &[], frame(false, message)).await;
        assert_eq!(found, Code::InvalidArgument, "{message:?}");
    }
    for path in [SEND, SEND_BATCH, SEND_BATCH_V1] {
        for message in [&[0xFF; 50][..], &good[..good.len() - 1]] {
            let found = code(&served, path, &[], frame(false, message)).await;
            assert_eq!(found, Code::InvalidArgument, "{path}");
        }
    }
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn a_frame_that_is_cut_short_is_an_invalid_argument() {
    let served = serving::in_memory(&[]).await;
    let whole = frame(false, &good());
    for length in [1, 4, 5, whole.len() / 2, whole.len() - 1] {
        for path in [EXPORT, SEND_BATCH, SEND_BATCH_V1] {
            let found = code(&served, path, &[], whole.slice(..length)).await;
            assert_eq!(found, Code::InvalidArgument, "{path} {length}");
        }
    }
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn a_call_without_a_message_is_an_invalid_argument() {
    let served = serving::in_memory(&[]).await;
    let found = code(&served, EXPORT, &[], Bytes::new()).await;
    assert_eq!(found, Code::InvalidArgument);
}

#[tokio::test]
async fn a_frame_that_cannot_be_unpacked_is_an_invalid_argument() {
    let served = serving::in_memory(&[]).await;
    for packing in [Packing::Gzip, Packing::Zstd] {
        let packed = packing.pack(&good());
        let encoding = [("grpc-encoding", packing.name())];
        for broken in [&packed[..packed.len() - 5], &good()] {
            let found = code(&served, EXPORT, &encoding, frame(true, broken)).await;
            assert_eq!(found, Code::InvalidArgument, "{packing:?}");
        }
    }
    // It says that it is packed, and nothing says how.
    let found = code(&served, EXPORT, &[], frame(true, &good())).await;
    assert_eq!(found, Code::InvalidArgument);
    // A flag that gRPC does not have.
    let mut odd = frame(false, &good()).to_vec();
    odd[0] = 7;
    let found = code(&served, EXPORT, &[], odd.into()).await;
    assert_eq!(found, Code::InvalidArgument);
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn an_encoding_that_is_not_spoken_is_unimplemented_and_says_which_are() {
    let served = serving::in_memory(&[]).await;
    for encoding in ["br", "snappy", "deflate"] {
        let headers = [("grpc-encoding", encoding)];
        let reply = call_with(served.grpc, EXPORT, &headers, frame(true, &good())).await;
        assert_eq!(reply.code, Code::Unimplemented, "{reply:?}");
        let spoken = reply.metadata.get("grpc-accept-encoding").unwrap();
        let spoken = spoken.to_str().unwrap();
        assert!(
            spoken.contains("gzip") && spoken.contains("zstd"),
            "{spoken}"
        );
    }
    assert_eq!(served.count().await, 0);
}

#[tokio::test]
async fn a_method_or_service_that_there_is_not_is_unimplemented() {
    let served = serving::in_memory(&[]).await;
    for path in [
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
        "/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export",
        "/infertrace.v1.CollectorService/SendSpan",
        "/nothing",
    ] {
        let reply = call(served.grpc, path, &request(vec![span(1, 1)])).await;
        assert_eq!(reply.code, Code::Unimplemented, "{path}");
        assert!(reply.message.contains(path), "{reply:?}");
    }
}

#[tokio::test]
async fn the_standard_health_check_knows_the_services() {
    let served = serving::in_memory(&[]).await;
    let path = "/grpc.health.v1.Health/Check";
    // `HealthCheckRequest` has the service as its field 1, and the response 1 for serving.
    for service in ["", "infertrace.v1.CollectorService"] {
        let mut message = Vec::new();
        if !service.is_empty() {
            message.extend([0x0A, u8::try_from(service.len()).unwrap()]);
            message.extend(service.as_bytes());
        }
        let reply = call_with(served.grpc, path, &[], frame(false, &message)).await;
        let status: pb::Status = reply.ok();
        assert_eq!(status.code, 1, "{service}");
    }
}

#[tokio::test]
async fn the_standard_health_check_does_not_find_other_services() {
    let served = serving::in_memory(&[]).await;
    let path = "/grpc.health.v1.Health/Check";
    let reply = call_with(served.grpc, path, &[], frame(false, b"\x0A\x01x")).await;
    assert_eq!(reply.code, Code::NotFound, "{reply:?}");
}

#[tokio::test]
async fn a_second_message_in_a_call_is_not_passed_over() {
    let served = serving::in_memory(&[]).await;
    let second = frame(false, &Road::Grpc.encode(&[span(2, 2)]));
    let body = [frame(false, &good()), second].concat();
    let reply = call_with(served.grpc, EXPORT, &[], body).await;
    if reply.code == Code::Ok {
        assert_eq!(served.count().await, 2, "what is answered with OK is there");
    }
}

#[tokio::test]
async fn the_content_type_of_grpc_may_name_its_encoding() {
    let served = serving::in_memory(&[]).await;
    let headers = [("content-type", "application/grpc+proto")];
    let reply = call_with(served.grpc, EXPORT, &headers, frame(false, &good())).await;
    assert_eq!(reply.code, Code::Ok, "{reply:?}");
}
