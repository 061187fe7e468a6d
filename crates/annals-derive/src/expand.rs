//! The code for a checked record.
//!
//! Everything stands in one `const _`, whose items no other code can see. Paths are absolute and
//! names begin with two underscores, so that nothing of the crate around it can get in the way.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::{
    attributes::OnConflict,
    names,
    record::{Field, Mention, Record, Rule, Sort},
};

/// The items that implement a record.
pub(crate) fn expand(record: &Record) -> TokenStream {
    let Record { ident, krate, .. } = record;
    let shape = shape(record);
    let assertions = assertions(record);
    let descriptor = descriptor(record);
    let encode = record.fields.iter().map(|field| {
        let (ident, ty) = (&field.ident, &field.ty);
        quote!(<#ty as __annals::FieldType>::put(&self.#ident, __sink);)
    });
    let decode = record.fields.iter().map(|field| {
        let (ident, ty, column) = (&field.ident, &field.ty, &field.column);
        quote! {
            #ident: <#ty as __annals::FieldType>::take(__source)
                .map_err(|__error| __error.in_column(#column))?,
        }
    });
    let constants = record.fields.iter().enumerate().map(|(i, field)| {
        let (vis, constant, ty) = (&field.vis, &field.constant, &field.ty);
        let doc = format!("The field `{}`, for filters and orderings.", field.ident);
        let position = position(i);
        quote! {
            #[doc = #doc]
            #vis const #constant: __annals::Field<#ident, #ty> = __annals::Field::new(#position);
        }
    });

    quote! {
        // Not every constant gets used, and what is deprecated still has to be written and read.
        #[allow(dead_code, deprecated)]
        const _: () = {
            use #krate as __annals;

            #shape
            #assertions

            #[automatically_derived]
            impl __annals::Record for #ident {
                const DESCRIPTOR: &'static __annals::Descriptor = &#descriptor;

                fn encode<__S>(&self, __sink: &mut __S)
                where
                    __S: __annals::ColumnSink + ?::core::marker::Sized,
                {
                    #(#encode)*
                }

                fn decode<__S>(
                    __source: &mut __S,
                ) -> ::core::result::Result<Self, __annals::DecodeError>
                where
                    __S: __annals::ColumnSource + ?::core::marker::Sized,
                {
                    ::core::result::Result::Ok(Self { #(#decode)* })
                }
            }

            #[automatically_derived]
            impl #ident {
                #(#constants)*
            }
        };
    }
}

/// Where the fields lie among the columns, as constants that the compiler works out.
fn shape(record: &Record) -> TokenStream {
    let fields = record.fields.iter().map(|Field { ty, column, .. }| {
        let nanos = names::nanos(column);
        quote_spanned! {ty.span()=>
            __annals::shape::FieldShape::new(
                [#column, #nanos],
                <#ty as __annals::FieldType>::COLUMNS,
                <#ty as __annals::FieldType>::NULLABLE,
            )
        }
    });
    let count = Literal::usize_unsuffixed(record.fields.len());
    quote! {
        const __SHAPE: __annals::shape::Shape<#count> =
            __annals::shape::Shape::new([#(#fields),*]);
        const __COLUMNS: [__annals::Column; __SHAPE.width()] = __SHAPE.columns();
    }
}

/// What only types can show to be wrong, said at the attribute that is.
fn assertions(record: &Record) -> TokenStream {
    let absent = "since it may be absent";
    let mut assertions = TokenStream::new();
    let mut assert = |span: Span, condition: TokenStream, message: String| {
        assertions
            .extend(quote_spanned!(span=> const _: () = ::core::assert!(#condition, #message);));
    };
    let field = |mention: Mention| record.fields.get(mention.field);
    let time = record.time.map(|(time, _)| time);

    if let Some(time) = time
        && let Some(Field { ty, column, .. }) = field(time)
    {
        let columns = quote!(<#ty as __annals::FieldType>::COLUMNS);
        assert(
            time.span,
            quote!(::core::matches!(#columns, [__annals::ColumnType::Timestamp, ..])),
            format!("`{column}` is no time: its field is not a timestamp"),
        );
        assert(
            time.span,
            is_present(ty),
            format!("`{column}` cannot be the time of a record, {absent}"),
        );
    }
    for mention in &record.key {
        // The time column has an assertion of its own.
        if time.is_none_or(|time| time.field != mention.field)
            && let Some(Field { ty, column, .. }) = field(*mention)
        {
            let message = format!("`{column}` cannot be in the key, {absent}");
            assert(mention.span, is_present(ty), message);
        }
    }
    if let Some(segment) = record.segment_by
        && let Some(Field { ty, column, .. }) = field(segment)
    {
        let message = format!("`{column}` cannot segment: its field is stored in two columns");
        assert(segment.span, is_one_column(ty), message);
    }
    if let Some(newer) = record.newer_by
        && let Some(Field { ty, column, .. }) = field(newer)
    {
        let message = format!(
            "`{column}` orders no versions: its field is no integer of 64 bits with a sign that is always there"
        );
        let is_integer = quote! {
            ::core::matches!(<#ty as __annals::FieldType>::COLUMNS, [__annals::ColumnType::Int8])
        };
        let present = is_present(ty);
        assert(newer.span, quote!(#is_integer && #present), message);
    }
    for merged in &record.merge {
        let Some(Field { ty, column, .. }) = field(merged.mention) else {
            continue;
        };
        let span = merged.mention.span;
        let message = format!("`{column}` cannot be merged: its field is stored in two columns");
        assert(span, is_one_column(ty), message);
        let numbers = match merged.rule {
            Rule::Sum => vec![merged.mention],
            Rule::Mean(weight) => vec![merged.mention, weight],
            _ => Vec::new(),
        };
        for mention in numbers {
            if let Some(Field { ty, column, .. }) = field(mention) {
                let message = format!(
                    "`{column}` cannot be added up: its field is no number of 32 or 64 bits with a sign"
                );
                assert(span, is_number(ty), message);
            }
        }
    }
    for Field { ty, column, .. } in &record.fields {
        let nanos = names::nanos(column);
        if let Some(taken) = record.fields.iter().find(|other| other.column == nanos) {
            let message = format!("`{nanos}` is the second column of `{column}` already");
            assert(taken.column_span, is_one_column(ty), message);
        }
    }
    assertions
}

fn is_present(ty: &TokenStream) -> TokenStream {
    quote!(!<#ty as __annals::FieldType>::NULLABLE)
}

fn is_one_column(ty: &TokenStream) -> TokenStream {
    quote!(<#ty as __annals::FieldType>::COLUMNS.len() == 1)
}

/// What every database adds up by itself; integers without a sign are text to one of them.
fn is_number(ty: &TokenStream) -> TokenStream {
    quote! {
        ::core::matches!(
            <#ty as __annals::FieldType>::COLUMNS,
            [__annals::ColumnType::Int4 | __annals::ColumnType::Int8
                | __annals::ColumnType::Float4 | __annals::ColumnType::Float8]
        )
    }
}

fn descriptor(record: &Record) -> TokenStream {
    let table = &record.table;
    let key = (!record.key.is_empty()).then(|| {
        let columns = record.key.iter().map(|mention| position(mention.field));
        let on_conflict = match &record.on_conflict {
            OnConflict::Ignore => quote!(Ignore),
            OnConflict::Update => quote!(Update),
            OnConflict::Merge => quote!(Merge),
            OnConflict::Newer(_) => quote!(Newer),
        };
        quote!(.with_key(const { &[#(#columns),*] }, __annals::OnConflict::#on_conflict))
    });
    let time = record.time.map(|(time, chunk)| {
        let (column, seconds) = (position(time.field), chunk.seconds);
        quote!(.with_time(#column, __annals::ChunkInterval::from_secs(#seconds)))
    });
    let layout = (record.segment_by.is_some() || !record.order_by.is_empty()).then(|| {
        let segment_by = match record.segment_by {
            Some(segment) => {
                let column = position(segment.field);
                quote!(::core::option::Option::Some(#column))
            }
            None => quote!(::core::option::Option::None),
        };
        let order_by = record.order_by.iter().map(sort_column);
        quote!(.with_layout(#segment_by, const { &[#(#order_by),*] }))
    });
    let indexes = (!record.indexes.is_empty()).then(|| {
        let indexes = record.indexes.iter().map(|columns| {
            let columns = columns.iter().map(sort_column);
            quote!(__annals::Index { columns: &[#(#columns),*] })
        });
        quote!(.with_indexes(const { &[#(#indexes),*] }))
    });
    let merge = (!record.merge.is_empty()).then(|| {
        let rules = record.merge.iter().map(|merged| {
            let (column, rule) = (position(merged.mention.field), rule(merged.rule));
            quote!((#column, #rule))
        });
        quote!(.with_merge(const { &[#(#rules),*] }))
    });
    let newer_by = record.newer_by.map(|newer| {
        let column = position(newer.field);
        quote!(.with_newer_by(#column))
    });
    quote!(__annals::Descriptor::new(#table, &__COLUMNS) #key #merge #newer_by #time #layout #indexes)
}

fn rule(rule: Rule) -> TokenStream {
    let at = |mention: Mention| position(mention.field);
    match rule {
        Rule::Least => quote!(__annals::Merge::Least),
        Rule::Greatest => quote!(__annals::Merge::Greatest),
        Rule::Sum => quote!(__annals::Merge::Sum),
        Rule::Same => quote!(__annals::Merge::Same),
        Rule::First(other) => {
            let by = at(other);
            quote!(__annals::Merge::First { by: #by })
        }
        Rule::Last(other) => {
            let by = at(other);
            quote!(__annals::Merge::Last { by: #by })
        }
        Rule::Mean(other) => {
            let weight = at(other);
            quote!(__annals::Merge::Mean { weight: #weight })
        }
    }
}

fn sort_column(sort: &Sort) -> TokenStream {
    let column = position(sort.mention.field);
    let direction = match sort.descending {
        true => quote!(Descending),
        false => quote!(Ascending),
    };
    quote!(__annals::SortColumn { column: #column, direction: __annals::Direction::#direction })
}

/// The position of a field's first column.
fn position(field: usize) -> TokenStream {
    let field = Literal::usize_unsuffixed(field);
    quote!(__SHAPE.position(#field))
}
