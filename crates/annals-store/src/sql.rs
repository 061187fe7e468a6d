//! The only place that makes SQL text out of anything but a literal.
//!
//! What may enter a statement: literals of this program, and names that come from a descriptor or
//! from the configured schema, quoted. Values are always bound.

use std::sync::Arc;

use annals_record::{ColumnType, Descriptor};

mod conflict;
mod pg_timestamp;
mod predicate;

pub use pg_timestamp::PgTimestamp;

pub(crate) use conflict::conflict_clause;
pub(crate) use predicate::{Bindings, predicate_sql};

/// The SQL that a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL and TimescaleDB.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// A statement that was made from literals and quoted names only.
#[derive(Clone, Debug)]
pub struct Sql(Arc<str>);

impl Sql {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Vouches for a text; private to this module's callers in this crate, who pass only what the
    /// module's description allows.
    pub(crate) fn vouched(text: String) -> Self {
        Self(text.into())
    }
}

impl sqlx::SqlSafeStr for Sql {
    fn into_sql_str(self) -> sqlx::SqlStr {
        sqlx::AssertSqlSafe(self.0).into_sql_str()
    }
}

/// How tables are called: in which schema, or with which prefix.
#[derive(Clone, Debug)]
pub struct Names {
    dialect: Dialect,
    schema: String,
}

impl Names {
    pub(crate) fn new(dialect: Dialect, schema: &str) -> Self {
        Self {
            dialect,
            schema: schema.to_owned(),
        }
    }

    /// The dialect.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The schema; on SQLite the prefix is made of it.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The names of the same tables in another schema of the same database.
    #[must_use]
    pub fn within(&self, schema: &str) -> Self {
        Self::new(self.dialect, schema)
    }

    /// What stands before every table's name on SQLite.
    pub(crate) fn prefix(&self) -> String {
        if self.schema == "public" {
            String::new()
        } else {
            format!("{}_", self.schema)
        }
    }

    /// A table's full name, quoted.
    #[must_use]
    pub fn table(&self, table: &str) -> String {
        match self.dialect {
            Dialect::Postgres => format!("{}.{}", quoted(&self.schema), quoted(table)),
            Dialect::Sqlite => quoted(&format!("{}{table}", self.prefix())),
        }
    }

    /// Fills a literal statement in: `{spans}` becomes the full name of that table, `{schema}` the name of the
    /// schema, and parameters, written `$1`, are written as the dialect has them.
    #[must_use]
    pub fn statement(&self, template: &'static str) -> Sql {
        let text = self.fill(template);
        Sql::vouched(match self.dialect {
            Dialect::Postgres => text,
            // SQLite counts `$1` in the order of appearance, and `?1` by its number.
            Dialect::Sqlite => text.replace('$', "?"),
        })
    }

    pub(crate) fn fill(&self, template: &str) -> String {
        let mut text = String::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            match after.split_once('}') {
                Some(("schema", behind)) => {
                    text.push_str(&quoted(&self.schema));
                    rest = behind;
                }
                Some((name, behind)) if is_name(name) => {
                    text.push_str(&self.table(name));
                    rest = behind;
                }
                _ => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        text
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A name in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names of columns, quoted and joined by commas.
pub(crate) fn column_list(descriptor: &Descriptor) -> String {
    joined(descriptor.columns.iter().map(|column| quoted(column.name)))
}

/// Names of the key's columns, quoted and joined by commas.
pub(crate) fn key_list(descriptor: &Descriptor) -> String {
    joined(descriptor.key_columns().map(|column| quoted(column.name)))
}

pub(crate) fn joined(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

impl Dialect {
    /// The storage type of a column.
    ///
    /// SQLite columns of type ANY keep what SQLite's REAL cannot: NaN (as the text `NaN`, which
    /// sorts after every number as it does in PostgreSQL), negative zero, and integers beyond 2^63
    /// (as text of 20 digits, which sorts after every integer).
    #[must_use]
    pub const fn column_type(self, ty: ColumnType) -> &'static str {
        match (self, ty) {
            (Self::Postgres, ColumnType::Bool) => "boolean",
            (Self::Postgres, ColumnType::Int4 | ColumnType::Nanos) => "integer",
            (Self::Postgres, ColumnType::Int8) => "bigint",
            (Self::Postgres, ColumnType::UInt8) => "numeric(20,0)",
            (Self::Postgres, ColumnType::Float4) => "real",
            (Self::Postgres, ColumnType::Float8) => "double precision",
            (Self::Postgres, ColumnType::Text) => "text",
            (Self::Postgres, ColumnType::Bytes) => "bytea",
            (Self::Postgres, ColumnType::Uuid) => "uuid",
            (Self::Postgres, ColumnType::Timestamp) => "timestamp with time zone",
            (Self::Postgres, ColumnType::Json) => "jsonb",
            (Self::Sqlite, ColumnType::Text | ColumnType::Uuid | ColumnType::Json) => "TEXT",
            (Self::Sqlite, ColumnType::Bytes) => "BLOB",
            (Self::Sqlite, ColumnType::UInt8 | ColumnType::Float4 | ColumnType::Float8) => "ANY",
            (Self::Sqlite, _) => "INTEGER",
            (Self::Postgres, _) => "text",
        }
    }

    /// A parameter, counted from 1.
    pub(crate) fn parameter(self, number: usize) -> String {
        match self {
            Self::Postgres => format!("${number}"),
            Self::Sqlite => format!("?{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_takes_table_names_and_leaves_other_braces_alone() {
        let names = Names::new(Dialect::Postgres, "tenant_a");
        let sql = names.statement("INSERT INTO {spans} VALUES ('{}', '{\"a\": 1}') -- {spans}");
        assert_eq!(
            sql.as_str(),
            r#"INSERT INTO "tenant_a"."spans" VALUES ('{}', '{"a": 1}') -- "tenant_a"."spans""#
        );
        assert_eq!(
            Names::new(Dialect::Sqlite, "public").table("spans"),
            "\"spans\""
        );
        assert_eq!(
            Names::new(Dialect::Sqlite, "a").table("spans"),
            "\"a_spans\""
        );
    }

    #[test]
    fn parameters_have_the_dialect_s_form() {
        let names = Names::new(Dialect::Sqlite, "public");
        let sql = names.statement("SELECT $2, $1 FROM {spans}");
        assert_eq!(sql.as_str(), "SELECT ?2, ?1 FROM \"spans\"");
    }

    #[test]
    fn quotes_in_names_cannot_end_a_name() {
        assert_eq!(
            quoted("a\"; DROP TABLE b; --"),
            "\"a\"\"; DROP TABLE b; --\""
        );
    }
}
