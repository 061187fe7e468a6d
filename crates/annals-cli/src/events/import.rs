//! `annals import`: messages with their places, ids and times, from a file into a running server.

use reqwest::Response;
use serde::Deserialize;

use super::{command::ImportArgs, input::Input, remote::Remote};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{confirm, print_json, print_line, printable},
    progress::Progress,
    remote::http,
};

/// What a server tells while it takes an import.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    imported: Option<u64>,
    done: bool,
    elapsed: String,
    error: Option<String>,
    message: String,
    line: u64,
}

pub(crate) async fn run(
    database: &DatabaseArgs,
    args: &ImportArgs,
    json: bool,
) -> Result<(), CliError> {
    let remote = Remote::of(database, &args.server)?;
    if args.force {
        if args.input.is_none() && !args.yes {
            return Err(CliError::ForceFromStandardInput);
        }
        let question = format!("Delete every message of {} first?", remote.whose());
        confirm(&question, args.yes)?;
    }
    // Before anything is sent, so that a wrong token is told and not a connection that broke.
    remote.greet().await?;
    let length = args.input.as_deref().and_then(|path| path.metadata().ok());
    let progress = Progress::of(length.map(|file| file.len()));
    let (input, body) = Input::open(args, &progress)?;
    let done = match remote.import(args.force, body).await {
        Ok(response) => follow(response, &progress).await,
        Err(error) => Err(error),
    };
    progress.finish();
    let done = match done {
        Ok(done) => done,
        Err(error) => return Err(input.explain(error)),
    };
    let count = done.imported.unwrap_or(0);
    if json {
        return print_json(&serde_json::json!({ "imported": count, "elapsed": done.elapsed }));
    }
    print_line(&format!(
        "{count} message(s) imported in {}",
        printable(&done.elapsed)
    ))
}

/// Reads what is told, up to the end.
async fn follow(mut response: Response, progress: &Progress) -> Result<Told, CliError> {
    let mut imported = 0;
    let mut rest = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(http)? {
        rest.extend_from_slice(&piece);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data:") else {
                continue;
            };
            let told: Told = serde_json::from_slice(data).map_err(CliError::Unreadable)?;
            if let Some(code) = told.error {
                return Err(CliError::ImportRefused {
                    place: match told.line {
                        0 => String::new(),
                        line => format!(" at line {line}"),
                    },
                    told: format!("{} ({})", printable(&told.message), printable(&code)),
                    imported,
                });
            }
            if told.done {
                return Ok(told);
            }
            imported = told.imported.unwrap_or(imported);
            progress.tell(format!("{imported} messages"));
        }
    }
    Err(CliError::ImportCut { imported })
}
