//! What is logged, and how.

use annals_store::config::Sources;
use tracing_subscriber::EnvFilter;

use crate::{
    command::{Cli, Command, ServeArgs},
    database::sources,
    error::CliError,
};

/// Begins to log to standard error.
///
/// A server's log is read by others than its terminal's user, so that it has settings of its own; everything
/// else tells of warnings only.
pub(crate) fn start(cli: &Cli) -> Result<(), CliError> {
    let (level, is_json) = match &cli.command {
        Command::Serve(args) => of_server(args, &with_flags(sources(&cli.database)?, args))?,
        _ => (of_environment().unwrap_or(EnvFilter::new("warn")), false),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr);
    if is_json {
        log.json().init();
    } else {
        log.init();
    }
    Ok(())
}

/// What `RUST_LOG` says, which can tell parts of the program apart.
fn of_environment() -> Option<EnvFilter> {
    EnvFilter::try_from_default_env().ok()
}

fn with_flags(mut sources: Sources, args: &ServeArgs) -> Sources {
    for (name, value) in [
        ("EVENTODB_LOG_LEVEL", &args.log_level),
        ("EVENTODB_LOG_FORMAT", &args.log_format),
    ] {
        if let Some(value) = value {
            sources = sources.with_flag(name, value);
        }
    }
    sources
}

fn of_server(args: &ServeArgs, sources: &Sources) -> Result<(EnvFilter, bool), CliError> {
    let level = sources.choice(
        "EVENTODB_LOG_LEVEL",
        // The last ones are of EventoDB's logger.
        &[
            ("trace", "trace"),
            ("debug", "debug"),
            ("info", "info"),
            ("warn", "warn"),
            ("error", "error"),
            ("off", "off"),
            ("fatal", "error"),
            ("panic", "error"),
            ("disabled", "off"),
        ],
        "trace, debug, info, warn, error or off",
    )?;
    let is_json = sources.choice(
        "EVENTODB_LOG_FORMAT",
        &[("console", false), ("json", true)],
        "console or json",
    )?;
    let level = match of_environment() {
        Some(filter) if args.log_level.is_none() => filter,
        _ => EnvFilter::new(level),
    };
    Ok((level, is_json))
}
