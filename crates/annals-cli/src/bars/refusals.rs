//! What is told of refused rows.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use annals_server::bars::csv::RefusedRow;

use crate::error::CliError;
use crate::progress::Progress;

/// Refused rows that are shown, where all of them go to no file.
const SHOWN: u64 = 10;

/// Counts refused rows, and tells their lines and reasons.
#[derive(Debug)]
pub(super) struct Refusals {
    pub(super) count: u64,
    file: Option<(PathBuf, BufWriter<File>)>,
}

impl Refusals {
    /// Those of an import; all of them go to a file where one is given.
    pub(super) fn to(path: Option<&Path>) -> Result<Self, CliError> {
        let open = |path: &Path| match File::create(path) {
            Ok(file) => Ok((path.to_owned(), BufWriter::new(file))),
            Err(source) => Err(cannot(path)(source)),
        };
        Ok(Self {
            count: 0,
            file: path.map(open).transpose()?,
        })
    }

    pub(super) fn tell(
        &mut self,
        refused: &RefusedRow,
        progress: &Progress,
    ) -> Result<(), CliError> {
        self.count += 1;
        match &mut self.file {
            Some((path, file)) => writeln!(file, "{refused}").map_err(cannot(path))?,
            None if self.count <= SHOWN => progress.say(&refused.to_string()),
            None if self.count == SHOWN + 1 => {
                progress.say("further refused rows are counted only; --refused-to FILE tells all");
            }
            None => {}
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), CliError> {
        match &mut self.file {
            Some((path, file)) => file.flush().map_err(cannot(path)),
            None => Ok(()),
        }
    }
}

fn cannot(path: &Path) -> impl Fn(std::io::Error) -> CliError {
    move |source| CliError::Write {
        path: path.to_owned(),
        source,
    }
}
