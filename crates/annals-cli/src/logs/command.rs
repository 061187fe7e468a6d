//! What can be asked about logs.

use annals_telemetry::{LogFilter, LogOrder};
use clap::{Args, Subcommand};

use crate::deployments::command::WindowArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum LogsCommand {
    /// Find log records; every condition must hold
    ///
    /// What no index has (text, attributes, events, scopes) is looked for in the last day unless --since or --until
    /// is given, and this is said. The trace that a line ends with is what `annals traces get` shows.
    #[command(
        after_help = "Examples:\n  annals logs search --severity error --since 1h\n  annals logs search --text timeout --service api --since 7d\n  annals logs search --trace 4bf92f3577b34da6a3ce929d0e0e4736 --oldest\n  annals logs search --attribute user.id=7 --json"
    )]
    Search(SearchArgs),
    /// Show the last records, and those that come, until Ctrl-C
    ///
    /// Each once and none left out, whatever server writes them. With --json each is a line.
    #[command(
        after_help = "Examples:\n  annals logs tail\n  annals logs tail --service api --severity warn\n  annals logs tail --no-follow --lines 100 --json"
    )]
    Tail(TailArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    which: WhichLogs,
    #[command(flatten)]
    window: WindowArgs,
    /// The oldest first
    #[arg(long)]
    oldest: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on behind the page that printed this cursor
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    which: WhichLogs,
    /// Begin with so many that are there
    #[arg(short = 'n', long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) lines: u32,
    /// End once these are shown
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// Go on with what comes, which is what is done anyway
    #[arg(short, long, conflicts_with = "no_follow")]
    follow: bool,
}

/// Which records.
#[derive(Clone, Debug, Args)]
pub(crate) struct WhichLogs {
    /// Of this service
    #[arg(long)]
    service: Option<String>,
    /// At least so grave: trace, debug, info, warn, error, fatal, or 1 to 24
    #[arg(long, value_parser = annals_telemetry::log::severity)]
    severity: Option<i32>,
    /// Said in this trace
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// Said in this span
    #[arg(long, value_name = "ID")]
    span: Option<String>,
    /// Whose body contains this, whatever its case
    #[arg(long)]
    text: Option<String>,
    /// With this attribute; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    attribute: Vec<(String, String)>,
    /// Events of this name
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Of this instrumentation scope
    #[arg(long, value_name = "NAME")]
    scope: Option<String>,
}

fn attribute(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write a name and a value: user.id=7")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl WhichLogs {
    fn filter(&self) -> LogFilter {
        let id = |id: &Option<String>| id.as_ref().map(|id| id.to_ascii_lowercase());
        LogFilter {
            service_name: self.service.clone(),
            severity: self.severity,
            trace_id: id(&self.trace),
            span_id: id(&self.span),
            text: self.text.clone(),
            attributes: self.attribute.clone(),
            event_name: self.event.clone(),
            scope_name: self.scope.clone(),
            ..LogFilter::default()
        }
    }
}

impl SearchArgs {
    pub(super) fn filter(&self) -> LogFilter {
        LogFilter {
            since: self.window.since,
            until: self.window.until,
            order: if self.oldest {
                LogOrder::OldestFirst
            } else {
                LogOrder::NewestFirst
            },
            limit: Some(self.limit),
            after: self.after.clone(),
            ..self.which.filter()
        }
    }
}

impl TailArgs {
    pub(super) fn filter(&self) -> LogFilter {
        self.which.filter()
    }
}
