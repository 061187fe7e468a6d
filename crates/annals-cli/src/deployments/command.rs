//! What can be asked about deployments.

use annals_market::Zone;
use annals_record::Timestamp;
use annals_server::bars::csv::{Clock, TimeError};
use annals_store::config::parse_duration;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum DeploymentsCommand {
    /// List traces of deployments, newest first; of the last 7 days unless told otherwise
    #[command(
        after_help = "Examples:\n  annals deployments list --status failed --since 24h\n  annals deployments list --target web-production-api --since 2026-01-01\n  annals deployments list --trigger policy.updated --json"
    )]
    List(ListArgs),
    /// Draw a trace as a tree, with the traces that it continues and those that continue it
    #[command(
        after_help = "Examples:\n  annals deployments show 4bf92f3577b34da6a3ce929d0e0e4736\n  annals deployments show 4bf92f3577b34da6a3ce929d0e0e4736 --metadata | less -R"
    )]
    Show {
        /// The trace's id
        #[arg(value_name = "TRACE")]
        trace_id: String,
        /// With what was told of each span besides
        #[arg(long)]
        metadata: bool,
        /// Draw with ASCII alone; so it is where the locale is not UTF-8
        #[arg(long)]
        ascii: bool,
    },
    /// List what was decided against, newest first; of the last 24 hours unless told otherwise
    #[command(after_help = "Example: annals deployments failed --since 7d")]
    Failed {
        #[command(flatten)]
        asked: AskedArgs,
    },
    /// Tell why a release target is not deployed: the latest decision about it, and what blocked it
    #[command(after_help = "Example: annals deployments why web-production-api")]
    Why {
        /// The release target's key: resource, environment and deployment, joined by dashes
        #[arg(value_name = "TARGET")]
        target: String,
    },
    /// Tell how long phases take and how often they fail; of the last 7 days unless told otherwise
    #[command(after_help = "Example: annals deployments phases --since 30d")]
    Phases {
        /// Of this deployment alone
        #[arg(long, value_name = "ID")]
        deployment: Option<String>,
        #[command(flatten)]
        window: WindowArgs,
    },
}

/// Which traces.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    /// Of this deployment
    #[arg(long, value_name = "ID")]
    pub(crate) deployment: Option<String>,
    /// Of this release
    #[arg(long, value_name = "ID")]
    pub(crate) release: Option<String>,
    /// Of this release target
    #[arg(long, value_name = "KEY")]
    pub(crate) target: Option<String>,
    /// Of this job
    #[arg(long, value_name = "ID")]
    pub(crate) job: Option<String>,
    /// That this set off, such as manual or version.created
    #[arg(long)]
    pub(crate) trigger: Option<String>,
    /// With this status: running, completed, failed, skipped, unset or aborted
    #[arg(long)]
    pub(crate) status: Option<String>,
    #[command(flatten)]
    pub(crate) asked: AskedArgs,
}

/// When.
#[derive(Clone, Debug, Args)]
pub(crate) struct WindowArgs {
    /// What began then or later: RFC 3339, a date, or how long ago, such as 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Timestamp>,
    /// What began before; a date means all of that day
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub(crate) until: Option<Timestamp>,
}

/// When, and how many.
#[derive(Clone, Debug, Args)]
pub(crate) struct AskedArgs {
    #[command(flatten)]
    pub(crate) window: WindowArgs,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
    /// Go on behind the page that printed this cursor
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}

impl From<&WindowArgs> for annals_deploy::Asked {
    fn from(args: &WindowArgs) -> Self {
        Self {
            since: args.since,
            until: args.until,
            limit: None,
            after: None,
        }
    }
}

impl From<&AskedArgs> for annals_deploy::Asked {
    fn from(args: &AskedArgs) -> Self {
        Self {
            limit: Some(args.limit),
            after: args.after.clone(),
            ..Self::from(&args.window)
        }
    }
}

/// How long ago; a number alone is none.
fn ago(text: &str) -> Option<Timestamp> {
    let age = parse_duration(text).filter(|_| text.ends_with(|c: char| c.is_ascii_lowercase()));
    age.map(|age| Timestamp::now() - age)
}

fn since(text: &str) -> Result<Timestamp, TimeError> {
    match ago(text) {
        Some(time) => Ok(time),
        None => Clock::of(&Zone::utc())?.read(text),
    }
}

fn until(text: &str) -> Result<Timestamp, TimeError> {
    if let Some(time) = ago(text) {
        return Ok(time);
    }
    let clock = Clock::of(&Zone::utc())?;
    let (time, end) = (clock.read(text)?, clock.read_end(text)?);
    // What begins at the end of a range is not in it, and the last microsecond of a day is.
    Ok(if time == end {
        time
    } else {
        end + std::time::Duration::from_micros(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants_days_and_ages() {
        let day = since("2026-01-05").unwrap();
        assert_eq!(day.to_string(), "2026-01-05T00:00:00Z");
        assert_eq!(
            until("2026-01-05").unwrap().to_string(),
            "2026-01-06T00:00:00Z"
        );
        let instant = "2026-01-05T10:00:00Z";
        assert_eq!(since(instant).unwrap(), until(instant).unwrap());
        let hour = Timestamp::now().duration_since(since("1h").unwrap());
        assert!(hour.as_secs().abs_diff(3_600) < 60, "{hour:?}");
        assert!(since("soon").is_err());
    }
}
