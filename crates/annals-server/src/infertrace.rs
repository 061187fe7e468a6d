//! InferTrace's protocol, from its messages to records.
//!
//! InferTrace has two contracts on the wire, and both are served.
//!
//! | | First plan | v1 |
//! |---|---|---|
//! | Definition | `proto/infertrace.proto` | `proto/infertrace_v1.proto` |
//! | Messages | [`messages::planned`] | [`messages::v1`] |
//! | A request | [`planned_batch`] | [`v1_batch`] |
//! | One span | [`from_planned`] | [`from_v1`] |
//! | Ids are | bytes | texts |
//! | Must be there | a start | a start, a duration, service and model |
//!
//! What holds for both:
//!
//! - An id of 16 bytes (trace) or 8 (span) is lower-case hexadecimal in the record, so that the same
//!   trace by OTLP has the same id. Any other id stays as readable as it came; see [`ids`].
//! - An id that is absent is made, and made from the span's content, so that a retry of the same span
//!   does not double it. How many were made is told, see [`MadeIds`].
//! - proto3 knows no difference between an absent value and an empty one. An empty text is absent in
//!   the record; which zeros are kept is said at [`from_planned`].
//! - A span that cannot be taken over is refused by the name of its field, and its neighbours are not.

mod batch;
pub mod ids;
pub mod messages;
mod span;

pub use batch::{Batch, planned_batch, v1_batch};
pub use ids::MadeIds;
pub use span::{from_planned, from_v1};
