//! The run directory of a cluster, and the process that removes it.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::ServerError;

/// A directory that goes when this value is dropped or this process dies, the server in it first.
#[derive(Debug)]
pub(super) struct Guard {
    run: PathBuf,
    shell: Mutex<Child>,
}

impl Guard {
    /// Makes a run directory in `base` and begins to guard it.
    pub(super) fn new(base: &Path) -> Result<Self, ServerError> {
        let run = tempfile::Builder::new()
            .prefix("annals-test-")
            .tempdir_in(base)
            .map_err(ServerError::path("make a directory in", base))?;
        // The server's user has to get in, whatever the umask is.
        fs::set_permissions(run.path(), Permissions::from_mode(0o755))
            .map_err(ServerError::path("open", run.path()))?;
        let shell = Command::new("sh")
            .args(["-c", include_str!("guard.sh"), "annals-test-guard"])
            .args([run.path(), &data(run.path())])
            .current_dir("/")
            .stdin(Stdio::piped())
            // Whoever waits for the end of our output must not wait for the guard.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Interrupting a test run from the terminal reaches the whole group.
            .process_group(0)
            .spawn()
            .map_err(|error| ServerError::io("start sh", error))?;
        Ok(Self {
            run: run.keep(),
            shell: Mutex::new(shell),
        })
    }

    pub(super) fn run_dir(&self) -> &Path {
        &self.run
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        data(&self.run)
    }

    /// Tells the guard which process to end.
    pub(super) fn watch(&self, pid: Option<u32>) -> Result<(), ServerError> {
        let line = pid.map_or("-\n".to_owned(), |pid| format!("{pid}\n"));
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pipe) = shell.stdin.as_mut() else {
            return Ok(());
        };
        pipe.write_all(line.as_bytes())
            .map_err(|error| ServerError::io("tell the guard", error))
    }
}

fn data(run: &Path) -> PathBuf {
    run.join("data")
}

impl Drop for Guard {
    fn drop(&mut self) {
        // `wait` closes the pipe first.
        let _ = self
            .shell
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .wait();
    }
}
