//! Behaviour of deployment traces, on every backend.
