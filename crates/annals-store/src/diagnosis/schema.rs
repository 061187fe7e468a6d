//! Migrations, and tables against their descriptors.

use std::time::Duration;

use annals_record::{Descriptor, Direction, Index, Record as _};
use sqlx::{PgConnection, Row as _};

use super::{
    Asked, Diagnosis,
    Severity::{Advice, Fault, Note},
    quantity::length,
    shape::{Shape, shape},
    shown,
};
use crate::{
    AgingTable, DeadLetter, Error, Interval, Migrations, Names, Result, Store,
    backend::Backend,
    ddl,
    sql::{Dialect, joined, quoted},
};

const SUBJECT: &str = "schema";

/// Finds nothing when every migration has run.
pub(super) async fn look_at_migrations(
    store: &Store,
    migrations: &[&'static Migrations],
) -> Result<Vec<Diagnosis>> {
    let status = match store.migrator(migrations).status().await {
        Ok(status) => status,
        Err(Error::Migration(error)) => {
            return Ok(vec![Diagnosis::new(
                Fault,
                SUBJECT,
                error.to_string(),
                "nothing of this program's tables was looked at",
            )]);
        }
        Err(error) => return Err(error),
    };
    let pending: Vec<String> = status
        .iter()
        .filter(|one| !one.applied)
        .map(|one| format!("{}/{}", one.set, one.file))
        .collect();
    if pending.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Diagnosis::new(
        Fault,
        SUBJECT,
        format!(
            "{} of {} migrations have not run: {}",
            pending.len(),
            status.len(),
            pending.join(", ")
        ),
        "annals migrate up",
    )])
}

pub(super) async fn look(
    asked: &Asked<'_>,
    others: &[&'static Descriptor],
) -> Result<Vec<Diagnosis>> {
    let mut found = Vec::new();
    for table in asked.tables {
        found.extend(compare(asked.store, table.names(), table.descriptor()).await?);
    }
    let kernel = DeadLetter::DESCRIPTOR;
    for descriptor in others.iter().chain(std::iter::once(&kernel)) {
        found.extend(compare(asked.store, asked.names, descriptor).await?);
    }
    if asked.capabilities.hypertables()
        && let Backend::Postgres(postgres) = asked.store.backend()
    {
        let mut connection = postgres.acquire().await?;
        for table in asked.tables {
            let shape = shape(asked.store, table.names(), table.descriptor().table).await?;
            found.extend(of_hypertable(&mut connection, table, &shape).await?);
        }
    }
    Ok(found)
}

async fn compare(
    store: &Store,
    names: &Names,
    descriptor: &'static Descriptor,
) -> Result<Vec<Diagnosis>> {
    let found = shape(store, names, descriptor.table).await?;
    let table = shown(names, descriptor.table);
    if found.table.columns.is_empty() {
        return Ok(vec![Diagnosis::new(
            Fault,
            SUBJECT,
            format!("there is no table {table}, though its migration has run"),
            "somebody dropped it: bring it back from a backup, or make it anew with `annals migrate down` and `annals migrate up`",
        )]);
    }
    if let Err(difference) = ddl::compare(names.dialect(), descriptor, &found.table) {
        return Ok(vec![Diagnosis::new(
            Fault,
            SUBJECT,
            format!("{table} does not fit its records: {difference}"),
            "somebody changed it: change it back with ALTER TABLE",
        )]);
    }
    let mut missing = Vec::new();
    for index in descriptor.indexes {
        let columns = columns_of(descriptor, index);
        let bare: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        if found.has_index(&bare) {
            continue;
        }
        missing.push(Diagnosis::new(
            Advice,
            SUBJECT,
            format!(
                "{table} has no index on ({}), which reads by these need",
                bare.join(", ")
            ),
            format!("{};", create_index(names, descriptor.table, &columns)),
        ));
    }
    Ok(missing)
}

fn columns_of(descriptor: &Descriptor, index: &Index) -> Vec<(&'static str, &'static str)> {
    let column = |part: &annals_record::SortColumn| {
        let direction = match part.direction {
            Direction::Ascending => "",
            Direction::Descending => " DESC",
        };
        Some((descriptor.columns.get(part.column)?.name, direction))
    };
    index.columns.iter().filter_map(column).collect()
}

fn create_index(names: &Names, table: &str, columns: &[(&str, &str)]) -> String {
    let bare: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let name = match names.dialect() {
        Dialect::Postgres => String::new(),
        Dialect::Sqlite => names.table(&format!("{table}_{}_idx", bare.join("_"))) + " ",
    };
    let ordered = joined(
        columns
            .iter()
            .map(|(name, direction)| format!("{}{direction}", quoted(name))),
    );
    format!("CREATE INDEX {name}ON {} ({ordered})", names.table(table))
}

/// A table that should be a hypertable with chunks of the descriptor's range.
async fn of_hypertable(
    connection: &mut PgConnection,
    table: &AgingTable,
    shape: &Shape,
) -> Result<Option<Diagnosis>> {
    let descriptor = table.descriptor();
    let (Some(time), Some(chunk)) = (descriptor.time_column(), descriptor.chunk) else {
        return Ok(None);
    };
    // One that is missing altogether was told of.
    let sql = "SELECT EXISTS (SELECT 1 FROM timescaledb_information.hypertables
                               WHERE hypertable_schema = $1 AND hypertable_name = $2),
                      (SELECT extract(epoch FROM time_interval)::float8
                         FROM timescaledb_information.dimensions
                        WHERE hypertable_schema = $1 AND hypertable_name = $2 AND dimension_number = 1)
                WHERE to_regclass($3) IS NOT NULL";
    let doing = "looking for hypertables";
    let row = sqlx::query(sql)
        .bind(table.names().schema())
        .bind(descriptor.table)
        .bind(table.names().table(descriptor.table))
        .fetch_optional(connection)
        .await
        .map_err(Error::statement(doing))?;
    let Some(row) = row else {
        return Ok(None);
    };
    let is_hypertable: bool = row.try_get(0).map_err(Error::statement(doing))?;
    let seconds: Option<f64> = row.try_get(1).map_err(Error::statement(doing))?;
    let name = shown(table.names(), descriptor.table);
    let ours = chunk.as_duration();
    let keys_with_time = |key: &Vec<String>| key.iter().any(|column| column == time.name);
    if !is_hypertable && !shape.table.unique.iter().all(keys_with_time) {
        return Ok(Some(Diagnosis::new(
            Note,
            SUBJECT,
            format!(
                "{name} is an ordinary table, though TimescaleDB is here: it was made before the extension, and old rows of it are deleted one by one"
            ),
            "it stays so, since rows of it are unique whatever their time; one that is made now is a hypertable",
        )));
    }
    if !is_hypertable {
        let interval = Interval::from_duration(ours)
            .map_or_else(String::new, |interval| format!(", INTERVAL '{interval}'"));
        return Ok(Some(Diagnosis::new(
            Fault,
            SUBJECT,
            format!(
                "{name} is an ordinary table, though TimescaleDB is here: it was made before the extension, and old rows of it are deleted one by one"
            ),
            format!(
                "while nobody writes: SELECT create_hypertable('{}', by_range('{}'{interval}), migrate_data => true, create_default_indexes => false);",
                table.names().table(descriptor.table).replace('\'', "''"),
                time.name,
            ),
        )));
    }
    let theirs = seconds.map(Duration::from_secs_f64);
    Ok(theirs.filter(|theirs| *theirs != ours).map(|theirs| {
        Diagnosis::new(
            Note,
            SUBJECT,
            format!(
                "new chunks of {name} are {} long, and those of its record {}",
                length(theirs),
                length(ours)
            ),
            "nothing, if somebody chose it",
        )
    }))
}
