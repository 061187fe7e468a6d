//! The program `annals`: flags, files and terminals. What it does is done by the crates below.

mod arguments;
mod bars;
mod command;
mod costs;
mod database;
mod dead_letters;
mod demo;
mod deployments;
mod doctor;
mod error;
mod events;
mod lifecycle;
mod logging;
mod logs;
mod metrics;
mod migrate;
mod output;
mod progress;
mod remote;
mod serve;
mod settings;
mod spans;
mod trace;
mod traces;
mod version;
mod workspaces;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use arguments::Arguments;
use command::{Cli, Command};
use error::CliError;
use trace::error::TraceError;

/// The exit code of what was refused, or failed, about the life of data and the trace of a job, and of what cannot be told.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    // Nothing asked for is a question, not a mistake.
    let arguments = Arguments::read(std::env::args_os());
    if arguments.words.len() <= 1 {
        let _ = Cli::command().print_long_help();
        return ExitCode::SUCCESS;
    }
    let cli = Cli::parse_from(arguments.words);
    let failure = cli.command.failure();
    if let Err(error) = logging::start(&cli) {
        eprintln!("annals: {}", error.report());
        return failure;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("annals: cannot start: {error}");
            return failure;
        }
    };
    match runtime.block_on(run(cli, !arguments.serves_unasked)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("annals: {}", error.report());
            // Nothing is wrong with what was asked for: it comes later.
            if matches!(error, CliError::Trace(TraceError::NotDelivered { .. })) {
                return ExitCode::FAILURE;
            }
            failure
        }
    }
}

async fn run(cli: Cli, is_asked_to_serve: bool) -> Result<ExitCode, CliError> {
    let database = &cli.database;
    let json = cli.json;
    match &cli.command {
        Command::Migrate { command } => migrate::run(database, command, json).await?,
        Command::Doctor(doctor) => return doctor::run(database, *doctor, json).await,
        Command::DeadLetters { command } => {
            return dead_letters::run(database, command, json).await;
        }
        Command::Traces { command } => traces::run(database, command, json).await?,
        Command::Costs(args) => costs::run(database, args, json).await?,
        Command::Metrics { command } => metrics::run(database, command, json).await?,
        Command::Logs { command } => logs::run(database, command, json).await?,
        Command::Trace { command } => trace::run(database, command, json).await?,
        Command::Deployments { workspace, command } => {
            deployments::run(database, workspace, command, json).await?;
        }
        Command::Workspaces { command } => workspaces::run(database, command, json).await?,
        Command::Spans { command } => return spans::run(database, command, json).await,
        Command::Bars { command } => return bars::run(database, command, json).await,
        Command::Serve(args) => return serve::run(database, args, is_asked_to_serve, json).await,
        Command::Events { command } => return events::run(database, command, json).await,
        Command::Chunks { command } => return lifecycle::chunks(database, command, json).await,
        Command::Policy { command } => return lifecycle::policy(database, command, json).await,
        Command::Stats { table } => lifecycle::stats(database, table, json).await?,
        Command::Delete(delete) => lifecycle::delete(database, delete, json).await?,
        Command::Export(export) => events::export::run(database, export, json).await?,
        Command::Import(import) => events::import::run(database, import, json).await?,
        Command::Version { full } => version::run(*full, json)?,
        Command::Settings => settings::run(database, json)?,
        Command::Completions { shell } => {
            let script = &mut std::io::stdout().lock();
            clap_complete::generate(*shell, &mut Cli::command(), "annals", script);
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Command {
    /// How a run ends that could not do what was asked for. About the life of data, scripts tell a refusal from
    /// chunks that had to stay; about the trace of a job, from what comes later; of a doctor, what cannot be told
    /// from what is wrong.
    fn failure(&self) -> ExitCode {
        match self {
            Self::Chunks { .. }
            | Self::Policy { .. }
            | Self::Stats { .. }
            | Self::Delete(_)
            | Self::Trace { .. }
            | Self::Doctor(_) => ExitCode::from(REFUSED),
            _ => ExitCode::FAILURE,
        }
    }
}
