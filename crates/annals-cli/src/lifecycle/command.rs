//! What can be asked for about the life of data.

use std::path::PathBuf;

use annals_market::Zone;
use annals_record::Timestamp;
use annals_server::bars::csv::{Clock, TimeError};
use annals_store::{Interval, LifecycleError, lifecycle::PolicyKind};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum ChunksCommand {
    /// List the chunks of a table with their range, rows and bytes
    ///
    /// Rows are estimated by the server (~12,345), or unknown (?) before it has looked.
    #[command(
        after_help = "Examples:\n  annals chunks list spans\n  annals chunks list bars_1m --count\n  annals chunks list --namespace orders --json"
    )]
    List {
        #[command(flatten)]
        table: TableArg,
        /// Count rows rather than estimate them, which reads all of them
        #[arg(long)]
        count: bool,
    },
    /// Compress chunks that are older
    ///
    /// Each in a transaction of its own, the oldest first. Chunks that are compressed stay as they are; rows
    /// that came to one since are compressed with it. TimescaleDB's Community edition only.
    #[command(
        after_help = "Examples:\n  annals chunks compress spans --older-than '7 days' --dry-run\n  annals chunks compress events:orders --older-than 30d"
    )]
    Compress {
        #[command(flatten)]
        table: TableArg,
        #[command(flatten)]
        older: OlderArg,
        /// Tell which chunks it would be, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Make rows again of compressed chunks, to change much of them
    ///
    /// Chunks that touch the range of time, the newest first. A policy of compression takes them up again.
    #[command(
        after_help = "Examples:\n  annals chunks decompress spans --from 2026-01-05 --until 2026-01-06\n  annals chunks decompress bars_1m --all --dry-run"
    )]
    Decompress {
        #[command(flatten)]
        table: TableArg,
        #[command(flatten)]
        range: RangeArgs,
        /// Tell which chunks it would be, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Drop chunks that are older, with all of their rows
    ///
    /// Tells what would go, and asks. What follows in other tables (traces, longer bars) is done with it.
    /// Where there are no chunks, `annals policy set retention` lets rows go.
    #[command(
        after_help = "Examples:\n  annals chunks drop spans --older-than '90 days' --dry-run\n  annals chunks drop spans --older-than '90 days' --yes"
    )]
    Drop {
        #[command(flatten)]
        table: TableArg,
        #[command(flatten)]
        older: OlderArg,
        /// Tell which chunks it would be, and drop none
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Write the rows of a chunk as CSV, with their number and SHA-256
    ///
    /// Rows are in the order of time and key: the same rows have the same hash, compressed or not.
    #[command(
        allow_missing_positional = true,
        after_help = "Examples:\n  annals chunks export spans _hyper_1_7_chunk --output spans-2026-01-05.csv\n  annals chunks export spans _hyper_1_7_chunk --output - | zstd >spans.csv.zst"
    )]
    Export(ExportArgs),
    /// Make chunks that begin from now on as long as this
    ///
    /// Those that are there stay as they are. A chunk should hold what fits into a quarter of the memory.
    #[command(
        allow_missing_positional = true,
        after_help = "Examples:\n  annals chunks interval spans '12 hours'\n  annals chunks interval --namespace orders '7 days'"
    )]
    Interval {
        #[command(flatten)]
        table: TableArg,
        /// How long, such as 12 hours or 7 days
        #[arg(value_name = "INTERVAL", value_parser = interval)]
        interval: Interval,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) table: TableArg,
    /// The chunk, by its name in `annals chunks list`
    #[arg(value_name = "CHUNK")]
    pub(crate) chunk: String,
    /// The file, which must not be there; - for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Set a policy, in place of the one that there was
    Set {
        #[command(subcommand)]
        policy: PolicySet,
    },
    /// Show policies, where they come from, who runs them and how that went
    #[command(after_help = "Examples:\n  annals policy show\n  annals policy show spans --json")]
    Show {
        #[command(flatten)]
        table: SomeTableArg,
    },
    /// Take a policy away: what it did is not done any more, and what it has done stays
    ///
    /// A default that is taken away stays away until it is set again.
    #[command(
        after_help = "Examples:\n  annals policy remove retention spans\n  annals policy remove compression bars_1m --yes"
    )]
    Remove {
        /// Which
        #[arg(value_enum, value_name = "KIND")]
        kind: KindArg,
        #[command(flatten)]
        table: TableArg,
        /// The one of this service, symbol, workspace or stream alone
        #[arg(long, value_name = "OWNER")]
        only: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Run now what policies say, due or not
    ///
    /// For cron, where no `annals serve` runs; beside one it does no harm. Tells what would be deleted, and asks.
    #[command(
        after_help = "Examples:\n  annals policy run --dry-run\n  annals policy run spans\n  17 3 * * *  annals policy run --yes     in a crontab"
    )]
    Run {
        #[command(flatten)]
        table: SomeTableArg,
        /// Tell what would be done, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicySet {
    /// Compress chunks at an age, on TimescaleDB's Community edition, by the database itself
    #[command(
        after_help = "Examples:\n  annals policy set compression spans --after '3 days'\n  annals policy set compression --namespace orders --after 30d"
    )]
    Compression {
        #[command(flatten)]
        table: TableArg,
        /// At which age, such as 7 days
        #[arg(long, value_name = "AGE", value_parser = interval)]
        after: Interval,
    },
    /// Let rows go at an age, on every database
    ///
    /// Whole chunks where there are chunks, else rows in small steps. `annals serve` runs it, or `annals policy
    /// run`. Tells what would go at once, and asks if that is anything.
    #[command(
        after_help = "Examples:\n  annals policy set retention spans --after '90 days' --dry-run\n  annals policy set retention spans --after '90 days'\n  annals policy set retention spans --after '14 days' --only load-test\n  annals policy set retention deployment_trace_span --after '30 days' --only 7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e"
    )]
    Retention {
        #[command(flatten)]
        table: TableArg,
        /// At which age, such as 90 days or 1 year
        #[arg(long, value_name = "AGE", value_parser = interval)]
        after: Interval,
        /// Rows of this service, symbol, workspace or stream alone
        #[arg(long, value_name = "OWNER")]
        only: Option<String>,
        /// Tell what would go, and set nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Store every so often what is made of a table's rows, such as longer bars
    #[command(after_help = "Example: annals policy set refresh bars_1m --every '1 minute'")]
    Refresh {
        #[command(flatten)]
        table: TableArg,
        /// Every how often, such as 10 seconds
        #[arg(long, value_name = "INTERVAL", value_parser = interval)]
        every: Interval,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) table: TableArg,
    /// Whose: a service of spans, a symbol of bars, a workspace of deployment traces, a stream or category of events
    #[arg(long, value_name = "OWNER")]
    pub(crate) only: String,
    /// Only what is older, such as 30 days
    #[arg(long, value_name = "AGE", value_parser = interval)]
    pub(crate) older_than: Option<Interval>,
    /// Tell how many rows it would be, and delete none
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Which table.
#[derive(Clone, Debug, Args)]
pub(crate) struct TableArg {
    /// The table: spans, metric_data_points, logs, bars_1m, bars_5m, bars_15m, bars_1h, deployment_trace_span or events:NAMESPACE
    #[arg(value_name = "TABLE", required_unless_present = "namespace")]
    table: Option<String>,
    /// The messages of this namespace: the table events:NAME
    #[arg(long, value_name = "NAME", conflicts_with = "table")]
    namespace: Option<String>,
}

/// Which table, or every one.
#[derive(Clone, Debug, Args)]
pub(crate) struct SomeTableArg {
    /// The table; without it, every one
    #[arg(value_name = "TABLE")]
    table: Option<String>,
    /// The messages of this namespace: the table events:NAME
    #[arg(long, value_name = "NAME", conflicts_with = "table")]
    namespace: Option<String>,
}

impl TableArg {
    pub(crate) fn label(&self) -> String {
        label(self.table.as_deref(), self.namespace.as_deref()).unwrap_or_default()
    }
}

impl SomeTableArg {
    pub(crate) fn label(&self) -> Option<String> {
        label(self.table.as_deref(), self.namespace.as_deref())
    }
}

fn label(table: Option<&str>, namespace: Option<&str>) -> Option<String> {
    match namespace {
        Some(namespace) => Some(format!("events:{namespace}")),
        None => table.map(str::to_owned),
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct OlderArg {
    /// Chunks that end before what is so old, such as 90 days, 12 hours or 1 year 6 months
    #[arg(long = "older-than", value_name = "AGE", value_parser = interval)]
    pub(crate) than: Interval,
}

/// Which range of time.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct RangeArgs {
    /// From then on: RFC 3339, or a date with or without a time, in UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<Timestamp>,
    /// Until then; a date means all of that day
    #[arg(long, value_name = "TIME", value_parser = end)]
    pub(crate) until: Option<Timestamp>,
    /// Every chunk
    #[arg(long, conflicts_with_all = ["from", "until"])]
    all: bool,
}

/// A kind of policy.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KindArg {
    /// Compressing chunks
    Compression,
    /// Letting rows go
    Retention,
    /// Storing what is made of rows
    Refresh,
}

impl From<KindArg> for PolicyKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Compression => Self::Compression,
            KindArg::Retention => Self::Retention,
            KindArg::Refresh => Self::Refresh,
        }
    }
}

fn interval(text: &str) -> Result<Interval, LifecycleError> {
    text.parse()
}

fn time(text: &str) -> Result<Timestamp, TimeError> {
    Clock::of(&Zone::utc())?.read(text)
}

fn end(text: &str) -> Result<Timestamp, TimeError> {
    Clock::of(&Zone::utc())?.read_end(text)
}
