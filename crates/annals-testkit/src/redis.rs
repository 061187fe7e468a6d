//! A Redis of a test's own: on loopback, without persistence, killed and paused at will, and gone with the test process
//! even when that is killed itself.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// Ends the server and removes its directory when its standard input ends, which it does however the test goes.
const GUARD: &str = r#"
trap '' HUP INT TERM
pid=-
while read -r line; do pid=$line; done
[ "$pid" = - ] || kill -KILL "$pid"
rm -rf "$1"
"#;

/// A Redis server.
#[derive(Debug)]
pub struct RedisServer {
    address: SocketAddr,
    arguments: Vec<String>,
    directory: PathBuf,
    process: Mutex<Option<Child>>,
    guard: Mutex<Child>,
}

impl RedisServer {
    /// Starts one; none, and a line that says so, where `redis-server` is not installed. In CI that is a failure instead.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// As [`start`](Self::start), with arguments more.
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        let probe = Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if let Err(error) = probe {
            let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
            assert!(
                !is_ci,
                "redis-server is not installed ({error}): run scripts/setup-servers, or install the package `redis-server`"
            );
            println!("skipped: redis-server is not installed");
            return None;
        }
        let directory = tempfile::Builder::new()
            .prefix("annals-redis-")
            .tempdir()
            .expect("a temporary directory")
            .keep();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "annals-redis-guard"])
            .arg(&directory)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let server = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            directory,
            process: Mutex::new(None),
            guard: Mutex::new(guard),
        };
        server.restart();
        Some(server)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Ends it at once. Nothing of what it had is left.
    pub fn kill(&self) {
        let process = self.process().take();
        if let Some(mut process) = process {
            process.kill().expect("its end");
            process.wait().expect("its end");
        }
        self.tell_guard("-");
    }

    /// Starts it again, empty, at the same address.
    pub fn restart(&self) {
        self.kill();
        let process = Command::new("redis-server")
            .args(["--port", &self.address.port().to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--daemonize", "no", "--dir"])
            .arg(&self.directory)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("redis-server");
        self.tell_guard(&process.id().to_string());
        *self.process() = Some(process);
        let deadline = Instant::now() + START;
        while !self.answers() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            sleep(POLL);
        }
    }

    /// Stops it in its tracks: connections stay, new ones are taken by the system, and nobody answers.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends a command past everything, and gives the bytes of the answer's first line, or of the text that follows it.
    pub fn command(&self, arguments: &[&[u8]]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(START)).expect("a timeout");
        let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            request.extend(format!("${}\r\n", argument.len()).bytes());
            request.extend(*argument);
            request.extend(b"\r\n");
        }
        request.extend(b"*1\r\n$4\r\nQUIT\r\n");
        stream.write_all(&request).expect("a command");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = answer.strip_suffix(b"+OK\r\n").unwrap_or(&answer);
        let line = answer.iter().position(|byte| *byte == b'\n');
        let line = line.unwrap_or(answer.len());
        match answer.first() {
            Some(b'$') => {
                let rest = answer.get(line + 1..).unwrap_or_default();
                rest.strip_suffix(b"\r\n").unwrap_or(rest).to_vec()
            }
            Some(_) => answer
                .get(1..line)
                .unwrap_or_default()
                .trim_ascii()
                .to_vec(),
            None => Vec::new(),
        }
    }

    /// The names of everything in it, by name.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let script = b"return table.concat(redis.call('KEYS', '*'), ' ')";
        let answer = self.command(&[b"EVAL", script, b"0"]);
        let text = String::from_utf8_lossy(&answer);
        let mut names: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        names.sort();
        names
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else {
            return false;
        };
        let mut answer = [0; 5];
        stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
            && stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            // With a password it says that it wants one.
            && (answer == *b"+PONG" || answer == *b"-NOAU")
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.process() {
            kill_process(Pid::from_child(process), signal).expect("a signal");
        }
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_guard(&self, line: &str) {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = guard.stdin.as_mut() {
            writeln!(pipe, "{line}").expect("the guard");
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let guard = self.guard.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Closes the pipe first.
        let _ = guard.wait();
    }
}
