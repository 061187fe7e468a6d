//! Finds the fields whose columns the attributes of a record name.

use darling::{error::Accumulator, util::SpannedValue};
use proc_macro2::Span;
use syn::ext::IdentExt;

use super::Field;
use crate::{
    attributes::{OnConflict, Text, Texts, at},
    names,
};

/// A place where an attribute names a column.
///
/// It is kept as a field: which position a field's first column has, only the compiler can tell.
#[derive(Clone, Copy)]
pub(crate) struct Mention {
    /// Position of the field in the struct.
    pub(crate) field: usize,
    /// Where it stands.
    pub(crate) span: Span,
}

/// A place where an attribute names a column to sort by.
#[derive(Clone, Copy)]
pub(crate) struct Sort {
    pub(crate) mention: Mention,
    pub(crate) descending: bool,
}

/// What becomes of a field's two values.
#[derive(Clone, Copy)]
pub(crate) struct Merged {
    /// The field whose attribute says so.
    pub(crate) mention: Mention,
    pub(crate) rule: Rule,
}

/// How two values become one.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    First(Mention),
    Last(Mention),
    Least,
    Greatest,
    Sum,
    Mean(Mention),
    Same,
}

/// Resolves names, and collects what is wrong with them.
pub(super) struct Mentions<'a> {
    pub(super) fields: &'a [Field],
    pub(super) errors: &'a mut Accumulator,
}

impl Mentions<'_> {
    /// The field whose first column is called `name`.
    pub(super) fn find(&mut self, name: &Text) -> Option<Mention> {
        self.find_at(name, name.span())
    }

    /// The fields of a key, which has to contain the time column.
    pub(super) fn key(&mut self, names: Option<&Texts>, time: Option<Mention>) -> Vec<Mention> {
        let Some(Texts(names)) = names else {
            return Vec::new();
        };
        let key: Vec<Mention> = names.iter().filter_map(|name| self.find(name)).collect();
        self.refuse_repeats(&key);
        if let (Some(time), Some(first)) = (time, key.first())
            // A name that was not found may have been meant for it.
            && key.len() == names.len()
            && key.iter().all(|column| column.field != time.field)
        {
            let message = format!(
                "the key has to contain the time column `{}`, by which a hypertable is partitioned",
                self.column(time)
            );
            self.errors.push(at(first.span, message));
        }
        key
    }

    /// The order inside a segment, in which the column that is the same all over it has no place.
    pub(super) fn order_by(
        &mut self,
        text: Option<&Text>,
        segment_by: Option<Mention>,
    ) -> Vec<Sort> {
        let Some(text) = text else { return Vec::new() };
        let order: Vec<Sort> = text
            .split(',')
            .filter_map(|column| self.sort(column, text.span()))
            .collect();
        self.refuse_repeats(&mentions_of(&order));
        if let Some(segment) = segment_by
            && order.iter().any(|sort| sort.mention.field == segment.field)
        {
            let message = format!(
                "`{}` is the same all over a segment, so it cannot order one",
                self.column(segment)
            );
            self.errors.push(at(text.span(), message));
        }
        order
    }

    /// The columns of an index.
    pub(super) fn index(&mut self, Texts(columns): &Texts) -> Vec<Sort> {
        let index: Vec<Sort> = columns
            .iter()
            .filter_map(|column| self.sort(column, column.span()))
            .collect();
        self.refuse_repeats(&mentions_of(&index));
        index
    }

    /// The column that orders the versions of a row; one of the key is the same in all of them.
    pub(super) fn newer_by(
        &mut self,
        on_conflict: &SpannedValue<OnConflict>,
        key: &[Mention],
    ) -> Option<Mention> {
        let OnConflict::Newer(column) = on_conflict.as_ref() else {
            return None;
        };
        let mention = self.find_at(column, on_conflict.span())?;
        if key.iter().any(|column| column.field == mention.field) {
            let message = format!(
                "`{}` is in the key: no version of a row is newer by it",
                self.column(mention)
            );
            self.errors.push(at(mention.span, message));
        }
        Some(mention)
    }

    /// What the fields say of merging; a column of the key has only one value.
    pub(super) fn merge(&mut self, key: &[Mention]) -> Vec<Merged> {
        let fields = self.fields;
        let written = fields.iter().enumerate();
        let written = written.filter_map(|(field, written)| Some((field, written.merge.as_ref()?)));
        let mut merged = Vec::new();
        for (field, text) in written {
            let span = text.span();
            let mention = Mention { field, span };
            if key.iter().any(|column| column.field == field) {
                let message = format!(
                    "`{}` is in the key: it has nothing to merge",
                    self.column(mention)
                );
                self.errors.push(at(span, message));
            } else if let Some(rule) = self.rule(text, span) {
                merged.push(Merged { mention, rule });
            }
        }
        merged
    }

    fn rule(&mut self, text: &str, span: Span) -> Option<Rule> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match *words.as_slice() {
            ["min"] => Some(Rule::Least),
            ["max"] => Some(Rule::Greatest),
            ["sum"] => Some(Rule::Sum),
            ["same"] => Some(Rule::Same),
            ["first", "by", other] => self.find_at(other, span).map(Rule::First),
            ["last", "by", other] => self.find_at(other, span).map(Rule::Last),
            ["mean", "by", other] => self.find_at(other, span).map(Rule::Mean),
            _ => {
                self.errors.push(at(
                    span,
                    "`merge` is \"min\", \"max\", \"sum\", \"same\", \"first by COLUMN\", \"last by COLUMN\" or \
                     \"mean by COLUMN\"",
                ));
                None
            }
        }
    }

    /// A column, and `asc` or `desc` if the text says so.
    fn sort(&mut self, text: &str, span: Span) -> Option<Sort> {
        let mut words = text.split_whitespace();
        let (Some(name), direction, None) = (words.next(), words.next(), words.next()) else {
            self.errors.push(at(
                span,
                "expected a column, with or without `asc` or `desc`",
            ));
            return None;
        };
        let descending = match direction {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => {
                self.errors.push(at(
                    span,
                    format_args!("`{other}` is neither `asc` nor `desc`"),
                ));
                return None;
            }
        };
        self.find_at(name, span).map(|mention| Sort {
            mention,
            descending,
        })
    }

    fn find_at(&mut self, name: &str, span: Span) -> Option<Mention> {
        if let Some(field) = self.fields.iter().position(|field| field.column == name) {
            return Some(Mention { field, span });
        }
        // The name of the field is easily taken for that of its column.
        let known = self.fields.iter().flat_map(|field| {
            let column = field.column.as_str();
            [
                (field.ident.unraw().to_string(), column),
                (column.to_owned(), column),
            ]
        });
        let message = match names::closest(name, known) {
            Some(meant) => format!("there is no column `{name}`; did you mean `{meant}`?"),
            None => format!("there is no column `{name}`"),
        };
        self.errors.push(at(span, message));
        None
    }

    fn refuse_repeats(&mut self, columns: &[Mention]) {
        for (i, mention) in columns.iter().enumerate() {
            if columns
                .iter()
                .take(i)
                .any(|earlier| earlier.field == mention.field)
            {
                let message = format!("`{}` is named twice", self.column(*mention));
                self.errors.push(at(mention.span, message));
            }
        }
    }

    fn column(&self, mention: Mention) -> &str {
        self.fields
            .get(mention.field)
            .map_or("", |field| &field.column)
    }
}

fn mentions_of(columns: &[Sort]) -> Vec<Mention> {
    columns.iter().map(|sort| sort.mention).collect()
}
