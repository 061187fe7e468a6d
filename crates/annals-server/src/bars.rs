//! Bars and trades as clients write them, to what the store takes: pure functions, no socket.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`csv`] | bars as CSV, in and out |
//! | `bar`, `tick` | one bar and one tick as a JSON object |
//! | `rows` | many of them, as a JSON array or as lines: a bad one refuses itself alone |
//! | `values` | numbers, times and texts, refused by the name of their field |

pub(crate) mod bar;
pub mod csv;
pub(crate) mod rows;
pub(crate) mod tick;
mod values;
