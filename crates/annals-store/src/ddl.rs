//! Tables made from descriptors, and tables compared with them.

use annals_record::{Descriptor, Direction};

use crate::{
    capabilities::Capabilities,
    sql::{Dialect, Names, Sql, joined, key_list, quoted},
};

/// A table as a database describes it.
#[derive(Debug, Default)]
pub(crate) struct TableShape {
    pub(crate) columns: Vec<ColumnShape>,
    /// The columns of each unique index, in order.
    pub(crate) unique: Vec<Vec<String>>,
}

/// A column as a database describes it.
#[derive(Debug)]
pub(crate) struct ColumnShape {
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) nullable: bool,
}

/// The statements that make a record's table, its indexes and, where there are any, its hypertable.
pub(crate) fn create_table(
    names: &Names,
    descriptor: &Descriptor,
    capabilities: &Capabilities,
) -> Sql {
    let dialect = names.dialect();
    let table = names.table(descriptor.table);
    let mut parts: Vec<String> = descriptor
        .columns
        .iter()
        .map(|column| {
            let null = if column.nullable { "" } else { " NOT NULL" };
            format!(
                "{} {}{null}",
                quoted(column.name),
                dialect.column_type(column.ty)
            )
        })
        .collect();
    if !descriptor.key.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", key_list(descriptor)));
    }
    let strict = if dialect == Dialect::Sqlite {
        " STRICT"
    } else {
        ""
    };
    let mut script = format!(
        "CREATE TABLE IF NOT EXISTS {table} ({}){strict};\n",
        parts.join(", ")
    );
    if let (Some(extension), Some(time)) = (&capabilities.timescale, descriptor.time_column()) {
        let seconds = descriptor
            .chunk
            .map_or(604_800, |chunk| chunk.as_duration().as_secs());
        script += &format!(
            "SELECT {}.create_hypertable('{}', '{}', chunk_time_interval => INTERVAL '{seconds} seconds', \
             if_not_exists => TRUE, create_default_indexes => FALSE);\n",
            quoted(&extension.schema),
            table.replace('\'', "''"),
            time.name,
        );
    }
    for index in descriptor.indexes {
        let columns = index.columns.iter().filter_map(|part| {
            let column = descriptor.columns.get(part.column)?;
            let direction = if part.direction == Direction::Descending {
                " DESC"
            } else {
                ""
            };
            Some((column.name, direction))
        });
        let (bare, ordered): (Vec<&str>, Vec<String>) = columns
            .map(|(name, direction)| (name, format!("{}{direction}", quoted(name))))
            .unzip();
        let name = index_name(names, descriptor.table, &bare);
        script += &format!(
            "CREATE INDEX IF NOT EXISTS {name} ON {table} ({});\n",
            joined(ordered)
        );
    }
    Sql::vouched(script)
}

/// An index's name: with the prefix on SQLite, where names are global, and without a schema on
/// PostgreSQL, where an index lives in its table's.
fn index_name(names: &Names, table: &str, columns: &[&str]) -> String {
    let name = format!("{table}_{}_idx", columns.join("_"));
    match names.dialect() {
        // 63 bytes is what PostgreSQL keeps of a name.
        Dialect::Postgres => quoted(name.get(..63).unwrap_or(&name)),
        Dialect::Sqlite => names.table(&name),
    }
}

/// The first difference between a record and its table, as the rest of a sentence.
pub(crate) fn compare(
    dialect: Dialect,
    descriptor: &Descriptor,
    found: &TableShape,
) -> Result<(), String> {
    for column in descriptor.columns {
        let expected = dialect.column_type(column.ty);
        let Some(actual) = found
            .columns
            .iter()
            .find(|actual| actual.name == column.name)
        else {
            return Err(format!(
                "it has no column {:?} of type {expected}",
                column.name
            ));
        };
        if actual.ty != expected {
            return Err(format!(
                "its column {:?} is {}, and the record needs {expected}",
                column.name, actual.ty
            ));
        }
        if actual.nullable != column.nullable {
            let (is, needs) = if column.nullable {
                ("NOT NULL", "NULL")
            } else {
                ("NULL", "NOT NULL")
            };
            return Err(format!(
                "its column {:?} is {is}, and the record needs {needs}",
                column.name
            ));
        }
    }
    let key: Vec<&str> = descriptor.key_columns().map(|column| column.name).collect();
    if !key.is_empty()
        && !found
            .unique
            .contains(&key.iter().map(|name| (*name).to_owned()).collect())
    {
        return Err(format!("it has no unique index on ({})", key.join(", ")));
    }
    Ok(())
}
