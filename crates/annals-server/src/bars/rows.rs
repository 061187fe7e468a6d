//! Many rows in one body, as a JSON array or as JSON lines: a bad one refuses itself alone.

use std::fmt::Display;

use serde::{
    Deserializer as _, Serialize,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Refused rows that an answer tells of one by one. Further ones are counted, so that a body of nothing
/// but mistakes costs no more memory than another.
const TOLD: usize = 100;

/// The rows of a body.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    /// Those that can be read.
    pub(crate) rows: Vec<T>,
    /// Where each of them was.
    places: Vec<Place>,
    /// Those that cannot.
    pub(crate) refused: Refused,
}

/// Where a row was in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In an array, from 0.
    Index(u64),
    /// In a text, from 1.
    Line(u64),
}

/// Rows that were refused.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    told: Vec<(Place, String)>,
    pub(crate) count: usize,
}

/// A row that was refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedRow {
    /// Its place in the array, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// Its line in NDJSON or CSV, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// Why.
    error: String,
}

impl Refused {
    pub(crate) fn add(&mut self, place: Place, error: impl Display) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push((place, error.to_string()));
        }
    }

    /// The first of them, in the body's order.
    pub(crate) fn into_told(mut self) -> Vec<RefusedRow> {
        self.told.sort_by_key(|(place, _)| *place);
        let told = self.told.into_iter().map(|(place, error)| {
            let (index, line) = match place {
                Place::Index(index) => (Some(index), None),
                Place::Line(line) => (None, Some(line)),
            };
            RefusedRow { index, line, error }
        });
        told.collect()
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            places: Vec::new(),
            refused: Refused::default(),
        }
    }
}

impl<T> Rows<T> {
    /// Takes in what became of the row at a place.
    pub(crate) fn add<E: Display>(&mut self, place: Place, row: Result<T, E>) {
        match row {
            Ok(row) => {
                self.rows.push(row);
                self.places.push(place);
            }
            Err(error) => self.refused.add(place, error),
        }
    }

    /// Refuses one of the rows after all; `index` counts those that could be read.
    pub(crate) fn refuse(&mut self, index: usize, error: impl Display) {
        if let Some(place) = self.places.get(index) {
            self.refused.add(*place, error);
        }
    }

    /// The rows of a JSON array.
    ///
    /// # Errors
    ///
    /// It is no JSON array; nothing is known of its rows then.
    pub(crate) fn of_array(
        body: &[u8],
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Self, String> {
        let text =
            std::str::from_utf8(body).map_err(|error| format!("it is not UTF-8: {error}"))?;
        let mut rows = Self::default();
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_seq(Elements {
            rows: &mut rows,
            read,
        })
        .and_then(|()| json.end())
        .map_err(|error| error.to_string())?;
        Ok(rows)
    }

    /// The rows of JSON lines; empty ones are passed over.
    ///
    /// # Errors
    ///
    /// There are no lines, or none of them is JSON.
    pub(crate) fn of_lines(
        body: &[u8],
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Self, String> {
        let mut rows = Self::default();
        let mut any_json = false;
        for (line, number) in body.split(|byte| *byte == b'\n').zip(1..) {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let row = json(line).and_then(|text| {
                any_json = true;
                read(text)
            });
            rows.add(Place::Line(number), row);
        }
        if any_json {
            return Ok(rows);
        }
        Err(match rows.refused.into_told().into_iter().next() {
            Some(first) => format!(
                "none of its lines is JSON; the first that is not empty: {}",
                first.error
            ),
            None => "it is empty".to_owned(),
        })
    }
}

/// A line that is JSON of any kind.
fn json(line: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("it is not UTF-8: {error}"))?;
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Ok(text),
        Err(error) => Err(without_line(&error)),
    }
}

/// What serde says, without a line that is always 1.
pub(super) fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((text, _)) => format!("{text}, at column {}", error.column()),
        None => text,
    }
}

/// Reads the elements of an array as they come, so that the array is not in memory twice.
struct Elements<'a, T, F> {
    rows: &'a mut Rows<T>,
    read: F,
}

impl<'de, T, F: Fn(&str) -> Result<T, String>> Visitor<'de> for Elements<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(element) = elements.next_element::<&RawValue>()? {
            self.rows
                .add(Place::Index(index), (self.read)(element.get()));
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u8, String> {
        text.parse().map_err(|_| format!("{text} is no number"))
    }

    fn told(refused: Refused) -> Vec<(Option<u64>, Option<u64>, String)> {
        let told = refused.into_told().into_iter();
        told.map(|row| (row.index, row.line, row.error)).collect()
    }

    #[test]
    fn a_bad_element_refuses_itself_alone() {
        let rows = Rows::of_array(b" [1, true, 3] ", number).unwrap();
        assert_eq!(rows.rows, [1, 3]);
        let refused = [(Some(1), None, "true is no number".to_owned())];
        assert_eq!(told(rows.refused), refused);
        assert_eq!(Rows::of_array(b"[]", number).unwrap().rows, [0; 0]);
    }

    #[test]
    fn what_is_no_array_is_refused_whole() {
        for body in [
            &b""[..],
            b"{}",
            b"1",
            b"[1",
            b"[1,]",
            b"[1] 2",
            b"[\"\xff\"]",
        ] {
            assert!(Rows::of_array(body, number).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_bad_line_refuses_itself_alone_and_is_named_as_editors_count() {
        let rows = Rows::of_lines(b"1\r\n\n{\n\"\xff\"\n300\n 5", number).unwrap();
        assert_eq!(rows.rows, [1, 5]);
        let lines: Vec<_> = told(rows.refused).into_iter().map(|row| row.1).collect();
        assert_eq!(lines, [Some(3), Some(4), Some(5)]);
    }

    #[test]
    fn lines_of_which_none_is_json_are_refused_whole() {
        for body in [&b""[..], b"\n \r\n", b"symbol,open\nA,1"] {
            assert!(Rows::of_lines(body, number).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_row_that_is_refused_later_keeps_its_place_and_its_order() {
        let mut rows = Rows::of_lines(b"\n1\n2\nx\n\"x\"\n3", number).unwrap();
        rows.refuse(1, "2 is even");
        let lines: Vec<_> = told(rows.refused).into_iter().map(|row| row.1).collect();
        assert_eq!(lines, [Some(3), Some(4), Some(5)]);
    }

    #[test]
    fn of_many_mistakes_the_first_are_told_and_all_are_counted() {
        let body = format!("[{}0]", "300,".repeat(1_000));
        let rows = Rows::of_array(body.as_bytes(), number).unwrap();
        assert_eq!((rows.rows.len(), rows.refused.count), (1, 1_000));
        assert_eq!(told(rows.refused).len(), 100);
    }
}
