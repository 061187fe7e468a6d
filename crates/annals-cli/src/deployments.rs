//! `annals deployments`: what became of deployments, straight from the database.

pub(crate) mod command;
mod document;
mod draw;
mod list;
pub(crate) mod look;
mod phases;
mod show;
mod why;
mod words;

use self::command::DeploymentsCommand;
use crate::{
    command::{DatabaseArgs, WorkspaceArg},
    error::CliError,
    workspaces::open,
};

pub(crate) async fn run(
    args: &DatabaseArgs,
    workspace: &WorkspaceArg,
    command: &DeploymentsCommand,
    json: bool,
) -> Result<(), CliError> {
    let deployments = open(args).await?;
    let reads = deployments.workspace(workspace.find(&deployments).await?);
    match command {
        DeploymentsCommand::List(args) => list::traces(&reads, args, json).await,
        DeploymentsCommand::Failed { asked } => list::failed(&reads, asked, json).await,
        DeploymentsCommand::Show {
            trace_id,
            metadata,
            ascii,
        } => show::run(&reads, trace_id, *metadata, *ascii, json).await,
        DeploymentsCommand::Why { target } => why::run(&reads, target, json).await,
        DeploymentsCommand::Phases { deployment, window } => {
            phases::run(&reads, deployment.as_deref(), window, json).await
        }
    }
}
