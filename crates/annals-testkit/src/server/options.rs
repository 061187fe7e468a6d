//! What a test may ask of its server, and the configuration files that follow from it.

use std::fmt::Write as _;

use super::Flavor;

/// The right password of user `postgres` where [`Auth::Password`] asks for one.
pub const PASSWORD: &str = "open-sesame";

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Auth {
    /// They need not.
    #[default]
    Trust,
    /// SCRAM with [`PASSWORD`].
    Password,
}

/// Whether the server speaks TLS. The certificate is for `localhost` and `127.0.0.1`, signed by an
/// authority of the cluster's own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tls {
    /// It does not.
    #[default]
    Off,
    /// It does if the client wants.
    Offered,
    /// It refuses clients without.
    Required,
}

/// How a [`Cluster`](super::Cluster) is to be set up. The default is PostgreSQL's own configuration
/// without fsync.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Lines for `postgresql.conf`, such as `max_connections = 5`. They win over ours.
    pub conf: Vec<String>,
    /// Whether the server waits for the disk. Without it a commit survives
    /// [`kill`](super::Cluster::kill), since the system lives on, though not a power loss.
    pub fsync: bool,
    /// Encryption.
    pub tls: Tls,
    /// Authentication.
    pub auth: Auth,
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line of `postgresql.conf`.
    #[must_use]
    pub fn conf(mut self, line: impl Into<String>) -> Self {
        self.conf.push(line.into());
        self
    }

    /// Sets [`fsync`](Self::fsync).
    #[must_use]
    pub fn fsync(mut self, on: bool) -> Self {
        self.fsync = on;
        self
    }

    /// Sets [`tls`](Self::tls).
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sets [`auth`](Self::auth).
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// What is appended to `postgresql.conf`.
    pub(super) fn postgresql_conf(&self, flavor: Flavor) -> String {
        let mut lines = vec![
            "listen_addresses = '127.0.0.1'",
            "unix_socket_directories = ''",
            // /dev/shm is an ordinary directory in a bare root file system; files there would
            // outlive a killed server, these go with the data directory.
            "dynamic_shared_memory_type = mmap",
        ];
        if !self.fsync {
            lines.push("fsync = off");
        }
        if self.tls != Tls::Off {
            lines.push("ssl = on");
        }
        if flavor == Flavor::Timescale {
            lines.push("shared_preload_libraries = 'timescaledb'");
            lines.push("timescaledb.telemetry_level = off");
        }
        let mut conf = String::from("\n# annals-testkit\n");
        for line in lines
            .into_iter()
            .chain(self.conf.iter().map(String::as_str))
        {
            let _ = writeln!(conf, "{line}");
        }
        conf
    }

    /// All of `pg_hba.conf`.
    pub(super) fn pg_hba_conf(&self) -> String {
        let kind = if self.tls == Tls::Required {
            "hostssl"
        } else {
            "host"
        };
        let method = match self.auth {
            Auth::Trust => "trust",
            Auth::Password => "scram-sha-256",
        };
        format!(
            "{kind} all all 127.0.0.1/32 {method}\n{kind} replication all 127.0.0.1/32 {method}\n"
        )
    }
}
