//! What can be asked for on the command line.

use std::path::PathBuf;

use annals_record::Uuid;
use clap::{ArgAction, Args, Parser, Subcommand};

pub(crate) use crate::{
    bars::command::BarsCommand,
    costs::CostsArgs,
    deployments::command::DeploymentsCommand,
    doctor::DoctorArgs,
    events::command::{EventsCommand, ExportArgs, ImportArgs},
    lifecycle::command::{ChunksCommand, DeleteArgs, PolicyCommand, SomeTableArg},
    logs::command::LogsCommand,
    metrics::command::MetricsCommand,
    trace::command::TraceCommand,
    traces::command::TracesCommand,
    workspaces::{WorkspaceArg, WorkspacesCommand},
};

/// Durable storage for everything that happens over time.
///
/// Without any setting the database is SQLite in ./annals.db; DATABASE_URL or --database-url choose
/// another, and `annals doctor` tells what was chosen and what it can do.
#[derive(Debug, Parser)]
#[command(
    name = "annals",
    version,
    disable_version_flag = true,
    arg_required_else_help = true,
    subcommand_required = true
)]
#[command(
    after_help = "First steps:\n  annals serve --demo                  a server with traffic to look at\n  annals serve                         a server for programs that speak OTLP\n  annals traces list                   what it has kept\n  annals deployments list              deployments, and why they went as they did\n  annals --test-mode --port 6789       an event store for tests, in memory"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,

    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print the version
    #[arg(short = 'V', visible_short_alias = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that win over environment and file.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Database")]
pub(crate) struct DatabaseArgs {
    /// Database: sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST:PORT/NAME [env: EVENTODB_DB_URL, DATABASE_URL]
    #[arg(long, global = true, value_name = "URL", visible_alias = "db-url")]
    pub(crate) database_url: Option<String>,

    /// Kind of database to expect: auto, sqlite, postgres, timescale [env: EVENTODB_DB_TYPE, DB_TYPE]
    #[arg(long, global = true, value_name = "KIND")]
    pub(crate) db_type: Option<String>,

    /// Directory of SQLite's file, unless its path is absolute; made if missing [env: DB_DATA_DIR]
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) data_dir: Option<String>,

    /// Schema of the tables; on SQLite a prefix of their names [env: DB_SCHEMA]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) schema: Option<String>,

    /// Configuration file; every setting is a top-level key in lower case
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "annals.toml"
    )]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take spans, bars and events in, and answer questions by HTTP
    ///
    /// Spans come by OTLP and InferTrace, bars by HTTP; the event store speaks EventoDB's protocol.
    /// Listens on loopback until told otherwise, and makes its tables at the start. An export is
    /// answered once its spans are committed. SIGTERM and Ctrl-C close the ports, finish what is in
    /// progress and report; a second one does not wait.
    ///
    /// EventoDB's command line is understood too: `annals --port=6789 --token=… --db-url=…`, with one dash
    /// or two and without the word serve, opens the HTTP port alone.
    #[command(
        after_help = "Examples:\n  annals serve\n  annals serve --database-url postgres://ann@db/annals --http-addr 127.0.0.1:9000\n  annals --test-mode --port=6789      an event store for tests: in memory, no tokens, HTTP alone"
    )]
    Serve(ServeArgs),
    /// Make, change or drop the tables
    Migrate {
        #[command(subcommand)]
        command: MigrateCommand,
    },
    /// Tell which database this is, what it can do, what is wrong, and what would be better
    ///
    /// Looks at the connection, versions, licence, settings, chunks, indexes, tables, policies, the ledger and dead
    /// letters, and says of each finding what to do. Changes nothing.
    #[command(
        after_help = "Ends with:\n  0  nothing must change (with --strict: and nothing should)\n  1  there is a fault (with --strict: or advice)\n  2  it cannot be told: no connection, or a setting that cannot be used\n\nExamples:\n  annals doctor\n  annals doctor --strict --json | jq '.diagnosis[]'"
    )]
    Doctor(DoctorArgs),
    /// Rows that their table refused
    #[command(name = "dead-letters")]
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// Find traces of telemetry, and look at them
    Traces {
        #[command(subcommand)]
        command: TracesCommand,
    },
    /// What models were used for, and what it cost: by model, provider, service, user, conversation, day and hour
    #[command(
        after_help = "First steps:\n  annals costs                                what each model cost in the last 30 days\n  annals costs --by user,model --since 7d     who spent it\n  annals costs prices --model gpt-4o          what a call costs, in US dollars per million tokens\n  annals costs recompute --since 30d --dry-run"
    )]
    Costs(CostsArgs),
    /// What programs measured: counters, gauges and histograms, and what they come to
    Metrics {
        #[command(subcommand)]
        command: MetricsCommand,
    },
    /// What services said: find it, and watch it come
    Logs {
        #[command(subcommand)]
        command: LogsCommand,
    },
    /// Deployment traces: why something was deployed, or was not, and what became of it
    #[command(
        after_help = "First steps:\n  annals deployments list                       what was reconciled, newest first\n  annals deployments show TRACE                 one of them as a tree, with what CI did\n  annals deployments why web-production-api     why a target is not deployed\n\nThe workspace is --workspace or ANNALS_WORKSPACE, and may be left out where there is exactly one."
    )]
    Deployments {
        #[command(flatten)]
        workspace: WorkspaceArg,
        #[command(subcommand)]
        command: DeploymentsCommand,
    },
    /// Workspaces: whose deployment traces are together
    Workspaces {
        #[command(subcommand)]
        command: WorkspacesCommand,
    },
    /// Continue a deployment's trace from a shell, such as a CI job's
    ///
    /// The deployment engine gives the job a token in ANNALS_TRACE_TOKEN (or CTRLPLANE_TRACE_TOKEN), never on the
    /// command line, which others can see. Actions may be nested; everything hangs under the span of the job.
    /// What the server cannot be told now is kept in a file and sent later, so that its absence fails no job.
    #[command(
        after_help = "A script:\n  export ANNALS_URL=https://annals.example      and the token, which the engine has set\n  trap 'annals trace end --all --status failed' EXIT\n  annals trace start Deploy\n  annals trace metadata commit \"$GITHUB_SHA\"\n  kubectl apply -f k8s/\n  annals trace step Apply pass\n  annals trace start Verify\n  annals trace step 'Pods ready' pass --message '3/3'\n  annals trace end                              Verify\n  annals trace end                              Deploy\n\nEnds with:\n  0  it is recorded, and sent or kept to be sent (a warning tells)\n  1  it is kept, and was to be delivered: `flush`, or `end` of the last open action\n  2  it is refused: the token, the input, or a file that cannot be used"
    )]
    Trace {
        #[command(subcommand)]
        command: TraceCommand,
    },
    /// Write spans
    Spans {
        #[command(subcommand)]
        command: SpansCommand,
    },
    /// Bars of market data: bring them in, look at them, take them out
    #[command(
        after_help = "First steps:\n  annals migrate up\n  annals bars import AAPL.csv --symbol AAPL --zone America/New_York\n  annals bars get AAPL --latest 10 --timeframe 1d --zone America/New_York"
    )]
    Bars {
        #[command(subcommand)]
        command: BarsCommand,
    },
    /// The event store: namespaces, streams and messages, straight in the database
    #[command(
        after_help = "First steps:\n  annals events create orders                          makes a namespace, and tells its token once\n  annals events write order-1 Placed '{\"total\":42}' --namespace orders\n  annals events get order-1 --namespace orders\n  annals events tail --category order --namespace orders"
    )]
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Chunks of tables: look at them, compress, drop and export them
    #[command(
        after_help = "First steps:\n  annals chunks list spans\n  annals chunks compress spans --older-than '7 days' --dry-run\n  annals chunks drop spans --older-than '90 days' --dry-run\n\nTables are spans, metric_data_points, logs, bars_1m, bars_5m, bars_15m, bars_1h, deployment_trace_span, and events:NAMESPACE for messages."
    )]
    Chunks {
        #[command(subcommand)]
        command: ChunksCommand,
    },
    /// What happens to data at which age: compression, retention, and storing longer bars
    #[command(
        after_help = "First steps:\n  annals policy show\n  annals policy set retention spans --after '90 days'\n  annals policy set compression --namespace orders --after '30 days'\n  annals policy run --dry-run"
    )]
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// What tables take on disk, and what compression has saved
    #[command(after_help = "Examples:\n  annals stats\n  annals stats spans --json")]
    Stats {
        #[command(flatten)]
        table: SomeTableArg,
    },
    /// Delete the rows of one service, symbol, workspace or stream, in small steps, compressed or not
    #[command(
        after_help = "Examples:\n  annals delete spans --only load-test --dry-run\n  annals delete spans --only checkout --older-than '30 days'\n  annals delete bars_1m --only TEST --yes\n  annals delete deployment_trace_span --only 7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e --older-than '90 days'"
    )]
    Delete(DeleteArgs),
    /// Write a namespace's messages as lines of JSON, from a running server
    Export(ExportArgs),
    /// Bring messages that `annals export` or `eventodb export` wrote into a running server
    Import(ImportArgs),
    /// List every setting with its value and where that comes from
    Settings,
    /// Print a completion script for a shell
    #[command(after_help = "For bash: annals completions bash >/etc/bash_completion.d/annals")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version {
        /// With what it was built for and what it speaks
        #[arg(long)]
        full: bool,
    },
}

/// Flags of `annals serve`, which win over environment and file.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address for queries, bars, ticks, the event store, health and metrics, or off [env: HTTP_ADDR] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http_addr: Option<String>,

    /// Port on loopback for the same: 127.0.0.1:PORT [env: EVENTODB_PORT]
    #[arg(long, value_name = "PORT", conflicts_with = "http_addr")]
    pub(crate) port: Option<u16>,

    /// Address for OTLP/gRPC and InferTrace, or off [env: OTLP_GRPC_ADDR] [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) otlp_grpc_addr: Option<String>,

    /// Address for OTLP/HTTP, or off [env: OTLP_HTTP_ADDR] [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) otlp_http_addr: Option<String>,

    /// Certificate chain (PEM); with --tls-key every port speaks TLS [env: TLS_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<String>,

    /// The certificate's key (PEM) [env: TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,

    /// Allow addresses beyond loopback without API_TOKEN [env: INSECURE]
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Leave tables to `annals migrate up` [env: MIGRATE_ON_START=false]
    #[arg(long)]
    pub(crate) no_migrate: bool,

    /// Token of the event store's namespace default; without one the first start makes and tells one [env: EVENTODB_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,

    /// Ask event store requests for no token, for tests: HTTP alone, and in memory unless a database is chosen [env: EVENTODB_TEST_MODE]
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) test_mode: Option<String>,

    /// Least important kind of message to log: trace, debug, info, warn, error or off [env: EVENTODB_LOG_LEVEL] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,

    /// How messages are logged: console or json [env: EVENTODB_LOG_FORMAT] [default: console]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,

    /// Make traffic to look at: three models, a past, faults and a slow deployment
    ///
    /// Without a database of your choice it goes to SQLite in ./annals-demo.db.
    #[arg(long)]
    pub(crate) demo: bool,

    /// How much traffic, 1 being 270 requests a second
    #[arg(long, value_name = "RATE", default_value_t = 0.1, requires = "demo")]
    pub(crate) demo_rate: f64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Run every migration that has not run
    Up,
    /// Undo migrations, the last one first; their tables go with everything in them
    Down {
        /// How many
        #[arg(long, default_value_t = 1, value_name = "COUNT")]
        steps: usize,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List the migrations and whether they have run
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List dead letters, oldest first
    List {
        /// Only those of this table
        #[arg(long)]
        table: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u64,
        /// Go on behind the page that printed this cursor
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
    },
    /// Show one with its record
    Show {
        /// Its id
        id: Uuid,
    },
    /// Try them again; those whose table takes them now are gone from here
    Replay {
        #[command(flatten)]
        which: Which,
    },
    /// Delete them for good
    Purge {
        #[command(flatten)]
        which: Which,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Which dead letters.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Which {
    /// These
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<Uuid>,
    /// Those of this table
    #[arg(long, conflicts_with = "ids")]
    pub(crate) table: Option<String>,
    /// Every one
    #[arg(long, conflicts_with_all = ["ids", "table"])]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpansCommand {
    /// Import spans from a file of OTLP/JSON lines, one request on each line
    ///
    /// Spans that are there already stay as they are, so a file may be imported again after it was
    /// cut short.
    Import {
        /// The file; - for standard input
        file: PathBuf,
    },
}
