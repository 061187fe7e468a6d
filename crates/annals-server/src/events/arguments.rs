//! The arguments of a call, as they stand in its text: nothing becomes a float on its way in.

use std::fmt;

use annals_record::Json;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::Fault;

/// What stands behind the method's name.
#[derive(Debug)]
pub(crate) struct Arguments<'a>(Vec<&'a RawValue>);

impl<'a> Arguments<'a> {
    pub(crate) fn new(values: Vec<&'a RawValue>) -> Self {
        Self(values)
    }

    pub(crate) fn get(&self, index: usize) -> Option<Value<'a>> {
        self.0.get(index).map(|raw| Value(raw.get()))
    }

    /// A text that must be there and must not be empty.
    pub(crate) fn name(&self, index: usize, field: &str) -> Result<String, Fault> {
        let value = self.get(index);
        let value = value.ok_or_else(|| Fault::invalid(format!("{field} is missing")))?;
        let text = value.text(field)?;
        if text.is_empty() {
            return Err(Fault::invalid(format!("{field} must not be empty")));
        }
        Ok(text)
    }

    /// The object of options; an empty one when it is not there.
    pub(crate) fn options(&self, index: usize) -> Result<Members<'a>, Fault> {
        match self.get(index) {
            Some(value) => value.members("options"),
            None => Ok(Members::default()),
        }
    }
}

/// A value in its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// The value of a whole text.
    pub(crate) fn of(raw: &'a RawValue) -> Self {
        Self(raw.get())
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub(crate) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    pub(crate) fn is_array(self) -> bool {
        self.0.starts_with('[')
    }

    /// A text without U+0000, which no database but SQLite holds.
    pub(crate) fn text(self, field: &str) -> Result<String, Fault> {
        if !self.0.starts_with('"') {
            return Err(Fault::invalid(format!("{field} must be a string")));
        }
        let text: String = serde_json::from_str(self.0)
            .map_err(|error| Fault::invalid(format!("{field} cannot be read as text: {error}")))?;
        if text.contains('\0') {
            return Err(Fault::invalid(format!(
                "{field} must not contain U+0000, which PostgreSQL's text cannot hold"
            )));
        }
        Ok(text)
    }

    /// A whole number; what stands behind a point is cut off, towards zero.
    pub(crate) fn whole(self, field: &str) -> Result<i64, Fault> {
        if !self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(Fault::invalid(format!("{field} must be a number")));
        }
        if let Ok(number) = self.0.parse() {
            return Ok(number);
        }
        // The canonical form has no exponent, and every digit.
        let number = Json::parse(self.0)
            .map_err(|error| Fault::invalid(format!("{field} cannot be read: {error}")))?;
        let text = number.as_str();
        let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
        whole
            .parse()
            .map_err(|_| Fault::invalid(format!("{field} is beyond the range of 64-bit integers")))
    }

    /// An object that is kept as it is.
    pub(crate) fn document(self, field: &str) -> Result<Json, Fault> {
        if !self.is_object() {
            return Err(Fault::invalid(format!("{field} must be an object")));
        }
        let document = Json::parse(self.0)
            .map_err(|error| Fault::invalid(format!("{field} cannot be stored: {error}")))?;
        if document.has_nul() {
            return Err(Fault::invalid(format!(
                "{field} must not contain U+0000 (\\u0000), which PostgreSQL's jsonb cannot hold"
            )));
        }
        Ok(document)
    }

    /// The members of an object.
    pub(crate) fn members(self, field: &str) -> Result<Members<'a>, Fault> {
        if !self.is_object() {
            return Err(Fault::invalid(format!("{field} must be an object")));
        }
        serde_json::from_str(self.0)
            .map_err(|error| Fault::invalid(format!("{field} cannot be read: {error}")))
    }

    /// The elements of an array.
    pub(crate) fn elements(self, field: &str) -> Result<Vec<Self>, Fault> {
        let elements: Vec<&'a RawValue> = serde_json::from_str(self.0)
            .map_err(|error| Fault::invalid(format!("{field} cannot be read: {error}")))?;
        Ok(elements.into_iter().map(Self::of).collect())
    }
}

/// The members of an object; of those with the same name the last counts.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, raw)| Value(raw.get()))
    }

    /// The name of the member whose value answers yes.
    pub(crate) fn name_of(&self, is_it: impl Fn(&RawValue) -> bool) -> Option<&str> {
        let found = self.0.iter().find(|(_, raw)| is_it(raw));
        found.map(|(name, _)| name.as_str())
    }

    /// A text that need not be there.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        self.get(name).map(|value| value.text(name)).transpose()
    }

    /// A whole number that need not be there.
    pub(crate) fn whole(&self, name: &str) -> Result<Option<i64>, Fault> {
        self.get(name).map(|value| value.whole(name)).transpose()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cut_towards_zero_and_never_rounded() {
        let cases = [
            ("0", Some(0)),
            ("5.0", Some(5)),
            ("5.9", Some(5)),
            ("-0.9", Some(0)),
            ("-1.5", Some(-1)),
            ("1e3", Some(1_000)),
            ("12e-1", Some(1)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("9223372036854775807.9", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1e300", None),
            ("1e999", None),
            ("\"5\"", None),
            ("null", None),
            ("true", None),
            ("[1]", None),
        ];
        for (text, number) in cases {
            assert_eq!(Value(text).whole("n").ok(), number, "{text}");
        }
    }

    #[test]
    fn of_members_with_the_same_name_the_last_counts() {
        let members = Value(r#"{"a":1,"b":2,"a":3}"#).members("options").unwrap();
        assert_eq!(members.whole("a").unwrap(), Some(3));
        assert_eq!(members.whole("c").unwrap(), None);
    }

    #[test]
    fn a_text_that_cannot_be_held_is_refused_by_its_name() {
        for text in [r#""\u0000""#, r#""\ud800""#, r#""\udc00x""#, "7", "null"] {
            let fault = Value(text).text("the stream name").unwrap_err();
            assert!(fault.message().starts_with("the stream name "), "{fault:?}");
        }
        assert_eq!(Value(r#""\ud83d\ude00 é""#).text("x").unwrap(), "😀 é");
    }

    #[test]
    fn a_document_keeps_its_numbers_or_is_refused_by_its_name() {
        let kept = Value(r#"{"a":1.0,"b":12345678901234567890123,"a":2.50}"#);
        assert_eq!(
            kept.document("data").unwrap().as_str(),
            r#"{"a":2.50,"b":12345678901234567890123}"#
        );
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(127), "]".repeat(127));
        let refused = [
            "[]",
            "null",
            "1",
            r#"{"a":"\u0000"}"#,
            r#"{"a":1e401}"#,
            &deep,
        ];
        for text in refused.into_iter().chain([r#"{"a":"\ud800"}"#]) {
            let fault = Value(text).document("data").unwrap_err();
            assert!(fault.message().starts_with("data "), "{fault:?}");
        }
    }
}
