//! Indexes that nobody reads.

use std::time::Duration;

use sqlx::{PgConnection, Row as _};

use super::{
    Asked, Diagnosis,
    Severity::{Advice, Note},
    quantity::{DAY, MB, bytes, length, since},
    shown,
};
use crate::{AgingTable, Error, Names, Result, sql::quoted};

const SUBJECT: &str = "indexes";

/// What is smaller costs little, read or not.
const LEAST_BYTES: i64 = 10 * MB as i64;

/// Somebody who looks once a week has not been counted before.
const LEAST_AGE: Duration = DAY.saturating_mul(7);

/// An index of a table, with those of its chunks.
#[derive(Debug)]
struct Unread {
    /// Empty when only chunks have it.
    name: Option<String>,
    definition: String,
    columns: Vec<String>,
    bytes: i64,
}

pub(super) async fn look(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
) -> Result<Vec<Diagnosis>> {
    if asked.tables.is_empty() {
        return Ok(Vec::new());
    }
    let counted_for = counted_for(connection, asked.names).await?;
    let mut found = Vec::new();
    if counted_for < LEAST_AGE {
        return Ok(found);
    }
    for table in asked.tables {
        for index in unread(connection, asked, table, LEAST_BYTES).await? {
            found.push(judged(table, &index, counted_for));
        }
    }
    Ok(found)
}

/// For how long reads of indexes have been counted: since statistics were reset, which a crash does too, and
/// not longer than tables have been as they are.
async fn counted_for(connection: &mut PgConnection, names: &Names) -> Result<Duration> {
    let sql = names.statement(
        "SELECT (extract(epoch FROM GREATEST(ours.stats_reset, theirs.stats_reset, migrated.at)) * 1000000)::bigint,
                (extract(epoch FROM now()) * 1000000)::bigint
           FROM pg_stat_database AS ours, pg_stat_bgwriter AS theirs,
                (SELECT max(applied_at) AS at FROM {annals_migrations}) AS migrated
          WHERE ours.datname = current_database()",
    );
    let doing = "asking for how long indexes are counted";
    let row = sqlx::query(sql).fetch_one(connection).await;
    let row = row.map_err(Error::statement(doing))?;
    let read =
        || -> Result<(Option<i64>, i64), sqlx::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
    let (began, now) = read().map_err(Error::statement(doing))?;
    Ok(began.map_or(Duration::ZERO, |began| since(began, now)))
}

/// Full names of a table, and then of its chunks.
pub(super) async fn relations(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
    table: &AgingTable,
) -> Result<Vec<String>> {
    let name = table.descriptor().table;
    let mut relations = vec![table.names().table(name)];
    if asked.capabilities.hypertables() {
        let sql = "SELECT format('%I.%I', chunk_schema, chunk_name)
                     FROM timescaledb_information.chunks
                    WHERE hypertable_schema = $1 AND hypertable_name = $2";
        let chunks: Vec<String> = sqlx::query_scalar(sql)
            .bind(table.names().schema())
            .bind(name)
            .fetch_all(connection)
            .await
            .map_err(Error::statement("listing chunks"))?;
        relations.extend(chunks);
    }
    Ok(relations)
}

/// Indexes of at least so many bytes that nobody has read, those that keep rows unique aside. A chunk that is
/// gone meanwhile has none.
async fn unread(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
    table: &AgingTable,
    least_bytes: i64,
) -> Result<Vec<Unread>> {
    let sql = "WITH part AS (
                   SELECT one.indexrelid, one.indoption::text AS directions, kind.relam, kind.relname::text AS name,
                          name.place = 1 AS is_root, seen.idx_scan, pg_relation_size(one.indexrelid) AS bytes,
                          ARRAY(SELECT pg_get_indexdef(one.indexrelid, place, true)
                                  FROM generate_series(1, one.indnkeyatts::int) AS place ORDER BY place) AS columns,
                          COALESCE(' WHERE ' || pg_get_expr(one.indpred, one.indrelid), '') AS condition
                     FROM unnest($1::text[]) WITH ORDINALITY AS name(name, place)
                     JOIN pg_index AS one ON one.indrelid = to_regclass(name.name)
                     JOIN pg_class AS kind ON kind.oid = one.indexrelid
                     JOIN pg_stat_all_indexes AS seen ON seen.indexrelid = one.indexrelid
                    WHERE NOT (one.indisunique OR one.indisexclusion)
               )
               SELECT max(name) FILTER (WHERE is_root), '(' || array_to_string(columns, ', ') || ')' || condition,
                      columns, sum(bytes)::bigint
                 FROM part
                GROUP BY columns, condition, directions, relam
               HAVING sum(idx_scan) = 0 AND sum(bytes) >= $2
                ORDER BY 4 DESC";
    let relations = relations(connection, asked, table).await?;
    let doing = "looking for indexes that nobody reads";
    let rows = sqlx::query(sql)
        .bind(relations)
        .bind(least_bytes)
        .fetch_all(connection)
        .await
        .map_err(Error::statement(doing))?;
    let read = |row: &sqlx::postgres::PgRow| -> Result<Unread, sqlx::Error> {
        Ok(Unread {
            name: row.try_get(0)?,
            definition: row.try_get(1)?,
            columns: row.try_get(2)?,
            bytes: row.try_get(3)?,
        })
    };
    let read = rows.iter().map(read).collect::<Result<_, _>>();
    read.map_err(Error::statement(doing))
}

fn judged(table: &AgingTable, index: &Unread, counted_for: Duration) -> Diagnosis {
    let descriptor = table.descriptor();
    let is_ours = descriptor.indexes.iter().any(|ours| {
        let columns = ours.columns.iter().filter_map(|part| {
            let column = descriptor.columns.get(part.column)?;
            Some(column.name)
        });
        columns.eq(index.columns.iter().map(|column| column.trim_matches('"')))
    });
    let table_name = shown(table.names(), descriptor.table);
    let what = format!(
        "nobody has read the index on {table_name} {} for {}, and it takes {}",
        index.definition,
        length(counted_for),
        bytes(index.bytes.unsigned_abs())
    );
    match &index.name {
        _ if is_ours => Diagnosis::new(
            Note,
            SUBJECT,
            what,
            "nothing, unless nobody will ever ask by it: Annals made it for reads of its own",
        ),
        Some(name) => Diagnosis::new(
            Advice,
            SUBJECT,
            what,
            format!(
                "unless replicas read it: DROP INDEX {}.{};",
                quoted(table.names().schema()),
                quoted(name)
            ),
        ),
        None => Diagnosis::new(
            Advice,
            SUBJECT,
            what,
            "only chunks have it: drop it from each, unless replicas read it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use annals_record::{Record, Timestamp};
    use annals_testkit::{TestDatabase, on_every_server};

    use super::*;
    use crate::{Store, backend::Backend};

    #[derive(Clone, Debug, PartialEq, Record)]
    #[record(
        crate = "annals_record",
        table = "readings",
        time = "at",
        key("id", "at"),
        chunk = "1 day",
        index("number", "at desc")
    )]
    struct Reading {
        id: i64,
        at: Timestamp,
        number: i64,
        half: i64,
    }

    on_every_server!(an_index_that_nobody_reads_is_found_with_those_of_its_chunks);

    async fn unread_ones(store: &Store) -> Vec<Diagnosis> {
        let Backend::Postgres(postgres) = store.backend() else {
            return Vec::new();
        };
        let table = AgingTable::of::<Reading>(store.names());
        let asked = Asked {
            store,
            names: store.names(),
            capabilities: store.capabilities(),
            tables: std::slice::from_ref(&table),
        };
        let mut connection = postgres.acquire().await.unwrap();
        let found = unread(&mut connection, &asked, &table, 1).await.unwrap();
        found
            .iter()
            .map(|index| judged(&table, index, DAY * 30))
            .collect()
    }

    async fn an_index_that_nobody_reads_is_found_with_those_of_its_chunks(database: TestDatabase) {
        let store = Store::open(&database.url).await.unwrap();
        store.create_table::<Reading>().await.unwrap();
        database
            .execute(
                "INSERT INTO readings (id, at, at_nanos, number, half)
                 SELECT n, '2026-01-05'::timestamptz + n * interval '1 hour', 0, n, n / 2 FROM generate_series(1, 100) AS n;
                 CREATE INDEX of_nobody ON readings (half) WHERE half > 3",
            )
            .await;
        let found = unread_ones(&store).await;
        assert_eq!(found.len(), 2, "{found:?}");
        let foreign: Vec<_> = found.iter().filter(|one| one.severity == Advice).collect();
        assert_eq!(foreign.len(), 1, "{found:?}");
        assert!(
            foreign.iter().all(|one| {
                one.what.contains("(half) WHERE (half > 3)")
                    && one.way_out.contains(r#"DROP INDEX "public"."of_nobody";"#)
            }),
            "{found:?}"
        );
        // Reading one chunk is reading.
        database
            .execute(
                "SET enable_seqscan = off;
                 SELECT count(*) FROM readings WHERE half = 40;
                 SELECT pg_stat_force_next_flush()",
            )
            .await;
        let found = unread_ones(&store).await;
        assert!(found.iter().all(|one| one.severity == Note), "{found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
