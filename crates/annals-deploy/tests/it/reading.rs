//! What the questions about traces promise.

mod compressed;
mod decisions;
mod isolation;
mod linked;
mod lists;
mod model;
mod phases;
mod trace;
mod tree;
