//! What is kept goes to the server: at once where that works, later where it does not, and never twice as another span.

use std::time::{Duration, Instant};

use annals_record::Timestamp;

use super::{
    error::TraceError,
    place::Place,
    send::{Answer, Server, parts},
    span::Span,
    state::Version,
};
use crate::{error::CliError, output::many};

/// How long nobody tries after a server that did not answer.
const QUIET: Duration = Duration::from_secs(30);

/// Between tries of whoever must deliver: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Delivers everything. While the server is away it stays kept, which is a failure only for whoever may `wait`.
pub(super) async fn deliver(
    place: &Place,
    server: &Server,
    wait: Option<Duration>,
) -> Result<(), CliError> {
    let give_up = wait.map(|wait| Instant::now() + wait);
    let mut pause = FIRST_PAUSE;
    let mut refused = Refused::default();
    loop {
        let (pending, is_quiet) =
            place.change(|state| Ok((state.pending(), state.is_quiet_at(Timestamp::now()))))?;
        if pending.is_empty() {
            return refused.result();
        }
        let count = pending.len();
        let tried = if is_quiet && give_up.is_none() {
            let why = "the server did not answer a short while ago".to_owned();
            Tried::Away {
                why,
                was_slow: false,
                again_in: None,
            }
        } else {
            try_all(place, server, pending, &mut refused).await?
        };
        let Tried::Away {
            why,
            was_slow,
            again_in,
        } = tried
        else {
            continue;
        };
        if was_slow {
            let until = Timestamp::now() + QUIET;
            place.change(|state| {
                state.be_quiet_until(until);
                Ok(())
            })?;
        }
        let Some(give_up) = give_up else {
            let they = spans_are(count);
            let path = place.path().display();
            eprintln!(
                "annals: warning: {why}; {they} kept in {path} and sent by the next command, or by `annals trace flush`"
            );
            return refused.result();
        };
        let left = give_up.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(TraceError::NotDelivered {
                spans: spans_are(count),
                why,
                path: place.path().to_owned(),
            }
            .into());
        }
        tokio::time::sleep(again_in.unwrap_or(pause).min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// How a try ended.
enum Tried {
    Done,
    Away {
        why: String,
        was_slow: bool,
        again_in: Option<Duration>,
    },
}

/// What no server will ever take.
#[derive(Debug, Default)]
struct Refused {
    names: Vec<String>,
    status: u16,
    told: String,
}

impl Refused {
    fn result(self) -> Result<(), CliError> {
        let spans = match self.names.as_slice() {
            [] => return Ok(()),
            [name] => format!("the span {name:?}"),
            [first, ..] => format!("{} spans, of which one is {first:?}", self.names.len()),
        };
        Err(TraceError::SpansRefused {
            spans,
            is_one: self.names.len() == 1,
            status: self.status,
            told: self.told,
        }
        .into())
    }
}

async fn try_all(
    place: &Place,
    server: &Server,
    pending: Vec<Span>,
    refused: &mut Refused,
) -> Result<Tried, CliError> {
    let count = pending.len();
    let mut parts = parts(pending);
    // Those that began first go first.
    parts.reverse();
    while let Some(mut part) = parts.pop() {
        match server.send(&part).await? {
            Answer::Taken => take_note(place, &part)?,
            Answer::Away {
                why,
                was_slow,
                again_in,
            } => {
                return Ok(Tried::Away {
                    why,
                    was_slow,
                    again_in,
                });
            }
            Answer::TokenRefused { status, told } => {
                place.forget()?;
                let are = if count == 1 { "is" } else { "are" };
                let lost = format!(
                    "{} {are} not sent, and nothing is kept, as nothing is taken under this token",
                    many(count as u64, "span")
                );
                return Err(TraceError::TokenRefused { status, told, lost }.into());
            }
            // One bad span harms only itself: halves are tried until it is alone.
            Answer::SpansRefused { .. } if part.len() > 1 => {
                let second = part.split_off(part.len() / 2);
                parts.push(second);
                parts.push(part);
            }
            Answer::SpansRefused { status, told } => {
                take_note(place, &part)?;
                refused.names.extend(part.into_iter().map(|span| span.name));
                (refused.status, refused.told) = (status, told);
            }
            Answer::NoSuchServer { status, told } => {
                return Err(TraceError::NoSuchServer {
                    url: server.url().to_owned(),
                    status,
                    told,
                    spans: spans_are(count),
                    path: place.path().to_owned(),
                }
                .into());
            }
        }
    }
    Ok(Tried::Done)
}

/// These need not be sent again.
fn take_note(place: &Place, spans: &[Span]) -> Result<(), CliError> {
    let versions: Vec<Version> = spans.iter().map(Version::from).collect();
    Ok(place.change(|state| {
        state.delivered(&versions);
        Ok(())
    })?)
}

fn spans_are(count: usize) -> String {
    let are = if count == 1 { "is" } else { "are" };
    format!("{} {are}", many(count as u64, "span"))
}
