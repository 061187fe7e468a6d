//! The statements. Each condition is a range of one index; there is no OR around a column, and what is not
//! asked for does not stand in the statement.
//!
//! Parameters have the same numbers everywhere: $1 the first position, $2 the limit, then what is asked for.

use annals_store::Dialect;

/// A statement, and as many parameters as it knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement {
    pub(super) text: &'static str,
    pub(super) parameters: usize,
}

/// Messages in a given order, as `MessageRow` has them.
macro_rules! messages {
    ($($rest:expr),+) => {
        concat!(
            r#"SELECT id, stream_name, "type", "position", global_position,
                      CAST(data AS TEXT), CAST(metadata AS TEXT), "time"
                 FROM {messages} "#,
            $($rest),+
        )
    };
}

// Values stand in subqueries so that the planner does not see them: no plan is better for knowing them, and
// with many chunks making one for each read takes longer than reading.
pub(super) const STREAM: &str = messages!(
    r#"WHERE stream_name = (SELECT CAST($3 AS TEXT)) AND "position" >= (SELECT CAST($1 AS BIGINT))
       ORDER BY "position" LIMIT (SELECT CAST($2 AS BIGINT))"#
);

pub(super) const STREAM_BY_GLOBAL_POSITION: &str =
    messages!(r#"WHERE stream_name = $3 AND global_position >= $1 ORDER BY "position" LIMIT $2"#);

/// The message of a head: its time leads to its chunk.
pub(super) const AT_HEAD: &str =
    messages!(r#"WHERE stream_name = $1 AND "position" = $2 AND "time" = $3"#);

pub(super) const LAST: &str =
    messages!(r#"WHERE stream_name = $1 ORDER BY "position" DESC LIMIT 1"#);

pub(super) const LAST_OF_TYPE: &str =
    messages!(r#"WHERE stream_name = $1 AND "type" = $2 ORDER BY "position" DESC LIMIT 1"#);

macro_rules! by_global_position {
    ($($condition:expr),*) => {
        messages!(
            "WHERE global_position >= (SELECT CAST($1 AS BIGINT))",
            $(" AND ", $condition,)*
            " ORDER BY global_position LIMIT (SELECT CAST($2 AS BIGINT))"
        )
    };
}

/// Everything from a position to another one, excluded.
pub(super) const WINDOW: &str =
    by_global_position!("global_position < (SELECT CAST($3 AS BIGINT))");

macro_rules! of_category {
    () => {
        "category = (SELECT CAST($3 AS TEXT))"
    };
}

// As the index on it has it; its second half says that rows without one are not looked for.
macro_rules! correlated {
    () => {
        "split_part(metadata ->> 'correlationStreamName', '-', 1) = $4 \
         AND metadata ->> 'correlationStreamName' IS NOT NULL"
    };
}

// The remainder before the absolute value: the least integer has no absolute value.
macro_rules! of_member {
    ($member:expr, $size:expr) => {
        concat!(
            "position('-' IN stream_name) > 0
             AND abs(('x' || left(md5(split_part(
                         substring(stream_name FROM position('-' IN stream_name) + 1), '+', 1)), 16))
                     ::bit(64)::bigint % ",
            $size,
            ") = ",
            $member
        )
    };
}

/// The statement of a question: of a category or of all, by correlation, for a member of a group.
pub(super) fn category(
    dialect: Dialect,
    category: bool,
    correlation: bool,
    group: bool,
) -> Statement {
    let text = match (dialect, category, correlation, group) {
        (_, false, false, false) => by_global_position!(),
        (_, true, false, false) => by_global_position!(of_category!()),
        (Dialect::Sqlite, false, true, _) => by_global_position!("correlation = $4"),
        (Dialect::Sqlite, true, true, _) => by_global_position!(of_category!(), "correlation = $4"),
        (_, false, true, false) => by_global_position!(correlated!()),
        (_, true, true, false) => by_global_position!(of_category!(), correlated!()),
        (_, false, false, true) => by_global_position!(of_member!("$5", "$6")),
        (_, true, false, true) => by_global_position!(of_category!(), of_member!("$5", "$6")),
        (_, false, true, true) => by_global_position!(correlated!(), of_member!("$5", "$6")),
        (_, true, true, true) => {
            by_global_position!(of_category!(), correlated!(), of_member!("$5", "$6"))
        }
    };
    let parameters = match (category, correlation, group) {
        (_, _, true) => 6,
        (_, true, _) => 4,
        (true, ..) => 3,
        _ => 2,
    };
    Statement { text, parameters }
}

/// Where messages stand, as `PlaceRow` has it.
macro_rules! places {
    ($($rest:expr),+) => {
        concat!(r#"SELECT stream_name, "position", global_position FROM {messages} "#, $($rest),+)
    };
}

/// Which part of the namespace a window shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A stream, by its positions.
    Stream,
    /// Everything.
    All,
    /// A category.
    Category,
    /// What a member reads of everything.
    AllOfMember,
    /// What a member reads of a category.
    CategoryOfMember,
}

/// A window of messages: from position $1 to position $2, none before time $3, at most $4; of stream or
/// category $5, of member $6 of $7.
///
/// The time keeps chunks out that are older than what is looked for.
macro_rules! window {
    ($select:ident, $part:expr) => {
        match $part {
            Part::Stream => $select!(
                r#"WHERE stream_name = $5 AND "position" BETWEEN $1 AND $2 AND "time" >= $3
                   ORDER BY "position" LIMIT $4"#
            ),
            Part::All => window!(@by_global_position $select, ""),
            Part::Category => window!(@by_global_position $select, " AND category = $5"),
            Part::AllOfMember => window!(@by_global_position $select, " AND ", window!(@of_member)),
            Part::CategoryOfMember => {
                window!(@by_global_position $select, " AND category = $5 AND ", window!(@of_member))
            }
        }
    };
    (@by_global_position $select:ident, $($condition:expr),*) => {
        $select!(
            r#"WHERE global_position BETWEEN $1 AND $2 AND "time" >= $3"#,
            $($condition,)*
            " ORDER BY global_position LIMIT $4"
        )
    };
    (@of_member) => {
        of_member!("$6", "$7")
    };
}

/// Messages in a window.
pub(crate) const fn window(part: Part) -> &'static str {
    window!(messages, part)
}

/// Their places only.
pub(crate) const fn window_of_places(part: Part) -> &'static str {
    window!(places, part)
}

/// Where the namespace is. Before its first message there is no time.
pub(crate) const fn counter(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "SELECT global_position, time FROM {message_counter}",
        _ => {
            r#"SELECT global_position, CASE WHEN isfinite("time") THEN "time" END FROM {message_counter}"#
        }
    }
}

pub(super) const VERSION: &str = r#"SELECT "position" FROM {stream_heads} WHERE stream_name = $1"#;

pub(super) const HEAD: &str =
    r#"SELECT stream_name, "position", "time" FROM {stream_heads} WHERE stream_name = $1"#;

pub(super) const STREAMS: &str = r#"
    SELECT stream_name, "position", "time" FROM {stream_heads}
     WHERE stream_name >= $1
     ORDER BY stream_name LIMIT $2"#;

pub(super) const STREAMS_BEFORE: &str = r#"
    SELECT stream_name, "position", "time" FROM {stream_heads}
     WHERE stream_name >= $1 AND stream_name < $3
     ORDER BY stream_name LIMIT $2"#;

pub(super) const CATEGORIES: &str = "
    SELECT head.category, head.streams, coalesce(kept.messages, 0)
      FROM (SELECT category, count(*) AS streams FROM {stream_heads} GROUP BY category) AS head
      LEFT JOIN (SELECT category, count(*) AS messages FROM {messages} GROUP BY category) AS kept
             ON kept.category = head.category";

pub(super) const COUNT: &str = "SELECT count(*) FROM {messages}";

pub(super) const COUNTS: &str = r#"
    SELECT (SELECT count(*) FROM {messages}), count(*), max("time") FROM {stream_heads}"#;
