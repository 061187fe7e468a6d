//! What `annals serve` is to do, by its flags and settings.

use std::net::{Ipv4Addr, SocketAddr};

use annals_server::ServerConfig;
use annals_store::{DatabaseConfig, config::Sources};

use crate::{
    command::{DatabaseArgs, ServeArgs},
    database::sources,
    error::CliError,
};

/// The database of a demo for which nobody chose one.
const DEMO_DATABASE: &str = "sqlite:annals-demo.db";

/// The database of tests for which nobody chose one.
const TEST_DATABASE: &str = "sqlite::memory:";

/// What to serve, and from where.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) server: ServerConfig,
    pub(super) database: DatabaseConfig,
    pub(super) sources: Sources,
}

impl Plan {
    /// `is_asked` when the word `serve` was said, without which the HTTP port opens alone.
    pub(super) fn of(
        database: &DatabaseArgs,
        args: &ServeArgs,
        is_asked: bool,
    ) -> Result<Self, CliError> {
        let mut sources = with_flags(sources(database)?, args);
        let mut server = ServerConfig::from_sources(&sources)?;
        if sources.is_set("EVENTODB_PORT") && !sources.is_set("HTTP_ADDR") {
            let port = sources.parse("EVENTODB_PORT", "a port from 0 to 65535")?;
            server.addresses.http = Some(loopback(port));
        }
        let is_test = server.events.test_mode;
        // Clients of the event store start several servers at once, which know of no other ports.
        if is_test || !is_asked {
            if args.otlp_grpc_addr.is_none() {
                server.addresses.otlp_grpc = None;
            }
            if args.otlp_http_addr.is_none() {
                server.addresses.otlp_http = None;
            }
        }
        if !DatabaseConfig::is_chosen(&sources) {
            let url = match (args.demo, is_test) {
                (true, _) => Some(DEMO_DATABASE),
                (false, true) => Some(TEST_DATABASE),
                (false, false) => None,
            };
            if let Some(url) = url {
                sources = sources.with_flag("DATABASE_URL", url);
            }
        }
        Ok(Self {
            server,
            database: DatabaseConfig::from_sources(&sources)?,
            sources,
        })
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn with_flags(mut sources: Sources, args: &ServeArgs) -> Sources {
    let truth = |set: bool, value: &str| set.then(|| value.to_owned());
    let of_port = args.port.map(|port| loopback(port).to_string());
    for (name, value) in [
        ("HTTP_ADDR", args.http_addr.clone().or(of_port)),
        ("OTLP_GRPC_ADDR", args.otlp_grpc_addr.clone()),
        ("OTLP_HTTP_ADDR", args.otlp_http_addr.clone()),
        ("TLS_CERT", args.tls_cert.clone()),
        ("TLS_KEY", args.tls_key.clone()),
        ("INSECURE", truth(args.insecure, "true")),
        ("MIGRATE_ON_START", truth(args.no_migrate, "false")),
        ("EVENTODB_TOKEN", args.token.clone()),
        ("EVENTODB_TEST_MODE", args.test_mode.clone()),
    ] {
        if let Some(value) = value {
            sources = sources.with_flag(name, value);
        }
    }
    sources
}
