//! A record whose attributes were checked against its fields.

mod fields;
mod mentions;

use darling::{Error, FromAttributes, error::Accumulator, util::SpannedValue};
use proc_macro2::Ident;
use syn::{DeriveInput, Path};

use self::mentions::Mentions;
pub(crate) use self::{
    fields::Field,
    mentions::{Mention, Merged, Rule, Sort},
};
use crate::{
    attributes::{Interval, OnConflict, RecordAttributes, at, crate_path},
    names,
};

/// What the expansion is made from.
pub(crate) struct Record {
    pub(crate) ident: Ident,
    pub(crate) krate: Path,
    pub(crate) table: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) time: Option<(Mention, Interval)>,
    pub(crate) key: Vec<Mention>,
    pub(crate) on_conflict: OnConflict,
    pub(crate) newer_by: Option<Mention>,
    pub(crate) merge: Vec<Merged>,
    pub(crate) segment_by: Option<Mention>,
    pub(crate) order_by: Vec<Sort>,
    pub(crate) indexes: Vec<Vec<Sort>>,
}

impl Record {
    /// Reads and checks a struct; every mistake is reported, not only the first.
    pub(crate) fn read(input: &DeriveInput) -> darling::Result<Self> {
        let fields = fields::named(input)?;
        let (attributes, fields) = both(
            RecordAttributes::from_attributes(&input.attrs),
            fields::read(fields, &input.ident),
        )?;

        let mut errors = Error::accumulator();
        fields::check(&fields, &mut errors);
        let table = table(&attributes, &input.ident, &mut errors);
        check_company(&attributes, &mut errors);

        let mut mentions = Mentions {
            fields: &fields,
            errors: &mut errors,
        };
        let time = attributes
            .time
            .as_ref()
            .and_then(|name| mentions.find(name));
        let key = mentions.key(attributes.key.as_ref(), time);
        let merge = mentions.merge(&key);
        let newer_by = attributes.on_conflict.as_ref();
        let newer_by = newer_by.and_then(|on_conflict| mentions.newer_by(on_conflict, &key));
        let segment_by = attributes
            .segment_by
            .as_ref()
            .and_then(|name| mentions.find(name));
        let order_by = mentions.order_by(attributes.order_by.as_ref(), segment_by);
        let indexes = attributes
            .index
            .iter()
            .map(|index| mentions.index(index))
            .collect();

        errors.finish_with(Self {
            ident: input.ident.clone(),
            krate: crate_path(attributes.krate),
            table,
            fields,
            time: time.map(|time| {
                (
                    time,
                    attributes
                        .chunk
                        .map_or(Interval::DEFAULT, SpannedValue::into_inner),
                )
            }),
            key,
            on_conflict: attributes
                .on_conflict
                .map(SpannedValue::into_inner)
                .unwrap_or_default(),
            newer_by,
            merge,
            segment_by,
            order_by,
            indexes,
        })
    }
}

/// Both values, or the errors of both.
fn both<A, B>(a: darling::Result<A>, b: darling::Result<B>) -> darling::Result<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) => Err(Error::multiple(vec![a, b])),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn table(attributes: &RecordAttributes, record: &Ident, errors: &mut Accumulator) -> String {
    let Some(table) = &attributes.table else {
        errors.push(at(
            record.span(),
            "a record has a table: `#[record(table = \"...\")]`",
        ));
        return String::new();
    };
    if let Err(message) = names::check_table(table) {
        errors.push(at(table.span(), message));
    }
    String::clone(table)
}

/// Refuses attributes that say something about another one that is not there.
fn check_company(attributes: &RecordAttributes, errors: &mut Accumulator) {
    let RecordAttributes {
        chunk,
        segment_by,
        order_by,
        on_conflict,
        time,
        key,
        ..
    } = attributes;
    let (time, key) = (("time", time.is_some()), ("key", key.is_some()));
    for (name, span, (other, is_there)) in [
        ("chunk", chunk.as_ref().map(SpannedValue::span), time),
        (
            "segment_by",
            segment_by.as_ref().map(SpannedValue::span),
            time,
        ),
        ("order_by", order_by.as_ref().map(SpannedValue::span), time),
        (
            "on_conflict",
            on_conflict.as_ref().map(SpannedValue::span),
            key,
        ),
    ] {
        if let (Some(span), false) = (span, is_there) {
            errors.push(at(
                span,
                format_args!("`{name}` means nothing without `{other}`"),
            ));
        }
    }
}
