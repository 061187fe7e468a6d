//! Why a whole request with data is refused, in gRPC's words and in HTTP's.
//!
//! Clients come again after 429, 503, `RESOURCE_EXHAUSTED` with retry information and `UNAVAILABLE`, and
//! give up after anything else (source: the OTLP specification, "OTLP/HTTP Throttling" and "OTLP/gRPC
//! Throttling"), so each refusal says which it is.

use std::time::Duration;

use annals_market::FeedFull;
use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use prost::Message as _;
use serde_json::json;
use tonic::{Code, Status, metadata::MetadataValue};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{body::BodyError, metrics::Outcome, not_taken::NotTaken, otlp::json::ReadError};

/// Why a whole request is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    kind: Kind,
    message: String,
    retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Invalid,
    TooLarge,
    TooSlow,
    Media,
    Coding,
    Busy,
    Away,
    Unauthorized,
    Forbidden,
    NotFound,
    Absent,
    Method,
    Internal,
}

impl Kind {
    const fn http_status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Media | Self::Coding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Away => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound | Self::Absent => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// In which form a client of OTLP/HTTP wants its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Protobuf,
    Json,
}

impl Form {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

impl Refusal {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
        }
    }

    /// What was sent cannot be read.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// A media type that is not spoken here.
    pub(crate) fn media(message: impl Into<String>) -> Self {
        Self::new(Kind::Media, message)
    }

    /// A way of packing that is not spoken here.
    pub(crate) fn coding(message: impl Into<String>) -> Self {
        Self::new(Kind::Coding, message)
    }

    /// What was asked for, or written to, is not here.
    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self::new(Kind::Absent, message)
    }

    /// More at once than may be.
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(Kind::TooLarge, message)
    }

    /// Somebody else's.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, message)
    }

    /// A token of another kind than the API's is missing or refused.
    pub(crate) fn token(message: impl Into<String>) -> Self {
        Self::new(Kind::Unauthorized, message)
    }

    /// Nothing is served at this path.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// Another method than POST.
    pub(crate) fn method(message: impl Into<String>) -> Self {
        Self::new(Kind::Method, message)
    }

    /// The token is missing or wrong.
    pub(crate) fn unauthorized() -> Self {
        Self::new(Kind::Unauthorized, crate::auth::UNAUTHORIZED)
    }

    /// Something that should not happen.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// More requests at once than this server takes.
    pub(crate) fn crowded() -> Self {
        let message = "this server has as many requests in progress as it may \
                       (MAX_CONCURRENT_REQUESTS); send the same again in 1 s";
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(Kind::Busy, message)
        }
    }

    /// The queue of InferTrace is full.
    pub(crate) fn no_room() -> Self {
        let message = "the queue is full (INFERTRACE_QUEUE_SIZE); send the same again in 1 s";
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(Kind::Busy, message)
        }
    }

    /// More parts of bars wait for the database than may.
    pub(crate) fn feed_full(full: FeedFull) -> Self {
        let message = format!(
            "{} parts of bars wait for the database; send the same again in 1 s, nothing of it was taken",
            full.waiting
        );
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(Kind::Busy, message)
        }
    }

    /// It in one sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The status that HTTP has for it.
    pub(crate) fn http_status(&self) -> StatusCode {
        self.kind.http_status()
    }

    /// Whether its client should send the same again.
    pub(crate) fn is_to_come_again(&self) -> bool {
        self.retry_after.is_some()
    }

    /// How it counts.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.kind {
            Kind::Busy => Outcome::Busy,
            Kind::Away | Kind::Internal => Outcome::Away,
            _ => Outcome::Invalid,
        }
    }

    /// It in gRPC's words.
    pub(crate) fn into_status(self) -> Status {
        let code = match self.kind {
            // OUT_OF_RANGE, which tonic says of what is too large, makes clients come again for ever.
            Kind::Invalid | Kind::TooLarge | Kind::Media | Kind::Method => Code::InvalidArgument,
            Kind::TooSlow => Code::DeadlineExceeded,
            Kind::Busy => Code::ResourceExhausted,
            Kind::Away => Code::Unavailable,
            Kind::Unauthorized => Code::Unauthenticated,
            Kind::Forbidden => Code::PermissionDenied,
            Kind::NotFound | Kind::Coding => Code::Unimplemented,
            Kind::Absent => Code::NotFound,
            Kind::Internal => Code::Internal,
        };
        let Some(delay) = self.retry_after else {
            return Status::new(code, self.message);
        };
        let details = ErrorDetails::with_retry_info(Some(delay));
        let mut status = Status::with_error_details(code, self.message, details);
        // OpenTelemetry's Python SDK looks here and nowhere else.
        let info = tonic_types::pb::RetryInfo {
            retry_delay: delay.try_into().ok(),
        };
        status.metadata_mut().insert_bin(
            "google.rpc.retryinfo-bin",
            MetadataValue::from_bytes(&info.encode_to_vec()),
        );
        status
    }

    /// It in HTTP's words; the body is a `google.rpc.Status`, as OTLP/HTTP has it.
    pub(crate) fn into_response(self, form: Form) -> Response {
        let head = self.head();
        let retry_after = self.retry_after;
        let status = self.into_status();
        let body = match form {
            Form::Json => Body::from(as_json(&status, retry_after)),
            // What the library keeps as details is the whole message.
            Form::Protobuf if !status.details().is_empty() => {
                Body::from(bytes::Bytes::copy_from_slice(status.details()))
            }
            Form::Protobuf => Body::from(
                tonic_types::pb::Status {
                    code: status.code() as i32,
                    message: status.message().to_owned(),
                    details: Vec::new(),
                }
                .encode_to_vec(),
            ),
        };
        head.with(form.media_type(), body)
    }

    /// It in the words of the HTTP API: an object whose `error` says why.
    pub(crate) fn into_problem(self) -> Response {
        let body = json!({ "error": self.message }).to_string();
        self.head().with(Form::Json.media_type(), Body::from(body))
    }

    fn head(&self) -> Head {
        Head {
            kind: self.kind,
            retry_after: self.retry_after,
        }
    }
}

/// What is the same in every form of a refusal by HTTP.
struct Head {
    kind: Kind,
    retry_after: Option<Duration>,
}

impl Head {
    fn with(self, media_type: &'static str, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = self.kind.http_status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(delay) = self.retry_after {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(delay.as_secs().max(1)),
            );
        }
        match self.kind {
            Kind::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            // The rest of the body is not read, so the connection is of no more use.
            Kind::TooLarge | Kind::TooSlow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

fn as_json(status: &Status, retry_after: Option<Duration>) -> String {
    let details: Vec<_> = retry_after
        .map(|delay| {
            json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", delay.as_secs()),
            })
        })
        .into_iter()
        .collect();
    let code = status.code() as i32;
    json!({ "code": code, "message": status.message(), "details": details }).to_string()
}

impl From<NotTaken> for Refusal {
    fn from(error: NotTaken) -> Self {
        let message = error.to_string();
        match error {
            NotTaken::Busy { retry_after } => Self {
                retry_after: Some(retry_after),
                ..Self::new(Kind::Busy, message)
            },
            NotTaken::Away { retry_after }
            | NotTaken::Merged { retry_after }
            | NotTaken::Stopping { retry_after } => Self {
                retry_after: Some(retry_after),
                ..Self::new(Kind::Away, message)
            },
            NotTaken::TooLarge { .. } => Self::new(Kind::TooLarge, message),
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let message = with_causes(&error);
        Self::new(
            match error {
                BodyError::TooLarge { .. } => Kind::TooLarge,
                BodyError::TooSlow { .. } => Kind::TooSlow,
                BodyError::Broken(_) | BodyError::Packed(_) => Kind::Invalid,
            },
            message,
        )
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self::invalid(with_causes(&error))
    }
}

impl From<prost::DecodeError> for Refusal {
    fn from(error: prost::DecodeError) -> Self {
        Self::invalid(format!(
            "the request is not protobuf of this service: {error}"
        ))
    }
}

/// An error's message with those of its causes that it does not repeat.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text += ": ";
            text += &message;
        }
        cause = error.source();
    }
    text
}
