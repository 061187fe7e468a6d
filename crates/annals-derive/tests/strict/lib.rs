//! What the derives make must compile here: in a library that is hard to please, and in modules that
//! have lost or redefined every name on which the expansion could lean.

#![deny(
    dead_code,
    deprecated,
    missing_debug_implementations,
    missing_docs,
    non_local_definitions,
    private_interfaces,
    single_use_lifetimes,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::absolute_paths,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_trait_methods,
    clippy::panic,
    clippy::question_mark_used,
    clippy::shadow_unrelated,
    clippy::single_char_lifetime_names,
    clippy::unwrap_used
)]

// The facade, as far as the derives see it: `::annals::record` is where they look.
extern crate self as annals;
pub use annals_record as record;

use annals_record::{Record, TextEnum, Timestamp, TimestampMicros};

/// A public record; its constants are documented although its author wrote nothing about them.
#[derive(Clone, Debug, Record)]
#[record(
    table = "public",
    time = "at",
    key("name", "at"),
    on_conflict = "update"
)]
#[record(segment_by = "name", order_by = "at desc", index("level", "kind desc"))]
pub struct Public {
    /// When.
    pub at: Timestamp,
    /// What.
    pub name: String,
    /// How high.
    #[deprecated]
    pub level: Option<i64>,
    /// Of which kind.
    pub kind: Kind,
    pub(crate) minute: TimestampMicros,
    hidden: bool,
}

/// A public enum.
#[derive(Clone, Copy, Debug, TextEnum)]
pub enum Kind {
    /// One.
    One,
    /// The other.
    #[deprecated]
    Two,
}

impl Public {
    /// Uses what would otherwise be dead.
    #[must_use]
    pub const fn hidden(&self) -> (bool, TimestampMicros) {
        (self.hidden, self.minute)
    }
}

/// Without a prelude.
pub mod bare {
    #![no_implicit_prelude]
    #![allow(clippy::absolute_paths, reason = "there is nothing else here")]

    use ::annals_record::{Record, TextEnum};

    /// A record.
    #[derive(::core::clone::Clone, ::core::fmt::Debug, Record)]
    #[record(
        crate = "::annals_record",
        table = "bare",
        time = "at",
        key("at"),
        index("kind")
    )]
    pub struct Bare {
        /// When.
        pub at: ::annals_record::Timestamp,
        /// Of which kind.
        pub kind: ::core::option::Option<Kind>,
    }

    /// An enum.
    #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, TextEnum)]
    #[record(crate = "::annals_record")]
    pub enum Kind {
        /// One.
        One,
    }
}

/// With names that mean something else.
pub mod shadowed {
    #![allow(missing_docs, missing_debug_implementations, reason = "decoys")]
    #![allow(
        non_camel_case_types,
        non_upper_case_globals,
        reason = "decoys have such names"
    )]

    use annals_record::{Record as DeriveRecord, TextEnum as DeriveTextEnum};

    pub struct Option;
    pub struct Result;
    pub struct Vec;
    pub struct Field;
    pub struct Descriptor;
    pub trait Record {}
    pub trait TextEnum {}
    pub trait FieldType {}
    pub trait Sized {}
    pub const Some: () = ();
    pub const None: () = ();
    pub const Ok: () = ();
    pub const Err: () = ();
    pub const text: () = ();
    pub const sink: () = ();
    pub const source: () = ();
    pub const variant: () = ();
    pub mod core {}
    pub mod std {}
    pub mod annals {}
    #[allow(unused_macros, reason = "a decoy")]
    macro_rules! assert {
        () => {};
    }

    /// A field type that is called like a parameter.
    pub type S = std_string::String;
    mod std_string {
        pub(super) use ::std::string::String;
    }

    #[derive(Clone, DeriveRecord)]
    #[record(table = "shadowed", time = "at", key("s", "at"), segment_by = "s")]
    pub struct String {
        pub at: annals_record::TimestampMicros,
        pub s: S,
        pub kind: Kind,
    }

    #[derive(Clone, Copy, DeriveTextEnum)]
    pub enum Kind {
        One,
    }
}

/// Made by a macro, whose fragments arrive in invisible parentheses.
pub mod made {
    use annals_record::{Record, TextEnum, TimestampMicros};

    macro_rules! record {
        ($name:ident, $kind:ident, $table:literal, $time:literal, $key:expr, $text:literal, $ty:ty) => {
            /// Made.
            #[derive(Clone, Debug, Record)]
            #[record(table = $table, time = $time, key($time, "key"), order_by = $key)]
            pub struct $name {
                /// When.
                pub at: TimestampMicros,
                /// Whose.
                pub key: $ty,
            }

            /// Made.
            #[derive(Clone, Copy, Debug, TextEnum)]
            pub enum $kind {
                /// One.
                #[record(text = $text)]
                One,
            }
        };
    }

    record!(Made, MadeKind, "made", "at", "key desc", "ONE", String);
}

/// A record that should no longer be used.
#[derive(Clone, Debug, Record)]
#[record(table = "old", time = "at", key("at"), index("kind"))]
#[deprecated]
pub struct Old {
    /// When.
    pub at: Timestamp,
    /// Of which kind.
    pub kind: Kind,
}

/// An enum that should no longer be used.
#[derive(Clone, Copy, Debug, TextEnum)]
#[deprecated]
pub enum OldKind {
    /// One.
    One,
}

/// A record that nothing outside can see, whose fields say otherwise.
mod inner {
    #[derive(Clone, annals_record::Record)]
    #[record(table = "inner")]
    struct Inner {
        pub kind: Private,
        pub(super) minute: annals_record::TimestampMicros,
    }

    #[derive(Clone, Copy, annals_record::TextEnum)]
    enum Private {
        One,
    }

    const fn used(inner: &Inner) -> (Private, annals_record::TimestampMicros) {
        (inner.kind, inner.minute)
    }

    const _: fn(&Inner) -> (Private, annals_record::TimestampMicros) = used;
}
