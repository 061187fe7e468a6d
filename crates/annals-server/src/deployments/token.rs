//! Trace tokens: making one, and reading the one that a request brings.

use std::time::Duration;

use annals_deploy::{Claims, token::DEFAULT_LIFE};
use annals_record::Timestamp;
use annals_store::config::parse_duration;
use axum::{
    Json,
    extract::{Request, State},
};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeploymentIntake, Shared, workspaces};
use crate::{
    api::{object::object, parameters::PathText, problem::Problem},
    auth::BEARER,
    refusal::Refusal,
};

/// The longest life of a token that is asked for by HTTP.
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 86_400);

/// Bytes of an id in a token at most.
const LONGEST_ID: usize = 256;

/// What is shown to whoever sends something else.
const EXAMPLE: &str = "{\"trace_id\": \"4bf9…\", \"span_id\": \"00f0…\", \"expires_in\": \"24h\"}";

/// What a token is to say.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "job_id": "job-7"}))]
pub(super) struct TokenAsked {
    /// The trace that may be continued.
    trace_id: String,
    /// The span under which spans hang: that of the job.
    span_id: String,
    /// The job.
    job_id: Option<String>,
    /// How long it lives: 90s, 24h, 7d; 24h when not given.
    expires_in: Option<String>,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenMade {
    /// A secret, for the external system and nobody else. It is stored nowhere.
    token: String,
    /// RFC 3339, to the second.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Makes a token under which an external system may continue a trace, by POST /api/traces/spans or `annals trace`.
#[utoipa::path(
    post,
    path = "/workspaces/{id}/tokens",
    tag = "deployments",
    params(("id" = String, Path, description = "The workspace, a UUID")),
    request_body = TokenAsked,
    responses(
        (status = 200, body = TokenMade),
        (status = 400, body = Problem),
        (status = 401, body = Problem, description = "This server has no TRACE_TOKEN_SECRET"),
        (status = 404, body = Problem, description = "There is no such workspace, and it is not to be made on first use"),
        (status = 415, body = Problem)
    )
)]
pub(super) async fn make_token(
    State(roads): Shared,
    PathText(id): PathText,
    request: Request,
) -> Result<Json<TokenMade>, Problem> {
    let asked: TokenAsked = object(&roads.gate, request, EXAMPLE).await?;
    let workspace = id.parse()?;
    let intake = &roads.deployments;
    let keys = intake.tokens().map_err(annals_deploy::Error::from)?;
    let job_id = asked.job_id.unwrap_or_default();
    for (name, id, may_be_empty) in [
        ("trace_id", &asked.trace_id, false),
        ("span_id", &asked.span_id, false),
        ("job_id", &job_id, true),
    ] {
        if id.len() > LONGEST_ID || (id.is_empty() && !may_be_empty) {
            let expected = format!("a text of 1 to {LONGEST_ID} bytes");
            let shown: String = id.chars().take(40).collect();
            return Err(Problem::parameter(name, &shown, &expected));
        }
    }
    let life = life(asked.expires_in.as_deref())?;
    if intake.must_exist() {
        workspaces::find(intake, workspace).await?;
    }
    let now = Timestamp::now();
    let claims = Claims::lasting(asked.trace_id, asked.span_id, job_id, workspace, life, now);
    let token = keys.sign(&claims);
    Ok(Json(TokenMade {
        token: token.as_str().to_owned(),
        expires_at: claims.expires_at.to_string(),
    }))
}

fn life(asked: Option<&str>) -> Result<Duration, Problem> {
    let Some(text) = asked else {
        return Ok(DEFAULT_LIFE);
    };
    let life = parse_duration(text.trim());
    let fits = life.filter(|life| (Duration::from_secs(1)..=LONGEST_LIFE).contains(life));
    fits.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        let expected = "a time span from 1s to 366d, such as 90s, 24h or 7d";
        Problem::parameter("expires_in", &shown, expected)
    })
}

/// What the token of a request says. No answer repeats it, and no log shows it.
pub(super) fn claims(intake: &DeploymentIntake, headers: &HeaderMap) -> Result<Claims, Refusal> {
    let keys = intake
        .tokens()
        .map_err(|error| Refusal::token(error.to_string()))?;
    let token = brought(headers).map_err(Refusal::token)?;
    keys.verify(token, Timestamp::now())
        .map_err(|error| Refusal::token(error.to_string()))
}

/// The token that a request brings.
fn brought(headers: &HeaderMap) -> Result<&str, &'static str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let value = first.ok_or(
        "this request has no trace token: send the header Authorization: Bearer TOKEN with the token of the job",
    )?;
    if second.is_some() {
        return Err(
            "this request has more than one header Authorization: send one, with the trace token of the job",
        );
    }
    let text = value.to_str().ok();
    let split = text.and_then(|text| text.split_at_checked(BEARER.len()));
    let token = split.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BEARER));
    let token = token.map(|(_, token)| token.trim_ascii());
    token.filter(|token| !token.is_empty()).ok_or(
        "the header Authorization of this request brings no trace token: write it as Bearer TOKEN",
    )
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, StatusCode};

    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let values = values.iter();
        let values = values.map(|value| HeaderValue::from_bytes(value).unwrap());
        values.map(|value| (header::AUTHORIZATION, value)).collect()
    }

    #[test]
    fn a_token_is_read_from_one_header_and_no_refusal_repeats_it() {
        for right in ["Bearer abc.def", "bearer abc.def", "BEARER   abc.def "] {
            assert_eq!(brought(&headers(&[right.as_bytes()])), Ok("abc.def"));
        }
        for (wrong, told) in [
            (&[][..], "no trace token"),
            (
                &[&b"Bearer abc.def"[..], &b"Bearer abc.def"[..]],
                "more than one",
            ),
            (&[&b"Bearer "[..]], "brings no trace token"),
            (&[&b"Bearer"[..]], "brings no trace token"),
            (&[&b"abc.def"[..]], "brings no trace token"),
            (&[&b"Basic abc.def"[..]], "brings no trace token"),
            (&[&b"Bearer abc.d\xFF"[..]], "brings no trace token"),
            (&[&b""[..]], "brings no trace token"),
        ] {
            let why = brought(&headers(wrong)).unwrap_err();
            assert!(why.contains(told), "{why}");
            assert!(
                why.contains("Bearer") || why.contains("Authorization"),
                "{why}"
            );
            assert!(!why.contains("abc"), "{why}");
        }
    }

    #[test]
    fn a_life_that_nobody_could_mean_is_refused_by_name() {
        assert_eq!(life(None).ok(), Some(DEFAULT_LIFE));
        assert_eq!(life(Some("7d")).ok(), Some(Duration::from_secs(7 * 86_400)));
        for wrong in ["", "0s", "soon", "-1h", "400d", "10ms"] {
            let problem = life(Some(wrong)).unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
            assert!(problem.message().contains("expires_in"), "{problem:?}");
        }
    }
}
