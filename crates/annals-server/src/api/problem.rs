//! What goes wrong with a question, as JSON.

use annals_store::LifecycleError;
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::refusal::Refusal;

/// Why there is no answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// One sentence that names what is wrong and the way out.
    error: String,
    #[serde(skip)]
    status: StatusCode,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            status,
        }
    }

    /// Parameters of which one is not known, or is there twice.
    pub(crate) fn unreadable(why: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            format!("the parameters cannot be read: {why}"),
        )
    }

    /// How HTTP calls it.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence.
    pub(crate) fn message(&self) -> &str {
        &self.error
    }

    /// A parameter that cannot be used.
    pub(crate) fn parameter(name: &str, value: &str, expected: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            format!("{name} is {value:?}, but must be {expected}"),
        )
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        let seconds = match status {
            StatusCode::SERVICE_UNAVAILABLE => "3",
            StatusCode::TOO_MANY_REQUESTS => "1",
            _ => return response,
        };
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.http_status(), refusal.message())
    }
}

impl From<annals_telemetry::Error> for Problem {
    fn from(error: annals_telemetry::Error) -> Self {
        use annals_telemetry::Error;
        match error {
            Error::TraceNotFound { .. }
            | Error::SpanNotFound { .. }
            | Error::MetricNotFound { .. } => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            Error::SeveralMetrics { .. } | Error::MetricQuestion { .. } => {
                Self::new(StatusCode::BAD_REQUEST, error.to_string())
            }
            Error::Usage { .. } | Error::Invalid(_) | Error::Rule { .. } | Error::Log(_) => {
                Self::new(StatusCode::BAD_REQUEST, error.to_string())
            }
            Error::Store(error) => error.into(),
            other => {
                tracing::error!(error = %other, "a question has no answer");
                internal()
            }
        }
    }
}

impl From<annals_market::Error> for Problem {
    fn from(error: annals_market::Error) -> Self {
        use annals_market::Error;
        match error {
            Error::Zone { .. } | Error::Timeframe { .. } | Error::Question { .. } => {
                Self::new(StatusCode::BAD_REQUEST, error.to_string())
            }
            Error::Store(error) => error.into(),
            // A row that nothing here writes.
            other => {
                tracing::error!(error = %other, "a question has no answer");
                internal()
            }
        }
    }
}

impl From<annals_deploy::Error> for Problem {
    fn from(error: annals_deploy::Error) -> Self {
        use annals_deploy::{Error, TokenError};
        let status = match error {
            Error::NoWorkspaceId { .. } | Error::Question { .. } | Error::Span(_) => {
                StatusCode::BAD_REQUEST
            }
            Error::Token(TokenError::ForeignWorkspace { .. } | TokenError::ForeignTrace { .. })
            | Error::ForeignTrace { .. }
            | Error::ForeignSpan { .. } => StatusCode::FORBIDDEN,
            Error::Token(_) => StatusCode::UNAUTHORIZED,
            Error::TooManySpans { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::NoSuchWorkspace { .. } | Error::NoSuchTrace { .. } => StatusCode::NOT_FOUND,
            Error::Store(error) => return error.into(),
            other => {
                tracing::error!(error = %other, "a question has no answer");
                return internal();
            }
        };
        Self::new(status, error.to_string())
    }
}

impl From<annals_store::Error> for Problem {
    fn from(error: annals_store::Error) -> Self {
        use annals_store::Error;
        match &error {
            Error::Cursor { .. } | Error::Operand { .. } | Error::Refused(_) => {
                return Self::new(StatusCode::BAD_REQUEST, error.to_string());
            }
            Error::Unsupported { .. } => {
                return Self::new(StatusCode::NOT_IMPLEMENTED, error.to_string());
            }
            Error::Lifecycle(refused) if let Some(status) = of_lifecycle(refused) => {
                return Self::new(status, error.to_string());
            }
            _ => {}
        }
        if error.is_transient() {
            tracing::warn!(error = error.report(), "a question has no answer");
            return away();
        }
        // What the database says in its own words may tell more of the inside than clients need.
        tracing::error!(error = error.report(), "a question has no answer");
        internal()
    }
}

/// How HTTP calls what a table's life refuses; nothing for what is not its asker's to mend.
fn of_lifecycle(refused: &LifecycleError) -> Option<StatusCode> {
    Some(match refused {
        LifecycleError::Interval { .. }
        | LifecycleError::Policy { .. }
        | LifecycleError::Owner { .. } => StatusCode::BAD_REQUEST,
        LifecycleError::NoTable { .. } | LifecycleError::NoChunk { .. } => StatusCode::NOT_FOUND,
        LifecycleError::Busy { .. } | LifecycleError::TakenOver { .. } => StatusCode::CONFLICT,
        LifecycleError::Unsupported { .. }
        | LifecycleError::TooOld { .. }
        | LifecycleError::NoHypertable { .. } => StatusCode::NOT_IMPLEMENTED,
        LifecycleError::NotOwner { .. } => StatusCode::FORBIDDEN,
        _ => return None,
    })
}

/// The database cannot be reached.
pub(crate) fn away() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the database does not answer; ask again in 3 s",
    )
}

pub(crate) fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the database failed; the server's log says how",
    )
}
