//! Where the servers' programs are, and how to run them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::run;
use super::{Flavor, ServerError};

const POSTGRES_MISSING: &str = "PostgreSQL's server programs are not installed. Run \
    scripts/setup-servers, or install the package `postgresql`, or set ANNALS_PG_BINDIR to the \
    directory that contains `initdb` and `postgres`";
const TIMESCALE_MISSING: &str = "TimescaleDB is not installed. Run scripts/setup-servers (root, \
    Debian 12 or 13), or set ANNALS_TIMESCALE_ROOT to a root file system that contains it, `/` for \
    this one, or ANNALS_TEST_DATABASE_URL to a server that has it";

const ROOT_NEEDED: &str = "TimescaleDB is in a root file system of its own, which only root can \
    enter. Run the tests as root, or set ANNALS_TIMESCALE_ROOT=/ where TimescaleDB is installed on \
    the machine itself, or ANNALS_TEST_DATABASE_URL to a server that has it";

/// PostgreSQL programs of one version.
#[derive(Debug)]
pub(super) struct Installation {
    /// The file system that they run in, when it is not ours.
    root: Option<PathBuf>,
    /// As seen from inside the root.
    bindir: PathBuf,
    /// Whom to become, when we are root.
    user: Option<(u32, u32)>,
    version: String,
}

impl Installation {
    pub(super) fn find(flavor: Flavor) -> Result<Self, ServerError> {
        let is_root = rustix::process::geteuid().is_root();
        let (root, bindir) = match flavor {
            Flavor::Postgres => (None, postgres_bindir()?),
            Flavor::Timescale => {
                let root = timescale_root();
                let bindir = newest_bindir(&root, |bin| {
                    bin.parent()
                        .is_some_and(|dir| dir.join("lib/timescaledb.so").exists())
                })
                .ok_or_else(|| missing(TIMESCALE_MISSING, &format!("not in {}", root.display())))?;
                (Some(root).filter(|root| root != Path::new("/")), bindir)
            }
        };
        if root.is_some() && !is_root {
            return Err(ServerError::Missing(ROOT_NEEDED.to_owned()));
        }
        let user = is_root
            .then(|| postgres_user(root.as_deref().unwrap_or(Path::new("/"))))
            .transpose()?;
        let mut found = Self {
            root,
            bindir,
            user,
            version: String::new(),
        };
        let mut version = found.command("postgres");
        version.arg("--version");
        found.version = run(version)?.replace("postgres (PostgreSQL) ", "");
        Ok(found)
    }

    /// A program of the server, to be run inside its root, by a user who may.
    pub(super) fn command(&self, program: &str) -> Command {
        let program = self.bindir.join(program);
        let mut command = match (&self.root, self.user) {
            (Some(root), Some((uid, gid))) => {
                let mut command = Command::new("chroot");
                command
                    .arg(format!("--userspec={uid}:{gid}"))
                    .arg("--groups=");
                command.arg(root).arg(program);
                command
            }
            _ => {
                let mut command = Command::new(program);
                if let Some((uid, gid)) = self.user {
                    command.uid(uid).gid(gid);
                }
                command
            }
        };
        // The test's own PGPORT or PGDATA concern clients, not this server.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .current_dir("/");
        command
    }

    /// `path` as seen from inside the root.
    pub(super) fn inside(&self, path: &Path) -> PathBuf {
        match self
            .root
            .as_ref()
            .and_then(|root| path.strip_prefix(root).ok())
        {
            Some(relative) => Path::new("/").join(relative),
            None => path.to_owned(),
        }
    }

    /// Where run directories go: visible from inside, and reachable for the server's user.
    pub(super) fn base(&self) -> PathBuf {
        self.root
            .as_ref()
            .map_or_else(env::temp_dir, |root| root.join("var/tmp"))
    }

    /// Gives `path` to the user who runs the server.
    pub(super) fn give(&self, path: &Path) -> Result<(), ServerError> {
        let Some((uid, gid)) = self.user else {
            return Ok(());
        };
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .map_err(ServerError::path("give to postgres", path))
    }

    /// Equal for installations that can use each other's data directories.
    pub(super) fn key(&self) -> String {
        let version = self
            .version
            .replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
        // A copy keeps its owner's number, and every root file system has its own numbers.
        let uid = self
            .user
            .map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.0);
        format!("{version}-uid{uid}")
    }
}

pub(super) fn cache_dir() -> PathBuf {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from);
    cache
        .or_else(home)
        .unwrap_or_else(env::temp_dir)
        .join("annals")
}

fn timescale_root() -> PathBuf {
    env::var_os("ANNALS_TIMESCALE_ROOT")
        .filter(|root| !root.is_empty())
        .map_or_else(|| cache_dir().join("timescaledb-root"), absolute)
}

/// The server's programs are started from another directory than ours.
fn absolute(path: OsString) -> PathBuf {
    std::path::absolute(&path).unwrap_or_else(|_| PathBuf::from(path))
}

fn postgres_bindir() -> Result<PathBuf, ServerError> {
    if let Some(bindir) = env::var_os("ANNALS_PG_BINDIR").filter(|dir| !dir.is_empty()) {
        let bindir = absolute(bindir);
        let at = format!("ANNALS_PG_BINDIR is {}", bindir.display());
        return Some(bindir)
            .filter(|dir| has_server(dir))
            .ok_or_else(|| missing(POSTGRES_MISSING, &at));
    }
    newest_bindir(Path::new("/"), |_| true)
        .or_else(|| env::split_paths(&env::var_os("PATH")?).find(|dir| has_server(dir)))
        .ok_or_else(|| {
            missing(
                POSTGRES_MISSING,
                "neither in /usr/lib/postgresql nor in PATH",
            )
        })
}

fn missing(text: &str, at: &str) -> ServerError {
    ServerError::Missing(format!("{text} ({at})"))
}

fn has_server(bindir: &Path) -> bool {
    bindir.join("initdb").exists() && bindir.join("postgres").exists()
}

/// The newest of Debian's version directories in `root` that `fits`, as seen from inside.
fn newest_bindir(root: &Path, fits: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let versions = fs::read_dir(root.join("usr/lib/postgresql")).ok()?;
    let version = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| {
            let bin = root.join(format!("usr/lib/postgresql/{version}/bin"));
            has_server(&bin) && fits(&bin)
        })
        .max()?;
    Some(PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
}

/// Numbers of the user `postgres` in `root`.
fn postgres_user(root: &Path) -> Result<(u32, u32), ServerError> {
    let passwd = root.join("etc/passwd");
    let text = fs::read_to_string(&passwd).map_err(ServerError::path("read", &passwd))?;
    text.lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == "postgres").then_some(())?;
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
        .ok_or_else(|| {
            ServerError::Missing(format!(
                "PostgreSQL does not run as root, and {} has no user `postgres` to run it as",
                passwd.display()
            ))
        })
}
