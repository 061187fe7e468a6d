//! `annals bars`.

pub(crate) mod command;
mod export;
mod get;
mod import;
mod range;
mod refresh;
mod refusals;
mod seen;

use std::process::ExitCode;

use annals_market::{Bars, BarsOptions};

use crate::{
    command::{BarsCommand, DatabaseArgs},
    database::connect,
    error::CliError,
};

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &BarsCommand,
    json: bool,
) -> Result<ExitCode, CliError> {
    match command {
        BarsCommand::Import(import) => return import::run(args, import, json).await,
        BarsCommand::Export(export) => export::run(args, export, json).await?,
        BarsCommand::Get(get) => get::run(args, get, json).await?,
        BarsCommand::Symbols { since } => {
            seen::symbols(&reader(args).await?, since.as_deref(), json).await?;
        }
        BarsCommand::Refresh(refresh) => refresh::run(args, refresh, json).await?,
        BarsCommand::Gaps(gaps) => seen::gaps(&reader(args).await?, gaps, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The store, for questions.
async fn reader(args: &DatabaseArgs) -> Result<Bars, CliError> {
    Ok(Bars::new(connect(args).await?, BarsOptions::default()).await?)
}
