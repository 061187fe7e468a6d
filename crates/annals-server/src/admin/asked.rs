//! What a request asks for, read strictly: a misspelt word would be ignored, and more would be done than was
//! meant.

use annals_store::{Error, Interval};
use axum::extract::Request;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::Admin;
use crate::api::problem::Problem;

/// The JSON object of a request as a `T`, which should deny unknown fields.
pub(super) async fn body<T: DeserializeOwned>(
    admin: &Admin,
    request: Request,
) -> Result<T, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the Content-Type must be application/json",
        ));
    }
    let (_permit, packed) = admin.roads.gate.receive(request).await?;
    let bytes = packed
        .unpack()
        .map_err(|error| Problem::from(crate::refusal::Refusal::from(error)))?;
    read(&bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = media.split(';').next().unwrap_or("").trim();
    media.eq_ignore_ascii_case("application/json")
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let refuse = |why: &str| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the body cannot be read: {why}"),
        )
    };
    // An array would be taken for the fields in the order in which they happen to be written here.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(refuse(
            "it is no JSON object, such as {\"older_than\": \"90 days\"}",
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| refuse(&error.to_string()))
}

/// An age that must be there.
pub(super) fn age(name: &str, value: Option<&str>) -> Result<Interval, Problem> {
    let Some(text) = value else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!(
                "{name} is missing, and nothing was done: say from which age on, such as {{\"{name}\": \"90 days\"}}"
            ),
        ));
    };
    text.parse()
        .map_err(|error| Problem::from(Error::from(error)))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        #[serde(default)]
        older_than: Option<String>,
    }

    #[test]
    fn what_is_no_object_of_known_fields_is_refused_with_its_name() {
        for (body, why) in [
            ("", "no JSON object"),
            ("[\"7 days\"]", "no JSON object"),
            ("\"7 days\"", "no JSON object"),
            ("{", "EOF"),
            ("{\"older_then\": \"7 days\"}", "older_then"),
            ("{\"older_than\": 7}", "integer"),
            (
                "{\"older_than\": \"1d\", \"older_than\": \"2d\"}",
                "duplicate",
            ),
            ("{\"older_than\": \"1d\"} {}", "trailing"),
        ] {
            let problem = read::<Asked>(body.as_bytes()).unwrap_err();
            assert!(problem.message().contains(why), "{body}: {problem:?}");
        }
        let read = read::<Asked>(b" {\"older_than\": \"1d\"}").unwrap();
        assert_eq!(read.older_than.as_deref(), Some("1d"));
    }

    #[test]
    fn an_age_that_is_missing_or_wrong_is_named() {
        let missing = age("older_than", None).unwrap_err();
        assert!(missing.message().contains("older_than"), "{missing:?}");
        let wrong = age("older_than", Some("soon")).unwrap_err();
        assert!(wrong.message().contains("soon"), "{wrong:?}");
        assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    }
}
