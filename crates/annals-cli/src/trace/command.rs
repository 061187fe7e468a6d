//! What can be asked for about the trace that this job continues.

use std::path::PathBuf;

use annals_deploy::{Status, StepResult};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    /// Begin an action; what follows is part of it, until it ends
    ///
    /// Prints the id of its span, by which commands of parallel branches name it (--action).
    #[command(
        after_help = "Examples:\n  annals trace start 'Build images'\n  build=$(annals trace start Build)      and later: annals trace end --action \"$build\""
    )]
    Start {
        /// What it is called
        name: String,
        /// Part of this action, rather than of the innermost that is open
        #[arg(long, value_name = "SPAN")]
        action: Option<String>,
        #[command(flatten)]
        job: JobArgs,
    },
    /// Tell of a step that is over
    #[command(
        after_help = "Examples:\n  annals trace step 'Unit tests' pass --message '412 passed'\n  make lint && annals trace step Lint pass || annals trace step Lint fail"
    )]
    Step {
        /// What it is called
        name: String,
        /// How it ended
        #[arg(value_enum)]
        result: ResultArg,
        /// Why it ended so
        #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
        message: Option<String>,
        /// Part of this action, rather than of the innermost that is open
        #[arg(long, value_name = "SPAN")]
        action: Option<String>,
        #[command(flatten)]
        job: JobArgs,
    },
    /// Add something to know about the innermost action that is open
    ///
    /// Values are text; several are a list.
    #[command(
        after_help = "Examples:\n  annals trace metadata commit \"$GITHUB_SHA\"\n  annals trace metadata images api worker web\n  annals trace metadata replicas 3 --typed"
    )]
    Metadata {
        /// What is told
        key: String,
        /// Its value, or values
        #[arg(required = true, value_name = "VALUE", allow_negative_numbers = true)]
        values: Vec<String>,
        /// Take numbers, true and false as such, and not as text
        #[arg(long)]
        typed: bool,
        /// About this action, rather than the innermost that is open
        #[arg(long, value_name = "SPAN")]
        action: Option<String>,
        #[command(flatten)]
        job: JobArgs,
    },
    /// End the innermost action that is open
    ///
    /// Without a status the worst of what was part of it decides. What ends the last action that is open waits
    /// until the server has everything, and ends with 1 when that does not come about.
    #[command(
        after_help = "Examples:\n  annals trace end\n  annals trace end --status failed --message 'no space left'\n  trap 'annals trace end --all --status failed' EXIT     in a script that may stop anywhere"
    )]
    End {
        /// How it ended
        #[arg(long, value_enum)]
        status: Option<StatusArg>,
        /// Why it ended so
        #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
        message: Option<String>,
        /// End this action and what is open in it, rather than the innermost
        #[arg(long, value_name = "SPAN", conflicts_with = "all")]
        action: Option<String>,
        /// End everything that is open, the innermost with the status, if there is anything
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        job: JobArgs,
    },
    /// Send what the server does not have yet, and wait until it has it
    #[command(
        after_help = "Example: annals trace flush --wait 2m      when a command said that spans are kept"
    )]
    Flush {
        #[command(flatten)]
        job: JobArgs,
    },
    /// Print a token for a job's span, made here from TRACE_TOKEN_SECRET
    ///
    /// For engines that hand tokens out themselves, and for trying things; POST /workspaces/{id}/tokens does the
    /// same on a server. The secret is read from the environment or annals.toml, and must be the server's.
    #[command(
        after_help = "Example:\n  export ANNALS_TRACE_TOKEN=$(annals trace token --workspace 7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e \\\n    --trace 4bf92f3577b34da6a3ce929d0e0e4736 --span 00f067aa0ba902b7 --job deploy-api-42 --life 1h)"
    )]
    Token(TokenArgs),
}

/// Where what is recorded goes, and where it is kept meanwhile.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server and state")]
pub(crate) struct JobArgs {
    /// The server [env: ANNALS_URL] [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Keep what is open and what is not sent yet in this file [env: ANNALS_TRACE_STATE] [default: one for each token, in ~/.local/state/annals/traces]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// How long `flush`, and `end` of the last action, go on trying
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(crate) wait: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TokenArgs {
    /// The workspace of the trace, a UUID [env: ANNALS_WORKSPACE]
    #[arg(long, value_name = "ID")]
    pub(crate) workspace: Option<String>,
    /// The trace that may be continued
    #[arg(long, value_name = "ID")]
    pub(crate) trace: String,
    /// The span of the job, under which everything hangs
    #[arg(long, value_name = "ID")]
    pub(crate) span: String,
    /// The job's id
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) job: String,
    /// How long it is valid
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(crate) life: String,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ResultArg {
    /// Well
    Pass,
    /// Not well
    Fail,
}

impl From<ResultArg> for StepResult {
    fn from(result: ResultArg) -> Self {
        match result {
            ResultArg::Pass => Self::Pass,
            ResultArg::Fail => Self::Fail,
        }
    }
}

/// How an action ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StatusArg {
    /// Well
    Completed,
    /// Not well
    Failed,
    /// There was nothing to do
    Skipped,
}

impl From<StatusArg> for Status {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Completed => Self::Completed,
            StatusArg::Failed => Self::Failed,
            StatusArg::Skipped => Self::Skipped,
        }
    }
}
