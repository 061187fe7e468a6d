//! Price lists as they are written: TOML, read strictly.

use std::{collections::HashMap, ops::Range};

use annals_record::Timestamp;
use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use super::{Price, Rates};

/// What a million tokens may cost at most, in US dollars: more is a slip of the pen.
const MOST: f64 = 100_000.0;

/// Why a price list cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// It cannot be read.
    #[error(
        "the price list {origin} cannot be read; set PRICES_FILE to a file that can, or to nothing"
    )]
    Read {
        /// The file.
        origin: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not written as a price list is.
    #[error(
        "the price list {origin}, line {line}: {problem}; correct it, or set PRICES_FILE to nothing"
    )]
    Line {
        /// The file.
        origin: String,
        /// Its line, counted from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
}

/// A list as it was written, and found right.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub(super) no_provider: Vec<String>,
    pub(super) providers: Vec<Provider>,
    /// By provider, model and time.
    pub(super) prices: Vec<Price>,
}

/// A provider as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub(super) name: String,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    #[serde(default)]
    pub(super) also: Vec<String>,
    #[serde(default)]
    pub(super) only_named: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    no_provider: Vec<String>,
    #[serde(default)]
    provider: Vec<Spanned<Provider>>,
    #[serde(default)]
    price: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: String,
    model: String,
    #[serde(default)]
    aliases: Vec<String>,
    valid_from: Option<Datetime>,
    valid_until: Option<Datetime>,
    input: f64,
    output: f64,
    cached: Option<f64>,
    cache_write: Option<f64>,
    reasoning: Option<f64>,
    long: Option<Long>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    above: u32,
    input: f64,
    output: f64,
    cached: Option<f64>,
    cache_write: Option<f64>,
    reasoning: Option<f64>,
}

/// What is wrong with an entry.
type Problem = String;

impl Written {
    /// Reads a list; `origin` is what errors call it.
    pub(super) fn read(text: &str, origin: &str) -> Result<Self, PriceError> {
        let problem = |span: Option<Range<usize>>, problem: Problem| PriceError::Line {
            origin: origin.to_owned(),
            line: line_of(text, span.map_or(0, |span| span.start)),
            problem,
        };
        let file: File = toml::from_str(text)
            .map_err(|error| problem(error.span(), error.message().to_owned()))?;
        let mut providers = Vec::new();
        for provider in file.provider {
            let span = provider.span();
            let provider = provider.into_inner();
            if !is_name(&provider.name) {
                return Err(problem(
                    Some(span),
                    format!("the provider {:?} {NAMES}", provider.name),
                ));
            }
            providers.push(lower_case(provider));
        }
        let mut prices: Vec<(Price, Range<usize>)> = Vec::new();
        for entry in file.price {
            let span = entry.span();
            let price =
                price(entry.into_inner()).map_err(|why| problem(Some(span.clone()), why))?;
            prices.push((price, span));
        }
        prices.sort_by(|(a, _), (b, _)| {
            (&a.provider, &a.model, a.valid_from).cmp(&(&b.provider, &b.model, b.valid_from))
        });
        check_times(&prices).map_err(|(span, why)| problem(Some(span), why))?;
        check_names(&prices).map_err(|(span, why)| problem(Some(span), why))?;
        Ok(Self {
            no_provider: file
                .no_provider
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            providers,
            prices: prices.into_iter().map(|(price, _)| price).collect(),
        })
    }

    /// The same, with ids that say that they are of a file.
    pub(super) fn marked_as_file(mut self) -> Self {
        for price in &mut self.prices {
            price.id.insert_str(0, "file:");
        }
        self
    }
}

const NAMES: &str =
    "is no name; names are of 1 to 256 characters without control characters or spaces around them";

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 256 && name.trim() == name && !name.contains(char::is_control)
}

fn lower_case(mut provider: Provider) -> Provider {
    provider.name.make_ascii_lowercase();
    provider
        .aliases
        .iter_mut()
        .for_each(|name| name.make_ascii_lowercase());
    provider
        .also
        .iter_mut()
        .for_each(|name| name.make_ascii_lowercase());
    provider
}

/// The line of a byte, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn price(entry: Entry) -> Result<Price, Problem> {
    for name in [&entry.provider, &entry.model]
        .into_iter()
        .chain(&entry.aliases)
    {
        if !is_name(name) {
            return Err(format!("{name:?} {NAMES}"));
        }
    }
    let provider = entry.provider.to_ascii_lowercase();
    let model = entry.model.to_ascii_lowercase();
    let called = format!("{provider}/{model}");
    let time = |field: &str, time: Option<Datetime>| {
        time.map(|time| instant(&time).ok_or_else(|| format!("{field} of {called} is {time}; write a day (2025-06-10) or an instant (2025-06-10T16:00:00Z) from 1678 to 2261")))
            .transpose()
    };
    let (valid_from, valid_until) = (
        time("valid_from", entry.valid_from)?,
        time("valid_until", entry.valid_until)?,
    );
    if let (Some(from), Some(until)) = (valid_from, valid_until)
        && from >= until
    {
        return Err(format!(
            "{called} is valid until {until}, which is not after {from}, from when on it is"
        ));
    }
    let rates = |input,
                 output,
                 cached: Option<f64>,
                 cache_write: Option<f64>,
                 reasoning: Option<f64>| {
        let rate = |field: &str, dollars: f64| {
            rate(dollars).ok_or_else(|| format!("{field} of {called} is {dollars}; write US dollars per million tokens, from 0 to 100000 with at most 9 decimals"))
        };
        Ok::<_, Problem>(Rates {
            input: rate("input", input)?,
            output: rate("output", output)?,
            cached: rate("cached", cached.unwrap_or(input))?,
            cache_write: rate("cache_write", cache_write.unwrap_or(input))?,
            reasoning: rate("reasoning", reasoning.unwrap_or(output))?,
        })
    };
    let long = entry.long.map(|long| {
        let rates = rates(
            long.input,
            long.output,
            long.cached,
            long.cache_write,
            long.reasoning,
        )?;
        Ok::<_, Problem>((long.above, rates))
    });
    Ok(Price {
        id: match (valid_from, entry.valid_from) {
            (Some(_), Some(from)) => format!("{called}@{from}"),
            _ => called.clone(),
        },
        valid_from,
        valid_until,
        rates: rates(
            entry.input,
            entry.output,
            entry.cached,
            entry.cache_write,
            entry.reasoning,
        )?,
        long: long.transpose()?,
        aliases: entry
            .aliases
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect(),
        provider,
        model,
    })
}

/// Dollars in billionths, if they are whole billionths.
fn rate(dollars: f64) -> Option<i64> {
    let nanos = dollars * 1e9;
    let is_whole = (nanos - nanos.round()).abs() <= nanos.abs() * 1e-12;
    ((0.0..=MOST).contains(&dollars) && is_whole).then_some(nanos.round() as i64)
}

/// The instant of a day's beginning in UTC, or that which is written.
fn instant(written: &Datetime) -> Option<Timestamp> {
    let text = match (written.date, written.time, written.offset) {
        (Some(_), None, None) => format!("{written}T00:00:00Z"),
        (Some(_), Some(_), Some(_)) => written.to_string(),
        _ => return None,
    };
    text.parse().ok()
}

type Found<'a> = (Range<usize>, Problem);

/// At any time a model has one price of a list at most. Prices of one model are neighbours, by time.
fn check_times(prices: &[(Price, Range<usize>)]) -> Result<(), Found<'_>> {
    for pair in prices.windows(2) {
        let [(a, _), (b, span)] = pair else { continue };
        let is_same = (&a.provider, &a.model) == (&b.provider, &b.model);
        let overlaps = match (a.valid_until, b.valid_from) {
            (Some(until), Some(from)) => from < until,
            _ => true,
        };
        if is_same && overlaps {
            let problem = format!(
                "{} has two prices at one time ({} and {}); give the older a valid_until that is not after the newer's valid_from",
                b.model, a.id, b.id
            );
            return Err((span.clone(), problem));
        }
    }
    Ok(())
}

/// A name means one model of a provider.
fn check_names(prices: &[(Price, Range<usize>)]) -> Result<(), Found<'_>> {
    let mut known: HashMap<(&str, &str), &str> = HashMap::new();
    for (price, _) in prices {
        known.insert((&price.provider, &price.model), &price.model);
    }
    for (price, span) in prices {
        for alias in &price.aliases {
            let other = known.insert((&price.provider, alias), &price.model);
            if let Some(other) = other.filter(|other| *other != price.model) {
                let problem = format!(
                    "{alias} is an alias of {} and a name of {other} at {}; leave one of them out",
                    price.model, price.provider
                );
                return Err((span.clone(), problem));
            }
        }
    }
    Ok(())
}
