//! A running server, by the protocol of EventoDB.

use std::time::Duration;

use annals_events::Token;
use reqwest::{Body, Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use super::command::ServerArgs;
use crate::{
    command::DatabaseArgs,
    database::sources,
    error::CliError,
    output::printable,
    remote::{address, client, http},
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer may take: servers end reads earlier.
const ANSWER: Duration = Duration::from_secs(120);

/// How often a read is tried that a crowded server sends away, and how long is waited in between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// A server, and the token that opens a namespace of it.
#[derive(Debug)]
pub(super) struct Remote {
    client: Client,
    base: String,
    token: Option<String>,
}

/// What a server says when it says no.
#[derive(Deserialize)]
struct Refusal {
    error: Problem,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    message: String,
}

impl Remote {
    /// The server that flags name; the token may come from the settings.
    pub(super) fn of(database: &DatabaseArgs, args: &ServerArgs) -> Result<Self, CliError> {
        let base = address("--url", &args.url)?;
        let token = match &args.token {
            Some(token) => Some(token.clone()),
            None => {
                let sources = sources(database)?;
                sources
                    .get("EVENTODB_TOKEN")
                    .map(|(token, _)| token.to_owned())
            }
        };
        let client = client(CONNECT)
            .tcp_keepalive(Duration::from_secs(30))
            .build();
        Ok(Self {
            client: client.map_err(CliError::Http)?,
            base,
            token,
        })
    }

    /// Whose messages these are, for a person.
    pub(super) fn whose(&self) -> String {
        let token = self.token.as_deref().map(Token::parse);
        let namespace = match &token {
            Some(Ok(token)) => token.namespace(),
            _ => "default",
        };
        format!("namespace {namespace:?} at {}", self.base)
    }

    /// Asks whether it is there and the token is one, before anything is read or written.
    pub(super) async fn greet(&self) -> Result<(), CliError> {
        self.call("[\"sys.version\"]".to_owned()).await?;
        Ok(())
    }

    /// The result of a call that changes nothing.
    pub(super) async fn call(&self, body: String) -> Result<Vec<u8>, CliError> {
        let mut tries = 1;
        loop {
            let request = self.post("/rpc").timeout(ANSWER).body(body.clone());
            let response = request.send().await.map_err(http)?;
            let is_crowded = matches!(
                response.status(),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            );
            if !is_crowded || tries >= TRIES {
                let response = accepted(response).await?;
                return Ok(response.bytes().await.map_err(http)?.into());
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends an import; what is answered comes while the body is still sent.
    pub(super) async fn import(&self, force: bool, body: Body) -> Result<Response, CliError> {
        let path = if force {
            "/import?force=true"
        } else {
            "/import"
        };
        let request = self
            .post(path)
            .header("Content-Type", "application/x-ndjson")
            .body(body);
        accepted(request.send().await.map_err(http)?).await
    }

    fn post(&self, path: &str) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

/// The response, or what it says where it says no.
async fn accepted(response: Response) -> Result<Response, CliError> {
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(response);
    }
    let body = response.bytes().await.map_err(http)?;
    let told = match serde_json::from_slice::<Refusal>(&body) {
        Ok(Refusal { error }) => {
            format!("{} ({})", printable(&error.message), printable(&error.code))
        }
        Err(_) => "it is no event store, or something stands before it".to_owned(),
    };
    Err(CliError::Refused {
        status: status.as_u16(),
        told,
    })
}
