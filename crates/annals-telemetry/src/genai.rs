//! Which of a span's attributes become columns of their own, whatever dialect they are written in.

use crate::Span;

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
}

/// Fills in the columns that a span's attributes tell. Service, scope, kind and times must be there already.
pub fn normalise<'a>(_attributes: impl Iterator<Item = (&'a str, Attribute<'a>)>, _span: &mut Span) {
    todo!()
}

/// Whether a span is a call of a model, whose tokens are paid for. Agents, chains and tools around a call may repeat
/// its tokens, and are none.
#[must_use]
pub fn is_model_call(_span: &Span) -> bool {
    false
}

/// How a source counted cached tokens. Columns always have totals that include them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenConvention {
    /// Inside its totals, as OpenTelemetry's conventions say.
    Included,
    /// Beside them; they were added.
    Beside,
}
