//! Real Redis.
