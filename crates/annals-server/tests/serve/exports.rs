//! OTLP as exporters send it: the same spans on every road, plain and packed.

use std::{io::Write as _, time::Duration};

use annals_record::Timestamp;
use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message as _;
use serde_json::{Value, json};
use tonic_types::pb;

use crate::{
    client::{Answer, post},
    grpc::{EXPORT, Reply, call_with, frame},
    serving::Served,
};

/// The roads of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Protobuf,
    Json,
    Grpc,
}

pub(crate) const ROADS: [Road; 3] = [Road::Protobuf, Road::Json, Road::Grpc];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Gzip, Self::Zstd];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
                // Without it damage may unpack to something else.
                encoder.include_checksum(true).unwrap();
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }
}

/// A request that was taken, with what it says of spans that were not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) rejected: i64,
    pub(crate) message: String,
}

/// A request that was refused as a whole.
#[derive(Debug)]
pub(crate) struct Refused {
    /// HTTP's status; none by gRPC.
    pub(crate) http: Option<u16>,
    /// Of the `google.rpc.Status`.
    pub(crate) code: tonic::Code,
    pub(crate) message: String,
    /// When to come again, where the answer says so in every way that its protocol has.
    pub(crate) retry: Option<Duration>,
}

impl Refused {
    /// Asserts that it tells the client to come again, in the words of its protocol.
    pub(crate) fn assert_retriable(&self, http: u16, code: tonic::Code) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.http.is_none_or(|status| status == http), "{self:?}");
        let retry = self.retry.unwrap_or_else(|| panic!("no delay: {self:?}"));
        assert!(!retry.is_zero(), "{self:?}");
    }
}

/// A span that began a second ago, in the trace and with the id of which every byte is as given.
pub(crate) fn span(trace: u8, id: u8) -> Span {
    let start = u64::try_from(Timestamp::now().unix_nanos()).unwrap() - 1_000_000_000;
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        name: "work".to_owned(),
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000_000,
        ..Span::default()
    }
}

/// The id of a trace of [`span`] as it is asked for.
pub(crate) fn trace_id(trace: u8) -> String {
    hex::encode([trace; 16])
}

pub(crate) fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

pub(crate) fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let service = Any::StringValue("shop".to_owned());
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![attribute("service.name", service)],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// The same as OTLP/JSON; of attributes, those that are text.
pub(crate) fn document(spans: &[Span]) -> Value {
    let spans = spans.iter().map(|span| {
        let attributes = span.attributes.iter().map(|attribute| {
            let value = attribute.value.as_ref().unwrap().value.as_ref().unwrap();
            let Any::StringValue(text) = value else {
                panic!("{value:?} is no text")
            };
            json!({ "key": attribute.key, "value": { "stringValue": text } })
        });
        json!({
            "traceId": hex::encode(&span.trace_id),
            "spanId": hex::encode(&span.span_id),
            "name": span.name,
            "startTimeUnixNano": span.start_time_unix_nano.to_string(),
            "endTimeUnixNano": span.end_time_unix_nano.to_string(),
            "attributes": attributes.collect::<Vec<_>>(),
        })
    });
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": "shop" } }
        ] },
        "scopeSpans": [{ "spans": spans.collect::<Vec<_>>() }],
    }] })
}

impl Road {
    pub(crate) fn media(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
            Self::Grpc => "application/grpc",
        }
    }

    /// The spans as this road's bytes.
    pub(crate) fn encode(self, spans: &[Span]) -> Vec<u8> {
        match self {
            Self::Json => document(spans).to_string().into_bytes(),
            Self::Protobuf | Self::Grpc => request(spans.to_vec()).encode_to_vec(),
        }
    }

    /// Exports spans as they are.
    pub(crate) async fn export(self, served: &Served, spans: &[Span]) -> Result<Taken, Refused> {
        let bytes = self.encode(spans);
        self.send(served, Packing::Plain, &[], bytes).await
    }

    /// Exports spans, and comes again as long as there is no room for the request.
    pub(crate) async fn export_patiently(self, served: &Served, spans: &[Span]) -> Taken {
        loop {
            match self.export(served, spans).await {
                Err(refused) if refused.code == tonic::Code::ResourceExhausted => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                taken => return taken.unwrap(),
            }
        }
    }

    /// Sends bytes that may be spans, packed.
    pub(crate) async fn send(
        self,
        served: &Served,
        packing: Packing,
        headers: &[(&str, &str)],
        bytes: impl AsRef<[u8]>,
    ) -> Result<Taken, Refused> {
        let packed = packing.pack(bytes.as_ref());
        self.send_packed(served, packing.name(), headers, packed)
            .await
    }

    /// Sends bytes that are called packed.
    pub(crate) async fn send_packed(
        self,
        served: &Served,
        packing: &str,
        headers: &[(&str, &str)],
        packed: Vec<u8>,
    ) -> Result<Taken, Refused> {
        let mut headers = headers.to_vec();
        if self == Self::Grpc {
            headers.push(("grpc-encoding", packing));
            let frame = frame(packing != "identity", &packed);
            return of_grpc(&call_with(served.grpc, EXPORT, &headers, frame).await);
        }
        headers.push(("content-type", self.media()));
        if packing != "identity" {
            headers.push(("content-encoding", packing));
        }
        self.of_http(&post(served.otlp, "/v1/traces", &headers, packed).await)
    }

    /// What an answer of OTLP/HTTP says, in the form that this road speaks.
    pub(crate) fn of_http(self, answer: &Answer) -> Result<Taken, Refused> {
        assert_eq!(answer.header("content-type"), self.media(), "{answer:?}");
        if answer.status == 200 {
            return Ok(match self {
                Self::Json => taken_as_json(&answer.json()),
                _ => taken(answer.body.clone()),
            });
        }
        let (status, delay) = match self {
            Self::Json => status_as_json(&answer.json()),
            _ => {
                let status = pb::Status::decode(&*answer.body).unwrap();
                let delay = retry_info(&status);
                (status, delay)
            }
        };
        let header = answer.header("retry-after").parse().ok();
        assert_eq!(
            header.map(Duration::from_secs),
            delay,
            "the header and the body differ: {answer:?}"
        );
        Err(Refused {
            http: Some(answer.status),
            code: status.code.into(),
            message: status.message,
            retry: delay,
        })
    }
}

fn taken(message: impl Into<Bytes>) -> Taken {
    let answer = ExportTraceServiceResponse::decode(message.into()).unwrap();
    let partial = answer.partial_success.unwrap_or_default();
    Taken {
        rejected: partial.rejected_spans,
        message: partial.error_message,
    }
}

fn taken_as_json(answer: &Value) -> Taken {
    let partial = &answer["partialSuccess"];
    if partial.is_null() {
        assert_eq!(answer, &json!({}));
        return Taken {
            rejected: 0,
            message: String::new(),
        };
    }
    let rejected = partial["rejectedSpans"].as_str().expect("64 bits as text");
    Taken {
        rejected: rejected.parse().unwrap(),
        message: partial["errorMessage"].as_str().unwrap().to_owned(),
    }
}

fn status_as_json(answer: &Value) -> (pb::Status, Option<Duration>) {
    let status = pb::Status {
        code: answer["code"].as_i64().unwrap().try_into().unwrap(),
        message: answer["message"].as_str().unwrap().to_owned(),
        details: Vec::new(),
    };
    let details = answer["details"].as_array().into_iter().flatten();
    let delay = details
        .filter(|detail| detail["@type"] == "type.googleapis.com/google.rpc.RetryInfo")
        .map(|detail| {
            let seconds = detail["retryDelay"].as_str().unwrap().strip_suffix('s');
            Duration::from_secs_f64(seconds.unwrap().parse().unwrap())
        })
        .next();
    (status, delay)
}

fn retry_info(status: &pb::Status) -> Option<Duration> {
    let url = "type.googleapis.com/google.rpc.RetryInfo";
    let info = status
        .details
        .iter()
        .find(|detail| detail.type_url == url)?;
    let delay = pb::RetryInfo::decode(&*info.value).unwrap().retry_delay?;
    Some(delay.try_into().unwrap())
}

pub(crate) fn of_grpc(reply: &Reply) -> Result<Taken, Refused> {
    if reply.code == tonic::Code::Ok {
        let answer: ExportTraceServiceResponse = reply.ok();
        return Ok(taken(answer.encode_to_vec()));
    }
    Err(Refused {
        http: None,
        code: reply.code,
        message: reply.message.clone(),
        retry: reply.retry_delay(),
    })
}
