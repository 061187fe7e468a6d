//! `#[record(...)]` as it was written: what can be told to be wrong without looking at the fields.

use std::fmt::Display;

use darling::{Error, FromAttributes, FromMeta, ast::NestedMeta, util::SpannedValue};
use proc_macro2::{Ident, Span};
use syn::{Lit, Path};

/// A string and where it stands.
pub(crate) type Text = SpannedValue<String>;

/// On a struct that derives `Record`.
#[derive(FromAttributes)]
#[darling(attributes(record))]
pub(crate) struct RecordAttributes {
    /// Required, yet an `Option`: the error for its absence needs a better place than darling's.
    pub(crate) table: Option<Text>,
    pub(crate) time: Option<Text>,
    pub(crate) chunk: Option<SpannedValue<Interval>>,
    pub(crate) key: Option<Texts>,
    pub(crate) on_conflict: Option<SpannedValue<OnConflict>>,
    pub(crate) segment_by: Option<Text>,
    pub(crate) order_by: Option<Text>,
    #[darling(multiple)]
    pub(crate) index: Vec<Texts>,
    #[darling(rename = "crate")]
    pub(crate) krate: Option<Path>,
}

/// On a field of a record.
#[derive(FromAttributes)]
#[darling(attributes(record))]
pub(crate) struct FieldAttributes {
    pub(crate) name: Option<Text>,
    pub(crate) merge: Option<Text>,
}

/// On an enum that derives `TextEnum`.
#[derive(FromAttributes)]
#[darling(attributes(record))]
pub(crate) struct EnumAttributes {
    #[darling(rename = "crate")]
    pub(crate) krate: Option<Path>,
}

/// On a variant of such an enum.
#[derive(FromAttributes)]
#[darling(attributes(record))]
pub(crate) struct VariantAttributes {
    pub(crate) text: Option<Text>,
}

/// Where the generated code finds `annals-record`: most crates depend on the facade alone.
pub(crate) fn crate_path(written: Option<Path>) -> Path {
    written.unwrap_or_else(|| syn::parse_quote!(::annals::record))
}

/// An error at a place.
pub(crate) fn at(span: Span, message: impl Display) -> Error {
    // A bare span is not something that `with_span` takes.
    Error::custom(message).with_span(&Ident::new("_", span))
}

/// At least one string, in parentheses.
pub(crate) struct Texts(pub(crate) Vec<Text>);

impl FromMeta for Texts {
    fn from_list(items: &[NestedMeta]) -> darling::Result<Self> {
        if items.is_empty() {
            return Err(Error::custom("names no column"));
        }
        let mut errors = Error::accumulator();
        let texts = items.iter().filter_map(|item| match item {
            NestedMeta::Lit(Lit::Str(text)) => Some(Text::new(text.value(), text.span())),
            other => {
                errors.push(
                    Error::custom("expected the name of a column, in quotes").with_span(other),
                );
                None
            }
        });
        let texts = texts.collect();
        errors.finish_with(Self(texts))
    }

    fn from_string(_: &str) -> darling::Result<Self> {
        Err(Error::custom(
            "the columns stand in parentheses, such as `key(\"symbol\", \"time\")`",
        ))
    }
}

/// What a second row with the same key does.
#[derive(Clone, Default)]
pub(crate) enum OnConflict {
    #[default]
    Ignore,
    Update,
    Merge,
    /// By this column.
    Newer(String),
}

impl FromMeta for OnConflict {
    fn from_string(text: &str) -> darling::Result<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match *words.as_slice() {
            ["ignore"] => Ok(Self::Ignore),
            ["update"] => Ok(Self::Update),
            ["merge"] => Ok(Self::Merge),
            ["newer", "by", column] => Ok(Self::Newer(column.to_owned())),
            _ => Err(Error::custom(
                "`on_conflict` is \"ignore\", \"update\", \"merge\" or \"newer by COLUMN\"",
            )),
        }
    }
}

/// A number of seconds, written with a unit.
#[derive(Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) seconds: u64,
}

impl Interval {
    /// A week is `TimescaleDB`'s default too.
    pub(crate) const DEFAULT: Self = Self {
        seconds: 7 * 86_400,
    };

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.trim().split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        let unit = match unit.trim_start() {
            "second" | "seconds" => 1,
            "minute" | "minutes" => 60,
            "hour" | "hours" => 3_600,
            "day" | "days" => 86_400,
            "week" | "weeks" => 7 * 86_400,
            _ => return None,
        };
        let seconds = number.checked_mul(unit)?;
        // A chunk is counted in microseconds, in a signed integer of 64 bits.
        let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
        (micros > 0).then_some(Self { seconds })
    }
}

impl FromMeta for Interval {
    fn from_string(text: &str) -> darling::Result<Self> {
        Self::parse(text).ok_or_else(|| {
            Error::custom(
                "`chunk` is a number and a unit, seconds to weeks, such as \"7 days\" or \"1 hour\"",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_in_every_unit() {
        for (text, seconds) in [
            ("7 days", 604_800),
            ("1 hour", 3_600),
            ("30 minutes", 1_800),
            ("1 week", 604_800),
            ("90 seconds", 90),
            (" 1  second ", 1),
        ] {
            assert_eq!(
                Interval::parse(text).map(|interval| interval.seconds),
                Some(seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_interval_is_refused() {
        for text in [
            "",
            "7",
            "days",
            "7days",
            "0 days",
            "-1 days",
            "1.5 hours",
            "1 month",
            "7 days ago",
            "18446744073709551615 weeks",
            "9223372036855 seconds",
        ] {
            assert!(Interval::parse(text).is_none(), "{text:?}");
        }
    }
}
