//! What can be asked of the event store.

use std::path::PathBuf;

use annals_record::{Json, Uuid};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// List namespaces with the number of their messages, the newest first
    Namespaces,
    /// Make a namespace; its token is told this once
    #[command(
        after_help = "Example: annals events create orders --description 'what customers bought'"
    )]
    Create {
        /// Its id: any text
        #[arg(value_name = "NAMESPACE")]
        id: String,
        /// What it is for
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
        /// A token of this namespace, instead of a random one
        #[arg(long)]
        token: Option<String>,
    },
    /// Give a namespace a new token, for one that was lost or seen; it is told this once
    #[command(
        name = "new-token",
        after_help = "Example: annals events new-token default"
    )]
    NewToken {
        /// Its id
        #[arg(value_name = "NAMESPACE")]
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Delete a namespace with every message in it
    Delete {
        /// Its id
        #[arg(value_name = "NAMESPACE")]
        id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List streams by name
    #[command(after_help = "Example: annals events streams --prefix account- --limit 20")]
    Streams {
        #[command(flatten)]
        of: NamespaceArg,
        /// Only names that begin so
        #[arg(long, default_value = "", hide_default_value = true)]
        prefix: String,
        /// Go on behind this name
        #[arg(
            long,
            value_name = "STREAM",
            default_value = "",
            hide_default_value = true
        )]
        after: String,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// List categories with the number of their streams and messages
    Categories {
        #[command(flatten)]
        of: NamespaceArg,
    },
    /// Show messages of a stream, of a category, or of everything
    ///
    /// With --json, each is a line as `annals export` writes it.
    #[command(
        after_help = "Examples:\n  annals events get account-123\n  annals events get --category account --from 1000 --limit 10\n  annals events get --json | jq .data"
    )]
    Get(GetArgs),
    /// Follow a stream, a category, or everything, until Ctrl-C
    ///
    /// Whatever server writes them, messages come once and in order.
    #[command(
        after_help = "Examples:\n  annals events tail\n  annals events tail --category account --from 1"
    )]
    Tail(TailArgs),
    /// Write a message, to try things out
    #[command(
        after_help = "Example: annals events write account-123 Deposited '{\"amount\":10}' --expect -1"
    )]
    Write(WriteArgs),
    /// Make streams' versions, message ids and the counter true for messages that SQL brought in
    #[command(name = "rebuild-heads")]
    RebuildHeads {
        /// The namespace
        namespace: String,
    },
    /// Look for what cannot be: gaps, doubles, versions that lag; ends with 1 when there is any
    Verify {
        /// The namespace
        namespace: String,
    },
    /// The same as `annals export`
    Export(ExportArgs),
    /// The same as `annals import`
    Import(ImportArgs),
}

/// Whose streams.
#[derive(Clone, Debug, Args)]
pub(crate) struct NamespaceArg {
    /// The namespace
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    pub(crate) namespace: String,
}

/// Which messages.
#[derive(Clone, Debug, Args)]
pub(crate) struct WhichMessages {
    /// Those of this stream
    pub(crate) stream: Option<String>,
    /// Those of this category, by their places in the namespace
    #[arg(long, conflicts_with = "stream")]
    pub(crate) category: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) of: NamespaceArg,
    #[command(flatten)]
    pub(crate) which: WhichMessages,
    /// Begin at this position: of the stream where one is named, else of the namespace
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    pub(crate) from: i64,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) of: NamespaceArg,
    #[command(flatten)]
    pub(crate) which: WhichMessages,
    /// Begin at this position, with what is stored: of the stream where one is named, else of the namespace
    #[arg(long, value_name = "POSITION")]
    pub(crate) from: Option<i64>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WriteArgs {
    #[command(flatten)]
    pub(crate) of: NamespaceArg,
    /// The stream
    pub(crate) stream: String,
    /// What happened
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// What is told of it: a JSON object
    #[arg(value_name = "DATA", value_parser = document)]
    pub(crate) data: Json,
    /// What is told about the message itself: a JSON object
    #[arg(long, value_name = "JSON", value_parser = document)]
    pub(crate) metadata: Option<Json>,
    /// Its id, so that writing it again writes nothing twice
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<Uuid>,
    /// The version at which the stream must be: the position of its last message, -1 for a new stream
    #[arg(long, value_name = "VERSION", allow_negative_numbers = true)]
    pub(crate) expect: Option<i64>,
}

/// Which server, and as whom.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server; of Annals or of EventoDB
    #[arg(long, default_value = crate::remote::DEFAULT)]
    pub(crate) url: String,
    /// The namespace's token, which EVENTODB_TOKEN keeps out of sight of others [env: EVENTODB_TOKEN]
    #[arg(long)]
    pub(crate) token: Option<String>,
}

/// Flags of `annals export`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  annals export --token ns_… --output orders.ndjson\n  annals export --url https://events.example --token ns_… --categories order,payment --since 2026-01-01 --gzip --output orders.ndjson.gz"
)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Only these categories, one after the other
    #[arg(long, value_name = "CATEGORY,…", value_delimiter = ',')]
    pub(crate) categories: Vec<String>,
    /// Only messages of then or later: RFC 3339, or a date for its beginning in UTC
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only messages of before then: RFC 3339, or a date for its beginning in UTC
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Pack with gzip
    #[arg(long)]
    pub(crate) gzip: bool,
    /// The file, which is overwritten once all is there; standard output without it
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Flags of `annals import`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  annals import --token ns_… --input orders.ndjson.gz\n  annals export --token ns_… | annals import --url http://127.0.0.1:9000 --token ns_…"
)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// What comes is packed with gzip; a packed file is known by itself
    #[arg(long)]
    pub(crate) gzip: bool,
    /// The file; standard input without it
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Delete every message of the namespace first
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

fn document(text: &str) -> Result<Json, String> {
    Json::parse(text).map_err(|error| crate::error::with_causes(&error))
}
