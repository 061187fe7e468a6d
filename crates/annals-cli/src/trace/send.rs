//! Spans on their way to a server, and what becomes of them.

use std::time::Duration;

use reqwest::{Client, StatusCode, header::RETRY_AFTER};
use serde::{Deserialize, Serialize};

use super::{span::Span, token::Token};
use crate::{
    error::{CliError, with_causes},
    output::printable,
    remote::{address, client},
};

/// How long an answer may take: whoever runs a job waits for it.
const ANSWER: Duration = Duration::from_secs(5);

/// Spans that are sent together, and about how many bytes of them.
const TOGETHER: usize = 500;
const BYTES: usize = 1 << 20;

/// How much of what a server says is told.
const TOLD: usize = 500;

/// A server that takes spans under a token.
#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    url: String,
    token: Token,
}

/// What becomes of spans that were sent.
#[derive(Debug)]
pub(super) enum Answer {
    /// They are committed.
    Taken,
    /// The server is not there for now.
    Away {
        why: String,
        /// It was waited for, and others should not.
        was_slow: bool,
        /// When it says to come again.
        again_in: Option<Duration>,
    },
    /// Nothing under this token is ever taken.
    TokenRefused { status: u16, told: String },
    /// One of them is not taken as it is, and so none is.
    SpansRefused { status: u16, told: String },
    /// Nobody takes spans there.
    NoSuchServer { status: u16, told: String },
}

impl Server {
    pub(super) fn of(url: &str, token: Token) -> Result<Self, CliError> {
        let client = client(ANSWER).timeout(ANSWER).build();
        Ok(Self {
            client: client.map_err(CliError::Http)?,
            url: address("--url or ANNALS_URL", url)?,
            token,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends spans, all or none.
    pub(super) async fn send(&self, spans: &[Span]) -> Result<Answer, CliError> {
        #[derive(Serialize)]
        struct Request<'a> {
            spans: &'a [Span],
        }
        let request = self
            .client
            .post(format!("{}/api/traces/spans", self.url))
            .bearer_auth(self.token.reveal())
            .header("Content-Type", "application/json")
            .body(serde_json::to_vec(&Request { spans })?);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(away(error)),
        };
        let status = response.status();
        let again_in = response.headers().get(RETRY_AFTER);
        let again_in = again_in.and_then(|value| value.to_str().ok()?.parse().ok());
        let again_in = again_in.map(Duration::from_secs);
        let body = match response.bytes().await {
            Ok(body) => body,
            Err(error) => return Ok(away(error)),
        };
        Ok(answer(status, &body, again_in))
    }
}

/// Parts of spans that go together.
pub(super) fn parts(spans: Vec<Span>) -> Vec<Vec<Span>> {
    let mut parts: Vec<Vec<Span>> = Vec::new();
    let mut bytes = 0;
    for span in spans {
        let size = serde_json::to_vec(&span).map_or(0, |text| text.len());
        match parts.last_mut() {
            Some(part) if part.len() < TOGETHER && bytes + size <= BYTES => part.push(span),
            _ => {
                parts.push(vec![span]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    parts
}

fn away(error: reqwest::Error) -> Answer {
    let was_slow = error.is_timeout();
    let why = if was_slow {
        format!("the server does not answer within {} s", ANSWER.as_secs())
    } else {
        let why = printable(&with_causes(&error.without_url()));
        format!("the server cannot be reached ({why})")
    };
    Answer::Away {
        why,
        was_slow,
        again_in: None,
    }
}

fn answer(status: StatusCode, body: &[u8], again_in: Option<Duration>) -> Answer {
    // Somebody else in between may say yes to anything.
    let accepted = serde_json::from_slice::<Accepted>(body).ok();
    if status == StatusCode::OK && accepted.is_some() {
        return Answer::Taken;
    }
    let refusal = serde_json::from_slice::<Refusal>(body).ok();
    let is_ours = refusal.is_some();
    let told = refusal.map_or_else(
        || "it is no server of Annals, or something stands before it".to_owned(),
        |refusal| printable(&refusal.error.chars().take(TOLD).collect::<String>()),
    );
    let number = status.as_u16();
    match number {
        408 | 429 | 500.. => Answer::Away {
            why: if is_ours {
                format!("the server says, with status {number}: {told}")
            } else {
                format!("the server answers with status {number}")
            },
            was_slow: false,
            again_in,
        },
        401 | 403 if is_ours => Answer::TokenRefused {
            status: number,
            told,
        },
        400 | 413 | 415 | 422 if is_ours => Answer::SpansRefused {
            status: number,
            told,
        },
        // A limit on bodies may be of whatever stands before the server.
        413 => Answer::SpansRefused {
            status: number,
            told,
        },
        _ => Answer::NoSuchServer {
            status: number,
            told,
        },
    }
}

#[derive(Deserialize)]
struct Accepted {
    #[serde(rename = "accepted")]
    _accepted: u64,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> Answer {
        answer(StatusCode::from_u16(status).unwrap(), body.as_bytes(), None)
    }

    #[test]
    fn each_answer_has_its_consequence() {
        let no = r#"{"error":"no"}"#;
        assert!(matches!(said(200, r#"{"accepted":3}"#), Answer::Taken));
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(said(status, no), Answer::Away { .. }), "{status}");
            assert!(
                matches!(said(status, "<html>"), Answer::Away { .. }),
                "{status}"
            );
        }
        for status in [401, 403] {
            assert!(matches!(said(status, no), Answer::TokenRefused { .. }));
            // A proxy's own login knows nothing of tokens.
            assert!(matches!(
                said(status, "<html>"),
                Answer::NoSuchServer { .. }
            ));
        }
        for status in [400, 413, 422] {
            assert!(matches!(said(status, no), Answer::SpansRefused { .. }));
        }
        for (status, body) in [(200, "<html>"), (301, ""), (404, no), (405, "")] {
            assert!(
                matches!(said(status, body), Answer::NoSuchServer { .. }),
                "{status}"
            );
        }
    }

    #[test]
    fn what_a_server_says_cannot_speak_to_the_terminal() {
        let Answer::TokenRefused { told, .. } = said(401, "{\"error\":\"\\u001b[2Jno\"}") else {
            unreachable!("401 is about the token");
        };
        assert_eq!(told, "\\u{1b}[2Jno");
    }
}
