//! How things look: tables for people, JSON for programs.

use std::io::{IsTerminal as _, Write as _};

use annals_record::{ColumnType, Payload, Record, Timestamp, Value};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableStyle};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::error::CliError;

/// A table with a header and no frame.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.to_vec());
    table
}

/// Adds a row to a table.
pub(crate) fn add_row<const N: usize>(table: &mut Table, cells: [String; N]) {
    table.add_row(cells.map(|cell| printable(&cell)));
}

/// Text from outside as a terminal may see it: what would move the cursor, end the line, turn the
/// direction of writing or speak to the terminal is shown by its number.
pub(crate) fn printable(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Prints a table; nothing but `empty` when it has no rows.
pub(crate) fn print_table(table: &Table, empty: &str) -> Result<(), CliError> {
    if table.row_count() == 0 {
        return print_line(empty);
    }
    // Trailing blanks are what a narrow terminal wraps.
    let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    print_line(&lines.join("\n"))
}

/// Prints a line. A reader that has gone (`| head`) is no failure.
pub(crate) fn print_line(line: &str) -> Result<(), CliError> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// Prints JSON, indented where a person looks at it.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(value)?
    } else {
        serde_json::to_string(value)?
    };
    print_line(&text)
}

/// A record as JSON: its columns by name, times as RFC 3339 with their nanoseconds.
pub(crate) struct Shown<'a, R>(pub(crate) &'a R);

impl<R: Record> Serialize for Shown<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let payload = Payload::of(self.0);
        let values = payload.columns();
        let columns = R::DESCRIPTOR.columns;
        let mut map = serializer.serialize_map(None)?;
        for (position, column) in columns.iter().enumerate() {
            let Some((name, value)) = values.get(position) else {
                continue;
            };
            match (column.ty, value) {
                // Shown with the column before it.
                (ColumnType::Nanos, _) => {}
                (ColumnType::Timestamp, Value::Timestamp(micros)) => {
                    let nanos = match values.get(position + 1) {
                        Some((_, Value::Int4(nanos)))
                            if columns
                                .get(position + 1)
                                .is_some_and(|next| next.ty == ColumnType::Nanos) =>
                        {
                            *nanos
                        }
                        _ => 0,
                    };
                    let time = Timestamp::from_micros_and_nanos(*micros, nanos);
                    map.serialize_entry(name, &time.map(|time| time.to_string()).ok())?;
                }
                _ => map.serialize_entry(name, &Payload::shown(value))?,
            }
        }
        map.end()
    }
}

/// A duration in the unit in which a person reads it.
pub(crate) fn duration(nanos: i64) -> String {
    match nanos.unsigned_abs() {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", nanos as f64 / 1e9),
    }
}

/// Bytes in the unit in which a person reads them.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// A number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// A number of things: `1 chunk`, `2 chunks`.
pub(crate) fn many(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(number))
}

/// Makes columns of numbers of a table stand by their last digit.
pub(crate) fn align_numbers(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Asks a question on the terminal; without one the answer is no.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::NotConfirmed);
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(CliError::NotConfirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_to_a_terminal_is_shown_by_its_number() {
        assert_eq!(printable("naïve 🦀"), "naïve 🦀");
        assert_eq!(
            printable("a\u{1b}[2Jb\n\u{202e}c"),
            "a\\u{1b}[2Jb\\n\\u{202e}c"
        );
    }
}
