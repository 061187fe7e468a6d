//! The program `annals`: flags, files and terminals. What it does is done by the crates below.

mod bars;
mod command;
mod database;
mod dead_letters;
mod demo;
mod doctor;
mod error;
mod migrate;
mod output;
mod serve;
mod settings;
mod spans;
mod traces;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use command::{Cli, Command};
use error::CliError;

fn main() -> ExitCode {
    // Nothing asked for is a question, not a mistake.
    if std::env::args_os().len() <= 1 {
        let _ = Cli::command().print_long_help();
        return ExitCode::SUCCESS;
    }
    let cli = Cli::parse();
    // A server's log is read by others than its terminal's user.
    let level = match cli.command {
        Command::Serve(_) => "info",
        _ => "warn",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("annals: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("annals: {}", error.report());
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, CliError> {
    let database = &cli.database;
    let json = cli.json;
    match &cli.command {
        Command::Migrate { command } => migrate::run(database, command, json).await?,
        Command::Doctor => doctor::run(database, json).await?,
        Command::DeadLetters { command } => {
            return dead_letters::run(database, command, json).await;
        }
        Command::Traces { command } => traces::run(database, command, json).await?,
        Command::Spans { command } => return spans::run(database, command, json).await,
        Command::Bars { command } => return bars::run(database, command, json).await,
        Command::Serve(args) => return serve::run(database, args, json).await,
        Command::Settings => settings::run(database, json)?,
        Command::Completions { shell } => {
            let script = &mut std::io::stdout().lock();
            clap_complete::generate(*shell, &mut Cli::command(), "annals", script);
        }
    }
    Ok(ExitCode::SUCCESS)
}
