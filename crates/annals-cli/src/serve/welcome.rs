//! What is told at the start.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Instant,
};

use annals_events::Token;
use annals_server::config::Addresses;

use crate::{
    error::CliError,
    output::{print_json, print_line},
};

/// What a newcomer has to know once the server is ready.
pub(super) struct Welcome {
    pub(super) database: String,
    pub(super) addresses: Addresses,
    pub(super) tls: bool,
    pub(super) started: Instant,
    /// The token of a `default` that this start made. Nobody can read it later.
    pub(super) new_token: Arc<OnceLock<Token>>,
}

impl Welcome {
    pub(super) fn print(&self, json: bool) -> Result<(), CliError> {
        let ready = self.started.elapsed();
        let Addresses {
            http,
            otlp_grpc,
            otlp_http,
        } = self.addresses;
        if json {
            let mut told = serde_json::json!({
                "ready": true, "ready_ms": ready.as_secs_f64() * 1e3, "database": self.database,
                "http": http, "otlp_grpc": otlp_grpc, "otlp_http": otlp_http, "tls": self.tls,
            });
            if let (Some(token), Some(told)) = (self.new_token.get(), told.as_object_mut()) {
                told.insert("new_eventodb_token".to_owned(), token.reveal().into());
            }
            return print_json(&told);
        }
        let scheme = if self.tls { "https" } else { "http" };
        let line = |name: &str, address: Option<SocketAddr>, path: &str| match address {
            Some(address) => print_line(&format!("  {name:<26}{scheme}://{address}{path}")),
            None => Ok(()),
        };
        print_line(&format!(
            "annals {} keeps what it takes in {}",
            env!("CARGO_PKG_VERSION"),
            self.database
        ))?;
        line("OTLP/gRPC and InferTrace", otlp_grpc, "")?;
        line("OTLP/HTTP", otlp_http, "/v1/traces, /v1/metrics, /v1/logs")?;
        line("queries, health, metrics", http, "/")?;
        line("event store", http, "/rpc")?;
        if let Some(token) = self.new_token.get() {
            print_line(&format!(
                "\nThe event store has a new namespace, default, and this token opens it:\n  {}\n\
                 Clients send it as Authorization: Bearer TOKEN. Keep it: it is told this once, and nobody can\n\
                 read it later.\n",
                token.reveal()
            ))?;
        }
        print_line(&format!(
            "ready after {} ms; Ctrl-C stops",
            ready.as_millis()
        ))
    }
}
