//! `annals spans import`: OTLP/JSON lines from a file.

use std::{
    fs::File,
    io::{BufRead, BufReader, IsTerminal as _, Read as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use annals_server::otlp;
use annals_telemetry::{Span, SpanStore as _, Spans, SpansOptions};

use crate::{
    command::{DatabaseArgs, SpansCommand},
    costs::price_list,
    database::{connect, sources},
    error::{CliError, with_causes},
    output::{print_json, print_line},
};

/// Spans that are written at once.
const BATCH: usize = 5_000;

/// Bytes that one line may have.
const MAX_LINE: u64 = 64 << 20;

/// Reasons for refused spans that are shown.
const REASONS: usize = 10;

/// What became of a file.
#[derive(Debug, Default)]
struct Imported {
    lines: u64,
    spans: usize,
    committed: usize,
    parked: usize,
    refused: usize,
}

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &SpansCommand,
    json: bool,
) -> Result<ExitCode, CliError> {
    let SpansCommand::Import { file } = command;
    let prices = price_list(&sources(args)?)?;
    let store = connect(args).await?;
    let options = SpansOptions::default().with_prices(Arc::new(prices));
    let spans = Spans::new(store, options).await?;
    let imported = import(&spans, file).await;
    let report = spans.shutdown(Duration::from_secs(30)).await;
    let imported = imported?;
    if json {
        print_json(&serde_json::json!({
            "lines": imported.lines, "spans": imported.spans, "committed": imported.committed,
            "parked": imported.parked, "refused": imported.refused,
        }))?;
    } else {
        print_line(&format!(
            "{} span(s) on {} line(s): {} committed, {} parked, {} refused",
            imported.spans + imported.refused,
            imported.lines,
            imported.committed,
            imported.parked,
            imported.refused,
        ))?;
        if imported.parked > 0 {
            print_line("parked spans are kept: annals dead-letters list --table spans")?;
        }
    }
    let whole = imported.parked == 0 && imported.refused == 0 && report.lost == 0;
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn import(spans: &Spans, path: &Path) -> Result<Imported, CliError> {
    let read = |source| CliError::Read {
        path: path.to_owned(),
        source,
    };
    let mut input: Box<dyn BufRead + Send> = if path == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(read)?))
    };
    let mut imported = Imported::default();
    let mut batch: Vec<Span> = Vec::new();
    let mut line = String::new();
    let mut told = Instant::now();
    loop {
        line.clear();
        let length = (&mut input)
            .take(MAX_LINE + 1)
            .read_line(&mut line)
            .map_err(read)?;
        if length == 0 {
            break;
        }
        imported.lines += 1;
        let number = imported.lines;
        let problem = |problem: String| CliError::Line {
            path: path.to_owned(),
            line: number,
            problem,
        };
        if length as u64 > MAX_LINE {
            write(spans, &mut batch, &mut imported).await?;
            return Err(problem(format!("is longer than {} MiB", MAX_LINE >> 20)));
        }
        if line.trim().is_empty() {
            continue;
        }
        match otlp::json::read(&line, &otlp::Bounds::default()) {
            Ok(decoded) => {
                for refused in &decoded.refused {
                    if imported.refused < REASONS {
                        eprintln!("line {}: {refused}", imported.lines);
                    } else if imported.refused == REASONS {
                        eprintln!("further refused spans are counted only");
                    }
                    imported.refused += 1;
                }
                batch.extend(decoded.records);
            }
            Err(error) => {
                let problem = problem(format!(
                    "cannot be read as OTLP/JSON: {}",
                    with_causes(&error)
                ));
                write(spans, &mut batch, &mut imported).await?;
                return Err(problem);
            }
        }
        if batch.len() >= BATCH {
            write(spans, &mut batch, &mut imported).await?;
        }
        if told.elapsed() >= Duration::from_secs(1) && std::io::stderr().is_terminal() {
            eprint!(
                "\r{} lines, {} spans committed ",
                imported.lines, imported.committed
            );
            told = Instant::now();
        }
    }
    write(spans, &mut batch, &mut imported).await?;
    Ok(imported)
}

async fn write(
    spans: &Spans,
    batch: &mut Vec<Span>,
    imported: &mut Imported,
) -> Result<(), CliError> {
    if batch.is_empty() {
        return Ok(());
    }
    let rows = std::mem::take(batch);
    imported.spans += rows.len();
    let written = spans.write_batch(rows).await?;
    imported.committed += written.committed;
    imported.parked += written.parked;
    Ok(())
}
