//! The fields of a record and the names of their columns.

use darling::{Error, FromAttributes, error::Accumulator};
use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Data, DeriveInput, Fields, FieldsNamed, Visibility, ext::IdentExt};

use crate::{
    attributes::{FieldAttributes, Text, at},
    names,
};

/// One field.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    /// Its type, with the record's name in place of `Self`.
    pub(crate) ty: TokenStream,
    /// The name of its first column.
    pub(crate) column: String,
    /// Where that name comes from.
    pub(crate) column_span: Span,
    /// The name of its constant.
    pub(crate) constant: Ident,
    /// What becomes of two values, as it was written.
    pub(super) merge: Option<Text>,
}

/// The fields of a struct, if it is one that can be a record.
pub(super) fn named(input: &DeriveInput) -> darling::Result<&FieldsNamed> {
    let refuse = |message| Err(at(input.ident.span(), message));
    if let Some(parameter) = input.generics.params.first() {
        return Err(Error::custom("a record has no generics").with_span(parameter));
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => Ok(fields),
            Fields::Named(_) => refuse("a record has at least one field"),
            Fields::Unnamed(_) | Fields::Unit => {
                refuse("a record is a struct with named fields, since columns have names")
            }
        },
        Data::Enum(_) | Data::Union(_) => refuse("a record is a struct with named fields"),
    }
}

/// Reads all fields, or says what is wrong with each.
pub(super) fn read(fields: &FieldsNamed, record: &Ident) -> darling::Result<Vec<Field>> {
    let mut errors = Error::accumulator();
    let fields = fields
        .named
        .iter()
        .filter_map(|field| errors.handle(Field::read(field, record)))
        .collect();
    errors.finish_with(fields)
}

impl Field {
    fn read(field: &syn::Field, record: &Ident) -> darling::Result<Self> {
        let attributes = FieldAttributes::from_attributes(&field.attrs)?;
        let ident = field
            .ident
            .clone()
            .ok_or_else(|| Error::custom("a field of a record has a name").with_span(field))?;
        let bare = ident.unraw().to_string();
        let column_span = attributes.name.as_ref().map_or(ident.span(), Text::span);
        Ok(Self {
            vis: field.vis.clone(),
            ty: name_self(field.ty.to_token_stream(), record),
            // Only ASCII, so that an identifier stays one.
            constant: Ident::new(&bare.to_ascii_uppercase(), ident.span()),
            column: attributes.name.map_or(bare, Text::into_inner),
            column_span,
            merge: attributes.merge,
            ident,
        })
    }
}

/// Refuses columns that a table cannot have, or not twice, and constants of one name.
pub(super) fn check(fields: &[Field], errors: &mut Accumulator) {
    for (i, field) in fields.iter().enumerate() {
        if let Err(message) = names::check_column(&field.column) {
            errors.push(at(field.column_span, message));
        }
        let mut earlier = fields.iter().take(i);
        if let Some(other) = earlier.clone().find(|other| other.column == field.column) {
            let message = format!(
                "the column `{}` is that of the field `{}` already",
                field.column, other.ident
            );
            errors.push(at(field.column_span, message));
        } else if let Some(other) = earlier.find(|other| other.constant == field.constant) {
            let message = format!(
                "the constant `{}` would stand for the field `{}` as well",
                field.constant, other.ident
            );
            errors.push(at(field.ident.span(), message));
        } else if field.constant == "DESCRIPTOR" {
            let message = "the constant `DESCRIPTOR` would hide that of `Record`";
            errors.push(at(field.ident.span(), message));
        }
    }
}

/// Puts the record's name in place of `Self`, since the expansion writes types outside of `impl`s.
fn name_self(tokens: TokenStream, record: &Ident) -> TokenStream {
    let rename = |token| match token {
        TokenTree::Ident(ident) if ident == "Self" => {
            let mut record = record.clone();
            record.set_span(ident.span());
            TokenTree::Ident(record)
        }
        TokenTree::Group(group) => {
            let mut renamed = Group::new(group.delimiter(), name_self(group.stream(), record));
            renamed.set_span(group.span());
            TokenTree::Group(renamed)
        }
        other => other,
    };
    tokens.into_iter().map(rename).collect()
}
