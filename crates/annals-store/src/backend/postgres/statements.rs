//! The statements with which records of one type are written, made once from the descriptor.

use std::sync::OnceLock;

use annals_record::{Descriptor, OnConflict};

use crate::sql::{Dialect, Names, Sql, column_list, conflict_clause, joined, key_list, quoted};

/// Name of the column that numbers the rows of a staging table.
const ROW: &str = "annals_row";

/// Parameters of one INSERT at most.
const MOST_PARAMETERS: usize = 4_096;

/// Numbers of rows that have an INSERT of their own: the powers of two.
const SIZES: usize = 9;

pub(super) struct Statements {
    /// COPY straight into the table.
    pub(super) copy: Sql,
    /// INSERTs of one row, two, four and so on.
    inserts: [OnceLock<Sql>; SIZES],
    /// The same, returning the key columns of rows that are new.
    inserts_returning: [OnceLock<Sql>; SIZES],
    insert_into: String,
    conflict: String,
    returning: String,
    columns: usize,
    /// Makes this connection's staging table.
    pub(super) stage_create: Sql,
    /// COPY into the staging table.
    pub(super) stage_copy: Sql,
    /// Moves rows `$1` to `$2` from the staging table, with the conflict clause; gives the keys of
    /// the rows that are new when asked to by name.
    pub(super) merge: Sql,
    /// As `merge`, returning the key columns of rows that are new.
    pub(super) merge_returning: Sql,
}

impl std::fmt::Debug for Statements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.copy.fmt(f)
    }
}

impl Statements {
    pub(super) fn new(names: &Names, descriptor: &Descriptor, on_conflict: OnConflict) -> Self {
        let table = names.table(descriptor.table);
        let columns = column_list(descriptor);
        let stage = format!(
            "pg_temp.{}",
            quoted(&format!("annals_stage_{}", descriptor.table))
        );
        let conflict = conflict_clause(Dialect::Postgres, descriptor, on_conflict);
        let definitions = joined(descriptor.columns.iter().map(|column| {
            format!(
                "{} {}",
                quoted(column.name),
                Dialect::Postgres.column_type(column.ty)
            )
        }));
        let order = if descriptor.key.is_empty() {
            ROW.to_owned()
        } else {
            key_list(descriptor)
        };
        let merge = format!(
            "INSERT INTO {table} AS target ({columns}) SELECT {columns} FROM {stage} \
             WHERE {ROW} BETWEEN $1 AND $2 ORDER BY {order}{conflict}"
        );
        let returning = match on_conflict {
            OnConflict::Ignore => format!(" RETURNING {}", returned_key(descriptor)),
            _ => format!(" RETURNING {}, (target.xmax = 0)", returned_key(descriptor)),
        };
        Self {
            copy: Sql::vouched(format!(
                "COPY {table} ({columns}) FROM STDIN (FORMAT binary)"
            )),
            inserts: Default::default(),
            inserts_returning: Default::default(),
            insert_into: format!("INSERT INTO {table} AS target ({columns}) VALUES "),
            conflict,
            columns: descriptor.columns.len(),
            stage_create: Sql::vouched(format!(
                "CREATE TEMPORARY TABLE IF NOT EXISTS {} ({ROW} integer, {definitions}) ON COMMIT DELETE ROWS",
                quoted(&format!("annals_stage_{}", descriptor.table)),
            )),
            stage_copy: Sql::vouched(format!(
                "COPY {stage} ({ROW}, {columns}) FROM STDIN (FORMAT binary)"
            )),
            merge_returning: Sql::vouched(format!("{merge}{returning}")),
            merge: Sql::vouched(merge),
            returning,
        }
    }

    /// An INSERT of the first of so many rows, and of how many: a power of two, so that there are few statements to keep.
    /// Gives the keys of those that are new when asked to.
    pub(super) fn insert(&self, left: usize, is_returning: bool) -> (Sql, usize) {
        let most = (MOST_PARAMETERS / self.columns.max(1)).clamp(1, 1 << (SIZES - 1));
        let size = left.clamp(1, most).ilog2() as usize;
        let (known, returning) = if is_returning {
            (&self.inserts_returning, self.returning.as_str())
        } else {
            (&self.inserts, "")
        };
        let make = || {
            let row = |row: usize| {
                let parameters = (1..=self.columns)
                    .map(|column| Dialect::Postgres.parameter(row * self.columns + column));
                format!("({})", joined(parameters))
            };
            let rows = joined((0..1 << size).map(row));
            Sql::vouched(format!(
                "{}{rows}{}{returning}",
                self.insert_into, self.conflict
            ))
        };
        let sql = known.get(size).map(|sql| sql.get_or_init(make).clone());
        (sql.unwrap_or_else(make), 1 << size)
    }
}

fn returned_key(descriptor: &Descriptor) -> String {
    joined(
        descriptor
            .key_columns()
            .map(|column| format!("target.{}", quoted(column.name))),
    )
}
