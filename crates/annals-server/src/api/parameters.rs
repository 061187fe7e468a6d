//! Parameters of questions: read strictly, and refused by name.

use std::time::Duration;

use annals_record::Timestamp;
use annals_store::config::parse_duration;
use axum::{
    extract::{FromRequestParts, Path, Query, rejection::QueryRejection},
    http::request::Parts,
};
use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};

use super::problem::Problem;

/// The query string as a `T`, which should deny unknown fields: a misspelt parameter would be ignored,
/// and the answer be one to another question.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        query(parts, state).await.map(Self)
    }
}

/// No parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The query string as it is, for questions that repeat a parameter.
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        query(parts, state).await.map(Self)
    }
}

async fn query<S: Send + Sync, T: DeserializeOwned>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, Problem> {
    match Query::<T>::from_request_parts(parts, state).await {
        Ok(Query(parameters)) => Ok(parameters),
        Err(QueryRejection::FailedToDeserializeQueryString(error)) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text = error.to_string();
                cause = error.source();
            }
            Err(Problem::unreadable(&text))
        }
        Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, error.to_string())),
    }
}

/// The one part of the path that varies.
pub(crate) struct PathText(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(not_utf8(parts)),
        }
    }
}

/// The two parts of the path that vary.
pub(crate) struct PathTexts(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathTexts {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((first, second))) => Ok(Self(first, second)),
            Err(_) => Err(not_utf8(parts)),
        }
    }
}

/// The three parts of the path that vary.
pub(crate) struct PathThree(pub(crate) String, pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathThree {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<(String, String, String)>::from_request_parts(parts, state).await {
            Ok(Path((first, second, third))) => Ok(Self(first, second, third)),
            Err(_) => Err(not_utf8(parts)),
        }
    }
}

fn not_utf8(parts: &Parts) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        format!(
            "the path {:?} is not UTF-8 behind its percent signs",
            parts.uri.path()
        ),
    )
}

/// A time.
pub(crate) fn time(name: &str, value: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = value else { return Ok(None) };
    // A plus sign in a query string means a blank, and nobody writes one in a time.
    let time = text.parse().or_else(|_| text.replace(' ', "+").parse());
    time.map(Some).map_err(|_| {
        Problem::parameter(
            name,
            text,
            "a time as RFC 3339 has it, such as 2026-01-31T09:30:00Z",
        )
    })
}

/// A time span of at most `most`.
pub(crate) fn window(
    name: &str,
    value: Option<&str>,
    default: Duration,
    most: Duration,
) -> Result<Duration, Problem> {
    let Some(text) = value else {
        return Ok(default.min(most));
    };
    let window = parse_duration(text.trim()).filter(|window| !window.is_zero());
    let Some(window) = window else {
        return Err(Problem::parameter(
            name,
            text,
            "a time span above zero such as 30s, 5m or 1h",
        ));
    };
    if window > most {
        let expected = format!("at most {} s (MAX_QUERY_WINDOW)", most.as_secs());
        return Err(Problem::parameter(name, text, &expected));
    }
    Ok(window)
}

/// A whole number from `least` to `most`.
pub(crate) fn count(
    name: &str,
    value: Option<&str>,
    default: u64,
    (least, most): (u64, u64),
) -> Result<u64, Problem> {
    let Some(text) = value else {
        return Ok(default);
    };
    let number = text.parse().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            Problem::parameter(
                name,
                text,
                &format!("a whole number from {least} to {most}"),
            )
        })
}

/// A number.
pub(crate) fn number(name: &str, value: Option<&str>, default: f64) -> Result<f64, Problem> {
    value.map_or(Ok(default), |text| {
        text.parse()
            .map_err(|_| Problem::parameter(name, text, "a number"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_survives_a_query_string_that_was_not_escaped() {
        let time = |text| time("since", Some(text)).ok().unwrap().unwrap();
        assert_eq!(
            time("2026-01-31T10:30:00 01:00"),
            time("2026-01-31T09:30:00Z")
        );
    }

    #[test]
    fn a_window_longer_than_allowed_is_refused_and_the_default_is_cut() {
        let hour = Duration::from_secs(3_600);
        assert!(window("window", Some("2h"), hour, hour).is_err());
        assert!(window("window", Some("0s"), hour, hour).is_err());
        assert!(window("window", Some("-5m"), hour, hour).is_err());
        assert_eq!(window("window", None, hour * 2, hour).ok(), Some(hour));
        assert_eq!(
            window("window", Some("90"), hour, hour).ok(),
            Some(Duration::from_secs(90))
        );
    }
}
