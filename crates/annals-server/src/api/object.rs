//! The body of a request as one JSON object, read strictly: a misspelt word would be ignored, and something else be done
//! than was meant.

use axum::extract::Request;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::{refusal::Refusal, roads::Gate};

/// The JSON object of a request as a `T`, which should deny unknown fields.
///
/// # Errors
///
/// It is none; the problem shows `example`.
pub(crate) async fn object<T: DeserializeOwned>(
    gate: &Gate,
    request: Request,
    example: &str,
) -> Result<T, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the Content-Type must be application/json",
        ));
    }
    let (_permit, packed) = gate.receive(request).await?;
    let bytes = packed
        .unpack()
        .map_err(|error| Problem::from(Refusal::from(error)))?;
    read(&bytes, example)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = media.split(';').next().unwrap_or("").trim();
    media.eq_ignore_ascii_case("application/json")
}

fn read<T: DeserializeOwned>(bytes: &[u8], example: &str) -> Result<T, Problem> {
    let refuse = |why: &str| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the body cannot be read: {why}"),
        )
    };
    // An array would be taken for the fields in the order in which they happen to be written here.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(refuse(&format!("it is no JSON object, such as {example}")));
    }
    serde_json::from_slice(bytes).map_err(|error| refuse(&error.to_string()))
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
            ("", "no JSON object, such as {}"),
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
            let problem = read::<Asked>(body.as_bytes(), "{}").unwrap_err();
            assert!(problem.message().contains(why), "{body}: {problem:?}");
        }
        let read = read::<Asked>(b" {\"older_than\": \"1d\"}", "{}").unwrap();
        assert_eq!(read.older_than.as_deref(), Some("1d"));
    }
}
