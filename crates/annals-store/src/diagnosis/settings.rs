//! Settings of the server: what a commit is worth, memory, workers and locks.

use std::collections::HashMap;

use sqlx::{PgConnection, Row as _};

use super::{
    Asked, Diagnosis,
    Severity::{Advice, Fault, Note},
    indexes::relations,
    quantity::{GB, MB, bytes, counted},
    shown,
};
use crate::{Edition, Error, Result};

const SUBJECT: &str = "settings";

/// Jobs of the database that should be able to run beside each other.
const JOBS_AT_ONCE: i64 = 4;

/// Settings as they are for a new session, sizes in bytes.
#[derive(Debug, Default)]
struct Settings(HashMap<String, (String, Option<i64>)>);

/// What the server has done since its statistics began.
#[derive(Clone, Copy, Debug, Default)]
struct Checkpoints {
    timed: i64,
    requested: i64,
    wal_bytes: i64,
}

pub(super) async fn look(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
) -> Result<Vec<Diagnosis>> {
    let settings = settings(connection).await?;
    let database = size(connection).await?;
    let mut found = of_durability(&settings);
    found.extend(of_memory(&settings, database));
    let checkpoints = checkpoints(connection, asked.capabilities.server_major).await?;
    found.extend(of_checkpoints(&settings, checkpoints));
    if asked.capabilities.edition() == Edition::TimescaleCommunity {
        let (databases, jobs) = jobs(connection).await?;
        found.extend(of_workers(&settings, databases, jobs));
        found.extend(of_packing(&settings));
    }
    found.extend(of_locks(connection, asked, &settings).await?);
    Ok(found)
}

impl Settings {
    fn is_off(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|(text, _)| text == "off")
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.1
    }

    fn size(&self, name: &str) -> Option<u64> {
        u64::try_from(self.number(name)?).ok()
    }
}

async fn settings(connection: &mut PgConnection) -> Result<Settings> {
    // What our own session has set is not what others get.
    let sql = "SELECT name, reset_val,
                      CASE WHEN vartype <> 'integer' THEN NULL
                           WHEN unit IN ('B', 'kB', '8kB', 'MB') THEN reset_val::bigint *
                                CASE unit WHEN 'B' THEN 1 WHEN 'kB' THEN 1024 WHEN '8kB' THEN 8192 ELSE 1048576 END
                           ELSE reset_val::bigint END
                 FROM pg_settings
                WHERE reset_val IS NOT NULL
                  AND name = ANY ('{fsync, full_page_writes, synchronous_commit, autovacuum, track_counts,
                                    shared_buffers, maintenance_work_mem, max_wal_size, max_worker_processes,
                                    max_locks_per_transaction, max_connections, max_prepared_transactions,
                                    timescaledb.max_background_workers, default_toast_compression}')";
    let doing = "reading settings";
    let rows = sqlx::query(sql).fetch_all(connection).await;
    let rows = rows.map_err(Error::statement(doing))?;
    let read = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?))));
    read.collect::<Result<_, sqlx::Error>>()
        .map(Settings)
        .map_err(Error::statement(doing))
}

async fn size(connection: &mut PgConnection) -> Result<u64> {
    let size: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(connection)
        .await
        .map_err(Error::statement("asking for the database's size"))?;
    Ok(size.unsigned_abs())
}

fn of_durability(settings: &Settings) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    if settings.is_off("fsync") {
        found.push(Diagnosis::new(
            Fault,
            SUBJECT,
            "fsync is off: what was acknowledged is lost, and the database damaged, when the machine stops",
            "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
        ));
    }
    if settings.is_off("full_page_writes") {
        found.push(Diagnosis::new(
            Fault,
            SUBJECT,
            "full_page_writes is off: pages that were half written when the machine stops stay damaged",
            "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();",
        ));
    }
    if settings.is_off("synchronous_commit") {
        found.push(Diagnosis::new(
            Note,
            SUBJECT,
            "synchronous_commit is off: Annals turns it on for its own sessions, others lose their last commits when the machine stops",
            "nothing, if others know",
        ));
    }
    if settings.is_off("autovacuum") {
        found.push(Diagnosis::new(
            Advice,
            SUBJECT,
            "autovacuum is off: tables grow, plans grow worse, and transaction numbers run out",
            "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();",
        ));
    }
    if settings.is_off("track_counts") {
        found.push(Diagnosis::new(
            Advice,
            SUBJECT,
            "track_counts is off: autovacuum does not know where it is needed, nor anybody which index is used",
            "ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();",
        ));
    }
    found
}

fn of_memory(settings: &Settings, database: u64) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    if let Some(shared) = settings.size("shared_buffers")
        && shared <= 128 * MB
        && database > GB
    {
        found.push(Diagnosis::new(
            Advice,
            SUBJECT,
            format!(
                "shared_buffers is {}, as it comes, and the database has {}",
                bytes(shared),
                bytes(database)
            ),
            "ALTER SYSTEM SET shared_buffers to a quarter of the machine's memory, and restart the server",
        ));
    }
    if let Some(maintenance) = settings.size("maintenance_work_mem")
        && maintenance < 256 * MB
        && database > 10 * GB
    {
        found.push(Diagnosis::new(
            Advice,
            SUBJECT,
            format!(
                "maintenance_work_mem is {}, and the database has {}: indexes are made, and chunks compressed, in many small sorts",
                bytes(maintenance),
                bytes(database)
            ),
            "ALTER SYSTEM SET maintenance_work_mem = '512MB'; SELECT pg_reload_conf();",
        ));
    }
    found
}

async fn checkpoints(connection: &mut PgConnection, major: u32) -> Result<Checkpoints> {
    let sql = if major >= 17 {
        "SELECT num_timed, num_requested, wal.wal_bytes::bigint FROM pg_stat_checkpointer, pg_stat_wal AS wal"
    } else {
        "SELECT checkpoints_timed, checkpoints_req, wal.wal_bytes::bigint FROM pg_stat_bgwriter, pg_stat_wal AS wal"
    };
    let doing = "reading statistics of checkpoints";
    let row = sqlx::query(sql).fetch_one(connection).await;
    let row = row.map_err(Error::statement(doing))?;
    let read = || -> Result<Checkpoints, sqlx::Error> {
        Ok(Checkpoints {
            timed: row.try_get(0)?,
            requested: row.try_get(1)?,
            wal_bytes: row.try_get(2)?,
        })
    };
    read().map_err(Error::statement(doing))
}

/// Checkpoints are requested by people and by commands too; by a full log only after so much of it.
fn of_checkpoints(settings: &Settings, seen: Checkpoints) -> Option<Diagnosis> {
    let limit = settings.number("max_wal_size")?;
    let by_log = seen.wal_bytes / (limit / 2).max(1);
    let are_many = seen.requested >= 10 && seen.requested > seen.timed;
    (are_many && by_log >= seen.requested / 2).then(|| {
        Diagnosis::new(
            Advice,
            SUBJECT,
            format!(
                "{} of {} checkpoints came before their time, since max_wal_size is {}: each makes the writes after it larger",
                seen.requested,
                seen.requested + seen.timed,
                bytes(limit.unsigned_abs())
            ),
            format!(
                "ALTER SYSTEM SET max_wal_size = '{}'; SELECT pg_reload_conf();",
                bytes(limit.unsigned_abs().max(GB) * 4).replace(' ', "").replace(".0", "")
            ),
        )
    })
}

/// Databases that may have a scheduler of TimescaleDB's, and jobs in this one.
async fn jobs(connection: &mut PgConnection) -> Result<(i64, i64)> {
    let sql = "SELECT (SELECT count(*) FROM pg_database WHERE datallowconn AND NOT datistemplate),
                      (SELECT count(*) FROM timescaledb_information.jobs WHERE scheduled)";
    let doing = "counting jobs";
    let row = sqlx::query(sql).fetch_one(connection).await;
    let row = row.map_err(Error::statement(doing))?;
    let read = || -> Result<_, sqlx::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
    read().map_err(Error::statement(doing))
}

fn of_workers(settings: &Settings, databases: i64, jobs: i64) -> Option<Diagnosis> {
    let processes = settings.number("max_worker_processes")?;
    let workers = settings.number("timescaledb.max_background_workers")?;
    // One launches schedulers, one is PostgreSQL's own for replication, and each database has a scheduler.
    let left = workers.min(processes - 2) - databases;
    let wanted = jobs.min(JOBS_AT_ONCE);
    (left < wanted).then(|| {
        let needed = databases + wanted;
        Diagnosis::new(
            Advice,
            SUBJECT,
            format!(
                "the server runs {processes} workers at most (max_worker_processes), {workers} of TimescaleDB's: with {databases} databases {} for {}",
                if left < 1 { "none is left".to_owned() } else { format!("{left} are left") },
                counted(jobs.unsigned_abs(), "job"),
            ),
            format!(
                "in postgresql.conf: timescaledb.max_background_workers = {}, max_worker_processes = {}; restart the server",
                workers.max(needed),
                processes.max(needed + 2 + 8)
            ),
        )
    })
}

/// Chunks that we compress are packed by lz4; those that the database's own policy compresses as this setting says.
fn of_packing(settings: &Settings) -> Option<Diagnosis> {
    let (packer, _) = settings.0.get("default_toast_compression")?;
    (packer == "pglz").then(|| {
        Diagnosis::new(
            Note,
            SUBJECT,
            "the database's own policy packs long values of compressed chunks by pglz, which makes those of messages \
             about a third larger than lz4 does",
            "ALTER DATABASE … SET default_toast_compression = 'lz4', where the server was built with it, for chunks that are compressed from then on",
        )
    })
}

/// Every chunk that a statement touches is locked, with each of its indexes.
async fn of_locks(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
    settings: &Settings,
) -> Result<Option<Diagnosis>> {
    let number = |name| settings.number(name).unwrap_or(0);
    let per_transaction = number("max_locks_per_transaction");
    let all = per_transaction * (number("max_connections") + number("max_prepared_transactions"));
    let mut most: Option<(String, i64, i64)> = None;
    for table in asked.tables {
        let relations = relations(connection, asked, table).await?;
        let sql = "SELECT count(*) FROM pg_index
                    WHERE indrelid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)";
        let indexes: i64 = sqlx::query_scalar(sql)
            .bind(&relations)
            .fetch_one(&mut *connection)
            .await
            .map_err(Error::statement("counting indexes"))?;
        let chunks = i64::try_from(relations.len()).unwrap_or(i64::MAX);
        if most
            .as_ref()
            .is_none_or(|(_, _, locks)| chunks + indexes > *locks)
        {
            let name = shown(table.names(), table.descriptor().table);
            most = Some((name, chunks - 1, chunks + indexes));
        }
    }
    Ok(
        most.and_then(|(table, chunks, locks)| {
            of_room(&table, chunks, locks, all, per_transaction)
        }),
    )
}

fn of_room(
    table: &str,
    chunks: i64,
    locks: i64,
    all: i64,
    per_transaction: i64,
) -> Option<Diagnosis> {
    (chunks > 0 && locks > all / 2).then(|| {
        // So that two such statements leave half of the room.
        let wanted = per_transaction.max(1) * (locks * 4 / all.max(1) + 1);
        Diagnosis::new(
            Advice,
            SUBJECT,
            format!(
                "a statement over all of {table} takes {locks} locks, for {chunks} chunks and their indexes, and the server has room for {all}"
            ),
            format!(
                "ALTER SYSTEM SET max_locks_per_transaction = {wanted}, and restart the server; or have fewer chunks: `annals chunks interval`"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(given: &[(&str, i64)]) -> Settings {
        let all = given
            .iter()
            .map(|(name, number)| ((*name).to_owned(), (number.to_string(), Some(*number))));
        Settings(all.collect())
    }

    fn off(name: &str) -> Settings {
        Settings([(name.to_owned(), ("off".to_owned(), None))].into())
    }

    #[test]
    fn a_server_that_forgets_what_it_acknowledged_is_at_fault() {
        for name in ["fsync", "full_page_writes"] {
            let found = of_durability(&off(name));
            assert_eq!(found.len(), 1, "{name}");
            assert!(
                found
                    .iter()
                    .all(|one| one.severity == Fault && one.way_out.contains(name))
            );
        }
        assert!(
            of_durability(&off("synchronous_commit"))
                .iter()
                .all(|one| one.severity == Note)
        );
        assert!(of_durability(&Settings::default()).is_empty());
    }

    #[test]
    fn memory_matters_once_there_is_data() {
        let defaults = settings(&[
            ("shared_buffers", 128 << 20),
            ("maintenance_work_mem", 64 << 20),
        ]);
        assert!(of_memory(&defaults, 100 * MB).is_empty());
        assert_eq!(of_memory(&defaults, 2 * GB).len(), 1);
        assert_eq!(of_memory(&defaults, 20 * GB).len(), 2);
        let tuned = settings(&[
            ("shared_buffers", 4 << 30),
            ("maintenance_work_mem", 512 << 20),
        ]);
        assert!(of_memory(&tuned, 200 * GB).is_empty());
    }

    #[test]
    fn checkpoints_that_commands_asked_for_are_no_reason() {
        let defaults = settings(&[("max_wal_size", 1 << 30)]);
        let seen = |timed, requested, wal_bytes| Checkpoints {
            timed,
            requested,
            wal_bytes,
        };
        assert!(of_checkpoints(&defaults, seen(3, 500, 2 << 30)).is_none());
        assert!(of_checkpoints(&defaults, seen(3, 9, 90 << 30)).is_none());
        assert!(of_checkpoints(&defaults, seen(900, 90, 90 << 30)).is_none());
        let told = of_checkpoints(&defaults, seen(3, 90, 60 << 30)).unwrap();
        assert!(told.way_out.contains("'4GB'"), "{told:?}");
    }

    #[test]
    fn workers_are_counted_against_databases_and_jobs() {
        let defaults = settings(&[
            ("max_worker_processes", 8),
            ("timescaledb.max_background_workers", 16),
        ]);
        assert!(of_workers(&defaults, 2, 9).is_none());
        assert!(of_workers(&defaults, 6, 0).is_none());
        let told = of_workers(&defaults, 6, 3).unwrap();
        assert!(told.what.contains("none is left"), "{told:?}");
        assert!(
            told.way_out.contains("max_worker_processes = 19"),
            "{told:?}"
        );
    }

    #[test]
    fn chunks_are_counted_against_the_room_for_locks() {
        assert!(of_room("spans", 0, 6_400, 6_400, 64).is_none());
        assert!(of_room("spans", 100, 500, 6_400, 64).is_none());
        let told = of_room("spans", 1_440, 5_760, 6_400, 64).unwrap();
        assert!(
            told.way_out.contains("max_locks_per_transaction = 256"),
            "{told:?}"
        );
    }
}
