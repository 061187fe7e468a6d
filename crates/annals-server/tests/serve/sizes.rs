//! Requests that are too large, packed or not, and requests that never end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::Method;
use std::io::Write as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::Code;

use crate::{
    client::{self, pieces, request, send},
    exports::{Packing, Refused, Road, span},
    grpc::{self, EXPORT, SEND_BATCH, call_over, call_with, frame},
    serving::{self, Served},
};

const MIB: usize = 1 << 20;

fn assert_too_large(refused: &Refused) {
    assert!(refused.http.is_none_or(|http| http == 413), "{refused:?}");
    assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    assert!(refused.message.contains("MAX_REQUEST_BYTES"), "{refused:?}");
    assert_eq!(refused.retry, None, "again would not help");
}

async fn assert_lives(served: &Served) {
    for road in [Road::Protobuf, Road::Grpc] {
        road.export(served, &[span(1, 1)]).await.unwrap();
    }
}

/// A gibibyte of zeros, packed.
fn bomb(packing: Packing) -> Vec<u8> {
    let zeros = vec![0; MIB];
    match packing {
        Packing::Plain => unreachable!("not packed"),
        Packing::Gzip => {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            (0..1_024).for_each(|_| packed.write_all(&zeros).unwrap());
            packed.finish().unwrap()
        }
        Packing::Zstd => {
            let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
            (0..1_024).for_each(|_| packed.write_all(&zeros).unwrap());
            packed.finish().unwrap()
        }
    }
}

#[tokio::test]
async fn a_bomb_is_refused_before_it_is_unpacked() {
    let served = serving::in_memory(&[]).await;
    for packing in [Packing::Gzip, Packing::Zstd] {
        let bomb = bomb(packing);
        assert!(bomb.len() < 8 * MIB, "it is small as sent: {}", bomb.len());
        for road in [Road::Protobuf, Road::Json, Road::Grpc] {
            let packed = bomb.clone();
            let refused = road.send_packed(&served, packing.name(), &[], packed).await;
            assert_too_large(&refused.unwrap_err());
        }
    }
    assert_lives(&served).await;
}

#[tokio::test]
async fn a_body_larger_than_allowed_is_refused_on_every_road() {
    let served = serving::in_memory(&[("MAX_REQUEST_BYTES", "64KiB")]).await;
    for road in [Road::Protobuf, Road::Json, Road::Grpc] {
        for size in [(64 << 10) + 1, 4 * MIB] {
            let refused = road.send(&served, Packing::Plain, &[], vec![b' '; size]);
            assert_too_large(&refused.await.unwrap_err());
        }
    }
    let body = frame(false, &vec![0; MIB]);
    let reply = call_with(served.grpc, SEND_BATCH, &[], body).await;
    assert_eq!(reply.code, Code::InvalidArgument, "{reply:?}");
    assert_lives(&served).await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_once_it_is_too_large() {
    let served = serving::in_memory(&[("MAX_REQUEST_BYTES", "64KiB")]).await;
    for road in [Road::Protobuf, Road::Json] {
        let body = pieces(vec![Bytes::from(vec![b' '; 4_096]); 64], true);
        let headers = [("content-type", road.media())];
        let asked = request(Method::POST, "/v1/traces", &headers, body);
        let answer = send(served.otlp, asked).await;
        assert_too_large(&road.of_http(&answer).unwrap_err());
    }
    assert_lives(&served).await;
}

#[tokio::test]
async fn a_body_of_exactly_the_size_that_is_allowed_is_taken() {
    let bytes = Road::Protobuf.encode(&[span(1, 1)]);
    let most = bytes.len().to_string();
    let served = serving::in_memory(&[("MAX_REQUEST_BYTES", &most)]).await;
    for road in [Road::Protobuf, Road::Grpc] {
        for packing in Packing::ALL {
            let taken = road.send(&served, packing, &[], &bytes).await;
            // Packed it is larger, and what is sent is limited too.
            if packing == Packing::Plain {
                assert_eq!(taken.unwrap().rejected, 0, "{road:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let served = serving::in_memory(&[("READ_TIMEOUT", "1s")]).await;
    let started = Instant::now();
    for road in [Road::Protobuf, Road::Json] {
        let body = pieces(vec![Bytes::from_static(b"{")], false);
        let headers = [("content-type", road.media())];
        let asked = request(Method::POST, "/v1/traces", &headers, body);
        let refused = road.of_http(&send(served.otlp, asked).await).unwrap_err();
        assert_eq!(refused.http, Some(408), "{refused:?}");
        assert!(refused.message.contains("READ_TIMEOUT"), "{refused:?}");
    }
    let start = frame(false, &Road::Grpc.encode(&[span(1, 1)])).slice(..9);
    for body in [vec![], vec![start]] {
        let asked = grpc::request("http", served.grpc, EXPORT, &[], pieces(body, false));
        let stream = TcpStream::connect(served.grpc).await.unwrap();
        let reply = call_over(stream, asked).await;
        assert_eq!(reply.code, Code::DeadlineExceeded, "{reply:?}");
        assert!(reply.message.contains("READ_TIMEOUT"), "{reply:?}");
    }
    // Four times a second, and room for a machine that is busy.
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_lives(&served).await;
}

#[tokio::test]
async fn a_body_that_comes_in_small_pieces_is_taken() {
    let served = serving::in_memory(&[]).await;
    let bytes = Bytes::from(Road::Protobuf.encode(&[span(1, 1)]));
    let parts = (0..bytes.len()).map(|i| bytes.slice(i..=i)).collect();
    let headers = [("content-type", "application/x-protobuf")];
    let asked = request(Method::POST, "/v1/traces", &headers, pieces(parts, true));
    assert_eq!(send(served.otlp, asked).await.status, 200);
    let call = frame(false, &bytes);
    let parts = (0..call.len()).map(|i| call.slice(i..=i)).collect();
    let asked = grpc::request("http", served.grpc, EXPORT, &[], pieces(parts, true));
    let stream = TcpStream::connect(served.grpc).await.unwrap();
    assert_eq!(call_over(stream, asked).await.code, Code::Ok);
    assert_eq!(
        client::get(served.http, "/spans").await.found()[0]["flags"],
        0
    );
}

/// A request that unpacks to one span, padded to a mebibyte with what unpacks to nothing.
fn padded(packing: Packing) -> Vec<u8> {
    let mut packed = packing.pack(&Road::Protobuf.encode(&[span(1, 1)]));
    let nothing = packing.pack(b"");
    while packed.len() < MIB {
        packed.extend(&nothing);
    }
    packed
}

async fn assert_padding_is_refused(roads: &[(Road, Packing)]) {
    let served = serving::in_memory(&[("MAX_REQUEST_BYTES", "64KiB")]).await;
    for (road, packing) in roads {
        let sent = road.send_packed(&served, packing.name(), &[], padded(*packing));
        // As too large, or as more than one body.
        let refused = sent.await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidArgument, "{road:?} {packing:?}");
    }
}

#[tokio::test]
async fn what_is_sent_is_limited_even_where_it_unpacks_to_little() {
    assert_padding_is_refused(&[
        (Road::Protobuf, Packing::Gzip),
        (Road::Grpc, Packing::Gzip),
        (Road::Grpc, Packing::Zstd),
    ])
    .await;
}

#[tokio::test]
async fn what_is_sent_as_zstandard_by_http_is_limited_too() {
    assert_padding_is_refused(&[(Road::Protobuf, Packing::Zstd)]).await;
}

#[tokio::test]
async fn a_span_larger_than_the_queue_is_taken_alone() {
    let served = serving::in_memory(&[("INGEST_QUEUE_BYTES", "64KiB")]).await;
    let mut large = span(1, 1);
    large.name = "x".repeat(MIB);
    for spans in [vec![large.clone()], vec![large.clone(), span(1, 2)]] {
        for road in [Road::Protobuf, Road::Grpc] {
            assert_eq!(road.export(&served, &spans).await.unwrap().rejected, 0);
        }
    }
}

#[tokio::test]
async fn what_is_too_large_by_http2_is_refused_in_the_same_words() {
    let served = serving::in_memory(&[("MAX_REQUEST_BYTES", "64KiB")]).await;
    let headers = [("content-type", "application/x-protobuf")];
    for (size, status) in [(0, 200), (MIB, 413)] {
        let uri = format!("http://{}/v1/traces", served.otlp);
        let mut asked = request(Method::POST, &uri, &headers, client::whole(vec![0; size]));
        asked.headers_mut().remove("host");
        let stream = TcpStream::connect(served.otlp).await.unwrap();
        let answer = client::send_over_http2(stream, asked).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 413 {
            assert_too_large(&Road::Protobuf.of_http(&answer).unwrap_err());
        }
    }
}

#[tokio::test]
async fn who_sends_everything_before_reading_hears_that_it_is_too_large() {
    let served = serving::in_memory(&[("MAX_REQUEST_BYTES", "64KiB")]).await;
    let mut stream = TcpStream::connect(served.otlp).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        64 * MIB
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b' '; MIB];
    for _ in 0..64 {
        if stream.write_all(&piece).await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = serving::within(stream.read_to_end(&mut answer)).await;
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{answer:?}");
}
