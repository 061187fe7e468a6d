//! `annals events`, `annals export` and `annals import`.

pub(crate) mod command;
pub(crate) mod export;
mod get;
pub(crate) mod import;
mod input;
mod line;
mod listing;
mod namespaces;
mod output;
mod remote;
mod tail;
mod upkeep;
mod write;

use std::process::ExitCode;

use annals_events::{Events, EventsOptions, Namespace};

use crate::{
    command::{DatabaseArgs, EventsCommand},
    database::connect,
    error::CliError,
};

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &EventsCommand,
    json: bool,
) -> Result<ExitCode, CliError> {
    match command {
        EventsCommand::Namespaces => namespaces::list(&open(args).await?, json).await?,
        EventsCommand::Create {
            id,
            description,
            token,
        } => namespaces::create(args, id, description, token.as_deref(), json).await?,
        EventsCommand::NewToken { id, yes } => {
            namespaces::new_token(&open(args).await?, id, *yes, json).await?;
        }
        EventsCommand::Delete { id, yes } => {
            namespaces::delete(&open(args).await?, id, *yes, json).await?;
        }
        EventsCommand::Streams {
            of,
            prefix,
            after,
            limit,
        } => {
            let namespace = namespace(args, &of.namespace).await?;
            listing::streams(&namespace, prefix, after, *limit, json).await?;
        }
        EventsCommand::Categories { of } => {
            listing::categories(&namespace(args, &of.namespace).await?, json).await?;
        }
        EventsCommand::Get(get) => get::run(args, get, json).await?,
        EventsCommand::Tail(tail) => tail::run(args, tail, json).await?,
        EventsCommand::Write(write) => write::run(args, write, json).await?,
        EventsCommand::RebuildHeads { namespace: id } => {
            upkeep::rebuild(&namespace(args, id).await?, json).await?;
        }
        EventsCommand::Verify { namespace: id } => {
            return upkeep::verify(&namespace(args, id).await?, json).await;
        }
        EventsCommand::Export(export) => export::run(args, export, json).await?,
        EventsCommand::Import(import) => import::run(args, import, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The event store in the database.
async fn open(args: &DatabaseArgs) -> Result<Events, CliError> {
    Ok(Events::new(connect(args).await?, EventsOptions::default()).await?)
}

async fn namespace(args: &DatabaseArgs, id: &str) -> Result<Namespace, CliError> {
    Ok(open(args).await?.namespace(id).await?)
}
