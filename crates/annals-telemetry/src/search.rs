//! Traces by what they and their spans are.
