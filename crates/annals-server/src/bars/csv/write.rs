//! Bars as lines.

use std::io::{self, Write};

use annals_market::{Bar, Zone};

use super::{Clock, Column, TimeError};

/// Writes bars as CSV: a header, and `symbol,timestamp,open,high,low,close,volume,vwap` of each.
///
/// Prices have as many digits as it takes to read the same number back, times are RFC 3339. A bar that
/// was written is read back the same, save for when its first and last trade were, which has no column.
#[derive(Debug)]
pub struct CsvWriter<W: Write> {
    csv: csv::Writer<W>,
    clock: Clock,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header. Times will be told by the wall clock of `zone`, with their offset.
    ///
    /// # Errors
    ///
    /// The output failed.
    pub fn new(output: W, zone: &Zone) -> io::Result<Self> {
        let unknown_zone = |error: TimeError| io::Error::new(io::ErrorKind::InvalidInput, error);
        let clock = Clock::of(zone).map_err(unknown_zone)?;
        let mut csv = csv::Writer::from_writer(output);
        csv.write_record(Column::ALL.map(Column::as_str))
            .map_err(why)?;
        Ok(Self { csv, clock })
    }

    /// Writes a bar.
    ///
    /// # Errors
    ///
    /// The output failed.
    pub fn write(&mut self, bar: &Bar) -> io::Result<()> {
        // Debug, since Display writes 1e300 with 300 zeros.
        let price = |price: f64| format!("{price:?}");
        let record = [
            bar.symbol.as_str(),
            &self.clock.show(bar.timestamp),
            &price(bar.open),
            &price(bar.high),
            &price(bar.low),
            &price(bar.close),
            &bar.volume.to_string(),
            &price(bar.vwap),
        ];
        self.csv.write_record(record).map_err(why)
    }

    /// Writes what is held back, and gives the output back.
    ///
    /// # Errors
    ///
    /// The output failed.
    pub fn finish(mut self) -> io::Result<W> {
        self.csv.flush()?;
        self.csv
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)
    }
}

/// The output's own error, whose kind tells a reader that has gone.
fn why(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
