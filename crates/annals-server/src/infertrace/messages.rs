//! The messages of both contracts, written by hand so that building needs no `protoc`.
//!
//! The files under `proto/` say the same to those who make clients; a test holds one against the
//! other, field by field.

pub mod planned;
pub mod v1;
