//! Which of a span's attributes become columns of their own, whatever dialect they are written in.
//!
//! Known are OpenTelemetry's GenAI conventions with the names they had before, OpenInference,
//! OpenLLMetry (Traceloop), the Vercel AI SDK, Langfuse, and plain names as InferTrace has them. For
//! each column there is a list of names, and the first that has a usable value wins (`genai/names.rs`). Names
//! under `annals.` say a column outright and win over all others.
//!
//! Nothing is taken away, and nothing is refused: a value of another type, or beyond its column, leaves
//! the column absent. Numbers may come as text.
//!
//! | Column | What is made of it |
//! |---|---|
//! | `gen_ai_operation`, `provider`, `finish_reason` | the same word for the same thing in every dialect (`genai/words.rs`) |
//! | `input_tokens`, `output_tokens` | totals: what a dialect counts beside them is added (`genai/tokens.rs`) |
//! | `token_convention` | how it was counted; absent where no dialect told a count |
//! | `cost`, `cost_source` | a cost that the source tells, which is `reported` |
//! | texts | up to [`LONGEST`] bytes without U+0000, since columns have indexes and tags do not |

mod langfuse;
mod names;
mod tokens;
mod told;
mod words;

#[cfg(test)]
mod tests;

use crate::{Span, cost};

use told::Told;

/// The longest text that becomes a column, in bytes. Longer ones stay in the tags, where no index has to
/// hold them.
pub const LONGEST: usize = 512;

/// Where a cost comes from that the span's source has told.
pub const REPORTED: &str = "reported";

/// An attribute's value, as far as columns can use it.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// A list of texts.
    Texts(Vec<&'a str>),
    /// Anything else: no value, bytes, maps, lists of other things. No column has a use for it.
    Other,
}

/// How a source counted cached tokens. Columns always have totals that include them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenConvention {
    /// Inside its totals, as OpenTelemetry's conventions say.
    Included,
    /// Beside them; they were added.
    Beside,
}

impl TokenConvention {
    /// As the column has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Included => "included",
            Self::Beside => "beside",
        }
    }
}

/// Fills in the columns that a span's attributes tell. Its name, scope, kind and times must be there
/// already; columns that the attributes do not tell are left as they are.
///
/// A value is looked at only where its name is known, so that [`Attribute`] can be made late. Of equal
/// names the last counts, as it does in the tags.
pub fn normalise<'a, V>(attributes: impl DoubleEndedIterator<Item = (&'a str, V)>, span: &mut Span)
where
    V: Into<Attribute<'a>>,
{
    let told = Told::of(attributes);
    if !told.is_empty() {
        told.give_dialects(span);
        told.give_outright(span);
    }
}

/// Whether a span is a call of a model, whose tokens are paid for. Agents, chains and tools around a call may repeat
/// its tokens, and are none.
#[must_use]
pub fn is_model_call(span: &Span) -> bool {
    match span.gen_ai_operation.as_deref() {
        Some(operation) => words::CALLS.contains(&operation),
        None => {
            let has_tokens = span.input_tokens.is_some() || span.output_tokens.is_some();
            has_tokens && span.model_name.is_some()
        }
    }
}

/// A cost that can be one.
fn sensible_cost(dollars: f64) -> Option<f64> {
    cost::nanodollars(dollars).map(|_| dollars)
}
