//! `annals bars import`: CSV from a file.

use std::{
    collections::BTreeMap, fs::File, io::Read, path::Path, process::ExitCode, time::Duration,
};

use annals_market::{Bar, BarStore as _, Bars, BarsOptions};
use annals_server::bars::csv::{CsvFormat, CsvReader, Reason, RefusedRow};
use annals_store::Overflow;

use super::{command::ImportArgs, refusals::Refusals};
use crate::{
    command::DatabaseArgs,
    database::{connect, sources},
    error::CliError,
    output::{print_json, print_line},
    progress::Progress,
};

/// Bars that are written at once.
const BATCH: usize = 5_000;

/// What became of a file.
#[derive(Debug, Default)]
struct Imported {
    rows: u64,
    committed: usize,
    parked: usize,
}

pub(crate) async fn run(
    database: &DatabaseArgs,
    args: &ImportArgs,
    json: bool,
) -> Result<ExitCode, CliError> {
    let format = format(args)?;
    let bars = if args.dry_run {
        None
    } else {
        let options = options(database, args)?;
        Some(Bars::new(connect(database).await?, options).await?)
    };
    let mut refusals = Refusals::to(args.refused_to.as_deref())?;
    let (input, length) = open(&args.file)?;
    let progress = Progress::of(length);
    let mut import = Import {
        bars: bars.as_ref(),
        batch: Vec::new(),
        lines: Vec::new(),
        refusals: &mut refusals,
        progress: &progress,
        done: Imported::default(),
    };
    let read = import.read(input, &args.file, &format).await;
    let imported = import.done;
    progress.finish();
    let lost = match &bars {
        Some(bars) => bars.close(Duration::from_secs(30)).await.lost,
        None => 0,
    };
    if read.is_err() && imported.committed > 0 {
        eprintln!(
            "{} row(s) are in the database; then this happened:",
            imported.committed
        );
    }
    read?;
    refusals.finish()?;
    report(&imported, refusals.count, args, json)?;
    let is_whole = imported.parked == 0 && refusals.count == 0 && lost == 0;
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn format(args: &ImportArgs) -> Result<CsvFormat, CliError> {
    let mut columns = BTreeMap::new();
    for (column, name) in &args.columns {
        if columns.insert(*column, name.clone()).is_some() {
            return Err(CliError::ColumnTwice(*column));
        }
    }
    Ok(CsvFormat {
        columns,
        symbol: args.symbol.clone(),
        zone: args.zone.clone(),
        delimiter: args.delimiter,
    })
}

fn options(database: &DatabaseArgs, args: &ImportArgs) -> Result<BarsOptions, CliError> {
    let mut options = BarsOptions::from_sources(&sources(database)?)?;
    // A file can wait, and its rows are not to give way to each other.
    options.writer.overflow = Overflow::Block;
    if let Some(conflict) = args.conflict {
        options.conflict = conflict.into();
    }
    Ok(options)
}

/// The input, with its length where that is known.
fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), CliError> {
    if path == Path::new("-") {
        return Ok((Box::new(std::io::stdin().lock()), None));
    }
    let read = |source| CliError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    let length = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(file), length))
}

/// A file on its way into the database, or to nowhere.
struct Import<'a> {
    bars: Option<&'a Bars>,
    batch: Vec<Bar>,
    /// Where each bar of the batch stands in the file.
    lines: Vec<u64>,
    refusals: &'a mut Refusals,
    progress: &'a Progress,
    done: Imported,
}

impl Import<'_> {
    async fn read(
        &mut self,
        input: impl Read,
        path: &Path,
        format: &CsvFormat,
    ) -> Result<(), CliError> {
        let rows = CsvReader::new(self.progress.reading(input), format).map_err(|source| {
            CliError::Csv {
                path: path.to_owned(),
                source,
            }
        })?;
        for row in rows {
            match row {
                Ok((line, bar)) => {
                    self.done.rows += 1;
                    self.lines.push(line);
                    self.batch.push(bar);
                }
                Err(RefusedRow {
                    reason: Reason::Read(source),
                    ..
                }) => {
                    self.write().await?;
                    return Err(CliError::Read {
                        path: path.to_owned(),
                        source,
                    });
                }
                Err(refused) => {
                    self.done.rows += 1;
                    self.refusals.tell(&refused, self.progress)?;
                }
            }
            if self.batch.len() >= BATCH {
                self.write().await?;
            }
        }
        self.write().await
    }

    async fn write(&mut self) -> Result<(), CliError> {
        self.progress.rows(self.done.rows);
        let batch = std::mem::take(&mut self.batch);
        let lines = std::mem::take(&mut self.lines);
        let Some(bars) = self.bars.filter(|_| !batch.is_empty()) else {
            return Ok(());
        };
        let written = bars.write_bars(batch).await?;
        self.done.committed += written.committed;
        self.done.parked += written.parked;
        for refused in written.refused {
            let line = lines.get(refused.index).copied().unwrap_or_default();
            let reason = refused.reason.into();
            self.refusals
                .tell(&RefusedRow { line, reason }, self.progress)?;
        }
        Ok(())
    }
}

fn report(
    imported: &Imported,
    refused: u64,
    args: &ImportArgs,
    json: bool,
) -> Result<(), CliError> {
    let Imported {
        rows,
        committed,
        parked,
    } = imported;
    if json {
        return print_json(&serde_json::json!({
            "rows": rows, "committed": committed, "parked": parked, "refused": refused,
            "dry_run": args.dry_run,
        }));
    }
    if args.dry_run {
        let bars = rows - refused;
        return print_line(&format!(
            "{rows} row(s): {bars} would be written, {refused} refused; nothing was written"
        ));
    }
    print_line(&format!(
        "{rows} row(s): {committed} committed, {parked} parked, {refused} refused"
    ))?;
    if *parked > 0 {
        print_line("parked bars are kept: annals dead-letters list --table bars_1m")?;
    }
    Ok(())
}
