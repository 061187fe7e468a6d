//! Bars as CSV: reading what many programs write, and writing what reads back the same.
//!
//! | Module | What lives there |
//! |---|---|
//! | `columns` | which column of a header stands for what |
//! | `records` | a stream of bytes as records of bounded size, each with its line |
//! | `row` | a record as a [`Bar`], or why it is none |
//! | `clock` | times as they are written, read by the wall clock of a zone |
//! | `write` | bars as lines |
//!
//! All of it streams: one record is held, however long the input is.

mod clock;
mod columns;
mod records;
mod row;
#[cfg(test)]
mod tests;
mod write;

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read},
};

use annals_market::{Bar, Zone};

pub use clock::{Clock, TimeError};
pub use columns::{Column, UnknownColumn};
pub use row::Reason;
pub use write::CsvWriter;

use columns::Places;
use records::{Next, Records};

/// Bytes that one record may have, and fields.
pub const MAX_RECORD: usize = 64 << 10;
/// Fields that one record may have.
pub const MAX_FIELDS: usize = 1_024;

/// How bars are written in a file.
#[derive(Clone, Debug)]
pub struct CsvFormat {
    /// Names in the header that stand for columns. A column that is not in here is found by the names
    /// that programs commonly give it ([`Column::aliases`]), in upper or lower case.
    pub columns: BTreeMap<Column, String>,
    /// The symbol of every row, for files without a column of symbols.
    pub symbol: Option<String>,
    /// Whose wall clock times without an offset were read from.
    pub zone: Zone,
    /// What stands between fields: one ASCII character.
    pub delimiter: u8,
}

impl Default for CsvFormat {
    /// Common names, UTC, commas.
    fn default() -> Self {
        Self {
            columns: BTreeMap::new(),
            symbol: None,
            zone: Zone::utc(),
            delimiter: b',',
        }
    }
}

/// Why an input cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// There is not even a header.
    #[error("the input is empty: its first line must name the columns")]
    Empty,
    /// A header beyond the limits.
    #[error(
        "the header is longer than {} KiB or {MAX_FIELDS} fields: is this CSV?",
        MAX_RECORD >> 10
    )]
    LongHeader,
    /// Nothing stands for columns that are needed.
    #[error(
        "no column of the header stands for {}: it has {header}; name the columns that do, such as {example}",
        Listed(missing)
    )]
    Missing {
        /// The columns.
        missing: Vec<Column>,
        /// What the header has.
        header: String,
        /// A mapping that would be one.
        example: &'static str,
    },
    /// The header was not cut where it should have been.
    #[error(
        "the header is the single field {header}: is the delimiter {delimiter:?} instead of {used:?}?"
    )]
    Uncut {
        /// What the header has.
        header: String,
        /// What may be the delimiter.
        delimiter: char,
        /// What was taken for it.
        used: char,
    },
    /// A mapping names no column of the header.
    #[error("the header has no column {name:?} for {column}: it has {header}")]
    Unknown {
        /// What it was to stand for.
        column: Column,
        /// The name.
        name: String,
        /// What the header has.
        header: String,
    },
    /// More than one column stands for the same.
    #[error(
        "{first:?} and {second:?} of the header both stand for {column}: name the one that does"
    )]
    Duplicate {
        /// The column.
        column: Column,
        /// The first that stands for it.
        first: String,
        /// Another one.
        second: String,
    },
    /// A name that columns of the header share.
    #[error(
        "the header has more than one column {name:?}, which is to stand for {column}: rename one"
    )]
    SameName {
        /// The column.
        column: Column,
        /// The name.
        name: String,
    },
    /// Which symbol is meant?
    #[error(
        "the header has the column {header:?} of symbols, and every row is to be of {symbol:?}: leave one of them out"
    )]
    TwoSymbols {
        /// The column's name.
        header: String,
        /// The fixed symbol.
        symbol: String,
    },
    /// Nothing that can stand between fields.
    #[error(
        "{0:?} cannot be a delimiter: take one ASCII character that is part of no number, time or quote"
    )]
    Delimiter(char),
    /// The zone is not known here.
    #[error(transparent)]
    Zone(#[from] TimeError),
    /// The input failed.
    #[error("the input cannot be read")]
    Read(#[from] io::Error),
}

struct Listed<'a>(&'a [Column]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, column) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{column}")?;
        }
        Ok(())
    }
}

/// A row that is no bar. The rows behind it are read all the same, unless the input itself failed
/// ([`Reason::Read`]), which is the last that is heard of it.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RefusedRow {
    /// The line on which the row begins, from 1; the header is a line too.
    pub line: u64,
    /// Why. Part of the message, so not its source as well.
    pub reason: Reason,
}

/// Bars of a stream of CSV, each with the line on which it begins. A byte order mark, either end of
/// line and empty lines are fine.
#[derive(Debug)]
pub struct CsvReader<R> {
    records: Records<R>,
    places: Places,
    clock: Clock,
    has_failed: bool,
}

impl<R: Read> CsvReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The format cannot be one, the header lacks columns or has them twice, or the input failed.
    pub fn new(input: R, format: &CsvFormat) -> Result<Self, CsvError> {
        let delimiter = format.delimiter;
        if !(delimiter == b'\t' || delimiter.is_ascii_punctuation() || delimiter == b' ')
            || matches!(delimiter, b'"' | b'.' | b'-' | b'+' | b':')
        {
            return Err(CsvError::Delimiter(delimiter.into()));
        }
        let clock = Clock::of(&format.zone)?;
        let mut records = Records::new(input, delimiter)?;
        match records.next()? {
            Next::Record => {}
            Next::TooLong { .. } => return Err(CsvError::LongHeader),
            Next::End => return Err(CsvError::Empty),
        }
        let header: Vec<String> = records
            .fields()
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        Ok(Self {
            places: Places::find(&header, format)?,
            records,
            clock,
            has_failed: false,
        })
    }

    fn row(&mut self) -> Result<Option<Bar>, Reason> {
        match self.records.next() {
            Ok(Next::Record) => row::bar(&self.records, &self.places, &self.clock).map(Some),
            Ok(Next::TooLong { until }) => Err(Reason::TooLong { until }),
            Ok(Next::End) => Ok(None),
            Err(error) => {
                self.has_failed = true;
                Err(Reason::Read(error))
            }
        }
    }
}

impl<R: Read> Iterator for CsvReader<R> {
    type Item = Result<(u64, Bar), RefusedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let row = self.row().transpose()?;
        let line = self.records.line();
        Some(match row {
            Ok(bar) => Ok((line, bar)),
            Err(reason) => Err(RefusedRow { line, reason }),
        })
    }
}
