//! The program as a child process, and what the system says of it.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Options, cpu};

/// How long the first answer of `/ready` may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// `annals serve` on ports that the system chose. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    errors: PathBuf,
    spawned: Instant,
    /// From the spawn to the line that says that it is ready.
    pub(crate) ready: Duration,
    pub(crate) http: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
}

impl Program {
    /// The token of the event store's namespace `default`.
    pub(crate) const EVENTS_TOKEN: &str =
        "ns_ZGVmYXVsdA_0000000000000000000000000000000000000000000000000000000000000000";

    /// Starts it on a database, with nothing of this process's settings, and waits for its line.
    /// `home` is its directory, where it also leaves what it says on the way.
    pub(crate) fn start(options: &Options, url: &str, home: &Path) -> Self {
        let path = path(options);
        let errors = home.join("annals.stderr");
        let log = File::create(&errors).expect("a file for errors");
        let mut command = Command::new(&path);
        command.args(["serve", "--json"]);
        for port in ["--http-addr", "--otlp-grpc-addr", "--otlp-http-addr"] {
            command.args([port, "127.0.0.1:0"]);
        }
        command
            .env_clear()
            .env("DATABASE_URL", url)
            .env("EVENTODB_TOKEN", Self::EVENTS_TOKEN);
        command.current_dir(home).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(log);
        let spawned = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "{}: {error}; it comes from cargo build --release -p annals-cli",
                path.display()
            )
        });
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        out.read_line(&mut line).expect("its output");
        let ready = spawned.elapsed();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let why = fs::read_to_string(&errors).unwrap_or_default();
            panic!("annals serve said {line:?} instead of being ready: {why}")
        });
        let address = |name: &str| {
            let address = said[name].as_str().and_then(|text| text.parse().ok());
            address.unwrap_or_else(|| panic!("no {name} in {said}"))
        };
        Self {
            http: address("http"),
            otlp_grpc: address("otlp_grpc"),
            otlp_http: address("otlp_http"),
            child,
            out,
            errors,
            spawned,
            ready,
        }
    }

    /// Asks `/ready` until the answer is 200, and gives the time since the spawn.
    pub(crate) fn first_answer(&self) -> Duration {
        while self.spawned.elapsed() < PATIENCE {
            if ask(self.http).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 ")) {
                return self.spawned.elapsed();
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        panic!("/ready did not answer 200 within {PATIENCE:?}")
    }

    /// Processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        cpu::of_process(self.child.id())
    }

    /// The most memory that it has had, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it has, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a process that lives");
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
        let kibibytes: u64 = kibibytes
            .and_then(|number| number.parse().ok())
            .expect("a number of kB");
        kibibytes * 1_024
    }

    /// Tells it to stop, and gives its report once it has ended well.
    pub(crate) fn stop(mut self) -> Value {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a process that lives");
        let mut said = String::new();
        self.out.read_to_string(&mut said).expect("its output");
        let status = self.child.wait().expect("its end");
        let why = || fs::read_to_string(&self.errors).unwrap_or_default();
        assert!(
            status.success(),
            "annals serve ended with {status}: {}",
            why()
        );
        let last = said.lines().next_back().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("no report in {said:?}: {}", why()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // After a stop it has ended, and nothing is left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that was asked for, or the one that lies beside this one.
fn path(options: &Options) -> PathBuf {
    if let Some(program) = &options.program {
        return fs::canonicalize(program)
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    }
    env::current_exe()
        .expect("this program's path")
        .with_file_name("annals")
}

/// One GET, without a client that would have to be set up first.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
