//! OpenTelemetry's protocol (OTLP 1.x), from its messages to records and back.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`json`] | OTLP/JSON: documents read record by record, and written |
//! | `layers` | resources and scopes around the records of any signal |
//! | [`metrics`] | metrics and their points in protobuf's shape, and back |
//! | [`traces`] | whole requests in protobuf's shape: [`traces::from_proto`], [`traces::to_proto`] |
//! | [`logs`] | log records in protobuf's shape, and back |
//! | [`span`] | one span in protobuf's shape, and back |
//! | [`origin`] | what a span inherits from the resource and the scope around it |
//! | [`attributes`] | attributes as JSON, without loss |
//! | [`genai`] | which attributes become columns of their own |
//! | [`limits`] | what a span may have |
//! | [`refusal`] | why a span is refused, by the name of its field |
//!
//! Every road in makes protobuf's messages first and goes through [`span::from_proto`], so what holds
//! for one road holds for all.
//!
//! proto3 knows no difference between an absent text and an empty one. Where a column does, an empty
//! text of OTLP is absent there; in the same way an empty list of attributes, events or links is
//! absent. Resources are messages and keep the difference between absent and empty.
//!
//! A resource's `entity_refs` (in development at OpenTelemetry, as of OTLP 1.10) are not kept.

pub mod attributes;
mod decoded;
pub(crate) mod divided;
mod events;
pub mod genai;
pub(crate) mod ids;
pub mod json;
pub(crate) mod layers;
pub mod limits;
mod links;
pub mod logs;
pub mod metrics;
pub mod origin;
pub mod refusal;
pub mod span;
pub mod traces;

pub use decoded::{Decoded, Told};
pub use limits::{Bounds, Limits};
pub use origin::Origin;
pub use refusal::{FieldError, Identity, Kind, Problem, RefusedRecord};
