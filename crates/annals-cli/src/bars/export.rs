//! `annals bars export`: CSV to a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use annals_market::{BarRange, BarStore as _, Bars};
use annals_server::bars::csv::{Clock, CsvWriter};

use super::{command::ExportArgs, range, reader};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{print_json, print_line},
};

/// Bars that are read at once.
const PAGE: u32 = 10_000;

pub(super) async fn run(
    database: &DatabaseArgs,
    args: &ExportArgs,
    json: bool,
) -> Result<(), CliError> {
    if json && args.out.is_none() {
        return Err(CliError::ExportInJson);
    }
    let clock = range::clock(&args.frame.zone)?;
    // A range that cannot be read leaves the file alone.
    range::of("", &args.range, &args.frame, &clock)?;
    let bars = reader(database).await?;
    let symbols = symbols(&bars, args, &clock).await?;
    let count = match write(&bars, &symbols, args, &clock).await {
        // A reader that has gone (`| head`) is no failure.
        Err(CliError::Write { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(());
        }
        count => count?,
    };
    match &args.out {
        Some(_) if json => {
            print_json(&serde_json::json!({ "symbols": symbols.len(), "bars": count }))
        }
        Some(path) => print_line(&format!(
            "{count} bar(s) of {} symbol(s) are in {}",
            symbols.len(),
            path.display()
        )),
        None => Ok(()),
    }
}

/// Those that were asked for, or else all that have a bar since the start.
async fn symbols(bars: &Bars, args: &ExportArgs, clock: &Clock) -> Result<Vec<String>, CliError> {
    if !args.symbols.is_empty() {
        return Ok(args.symbols.clone());
    }
    let (start, _) = range::between(clock, args.range.start.as_deref(), None)?;
    let seen = bars.symbols_seen_since(start).await?;
    Ok(seen.into_iter().map(|seen| seen.symbol).collect())
}

async fn write(
    bars: &Bars,
    symbols: &[String],
    args: &ExportArgs,
    clock: &Clock,
) -> Result<u64, CliError> {
    let path = args.out.as_deref();
    let cannot = |source| CliError::Write {
        path: path.unwrap_or(Path::new("standard output")).to_owned(),
        source,
    };
    let output: Box<dyn Write> = match path {
        Some(path) => Box::new(File::create(path).map_err(cannot)?),
        None => Box::new(io::stdout().lock()),
    };
    let mut writer = CsvWriter::new(BufWriter::new(output), &args.frame.zone).map_err(cannot)?;
    let mut count = 0;
    for symbol in symbols {
        let range = range::of(symbol, &args.range, &args.frame, clock)?;
        let of_symbol = write_symbol(bars, range, &mut writer, &cannot).await?;
        if of_symbol == 0 && !args.symbols.is_empty() {
            eprintln!("there are no bars of {symbol:?} in this time range");
        }
        count += of_symbol;
    }
    let mut output = writer.finish().map_err(cannot)?;
    output.flush().map_err(cannot)?;
    Ok(count)
}

async fn write_symbol(
    bars: &Bars,
    range: BarRange,
    writer: &mut CsvWriter<impl Write>,
    cannot: &impl Fn(io::Error) -> CliError,
) -> Result<u64, CliError> {
    let mut count = 0;
    let mut range = range.with_limit(PAGE);
    loop {
        let page = bars.get_bars(range.clone()).await?;
        for bar in &page.bars {
            writer.write(bar).map_err(cannot)?;
            count += 1;
        }
        match page.next {
            Some(next) => range = range.after(next),
            None => return Ok(count),
        }
    }
}
