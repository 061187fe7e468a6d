//! Where a state is kept between two commands: a file that only its owner reads, which commands change one at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{error::TraceError, state::State, token::Token};

/// How long another command may hold the lock. None holds it while it talks to the server.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long is waited between two tries to lock.
const PAUSE: Duration = Duration::from_millis(5);

/// The file of one token's state.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    token: String,
    trace_id: String,
}

impl Place {
    /// The file that is named, or else one in this user's directory for states.
    pub(super) fn of(named: Option<&Path>, token: &Token) -> Result<Self, TraceError> {
        let named = named.map(Path::to_path_buf);
        let named = named.or_else(|| set("ANNALS_TRACE_STATE"));
        let path = match named {
            Some(path) => path,
            None => directory()?.join(format!("{}.json", token.hash())),
        };
        Ok(Self {
            path,
            token: token.hash(),
            trace_id: token.trace_id(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Changes the state, and keeps it unless the change fails; one that is over is removed.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, TraceError>,
    ) -> Result<T, TraceError> {
        let lock = Lock::of(&self.beside(".lock"))?;
        let before = self.load()?;
        let mut state = match &before {
            Some(state) => state.clone(),
            None => State::new(self.token.clone(), self.trace_id.clone()),
        };
        let told = change(&mut state);
        let is_over = match &told {
            Ok(_) => state.is_over(),
            Err(_) => before.is_none(),
        };
        if is_over {
            remove(&self.path)?;
            lock.remove()?;
        } else if told.is_ok() && before.as_ref() != Some(&state) {
            self.save(&state)?;
        }
        told
    }

    /// Forgets what there is.
    pub(super) fn forget(&self) -> Result<(), TraceError> {
        let lock = Lock::of(&self.beside(".lock"))?;
        remove(&self.path)?;
        lock.remove()
    }

    fn load(&self) -> Result<Option<State>, TraceError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(file("read", &self.path, source)),
        };
        let state = State::read(&text).map_err(|problem| TraceError::Corrupt {
            path: self.path.clone(),
            problem,
        })?;
        if state.token != self.token {
            return Err(TraceError::OtherToken {
                path: self.path.clone(),
            });
        }
        Ok(Some(state))
    }

    /// Replaces the file as a whole: a command that is killed, or a machine that stops, leaves the old one or the new one.
    fn save(&self, state: &State) -> Result<(), TraceError> {
        let new = self.beside(".new");
        let text = serde_json::to_vec(state).map_err(|error| file("write", &new, error.into()))?;
        // Left by somebody who was killed, or put there by somebody else.
        remove(&new)?;
        let write = || {
            let mut written = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            written.write_all(&text)?;
            written.sync_all()?;
            std::fs::rename(&new, &self.path)?;
            File::open(parent(&self.path))?.sync_all()
        };
        write().map_err(|source| file("write", &self.path, source))
    }

    /// A file beside the state's.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    }
}

/// The right to change a state, until it is dropped.
#[derive(Debug)]
struct Lock {
    // Locked as long as it is open.
    _file: File,
    path: PathBuf,
}

impl Lock {
    /// Not on the state itself, which is replaced by another file at each change.
    fn of(path: &Path) -> Result<Self, TraceError> {
        make_directory(parent(path)).map_err(|source| file("make", parent(path), source))?;
        let give_up = Instant::now() + PATIENCE;
        loop {
            let opened = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(|source| file("open", path, source))?;
            match opened.try_lock() {
                // Who removed it between opening and locking has left us a lock that nobody else meets.
                Ok(()) if is_at(&opened, path) => {
                    return Ok(Self {
                        _file: opened,
                        path: path.to_owned(),
                    });
                }
                Ok(()) => {}
                Err(TryLockError::Error(source)) => return Err(file("lock", path, source)),
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(TraceError::Busy {
                        path: path.to_owned(),
                        seconds: PATIENCE.as_secs(),
                    });
                }
            }
        }
    }

    /// Removes the file while it is locked, and then lets it go.
    fn remove(self) -> Result<(), TraceError> {
        remove(&self.path)
    }
}

fn is_at(opened: &File, path: &Path) -> bool {
    let (Ok(opened), Ok(found)) = (opened.metadata(), std::fs::metadata(path)) else {
        return false;
    };
    (opened.dev(), opened.ino()) == (found.dev(), found.ino())
}

/// This user's directory for states.
fn directory() -> Result<PathBuf, TraceError> {
    // A path that is none from the root is to be ignored (source: XDG Base Directory Specification).
    let of_states = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let home = || std::env::home_dir().filter(|home| home.is_absolute());
    let of_states = of_states.or_else(|| Some(home()?.join(".local/state")));
    Ok(of_states.ok_or(TraceError::NoPlace)?.join("annals/traces"))
}

fn set(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// The directory of a file.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes what is missing of it, for this user alone.
fn make_directory(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn remove(path: &Path) -> Result<(), TraceError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(file("remove", path, source)),
        _ => Ok(()),
    }
}

fn file(what: &'static str, path: &Path, source: std::io::Error) -> TraceError {
    TraceError::File {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
