//! A job's shell continues a deployment's trace.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`job`] | a job as a shell script, seen under the one who started it |
//! | [`outage`] | the server goes away and comes back |
//! | [`refusals`] | tokens, spans and files that cannot be used |
//!
//! What they share is here: a machine on which a job runs.

mod job;
mod outage;
mod refusals;

use std::{net::SocketAddr, path::PathBuf, process::Command};

use annals_testkit::TestDatabase;

use crate::{
    deployed::SECRET,
    program::{Run, annals_with},
    serving::{ANY_PORTS, Program, Served},
};

/// Where a job runs: a home of its own, a server somewhere, and a token.
struct Machine {
    directory: tempfile::TempDir,
    url: String,
    token: String,
}

impl Machine {
    fn new(http: SocketAddr) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            url: format!("http://{http}"),
            token: String::new(),
        }
    }

    fn with_token(mut self, token: &str) -> Self {
        self.token = token.to_owned();
        self
    }

    fn settings(&self) -> [(&str, &str); 3] {
        [
            ("ANNALS_URL", &self.url),
            ("ANNALS_TRACE_TOKEN", &self.token),
            ("HOME", self.directory.path().to_str().unwrap()),
        ]
    }

    fn trace(&self, arguments: &[&str]) -> Run {
        let arguments = [&["trace"], arguments].concat();
        annals_with(self.directory.path(), &self.settings(), &arguments)
    }

    /// Runs what must go well and silently, and gives what it prints.
    fn ok(&self, arguments: &[&str]) -> String {
        let run = self.trace(arguments);
        assert_eq!(
            (run.code, run.err.as_str()),
            (0, ""),
            "{arguments:?}: {run:?}"
        );
        run.out.trim().to_owned()
    }

    /// Runs what must be refused, and gives what it says.
    fn refused(&self, arguments: &[&str]) -> String {
        let run = self.trace(arguments);
        assert_eq!(
            (run.code, run.out.as_str()),
            (2, ""),
            "{arguments:?}: {run:?}"
        );
        assert!(
            !run.err.contains(&self.token) || self.token.is_empty(),
            "{run:?}"
        );
        run.err
    }

    /// What is kept between commands, and nothing else that lies beside it.
    fn kept(&self) -> Vec<PathBuf> {
        let states = self.directory.path().join(".local/state/annals/traces");
        let Ok(entries) = std::fs::read_dir(states) else {
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The one file in which that is.
    fn state(&self) -> PathBuf {
        let mut kept = self.kept();
        kept.retain(|path| path.extension().is_some_and(|name| name == "json"));
        assert_eq!(kept.len(), 1, "{kept:?}");
        kept.remove(0)
    }

    /// A shell script with this machine's settings.
    fn shell(&self, script: &mut Command) -> Run {
        let script = script.current_dir(self.directory.path()).env_clear();
        let script = script.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        script.envs(self.settings()).output().unwrap().into()
    }
}

/// A server that knows the secret, on ports that the system chose.
fn serve(database: &TestDatabase) -> Served {
    Served::start_with(&[
        ("DATABASE_URL", &database.url),
        ("TRACE_TOKEN_SECRET", SECRET),
    ])
}

/// The same on a port that it can come back to.
fn serve_at(database: &TestDatabase, http: SocketAddr) -> Program {
    let settings = [
        ("DATABASE_URL", &*database.url),
        ("TRACE_TOKEN_SECRET", SECRET),
    ];
    let address = http.to_string();
    let mut arguments = ANY_PORTS.to_vec();
    if let Some(first) = arguments.get_mut(1) {
        *first = &address;
    }
    arguments.push("--json");
    let program = Program::serve(&settings, &arguments);
    let ready = program.json_line();
    assert_eq!(ready["ready"], true, "{ready}");
    program
}

/// A port on which nobody listens.
fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
