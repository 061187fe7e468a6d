//! What is told while something goes on: a line for each step, and how far it is.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::{
    error::CliError,
    output::{print_json, print_line},
    progress::Progress,
};

/// Lines on standard output, with a progress line below them on a terminal. With JSON there are no lines, since
/// one document comes at the end.
pub(super) struct Lines {
    progress: Progress,
    json: bool,
    failed: Option<io::Error>,
}

impl Lines {
    pub(super) fn of(doing: String, json: bool) -> Self {
        Self {
            progress: Progress::doing(doing),
            json,
            failed: None,
        }
    }

    /// Prints a line. What is going on does not end because nobody reads it any more.
    pub(super) fn print(&mut self, line: &str) {
        if self.json || self.failed.is_some() {
            return;
        }
        let print = || writeln!(io::stdout().lock(), "{line}");
        self.failed = self.progress.beside(print).err();
    }

    /// Says how far it is.
    pub(super) fn tell(&self, text: String) {
        self.progress.tell(text);
    }

    /// Ends with a line, or with the document.
    pub(super) fn finish(mut self, last: &str, document: &impl Serialize) -> Result<(), CliError> {
        self.progress.finish();
        match self.failed.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            Some(_) => Ok(()),
            None if self.json => print_json(document),
            None => print_line(last),
        }
    }
}

impl Drop for Lines {
    // An error is printed where the progress line was.
    fn drop(&mut self) {
        self.progress.finish();
    }
}
