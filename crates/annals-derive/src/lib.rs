//! `#[derive(Record)]` and `#[derive(TextEnum)]`; use them through `annals` or `annals-record`.
//!
//! A macro sees tokens and no types. Whatever a name can show to be wrong is refused here, at the
//! attribute that is wrong; whatever only a type can show (how many columns a field has, whether
//! they may be absent) is left to constants that the compiler evaluates in the expansion.
//!
//! | Module | What lives there |
//! |---|---|
//! | `attributes` | `#[record(...)]` as it was written |
//! | `names` | which names tables and columns may have, and which one was meant |
//! | `record` | the attributes of a record, checked against its fields |
//! | `expand` | the code for a checked record |
//! | `text_enum` | the other derive |

mod attributes;
mod expand;
mod names;
mod record;
mod text_enum;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct's values rows of one table.
///
/// ```
/// use annals_record::{Field, Record, TimestampMicros};
///
/// #[derive(Clone, Record)]
/// #[record(crate = "annals_record")] // only where the crate `annals` is not a dependency
/// #[record(table = "bars_1m", time = "timestamp", key("symbol", "timestamp"))]
/// #[record(on_conflict = "update", chunk = "7 days", segment_by = "symbol")]
/// #[record(order_by = "timestamp desc", index("timestamp desc"))]
/// pub struct Bar {
///     pub symbol: String,
///     pub timestamp: TimestampMicros,
///     pub close: f64,
///     #[record(name = "vol")]
///     pub volume: u64,
/// }
///
/// let volume: Field<Bar, u64> = Bar::VOLUME;
/// assert_eq!(Bar::DESCRIPTOR.columns[volume.column()].name, "vol");
/// ```
///
/// # On the struct
///
/// | `#[record(...)]` | |
/// |---|---|
/// | `table = "bars_1m"` | the table's name; required |
/// | `time = "timestamp"` | the column by which a hypertable is partitioned |
/// | `chunk = "7 days"` | what one chunk covers, in `seconds` to `weeks`; 7 days when left out |
/// | `key("symbol", "timestamp")` | the columns that make a row unique, time among them |
/// | `on_conflict = "ignore"` | what a second row of a key does; or `"update"`, `"merge"`, or `"newer by revision"` |
/// | `segment_by = "symbol"` | the column whose values share a compressed segment |
/// | `order_by = "timestamp desc"` | the order inside a segment, columns separated by commas |
/// | `index("symbol", "close desc")` | a secondary index; may be repeated |
/// | `crate = "annals_record"` | the path of `annals-record`; `::annals::record` when left out |
///
/// Attributes name columns. A column has its field's name, or the one in `#[record(name = "...")]`
/// on the field. `#[record(merge = "...")]` on a field says what becomes of two values when rows of one
/// key are merged: `"min"`, `"max"`, `"sum"`, `"same"` (rows that differ are not merged at all), `"first by opened_at"`, `"last by closed_at"` or
/// `"mean by volume"`; without it the new value stays. A field of type `Timestamp` is stored in two columns, the second of which is
/// called `<name>_nanos`; attributes name, and mean, the first.
///
/// # What it makes
///
/// `impl Record`, and for each field a constant with the field's visibility, by which filters and
/// orderings name it: `Bar::SYMBOL` is a `Field<Bar, String>`.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    record::Record::read(&input)
        .map_or_else(darling::Error::write_errors, |record| {
            expand::expand(&record)
        })
        .into()
}

/// Makes an enum without fields a field type that is stored as text.
///
/// The text of a variant is its name in snake case, or the one in `#[record(text = "...")]`. As
/// with records, `#[record(crate = "...")]` on the enum gives the path of `annals-record`.
///
/// ```
/// use annals_record::TextEnum;
///
/// #[derive(Clone, Copy, Debug, PartialEq, TextEnum)]
/// #[record(crate = "annals_record")]
/// pub enum SpanKind {
///     #[record(text = "SERVER")]
///     Server,
///     InProcess,
/// }
///
/// assert_eq!(SpanKind::InProcess.as_text(), "in_process");
/// assert_eq!(SpanKind::from_text("SERVER"), Some(SpanKind::Server));
/// ```
#[proc_macro_derive(TextEnum, attributes(record))]
pub fn derive_text_enum(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    text_enum::derive(&input)
        .unwrap_or_else(darling::Error::write_errors)
        .into()
}
