//! Runs the program.

use std::{
    path::Path,
    process::{Command, Output},
};

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Runs `annals` in a directory, with nothing of this process's settings.
pub(crate) fn annals(directory: &Path, database: Option<&str>, arguments: &[&str]) -> Run {
    let database = database.map(|url| ("DATABASE_URL", url));
    annals_with(directory, database.as_slice(), arguments)
}

/// The same with these settings.
pub(crate) fn annals_with(directory: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
    command.current_dir(directory).args(arguments).env_clear();
    command.envs(settings.iter().copied());
    command.output().unwrap().into()
}
