//! Deployments and workspaces by command line, straight from the database.

mod reading;
mod workspaces;

use annals_testkit::TestDatabase;
use serde_json::Value;

use crate::program::{Run, annals_with};

/// A directory with a database.
struct Place<'a> {
    directory: tempfile::TempDir,
    database: &'a TestDatabase,
    settings: Vec<(&'a str, &'a str)>,
}

impl<'a> Place<'a> {
    fn of(database: &'a TestDatabase) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            database,
            settings: Vec::new(),
        }
    }

    fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.settings.push((name, value));
        self
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let url = [("DATABASE_URL", &*self.database.url)];
        let settings = [&url[..], &self.settings].concat();
        annals_with(self.directory.path(), &settings, arguments)
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(
            (run.code, run.err.as_str()),
            (0, ""),
            "{arguments:?}: {run:?}"
        );
        run.out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).json()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(
            (run.code, run.out.as_str()),
            (1, ""),
            "{arguments:?}: {run:?}"
        );
        run.err
    }
}
