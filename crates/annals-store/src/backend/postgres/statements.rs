//! The statements with which records of one type are written, made once from the descriptor.

use annals_record::{ColumnType, Descriptor, OnConflict};

use crate::sql::{Dialect, Names, Sql, column_list, joined, key_list, quoted};

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
    pub(super) fn new(names: &Names, descriptor: &Descriptor) -> Self {
        let table = names.table(descriptor.table);
        let columns = column_list(descriptor);
        let stage = format!(
            "pg_temp.{}",
            quoted(&format!("annals_stage_{}", descriptor.table))
        );
        let conflict = conflict_clause(descriptor);
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
        let returning = match descriptor.on_conflict {
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

/// What a second row with the same key does; an update that changes nothing touches no row.
fn conflict_clause(descriptor: &Descriptor) -> String {
    if descriptor.key.is_empty() {
        return String::new();
    }
    let key = key_list(descriptor);
    let others: Vec<String> = descriptor
        .columns
        .iter()
        .enumerate()
        .filter(|(position, column)| {
            // The nanoseconds that belong to a key's timestamp are not part of the stored key.
            !descriptor.key.contains(position) || column.ty == ColumnType::Nanos
        })
        .map(|(_, column)| quoted(column.name))
        .collect();
    if descriptor.on_conflict == OnConflict::Ignore || others.is_empty() {
        return format!(" ON CONFLICT ({key}) DO NOTHING");
    }
    let set = joined(
        others
            .iter()
            .map(|name| format!("{name} = EXCLUDED.{name}")),
    );
    let old = joined(others.iter().map(|name| format!("target.{name}")));
    let new = joined(others.iter().map(|name| format!("EXCLUDED.{name}")));
    format!(" ON CONFLICT ({key}) DO UPDATE SET {set} WHERE ROW({old}) IS DISTINCT FROM ROW({new})")
}

#[cfg(test)]
mod tests {
    use annals_record::{Column, OnConflict};

    use super::*;

    #[test]
    fn an_update_sets_every_column_outside_the_key_and_only_when_one_differs() {
        const COLUMNS: &[Column] = &[
            Column {
                name: "symbol",
                ty: ColumnType::Text,
                nullable: false,
            },
            Column {
                name: "close",
                ty: ColumnType::Float8,
                nullable: false,
            },
        ];
        const BAR: &Descriptor =
            &Descriptor::new("bars", COLUMNS).with_key(&[0], OnConflict::Update);
        let statements = Statements::new(&Names::new(Dialect::Postgres, "public"), BAR);
        assert_eq!(
            statements.insert.as_str(),
            "INSERT INTO \"public\".\"bars\" AS target (\"symbol\", \"close\") VALUES ($1, $2) \
             ON CONFLICT (\"symbol\") DO UPDATE SET \"close\" = EXCLUDED.\"close\" \
             WHERE ROW(target.\"close\") IS DISTINCT FROM ROW(EXCLUDED.\"close\")"
        );
    }
}
