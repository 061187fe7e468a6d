//! The postmaster and its children as processes: started, signalled, waited for.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::ServerError;

const POLL: Duration = Duration::from_millis(5);
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);

/// A running postmaster.
#[derive(Debug)]
pub(super) struct Postmaster {
    child: Child,
}

impl Postmaster {
    /// Starts the server; what it says goes to the end of `log`.
    pub(super) fn spawn(mut command: Command, log: &Path) -> Result<Self, ServerError> {
        let open = || fs::OpenOptions::new().create(true).append(true).open(log);
        let stdout = open().map_err(ServerError::path("open", log))?;
        let stderr = open().map_err(ServerError::path("open", log))?;
        command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        let child = command
            .spawn()
            .map_err(|error| ServerError::io("start postgres", error))?;
        Ok(Self { child })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server accepts connections. `lock` is its postmaster.pid, where it says so
    /// in the last line; that is how `pg_ctl` knows as well.
    pub(super) fn wait_ready(&mut self, lock: &Path) -> Result<(), String> {
        let deadline = Instant::now() + START;
        let ours = self.id().to_string();
        loop {
            // A killed predecessor's file is there until the server replaces it.
            let lines = fs::read_to_string(lock).unwrap_or_default();
            let mut lines = lines.lines().map(str::trim);
            if lines.next() == Some(&ours) && lines.nth(6) == Some("ready") {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("it was not ready after {} s", START.as_secs()));
            }
            sleep(POLL);
        }
    }

    /// Ends all processes as a crash of the server would: none gets to do anything more.
    pub(super) fn kill(mut self) -> Result<(), ServerError> {
        if let Ok(Some(_)) = self.child.try_wait() {
            return Ok(()); // and its number may be another process's by now
        }
        // Stopped, it cannot have more children while they are being counted.
        self.stop()?;
        let children = children(self.id());
        for child in &children {
            signal(*child, Signal::KILL)?;
        }
        signal(self.pid(), Signal::KILL)?;
        self.wait()?;
        // They are not ours to wait for, and a server that is started again insists that all of
        // its predecessor is gone.
        self.until(|| {
            children
                .iter()
                .all(|child| matches!(state(*child), None | Some('Z' | 'X')))
        })
    }

    /// Stops all processes in their tracks. Connections stay, and nobody answers.
    pub(super) fn pause(&self) -> Result<(), ServerError> {
        self.stop()?;
        let children = children(self.id());
        for child in &children {
            signal(*child, Signal::STOP)?;
        }
        self.until(|| {
            children
                .iter()
                .all(|child| matches!(state(*child), None | Some('T' | 'Z' | 'X')))
        })
    }

    /// Ends [`pause`](Self::pause).
    pub(super) fn resume(&self) -> Result<(), ServerError> {
        for child in children(self.id()) {
            signal(child, Signal::CONT)?;
        }
        signal(self.pid(), Signal::CONT)
    }

    /// Disconnects clients, writes a checkpoint and ends.
    pub(super) fn stop_fast(mut self) -> Result<(), (Self, ServerError)> {
        match signal(self.pid(), Signal::INT).and_then(|()| self.wait()) {
            Ok(()) => Ok(()),
            Err(error) => Err((self, error)),
        }
    }

    /// Ends without a checkpoint, though in order: nothing is left outside the data directory.
    pub(super) fn stop_now(mut self) -> Result<(), ServerError> {
        self.resume()?;
        signal(self.pid(), Signal::QUIT)?;
        self.wait()
    }

    /// Pauses the postmaster alone.
    fn stop(&self) -> Result<(), ServerError> {
        signal(self.pid(), Signal::STOP)?;
        self.until(|| matches!(state(self.pid()), None | Some('T' | 'Z' | 'X')))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn wait(&mut self) -> Result<(), ServerError> {
        let deadline = Instant::now() + STOP;
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            if Instant::now() > deadline {
                return Err(self.stuck());
            }
            sleep(POLL);
        }
        Ok(())
    }

    fn until(&self, done: impl Fn() -> bool) -> Result<(), ServerError> {
        let deadline = Instant::now() + STOP;
        while !done() {
            if Instant::now() > deadline {
                return Err(self.stuck());
            }
            sleep(POLL);
        }
        Ok(())
    }

    fn stuck(&self) -> ServerError {
        ServerError::Stop {
            pid: self.id(),
            seconds: STOP.as_secs(),
        }
    }
}

/// A process that is gone cannot be signalled, and need not be.
fn signal(pid: Pid, signal: Signal) -> Result<(), ServerError> {
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(ServerError::io(
            format!("send {signal:?} to process {pid:?}"),
            error,
        )),
    }
}

/// Every child of a postmaster leads a session and a group of its own, so a signal to the
/// postmaster's group does not reach them.
fn children(parent: u32) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let (_, ppid) = stat(pid)?;
            (ppid == parent).then(|| Pid::from_raw(pid)).flatten()
        })
        .collect()
}

fn state(pid: Pid) -> Option<char> {
    stat(pid.as_raw_nonzero().get()).map(|(state, _)| state)
}

/// State and parent of a process.
fn stat(pid: i32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name comes before, in parentheses, and may contain both spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
