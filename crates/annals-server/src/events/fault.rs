//! What goes wrong with a request to the event store, in the words of its clients.

use std::time::Duration;

use annals_events::Error;
use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::refusal::Refusal;

/// When clients should come again while the database is away.
const AWAY_RETRY: Duration = Duration::from_secs(3);

/// Why a request has no result: a code for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// More of it for programs, as a JSON object's text.
    details: Option<String>,
    retry_after: Option<Duration>,
    /// The rest of the body is not read, so the connection is of no more use.
    closes: bool,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: None,
            retry_after: None,
            closes: false,
        }
    }

    /// An argument of the wrong shape.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    /// Nobody said who asks.
    pub(crate) fn nobody(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "AUTH_REQUIRED", message)
    }

    /// Who asks may not.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AUTH_UNAUTHORIZED", message)
    }

    /// Nothing is served at this path; `hint` says what may have been meant.
    pub(crate) fn no_endpoint(hint: &str) -> Self {
        let fault = Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Endpoint not found");
        fault.with_details(&json!({ "hint": hint }))
    }

    /// With an object of details.
    pub(crate) fn with_details(mut self, details: &serde_json::Value) -> Self {
        self.details = Some(details.to_string());
        self
    }

    /// The database did not answer within a time.
    pub(crate) fn late(within: Duration, setting: &str) -> Self {
        Self {
            retry_after: Some(AWAY_RETRY),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "BACKEND_ERROR",
                format!(
                    "the database did not answer within {} s ({setting}); ask for less, or again later",
                    within.as_secs_f64()
                ),
            )
        }
    }

    /// Nobody knows whether a write was committed.
    pub(crate) fn outcome_unknown() -> Self {
        Self {
            retry_after: Some(AWAY_RETRY),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "BACKEND_ERROR",
                "the database did not answer in time, and whether it took the write is not known: \
                 send the same again, which writes nothing twice where the message's id was given",
            )
        }
    }

    /// As many requests as may be are in progress.
    pub(crate) fn crowded() -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TOO_MANY_REQUESTS",
                "this server has as many requests in progress as it may (MAX_CONCURRENT_REQUESTS); \
                 send the same again in 1 s",
            )
        }
    }

    /// The HTTP status that it is answered with.
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The code for programs.
    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The same with another code, where a protocol has one of its own.
    pub(crate) fn called(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// The body of the answer.
    fn body(&self) -> String {
        let message = json!(self.message);
        let details = match &self.details {
            Some(details) => format!(",\"details\":{details}"),
            None => String::new(),
        };
        let code = self.code;
        format!("{{\"error\":{{\"code\":\"{code}\",\"message\":{message}{details}}}}}\n")
    }

    /// It as an answer.
    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::SERVER, super::SERVER);
        if let Some(delay) = self.retry_after {
            let seconds = HeaderValue::from(delay.as_secs().max(1));
            headers.insert(header::RETRY_AFTER, seconds);
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            _ => {}
        }
        if self.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let status = refusal.http_status();
        let closes = matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        );
        let code = if status.is_server_error() {
            "INTERNAL_ERROR"
        } else {
            "INVALID_REQUEST"
        };
        Self {
            closes,
            ..Self::new(status, code, refusal.message())
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::VersionConflict {
                expected, actual, ..
            } => Self::new(
                StatusCode::CONFLICT,
                "STREAM_VERSION_CONFLICT",
                format!("Expected version {expected}, stream is at version {actual}"),
            )
            .with_details(&json!({ "expected": expected, "actual": actual })),
            Error::IdConflict { id } => {
                Self::new(StatusCode::CONFLICT, "MESSAGE_ID_CONFLICT", message)
                    .with_details(&json!({ "id": id.to_string() }))
            }
            Error::NamespaceNotFound { id } => {
                Self::new(StatusCode::NOT_FOUND, "NAMESPACE_NOT_FOUND", message)
                    .with_details(&json!({ "namespace": id }))
            }
            Error::NamespaceExists { id } => {
                Self::new(StatusCode::CONFLICT, "NAMESPACE_EXISTS", message)
                    .with_details(&json!({ "namespace": id }))
            }
            Error::TokenRefused { .. } | Error::Token(_) | Error::Invalid { .. } => {
                Self::invalid(message)
            }
            Error::Json { source, .. } => Self::invalid(format!("{message}: {source}")),
            Error::PlaceTaken { .. } => Self::new(StatusCode::CONFLICT, "POSITION_EXISTS", message),
            Error::OutcomeUnknown { source } => {
                if let Some(source) = source {
                    tracing::warn!(error = source.report(), "an append has no known outcome");
                }
                Self::outcome_unknown()
            }
            Error::Closed => Self {
                retry_after: Some(AWAY_RETRY),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "BACKEND_ERROR",
                    "this server is stopping; send the same again later",
                )
            },
            Error::Store(error) => Self::of_store(&error),
            other => {
                tracing::error!(error = %other, "the event store failed");
                Self::failed()
            }
        }
    }
}

impl Fault {
    /// What a database says in its own words may tell more of the inside than clients need.
    fn of_store(error: &annals_store::Error) -> Self {
        if !error.is_transient() {
            tracing::error!(error = error.report(), "the event store failed");
            return Self::failed();
        }
        tracing::warn!(error = error.report(), "the event store's database is away");
        Self {
            retry_after: Some(AWAY_RETRY),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "BACKEND_ERROR",
                "the database does not answer; ask again in 3 s",
            )
        }
    }

    fn failed() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "BACKEND_ERROR",
            "the database failed; the server's log says how",
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_goes_wrong_has_the_code_and_status_that_clients_know() {
        let id = || "n".to_owned();
        let conflict = Error::VersionConflict {
            stream: "a-1".to_owned(),
            expected: 3,
            actual: -1,
        };
        let cases = [
            (conflict, 409, "STREAM_VERSION_CONFLICT"),
            (
                Error::IdConflict { id: Uuid::nil() },
                409,
                "MESSAGE_ID_CONFLICT",
            ),
            (
                Error::NamespaceNotFound { id: id() },
                404,
                "NAMESPACE_NOT_FOUND",
            ),
            (Error::NamespaceExists { id: id() }, 409, "NAMESPACE_EXISTS"),
            (
                Error::TokenRefused {
                    id: id(),
                    reason: "r",
                },
                400,
                "INVALID_REQUEST",
            ),
            (
                Error::Invalid {
                    field: "f",
                    problem: "p",
                },
                400,
                "INVALID_REQUEST",
            ),
            (Error::PlaceTaken { what: id() }, 409, "POSITION_EXISTS"),
            (
                Error::OutcomeUnknown {
                    source: None::<Arc<_>>,
                },
                503,
                "BACKEND_ERROR",
            ),
            (Error::Closed, 503, "BACKEND_ERROR"),
        ];
        for (error, status, code) in cases {
            let shown = format!("{error:?}");
            let fault = Fault::from(error);
            assert_eq!(
                (fault.status.as_u16(), fault.code),
                (status, code),
                "{shown}"
            );
            assert_eq!(fault.retry_after.is_some(), status == 503, "{shown}");
        }
    }

    #[test]
    fn a_conflict_always_tells_both_versions() {
        let fault = Fault::from(Error::VersionConflict {
            stream: "a-1".to_owned(),
            expected: 0,
            actual: -1,
        });
        assert_eq!(
            fault.body(),
            "{\"error\":{\"code\":\"STREAM_VERSION_CONFLICT\",\
             \"message\":\"Expected version 0, stream is at version -1\",\
             \"details\":{\"actual\":-1,\"expected\":0}}}\n"
        );
    }

    #[test]
    fn details_are_left_out_when_there_are_none() {
        let body = Fault::invalid("a \"quoted\" thing").body();
        assert_eq!(
            body,
            "{\"error\":{\"code\":\"INVALID_REQUEST\",\"message\":\"a \\\"quoted\\\" thing\"}}\n"
        );
    }
}
