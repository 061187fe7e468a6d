//! `annals serve`, as a program of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use annals_testkit::TestDatabase;
use serde_json::Value;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Ports that the system chooses.
pub(crate) const ANY_PORTS: [&str; 6] = [
    "--http-addr",
    "127.0.0.1:0",
    "--otlp-grpc-addr",
    "127.0.0.1:0",
    "--otlp-http-addr",
    "127.0.0.1:0",
];

/// A program that runs beside the test. It is killed when it goes out of scope.
pub(crate) struct Program {
    child: Child,
    lines: mpsc::Receiver<String>,
    errors: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl Program {
    /// Starts `annals serve` in a directory of its own, with these settings and nothing of this process's.
    pub(crate) fn serve(settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::serve_in(tempfile::tempdir().unwrap(), settings, arguments)
    }

    pub(crate) fn serve_in(
        directory: tempfile::TempDir,
        settings: &[(&str, &str)],
        arguments: &[&str],
    ) -> Self {
        Self::start(directory, settings, &[&["serve"], arguments].concat())
    }

    /// Starts `annals` with these arguments and nothing else.
    pub(crate) fn start(
        directory: tempfile::TempDir,
        settings: &[(&str, &str)],
        arguments: &[&str],
    ) -> Self {
        // Not into the test's own output: a test tells of it when it fails.
        let errors = directory.path().join("stderr");
        let mut child = Command::new(env!("CARGO_BIN_EXE_annals"))
            .args(arguments)
            .current_dir(directory.path())
            .env_clear()
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (told, lines) = mpsc::channel();
        // Read aside, so that a program that says nothing fails its test instead of holding it up.
        thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .try_for_each(|line| told.send(line))
        });
        Self {
            child,
            lines,
            errors,
            _directory: directory,
        }
    }

    /// The next line that it prints; none when it has ended.
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => unreachable!("it prints nothing"),
        }
    }

    /// Every line up to one that holds this text, with that one.
    pub(crate) fn lines_until(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.line() {
            let is_last = line.contains(text);
            lines.push(line);
            if is_last {
                return lines;
            }
        }
        unreachable!("it ended before it said {text:?}: {lines:?}")
    }

    pub(crate) fn json_line(&self) -> Value {
        let line = self.line().unwrap_or_default();
        serde_json::from_str(&line)
            .unwrap_or_else(|error| unreachable!("it is to print JSON, not {line:?}: {error}"))
    }

    pub(crate) fn signal(&self, name: &str) {
        // The shell's own kill: not every system has one as a program.
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until it ends.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < give_up, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it said on standard error so far.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("annals serve said:\n{}", self.errors());
        }
    }
}

/// A server that is ready, on ports that the system chose.
pub(crate) struct Served {
    pub(crate) http: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
    pub(crate) program: Program,
}

impl Served {
    /// Starts it on a database and waits until it is ready.
    pub(crate) fn start(database: &TestDatabase) -> Self {
        Self::start_with(&[("DATABASE_URL", &database.url)])
    }

    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let program = Program::serve(settings, &[&ANY_PORTS[..], &["--json"]].concat());
        let ready = program.json_line();
        assert_eq!(ready["ready"], true, "{ready}");
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        Self {
            http: address("http"),
            otlp_grpc: address("otlp_grpc"),
            otlp_http: address("otlp_http"),
            program,
        }
    }

    /// Where queries, OTLP/gRPC and OTLP/HTTP are answered, as the scripts of the SDKs take it.
    pub(crate) fn addresses(&self) -> [String; 3] {
        [self.http, self.otlp_grpc, self.otlp_http].map(|address| address.to_string())
    }

    /// What `/metrics` counts under a name, over all lines that have these labels.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let metrics = http(self.http, "GET", "/metrics", "").body;
        let lines = metrics.lines().filter(|line| {
            line.starts_with(&format!("{name}{{"))
                && labels.iter().all(|label| line.contains(label))
        });
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Ends it as an operator does, and gives its report once it has ended well.
    pub(crate) fn stop(mut self) -> Value {
        self.program.signal("TERM");
        let report = self.program.json_line();
        let status = self.program.end();
        assert!(
            status.success() && report["stopped"] == true,
            "{status}: {report}"
        );
        report
    }
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One request with a body of JSON, on a connection of its own.
pub(crate) fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    http_with(address, method, path, "", body).unwrap()
}

/// The same with further headers, each with the end of its line, from a server that may go away.
pub(crate) fn http_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(std::io::ErrorKind::UnexpectedEof)?;
    Ok(Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Asks until the answer is yes.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the tests with an SDK are asked for; says so when they are not.
pub(crate) fn is_wanted(sdk: &str) -> bool {
    let wanted = std::env::var("ANNALS_TEST_SDKS").unwrap_or_default();
    let is_wanted = wanted.split(',').any(|wanted| wanted == sdk);
    if !is_wanted {
        println!("skipped: ANNALS_TEST_SDKS does not name {sdk}; scripts/test does");
    }
    is_wanted
}

/// Runs one of the scripts in the directory `tests` of the repository.
pub(crate) fn script(path: &str) -> Command {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    Command::new(tests.join(path))
}
