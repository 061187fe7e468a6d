//! What can be asked about traces.

use std::time::Duration;

use annals_record::Timestamp;
use annals_store::config::parse_duration;
use annals_telemetry::{AttributeEquals, TraceSearch, TraceStatus};
use clap::{Args, Subcommand};

use crate::deployments::command::WindowArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum TracesCommand {
    /// Draw a trace as a waterfall: every span once, by start, below the one that caused it
    ///
    /// As wide as the terminal, or as COLUMNS says; 80 columns where there is none.
    Get {
        /// The trace's id
        trace_id: String,
        /// Draw with ASCII alone
        #[arg(long)]
        ascii: bool,
    },
    /// List traces, newest first
    List {
        /// Only traces whose root is of this service
        #[arg(long)]
        service: Option<String>,
        /// Only traces that began then or later (RFC 3339)
        #[arg(long, value_name = "TIME")]
        since: Option<Timestamp>,
        /// Only traces that began then or earlier (RFC 3339)
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
        /// Only traces with a span that failed
        #[arg(long)]
        errors: bool,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u64,
        /// Go on behind the page that printed this cursor
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
    },
    /// Find traces by what they and their spans are; every condition must hold
    ///
    /// What no index has (attributes, names, tools, agents, tokens) is looked for in the last day unless --since, --user
    /// or --conversation is given, and this is said.
    #[command(
        after_help = "Examples:\n  annals traces search --errors --since 24h\n  annals traces search --model gpt-4o --min-cost 0.05\n  annals traces search --attribute tenant=acme --name checkout --since 7d\n  annals traces search --user ann --min-duration 10s --json"
    )]
    Search(Box<SearchArgs>),
}

/// Which traces.
#[derive(Clone, Debug, Args)]
pub(crate) struct SearchArgs {
    /// That are called by this service
    #[arg(long)]
    service: Option<String>,
    /// With this status: ok, error or unset
    #[arg(long, value_parser = status)]
    status: Option<TraceStatus>,
    /// Of which a span failed
    #[arg(long)]
    errors: bool,
    #[command(flatten)]
    window: WindowArgs,
    /// That took so long or longer, such as 250ms
    #[arg(long, value_name = "TIME", value_parser = span_of_time)]
    min_duration: Option<Duration>,
    /// That took so long or less
    #[arg(long, value_name = "TIME", value_parser = span_of_time)]
    max_duration: Option<Duration>,
    /// With a span of this model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// With a call of a model of this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// For this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Of this conversation
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// That cost so many US dollars or more
    #[arg(long, value_name = "DOLLARS", allow_negative_numbers = true)]
    min_cost: Option<f64>,
    /// That cost so many US dollars or less
    #[arg(long, value_name = "DOLLARS", allow_negative_numbers = true)]
    max_cost: Option<f64>,
    /// Whose calls of models read and wrote so many tokens or more
    #[arg(long, value_name = "TOKENS")]
    min_tokens: Option<u64>,
    /// Whose calls of models read and wrote so many tokens or less
    #[arg(long, value_name = "TOKENS")]
    max_tokens: Option<u64>,
    /// With a span that has this attribute; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    attribute: Vec<AttributeEquals>,
    /// With a span whose name contains this, whatever its case
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Whose root's name contains this, whatever its case
    #[arg(long, value_name = "TEXT")]
    root: Option<String>,
    /// With a call of this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// In which this agent worked
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) limit: u32,
    /// Go on behind the page that printed this cursor
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

fn status(text: &str) -> Result<TraceStatus, &'static str> {
    match text {
        "ok" => Ok(TraceStatus::Ok),
        "error" => Ok(TraceStatus::Error),
        "unset" => Ok(TraceStatus::Unset),
        _ => Err("must be ok, error or unset"),
    }
}

fn span_of_time(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("must be a time span such as 250ms, 5s or 1m")
}

fn attribute(text: &str) -> Result<AttributeEquals, &'static str> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("must be a name and a value, such as http.method=GET")?;
    Ok(AttributeEquals::reads(name, value))
}

impl From<&SearchArgs> for TraceSearch {
    fn from(args: &SearchArgs) -> Self {
        let args = args.clone();
        Self {
            service_name: args.service,
            status: args.status,
            errors: args.errors,
            since: args.window.since,
            until: args.window.until,
            min_duration: args.min_duration,
            max_duration: args.max_duration,
            model_name: args.model,
            provider: args.provider,
            user_id: args.user,
            conversation_id: args.conversation,
            min_cost: args.min_cost,
            max_cost: args.max_cost,
            min_tokens: args.min_tokens,
            max_tokens: args.max_tokens,
            attributes: args.attribute,
            name: args.name,
            root_name: args.root,
            tool_name: args.tool,
            agent_name: args.agent,
            limit: Some(args.limit),
            after: args.after,
        }
    }
}
