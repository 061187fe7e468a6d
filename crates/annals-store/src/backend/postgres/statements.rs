//! The statements with which records of one type are written, made once from the descriptor.

use annals_record::{Descriptor, OnConflict};

use crate::sql::{Dialect, Names, Sql, column_list, conflict_clause, joined, key_list, quoted};

/// Name of the column that numbers the rows of a staging table.
const ROW: &str = "annals_row";

pub(super) struct Statements {
    /// COPY straight into the table.
    pub(super) copy: Sql,
    /// INSERT of one row, with its conflict clause.
    pub(super) insert: Sql,
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
        let parameters =
            joined((1..=descriptor.columns.len()).map(|n| Dialect::Postgres.parameter(n)));
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
            OnConflict::Ignore => format!("{merge} RETURNING {}", returned_key(descriptor)),
            _ => format!(
                "{merge} RETURNING {}, (target.xmax = 0)",
                returned_key(descriptor)
            ),
        };
        Self {
            copy: Sql::vouched(format!(
                "COPY {table} ({columns}) FROM STDIN (FORMAT binary)"
            )),
            insert: Sql::vouched(format!(
                "INSERT INTO {table} AS target ({columns}) VALUES ({parameters}){conflict}"
            )),
            stage_create: Sql::vouched(format!(
                "CREATE TEMPORARY TABLE IF NOT EXISTS {} ({ROW} integer, {definitions}) ON COMMIT DELETE ROWS",
                quoted(&format!("annals_stage_{}", descriptor.table)),
            )),
            stage_copy: Sql::vouched(format!(
                "COPY {stage} ({ROW}, {columns}) FROM STDIN (FORMAT binary)"
            )),
            merge: Sql::vouched(merge),
            merge_returning: Sql::vouched(returning),
        }
    }
}

fn returned_key(descriptor: &Descriptor) -> String {
    joined(
        descriptor
            .key_columns()
            .map(|column| format!("target.{}", quoted(column.name))),
    )
}
