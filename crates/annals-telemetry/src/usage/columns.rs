//! Rows as the arrays that UNNEST takes.

/// Binds each column of rows as an array: a closure for each, in the order of the statement.
macro_rules! columns {
    ($query:expr, $rows:expr; $($column:expr),+ $(,)?) => {
        $query$(.bind($rows.iter().map($column).collect::<Vec<_>>()))+
    };
}

/// Binds the key of rows of `usage_hourly`.
macro_rules! hourly_keys {
    ($query:expr, $rows:expr) => {
        columns!($query, $rows;
            |(key, _)| PgTimestamp(key.hour), |(key, _)| key.service, |(key, _)| key.provider, |(key, _)| key.model)
    };
}

/// Binds the key of rows of `usage_daily`.
macro_rules! daily_keys {
    ($query:expr, $rows:expr) => {
        columns!($query, $rows;
            |(key, _)| PgTimestamp(key.day), |(key, _)| key.subject, |(key, _)| key.id,
            |(key, _)| key.provider, |(key, _)| key.model)
    };
}

pub(super) use {columns, daily_keys, hourly_keys};
