//! `annals serve`, as a program of its own.

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use annals_testkit::TestDatabase;
use serde_json::Value;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that is ready, on ports that the system chose. It is killed when it goes out of scope.
pub(crate) struct Served {
    pub(crate) http: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
    child: Child,
    out: BufReader<ChildStdout>,
    directory: tempfile::TempDir,
}

impl Served {
    /// Starts it on a database and waits until it is ready.
    pub(crate) fn start(database: &TestDatabase) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Not into the test's own output: a test tells of it when it fails.
        let errors = std::fs::File::create(directory.path().join("stderr")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
        command.args(["serve", "--json"]);
        for port in ["--http-addr", "--otlp-grpc-addr", "--otlp-http-addr"] {
            command.args([port, "127.0.0.1:0"]);
        }
        let mut child = command
            .current_dir(directory.path())
            .env_clear()
            .env("DATABASE_URL", &database.url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let ready = next_line(&mut out);
        assert_eq!(ready["ready"], true, "{ready}");
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        Self {
            http: address("http"),
            otlp_grpc: address("otlp_grpc"),
            otlp_http: address("otlp_http"),
            child,
            out,
            directory,
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
        let told = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(told.unwrap().success(), "kill");
        let report = next_line(&mut self.out);
        let give_up = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < give_up, "it reported and does not end");
            thread::sleep(Duration::from_millis(10));
        };
        assert!(
            status.success() && report["stopped"] == true,
            "{status}: {report}"
        );
        report
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let said = std::fs::read_to_string(self.directory.path().join("stderr"));
            eprintln!("annals serve said:\n{}", said.unwrap_or_default());
        }
    }
}

fn next_line(out: &mut impl BufRead) -> Value {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| {
        unreachable!("annals serve is to print JSON, not {line:?}: {error}")
    })
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
}

/// One request with a body of JSON, on a connection of its own.
pub(crate) fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
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
