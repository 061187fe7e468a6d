//! One PostgreSQL server of a test's own.

use std::collections::hash_map::RandomState;
use std::fs::{self, Permissions};
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::certificate::Certificates;
use super::database::{copy_database, drop_database_at};
use super::guard::Guard;
use super::installation::Installation;
use super::options::{Auth, Options, PASSWORD, Tls};
use super::process::Postmaster;
use super::{Flavor, ServerError, template};

/// Ports that the system does not hand out by itself. A client's own end may get one of those
/// while the server is down: then the server could not come back, and a client that knocks at the
/// empty port might even reach itself.
const PORTS: std::ops::Range<u16> = 15_000..32_000;
const LOG_TAIL: usize = 30;

/// A PostgreSQL server on a loopback port, with a fresh data directory and the user `postgres`.
///
/// Starting, killing and so on take milliseconds and block. A dropped cluster is stopped and
/// removed; so is one whose process dies.
#[derive(Debug)]
pub struct Cluster {
    flavor: Flavor,
    options: Options,
    installation: Installation,
    port: u16,
    authority: Option<PathBuf>,
    /// `None` while it is down.
    postmaster: Mutex<Option<Postmaster>>,
    guard: Guard,
}

impl Cluster {
    /// Starts a server of the test's own, for tests that change or harm it.
    pub fn start(flavor: Flavor, options: Options) -> Result<Self, ServerError> {
        let installation = Installation::find(flavor)?;
        let guard = Guard::new(&installation.base())?;
        let data = guard.data_dir();
        template::copy_to(
            &data,
            &guard.run_dir().join("initdb"),
            flavor,
            &installation,
        )?;
        let mut cluster = Self {
            flavor,
            options,
            installation,
            port: 0,
            authority: None,
            postmaster: Mutex::new(None),
            guard,
        };
        cluster.configure(&data)?;
        let mut tries = 5;
        loop {
            cluster.port = free_port()?;
            tries -= 1;
            match cluster.start_again() {
                // Somebody else took the port after we had looked.
                Err(ServerError::Start { log, .. })
                    if tries > 0 && log.contains("Address already in use") => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(cluster),
            }
        }
    }

    /// The server with default options that all tests of this process share. It is started by the
    /// first who asks; leave it as it is, and work in a
    /// [database of your own](Self::create_database).
    pub fn shared(flavor: Flavor) -> Result<&'static Self, ServerError> {
        static POSTGRES: OnceLock<Result<Cluster, ServerError>> = OnceLock::new();
        static TIMESCALE: OnceLock<Result<Cluster, ServerError>> = OnceLock::new();
        let shared = match flavor {
            Flavor::Postgres => &POSTGRES,
            Flavor::Timescale => &TIMESCALE,
        };
        shared
            .get_or_init(|| Self::start(flavor, Options::new()))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Which server it is.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// The port on 127.0.0.1; the same for the cluster's whole life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Address and [`port`](Self::port).
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// A URL with which a client gets in: it contains the password and the certificate authority
    /// where they are needed.
    pub fn url(&self, database: &str) -> String {
        self.url_at(self.port, database)
    }

    /// The same with another port, that of a [`FaultProxy`](crate::proxy::FaultProxy) for example.
    pub fn url_at(&self, port: u16, database: &str) -> String {
        let password = match self.options.auth {
            Auth::Trust => String::new(),
            Auth::Password => format!(":{PASSWORD}"),
        };
        let tls = match &self.authority {
            None => "sslmode=disable".to_owned(),
            Some(path) => format!("sslmode=verify-full&sslrootcert={}", path.display()),
        };
        format!("postgres://postgres{password}@127.0.0.1:{port}/{database}?{tls}")
    }

    /// The authority that has signed the server's certificate, as a PEM file; `None` without TLS.
    pub fn ca_certificate(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// Everything that the server has said so far.
    pub fn log(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Kills the postmaster and all its children with SIGKILL. Commits that were acknowledged are
    /// there after [`start_again`](Self::start_again), everything else is not.
    pub fn kill(&self) -> Result<(), ServerError> {
        let mut postmaster = self.lock();
        postmaster.take().ok_or(ServerError::NotRunning)?.kill()?;
        self.guard.watch(None)
    }

    /// Stops all processes of the server in their tracks: connections stay open, new ones are made
    /// by the kernel, and nobody answers on any.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.lock().as_ref().ok_or(ServerError::NotRunning)?.pause()
    }

    /// Ends [`pause`](Self::pause).
    pub fn resume(&self) -> Result<(), ServerError> {
        self.lock()
            .as_ref()
            .ok_or(ServerError::NotRunning)?
            .resume()
    }

    /// Shuts the server down as an administrator would: clients are disconnected with SQLSTATE
    /// 57P01, transactions are rolled back.
    pub fn stop_fast(&self) -> Result<(), ServerError> {
        let mut postmaster = self.lock();
        if let Err((stuck, error)) = postmaster
            .take()
            .ok_or(ServerError::NotRunning)?
            .stop_fast()
        {
            *postmaster = Some(stuck);
            return Err(error);
        }
        self.guard.watch(None)
    }

    /// Starts a stopped or killed server again, on the same port and data, and waits until it
    /// accepts connections. Does nothing when it is running.
    pub fn start_again(&self) -> Result<(), ServerError> {
        let mut running = self.lock();
        if running.is_some() {
            return Ok(());
        }
        let data = self.guard.data_dir();
        let mut command = self.installation.command("postgres");
        command.arg("-D").arg(self.installation.inside(&data));
        command.args(["-p", &self.port.to_string()]);
        let mut postmaster = Postmaster::spawn(command, &self.log_file())?;
        self.guard.watch(Some(postmaster.id()))?;
        if let Err(reason) = postmaster.wait_ready(&data.join("postmaster.pid")) {
            postmaster.kill()?;
            self.guard.watch(None)?;
            return Err(ServerError::Start {
                reason,
                log: self.log_tail(),
            });
        }
        *running = Some(postmaster);
        Ok(())
    }

    /// Makes an empty database and returns its name, which no other test has. On TimescaleDB the
    /// extension is in it.
    pub async fn create_database(&self) -> Result<String, ServerError> {
        let template = match self.flavor {
            Flavor::Postgres => "template0",
            Flavor::Timescale => template::EXTENDED,
        };
        copy_database(&self.url("postgres"), template).await
    }

    /// Drops a database, and with it every connection to it.
    pub async fn drop_database(&self, name: &str) -> Result<(), ServerError> {
        drop_database_at(&self.url(name)).await
    }

    /// Everything that the cluster has on disk.
    #[cfg(test)]
    pub(super) fn run_dir(&self) -> &Path {
        self.guard.run_dir()
    }

    fn configure(&mut self, data: &Path) -> Result<(), ServerError> {
        let conf = data.join("postgresql.conf");
        fs::OpenOptions::new()
            .append(true)
            .open(&conf)
            .and_then(|mut file| {
                file.write_all(self.options.postgresql_conf(self.flavor).as_bytes())
            })
            .map_err(ServerError::path("append to", &conf))?;
        write(&data.join("pg_hba.conf"), &self.options.pg_hba_conf())?;
        if self.options.tls != Tls::Off {
            let certificates = Certificates::make()?;
            write(&data.join("server.crt"), &certificates.server)?;
            let key = data.join("server.key");
            write(&key, "")?;
            // PostgreSQL refuses a key that others could read.
            fs::set_permissions(&key, Permissions::from_mode(0o600))
                .map_err(ServerError::path("protect", &key))?;
            self.installation.give(&key)?;
            write(&key, &certificates.server_key)?;
            let authority = self.guard.run_dir().join("authority.crt");
            write(&authority, &certificates.authority)?;
            self.authority = Some(authority);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Postmaster>> {
        self.postmaster
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn log_file(&self) -> PathBuf {
        self.guard.run_dir().join("log")
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(LOG_TAIL))
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What fails here is left to the guard, who is told only when there is nothing to do.
        if let Some(postmaster) = self.lock().take()
            && postmaster.stop_now().is_ok()
        {
            let _ = self.guard.watch(None);
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), ServerError> {
    fs::write(path, text).map_err(ServerError::path("write", path))
}

fn free_port() -> Result<u16, ServerError> {
    let random = RandomState::new().build_hasher().finish();
    let start = u16::try_from(random % PORTS.len() as u64).unwrap_or(0);
    (0..PORTS.len() as u16)
        .map(|step| PORTS.start + (start + step) % PORTS.len() as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| ServerError::io("find a free port", "all of them are in use"))
}
