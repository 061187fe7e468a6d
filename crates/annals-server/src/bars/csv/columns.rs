//! Which column of a header stands for what.

use std::{fmt, str::FromStr};

use super::{CsvError, CsvFormat};

/// What a column of a file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// What was traded.
    Symbol,
    /// When the bar began.
    Timestamp,
    /// Price of the first trade.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Price of the last trade.
    Close,
    /// How much was traded: a whole number.
    Volume,
    /// Mean price, weighted by volume. Where it is missing, or blank in a row, the typical price takes
    /// its place: (high + low + close) / 3.
    Vwap,
}

impl Column {
    /// Every column, in the order in which they are written.
    pub const ALL: [Self; 8] = [
        Self::Symbol,
        Self::Timestamp,
        Self::Open,
        Self::High,
        Self::Low,
        Self::Close,
        Self::Volume,
        Self::Vwap,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Symbol => "symbol",
            Self::Timestamp => "timestamp",
            Self::Open => "open",
            Self::High => "high",
            Self::Low => "low",
            Self::Close => "close",
            Self::Volume => "volume",
            Self::Vwap => "vwap",
        }
    }

    /// The names in lower case by which it is found; its own is the first.
    #[must_use]
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Symbol => &["symbol", "ticker"],
            Self::Timestamp => &["timestamp", "time", "date", "datetime"],
            Self::Open => &["open", "o"],
            Self::High => &["high", "h"],
            Self::Low => &["low", "l"],
            Self::Close => &["close", "c"],
            Self::Volume => &["volume", "vol", "v"],
            Self::Vwap => &["vwap"],
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Symbol => "symbol=Instrument (or give one symbol for every row)",
            Self::Timestamp => "timestamp=Day",
            Self::Open => "open=First",
            Self::High => "high=Max",
            Self::Low => "low=Min",
            Self::Close => "close=Last",
            Self::Volume => "volume=Shares",
            Self::Vwap => "vwap=Mean",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// That no column has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no column of a bar: write symbol, timestamp, open, high, low, close, volume or vwap"
)]
pub struct UnknownColumn(String);

impl FromStr for Column {
    type Err = UnknownColumn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|column| column.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownColumn(text.to_owned()))
    }
}

/// Where the values of a bar stand in a record.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) symbol: SymbolPlace,
    pub(super) timestamp: usize,
    pub(super) open: usize,
    pub(super) high: usize,
    pub(super) low: usize,
    pub(super) close: usize,
    pub(super) volume: usize,
    pub(super) vwap: Option<usize>,
    /// How many fields a record has.
    pub(super) fields: usize,
}

#[derive(Debug)]
pub(super) enum SymbolPlace {
    Fixed(String),
    At(usize),
}

impl Places {
    pub(super) fn find(header: &[String], format: &CsvFormat) -> Result<Self, CsvError> {
        let symbol = match (&format.symbol, place(header, format, Column::Symbol)?) {
            (Some(symbol), Some(at)) => {
                return Err(CsvError::TwoSymbols {
                    header: header.get(at).cloned().unwrap_or_default(),
                    symbol: symbol.clone(),
                });
            }
            (Some(symbol), None) => Some(SymbolPlace::Fixed(symbol.clone())),
            (None, at) => at.map(SymbolPlace::At),
        };
        let mut missing = Vec::new();
        if symbol.is_none() {
            missing.push(Column::Symbol);
        }
        let mut needed = |column| {
            let at = place(header, format, column)?;
            if at.is_none() {
                missing.push(column);
            }
            Ok::<_, CsvError>(at)
        };
        let timestamp = needed(Column::Timestamp)?;
        let open = needed(Column::Open)?;
        let high = needed(Column::High)?;
        let low = needed(Column::Low)?;
        let close = needed(Column::Close)?;
        let volume = needed(Column::Volume)?;
        let vwap = place(header, format, Column::Vwap)?;
        match (symbol, timestamp, open, high, low, close, volume) {
            (
                Some(symbol),
                Some(timestamp),
                Some(open),
                Some(high),
                Some(low),
                Some(close),
                Some(volume),
            ) => Ok(Self {
                symbol,
                timestamp,
                open,
                high,
                low,
                close,
                volume,
                vwap,
                fields: header.len(),
            }),
            _ => Err(without(missing, header, format.delimiter)),
        }
    }
}

fn without(missing: Vec<Column>, header: &[String], delimiter: u8) -> CsvError {
    if let [whole] = header {
        let other = [',', ';', '\t', '|']
            .into_iter()
            .find(|c| whole.contains(*c));
        if let Some(other) = other {
            return CsvError::Uncut {
                header: shown(header),
                delimiter: other,
                used: delimiter.into(),
            };
        }
    }
    CsvError::Missing {
        example: missing.first().map_or("", |column| column.example()),
        header: shown(header),
        missing,
    }
}

/// Where a column is, by the mapping or else by its common names.
fn place(header: &[String], format: &CsvFormat, column: Column) -> Result<Option<usize>, CsvError> {
    let Some(name) = format.columns.get(&column) else {
        let is_one = |field: &str| {
            let aliases = column.aliases();
            aliases
                .iter()
                .any(|alias| field.eq_ignore_ascii_case(alias))
        };
        return only(header, column, is_one);
    };
    let name = name.trim();
    // Of `close` and `Close` the one that is written so is meant.
    let at = match only(header, column, |field| field == name)? {
        None => only(header, column, |field| field.eq_ignore_ascii_case(name))?,
        found => found,
    };
    at.map(Some).ok_or_else(|| CsvError::Unknown {
        column,
        name: name.to_owned(),
        header: shown(header),
    })
}

fn only(
    header: &[String],
    column: Column,
    is_one: impl Fn(&str) -> bool,
) -> Result<Option<usize>, CsvError> {
    let mut found = header.iter().enumerate().filter(|(_, name)| is_one(name));
    match (found.next(), found.next()) {
        (Some((_, first)), Some((_, second))) if first == second => Err(CsvError::SameName {
            column,
            name: first.clone(),
        }),
        (Some((_, first)), Some((_, second))) => Err(CsvError::Duplicate {
            column,
            first: first.clone(),
            second: second.clone(),
        }),
        (first, _) => Ok(first.map(|(at, _)| at)),
    }
}

/// A header as an error shows it.
fn shown(header: &[String]) -> String {
    /// Names that are shown.
    const NAMES: usize = 20;
    let mut names: Vec<String> = header
        .iter()
        .take(NAMES)
        .map(|name| format!("{:?}", super::row::excerpt(name)))
        .collect();
    if header.len() > NAMES {
        names.push(format!("{} more", header.len() - NAMES));
    }
    names.join(", ")
}
