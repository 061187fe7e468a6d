//! What can be asked of bars.

use std::path::PathBuf;

use annals_market::{Conflict, Timeframe, Zone};
use annals_server::bars::csv::Column;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum BarsCommand {
    /// Import bars of a minute from a CSV file with a header
    ///
    /// Columns are found by their common names (symbol or ticker; timestamp, time, date or datetime;
    /// open, high, low, close, volume, vwap; o, h, l, c, v), and --column names others. Without vwap,
    /// (high + low + close) / 3 takes its place. A row that is no bar is refused by its line, and the
    /// others are imported.
    ///
    /// Times may be RFC 3339, a date and a time or a date alone by the clocks of --zone, or a whole
    /// number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size.
    /// A bar of a day is kept as the minute at which the day begins.
    #[command(
        after_help = "Examples:\n  annals bars import minutes.csv\n  annals bars import AAPL.csv --symbol AAPL --zone America/New_York --column timestamp=Day\n  zcat all.csv.gz | annals bars import - --dry-run"
    )]
    Import(ImportArgs),
    /// Write bars as CSV, which `annals bars import` reads back the same
    ///
    /// When the first and the last trade of a bar were has no column. Times have the offset of --zone.
    #[command(
        after_help = "Examples:\n  annals bars export --out all.csv\n  annals bars export --symbol AAPL --symbol MSFT --start 2026-01-01 --end 2026-01-31 --timeframe 1d --zone America/New_York"
    )]
    Export(ExportArgs),
    /// Show bars of a symbol: the newest, or those of a time range
    #[command(
        after_help = "Examples:\n  annals bars get AAPL\n  annals bars get AAPL --latest 10 --timeframe 1d --zone America/New_York\n  annals bars get AAPL --start 2026-01-05 --end '2026-01-05 12:00' --zone America/New_York --csv"
    )]
    Get(GetArgs),
    /// List symbols with the number of their bars and the last of them
    #[command(after_help = "Example: annals bars symbols --since 24h")]
    Symbols {
        /// Only bars that began then or later: 24h, 7d, or a time; without it, all
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
    /// List the minutes of a time range that a symbol has no bar for
    #[command(
        after_help = "Example: annals bars gaps AAPL --start '2026-01-05 09:30' --end '2026-01-05 15:59' --zone America/New_York"
    )]
    Gaps(GapsArgs),
    /// Roll minutes up again into the stored bars of 5m, 15m and 1h, and wait for the end of it
    ///
    /// Bars that Annals wrote are rolled up by `annals serve`, and need none of this. For bars that were
    /// written, corrected or deleted by SQL, of which it does not know.
    #[command(
        after_help = "Examples:\n  annals bars refresh\n  annals bars refresh --symbol AAPL --from 2026-01-05 --until 2026-01-09 --zone America/New_York"
    )]
    Refresh(RefreshArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file; - for standard input
    pub(crate) file: PathBuf,
    /// The symbol of every row, for a file without a column of symbols
    #[arg(long)]
    pub(crate) symbol: Option<String>,
    /// Which column of the file stands for what, such as timestamp=Day; may be repeated
    #[arg(long = "column", value_name = "COLUMN=NAME", value_parser = column)]
    pub(crate) columns: Vec<(Column, String)>,
    /// Whose clocks times without an offset were read from, such as America/New_York
    #[arg(long, value_name = "NAME", value_parser = zone, default_value = "UTC")]
    pub(crate) zone: Zone,
    /// What stands between fields: one character, or tab
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter, default_value = ",")]
    pub(crate) delimiter: u8,
    /// What a bar does whose symbol and minute are there already [env: BARS_DB_CONFLICT] [default: replace]
    #[arg(long, value_name = "POLICY")]
    pub(crate) conflict: Option<ConflictArg>,
    /// Read and check the file, and write nothing; needs no database
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write every refused row's line and reason there, instead of the first ones to the terminal
    #[arg(long, value_name = "FILE")]
    pub(crate) refused_to: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ConflictArg {
    /// It replaces the one that is there
    Replace,
    /// Both become one: first open, last close, highest, lowest, volumes added up
    Merge,
    /// The one that is there stays
    Ignore,
}

impl From<ConflictArg> for Conflict {
    fn from(policy: ConflictArg) -> Self {
        match policy {
            ConflictArg::Replace => Self::Replace,
            ConflictArg::Merge => Self::Merge,
            ConflictArg::Ignore => Self::Ignore,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// Only this symbol; may be repeated
    #[arg(long = "symbol", value_name = "SYMBOL")]
    pub(crate) symbols: Vec<String>,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    #[command(flatten)]
    pub(crate) frame: FrameArgs,
    /// The file, which is overwritten; standard output without it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GetArgs {
    /// The symbol
    pub(crate) symbol: String,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// The newest so many; 20 when no time range is given
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["start", "end", "limit", "after"])]
    pub(crate) latest: Option<u32>,
    #[command(flatten)]
    pub(crate) frame: FrameArgs,
    /// At most so many of a time range, the oldest first [default: 100]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Go on behind the page that printed this cursor
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
    /// Print CSV instead of a table
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GapsArgs {
    /// The symbol
    pub(crate) symbol: String,
    /// The first minute: a time or a date
    #[arg(long, value_name = "TIME")]
    pub(crate) start: String,
    /// The last minute: a time, or a date for all of that day
    #[arg(long, value_name = "TIME")]
    pub(crate) end: String,
    /// Whose clocks times are read from and shown by
    #[arg(long, value_name = "NAME", value_parser = zone, default_value = "UTC")]
    pub(crate) zone: Zone,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RefreshArgs {
    /// Only this symbol; may be repeated
    #[arg(long = "symbol", value_name = "SYMBOL")]
    pub(crate) symbols: Vec<String>,
    /// The first minute: a time or a date; without it, the first that is there
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// The last minute: a time, or a date for all of that day; without it, the last that is there
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Whose clocks times are read from
    #[arg(long, value_name = "NAME", value_parser = zone, default_value = "UTC")]
    pub(crate) zone: Zone,
}

/// Which bars.
#[derive(Clone, Debug, Args)]
pub(crate) struct RangeArgs {
    /// Only bars that began then or later: RFC 3339, or a date with or without a time in the zone
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<String>,
    /// Only bars that began then or earlier; a date means all of that day
    #[arg(long, value_name = "TIME")]
    pub(crate) end: Option<String>,
}

/// How long bars are.
#[derive(Clone, Debug, Args)]
pub(crate) struct FrameArgs {
    /// How long a bar is: 1m, 5m, 15m, 1h or 1d
    #[arg(long, default_value = "1m")]
    pub(crate) timeframe: Timeframe,
    /// Whose days bars of a day are, and whose clocks times are read from and shown by
    #[arg(long, value_name = "NAME", value_parser = zone, default_value = "UTC")]
    pub(crate) zone: Zone,
}

fn zone(text: &str) -> Result<Zone, annals_market::Error> {
    Zone::named(text)
}

fn column(text: &str) -> Result<(Column, String), String> {
    let (column, name) = text
        .split_once('=')
        .filter(|(_, name)| !name.trim().is_empty())
        .ok_or("write COLUMN=NAME, such as timestamp=Day")?;
    let column: Column = column.trim().parse().map_err(|error| format!("{error}"))?;
    Ok((column, name.to_owned()))
}

fn delimiter(text: &str) -> Result<u8, &'static str> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] => Ok(*byte),
        _ => Err("write one character, or tab"),
    }
}
