//! What goes wrong with a question, as JSON.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// Why there is no answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// One sentence that names what is wrong and the way out.
    error: String,
    #[serde(skip)]
    status: StatusCode,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            status,
        }
    }

    /// Parameters of which one is not known, or is there twice.
    pub(super) fn unreadable(why: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            format!("the parameters cannot be read: {why}"),
        )
    }

    /// A parameter that cannot be used.
    pub(super) fn parameter(name: &str, value: &str, expected: &str) -> Self {
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
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        }
        response
    }
}

impl From<annals_telemetry::Error> for Problem {
    fn from(error: annals_telemetry::Error) -> Self {
        use annals_telemetry::Error;
        match error {
            Error::TraceNotFound { .. } => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            Error::Rule { .. } => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
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

impl From<annals_store::Error> for Problem {
    fn from(error: annals_store::Error) -> Self {
        use annals_store::Error;
        if let Error::Cursor { .. } | Error::Operand { .. } = error {
            return Self::new(StatusCode::BAD_REQUEST, error.to_string());
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

/// The database cannot be reached.
pub(super) fn away() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the database does not answer; ask again in 3 s",
    )
}

fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the database failed; the server's log says how",
    )
}
