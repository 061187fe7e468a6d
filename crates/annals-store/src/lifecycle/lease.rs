//! One at a time on a table.
