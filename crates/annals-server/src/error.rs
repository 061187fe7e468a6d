//! Why a server does not start, or does not go on.

use std::{net::SocketAddr, path::PathBuf};

/// The result of anything that this crate does to run a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {address} for {service}; if another program has the port, choose another with {setting}, or turn the service off with {setting}=off"
    )]
    Listen {
        /// What was to be served there.
        service: &'static str,
        /// Where.
        address: SocketAddr,
        /// The setting that chooses it.
        setting: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// An address beyond loopback without a token.
    #[error(
        "{setting} is {address}, which others can reach, and there is no API_TOKEN: set API_TOKEN, listen on 127.0.0.1, or say --insecure"
    )]
    Exposed {
        /// Where.
        address: SocketAddr,
        /// The setting that chooses it.
        setting: &'static str,
    },
    /// Test mode on an address beyond loopback.
    #[error(
        "HTTP_ADDR is {address}, which others can reach, and EVENTODB_TEST_MODE asks nobody for a token: listen on 127.0.0.1, turn test mode off, or say --insecure"
    )]
    ExposedTestMode {
        /// Where.
        address: SocketAddr,
    },
    /// The token that was given does not open the namespace `default`.
    #[error(
        "EVENTODB_TOKEN is not the token of namespace \"default\" in this database: set the one that was told or given when the database was made, or none at all to start with whatever it is"
    )]
    DefaultToken,
    /// Every service is off.
    #[error(
        "HTTP_ADDR, OTLP_GRPC_ADDR and OTLP_HTTP_ADDR are all off, so there is nothing to serve"
    )]
    NothingToServe,
    /// The prices of models cannot be used.
    #[error(transparent)]
    Prices(#[from] annals_telemetry::cost::PriceError),
    /// A certificate or its key cannot be used.
    #[error("{name} is {path}, which cannot be used", path = path.display())]
    Certificate {
        /// The setting that chooses it.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store of spans failed.
    #[error(transparent)]
    Telemetry(#[from] annals_telemetry::Error),
    /// The store of bars failed.
    #[error(transparent)]
    Market(#[from] annals_market::Error),
    /// The store of deployment traces failed.
    #[error(transparent)]
    Deployments(#[from] annals_deploy::Error),
    /// The event store failed.
    #[error(transparent)]
    Events(#[from] annals_events::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] annals_store::Error),
}

impl From<annals_store::ConfigError> for Error {
    fn from(error: annals_store::ConfigError) -> Self {
        Self::Store(error.into())
    }
}
