//! `annals trace`: a job outside continues the trace of the deployment that started it.
//!
//! Nothing of a database's settings is read here, and no file of the directory: a job runs in somebody's checkout,
//! and its token must not go where that says.

pub(crate) mod command;
mod deliver;
pub(crate) mod error;
mod making;
mod place;
mod send;
mod span;
mod state;
mod token;

use std::time::Duration;

use annals_record::Timestamp;
use annals_store::config::parse_duration;
use serde_json::Value;

use self::{
    command::{JobArgs, TraceCommand},
    deliver::deliver,
    error::TraceError,
    place::Place,
    send::Server,
    state::{State, Version},
    token::Token,
};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{print_json, print_line},
    remote::DEFAULT,
};

pub(crate) async fn run(
    database: &DatabaseArgs,
    command: &TraceCommand,
    json: bool,
) -> Result<(), CliError> {
    let job = match command {
        TraceCommand::Token(args) => return making::run(database, args, json),
        TraceCommand::Start { job, .. }
        | TraceCommand::Step { job, .. }
        | TraceCommand::Metadata { job, .. }
        | TraceCommand::End { job, .. }
        | TraceCommand::Flush { job } => job,
    };
    // What cannot be used is told before anything is kept.
    let token = Token::from_environment()?;
    let wait = duration("wait", &job.wait)?;
    let place = Place::of(job.state.as_deref(), &token)?;
    let server = Server::of(&url(job), token)?;

    let (begun, was_open, has_open) = place.change(|state| {
        let was_open = state.has_open();
        let begun = apply(state, command)?;
        Ok((begun, was_open, state.has_open()))
    })?;
    if let Some(begun) = begun {
        // Whoever names it needs its id whatever becomes of the sending.
        tell(&begun, json)?;
    }
    let must_deliver = match command {
        TraceCommand::End { all, .. } => *all || (was_open && !has_open),
        TraceCommand::Flush { .. } => true,
        _ => false,
    };
    deliver(&place, &server, must_deliver.then_some(wait)).await
}

/// Changes the state as the command says; gives the action that it began.
fn apply(state: &mut State, command: &TraceCommand) -> Result<Option<Version>, TraceError> {
    let now = Timestamp::now();
    match command {
        TraceCommand::Start { name, action, .. } => {
            return state.start(name, action.as_deref(), now).map(Some);
        }
        TraceCommand::Step {
            name,
            result,
            message,
            action,
            ..
        } => {
            let (result, message) = ((*result).into(), message.as_deref());
            state.step(name, result, message, action.as_deref(), now)?;
        }
        TraceCommand::Metadata {
            key,
            values,
            typed,
            action,
            ..
        } => state.metadata(key, value(values, *typed), action.as_deref(), now)?,
        TraceCommand::End {
            status,
            message,
            all: true,
            ..
        } => state.end_all(status.map(Into::into), message.as_deref(), now),
        TraceCommand::End {
            status,
            message,
            action,
            ..
        } => {
            let (status, message) = (status.map(Into::into), message.as_deref());
            state.end(status, message, action.as_deref(), now)?;
        }
        TraceCommand::Flush { .. } | TraceCommand::Token(_) => {}
    }
    Ok(None)
}

fn tell(begun: &Version, json: bool) -> Result<(), CliError> {
    if json {
        return print_json(&serde_json::json!({
            "trace_id": begun.trace_id(), "span_id": begun.span_id(),
        }));
    }
    print_line(begun.span_id())
}

/// Text is never taken for something else unless asked: a version 1.10 is no number.
fn value(values: &[String], typed: bool) -> Value {
    let read = |text: &String| {
        let read = serde_json::from_str(text).ok().filter(|_| typed);
        let read = read.filter(|value| matches!(value, Value::Number(_) | Value::Bool(_)));
        read.unwrap_or_else(|| Value::String(text.clone()))
    };
    match values {
        [one] => read(one),
        several => several.iter().map(read).collect(),
    }
}

fn url(job: &JobArgs) -> String {
    let set = || {
        std::env::var("ANNALS_URL")
            .ok()
            .filter(|url| !url.is_empty())
    };
    job.url
        .clone()
        .or_else(set)
        .unwrap_or_else(|| DEFAULT.to_owned())
}

fn duration(flag: &'static str, text: &str) -> Result<Duration, TraceError> {
    parse_duration(text).ok_or_else(|| TraceError::NoDuration {
        flag,
        text: text.to_owned(),
    })
}
