//! `#[derive(TextEnum)]`: an enum without fields as text.

use darling::{Error, FromAttributes, error::Accumulator};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Data, DeriveInput, Fields, Variant, ext::IdentExt};

use crate::{
    attributes::{EnumAttributes, Text, VariantAttributes, at, crate_path},
    names,
};

/// Checks an enum and writes its implementations.
pub(crate) fn derive(input: &DeriveInput) -> darling::Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(at(
            input.ident.span(),
            "only an enum can be stored as the text of its variants",
        ));
    };
    let mut errors = Error::accumulator();
    if let Some(parameter) = input.generics.params.first() {
        errors.push(Error::custom("an enum without fields has no generics").with_span(parameter));
    }
    if data.variants.is_empty() {
        errors.push(at(
            input.ident.span(),
            "an enum without variants has no values",
        ));
    }
    let attributes = errors.handle(EnumAttributes::from_attributes(&input.attrs));
    let mut texts: Vec<(&Ident, String)> = Vec::with_capacity(data.variants.len());
    for variant in &data.variants {
        if let Some(text) = text(variant, &texts, &mut errors) {
            texts.push((&variant.ident, text));
        }
    }
    errors.finish()?;
    let krate = crate_path(attributes.and_then(|attributes| attributes.krate));
    Ok(expand(&input.ident, &krate, &texts))
}

/// The text of a variant, if it is neither wrong nor that of an earlier one.
fn text(
    variant: &Variant,
    earlier: &[(&Ident, String)],
    errors: &mut Accumulator,
) -> Option<String> {
    if !matches!(variant.fields, Fields::Unit) {
        errors.push(at(
            variant.ident.span(),
            "a variant that is stored as text has no fields",
        ));
    }
    let attributes = errors.handle(VariantAttributes::from_attributes(&variant.attrs))?;
    let span = attributes
        .text
        .as_ref()
        .map_or(variant.ident.span(), Text::span);
    let text = attributes.text.map_or_else(
        || names::snake_case(&variant.ident.unraw().to_string()),
        Text::into_inner,
    );
    if text.contains('\0') {
        errors.push(at(span, "PostgreSQL cannot hold a text with a NUL in it"));
    }
    if let Some((other, _)) = earlier.iter().find(|(_, known)| *known == text) {
        errors.push(at(
            span,
            format_args!("{text:?} is the text of `{other}` already"),
        ));
    }
    Some(text)
}

fn expand(ident: &Ident, krate: &syn::Path, texts: &[(&Ident, String)]) -> TokenStream {
    let (variants, texts): (Vec<&Ident>, Vec<&str>) = texts
        .iter()
        .map(|(variant, text)| (*variant, text.as_str()))
        .unzip();
    let expected = texts.join(", ");
    quote! {
        #[allow(deprecated)]
        const _: () = {
            use #krate as __annals;

            #[automatically_derived]
            impl __annals::TextEnum for #ident {
                const VARIANTS: &'static [(Self, &'static str)] =
                    &[#((Self::#variants, #texts)),*];
                const EXPECTED: &'static str = #expected;

                fn as_text(self) -> &'static str {
                    match self {
                        #(Self::#variants => #texts,)*
                    }
                }
            }

            #[automatically_derived]
            impl __annals::FieldType for #ident {
                const COLUMNS: &'static [__annals::ColumnType] = &[__annals::ColumnType::Text];

                fn put<__S>(&self, __sink: &mut __S)
                where
                    __S: __annals::ColumnSink + ?::core::marker::Sized,
                {
                    __annals::ColumnSink::text(__sink, __annals::TextEnum::as_text(*self));
                }

                fn take_opt<__S>(
                    __source: &mut __S,
                ) -> ::core::result::Result<::core::option::Option<Self>, __annals::DecodeError>
                where
                    __S: __annals::ColumnSource + ?::core::marker::Sized,
                {
                    match __annals::ColumnSource::text(__source)? {
                        ::core::option::Option::None => {
                            ::core::result::Result::Ok(::core::option::Option::None)
                        }
                        ::core::option::Option::Some(__text) => {
                            match <Self as __annals::TextEnum>::from_text(&__text) {
                                ::core::option::Option::None => ::core::result::Result::Err(
                                    __annals::DecodeError::UnknownVariant {
                                        text: __text,
                                        expected: <Self as __annals::TextEnum>::EXPECTED,
                                    },
                                ),
                                __variant => ::core::result::Result::Ok(__variant),
                            }
                        }
                    }
                }
            }
        };
    }
}
