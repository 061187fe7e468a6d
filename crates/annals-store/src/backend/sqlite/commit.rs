//! One batch in one transaction.
//!
//! Rows go in one by one through a prepared statement: on SQLite that is the fastest way, a failed
//! statement undoes itself and leaves the transaction whole, and the count of changed rows tells
//! whether a row was there already. So there is no second road.

use std::{collections::HashSet, sync::Arc};

use annals_record::{Descriptor, OnConflict, Record, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::{Sqlite, row::bind_row};
use crate::{
    Error,
    dead_letter::DeadLetter,
    error::Action,
    sql::{Dialect, Names, column_list, conflict_clause, joined, quoted},
    writer::{Batch, Companion, Failure, Outcome, ParkReason},
};

impl Sqlite {
    pub(crate) async fn commit<R: Record>(
        &self,
        batch: &Arc<Batch<R>>,
        companion: Option<&Arc<dyn Companion<R>>>,
    ) -> Result<Outcome, Failure> {
        let batch = Arc::clone(batch);
        let companion = companion.cloned();
        let names = self.names.clone();
        // A local COMMIT that fails has not committed, so no outcome is ever unknown.
        self.write("writing a batch", move |connection| {
            run(connection, &names, &batch, companion.as_deref())
        })
        .await
        .map_err(Failure::untold)
    }
}

fn run<R: Record>(
    connection: &mut Connection,
    names: &Names,
    batch: &Batch<R>,
    companion: Option<&dyn Companion<R>>,
) -> Result<Outcome, rusqlite::Error> {
    // IMMEDIATE: a reader that becomes a writer in the middle can be refused, and then all is lost.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if batch.ledger && !enter(&transaction, names, batch)? {
        let parked = parked_before(&transaction, names, batch.id)?;
        return Ok(Outcome {
            parked,
            repeated: true,
            gone: Vec::new(),
        });
    }
    let gone = gone_letters(&transaction, names, batch)?;
    if !gone.is_empty() {
        return Ok(Outcome {
            parked: Vec::new(),
            repeated: false,
            gone,
        });
    }
    let (refused, told) = match &batch.park_all {
        Some(reason) => (
            (0..batch.rows.len())
                .map(|row| (row, reason.clone()))
                .collect(),
            Vec::new(),
        ),
        None => insert(&transaction, names, batch, companion.map(Told::of))?,
    };
    if let Some(error) = batch.refusal(&refused) {
        return Err(into_sqlite(error));
    }
    settle_letters(&transaction, names, batch, &refused)?;
    if let Some(companion) = companion
        && !told.is_empty()
    {
        companion.apply_sqlite(&transaction, names, told)?;
    }
    transaction.commit()?;
    Ok(Outcome {
        parked: refused.into_iter().map(|(row, _)| row).collect(),
        repeated: false,
        gone: Vec::new(),
    })
}

/// Enters the batch in the ledger; false when it is there already.
fn enter<R>(
    transaction: &Transaction<'_>,
    names: &Names,
    batch: &Batch<R>,
) -> Result<bool, rusqlite::Error> {
    let sql = names.statement("INSERT OR IGNORE INTO {annals_ledger} (batch_id, row_count, committed_at) VALUES (?1, ?2, ?3)");
    let entered = transaction.prepare_cached(sql.as_str())?.execute(params![
        batch.id.hyphenated().to_string(),
        i64::try_from(batch.rows.len()).unwrap_or(i64::MAX),
        Timestamp::now().unix_micros(),
    ])?;
    Ok(entered == 1)
}

fn parked_before(
    transaction: &Transaction<'_>,
    names: &Names,
    id: Uuid,
) -> Result<Vec<usize>, rusqlite::Error> {
    let sql = names.statement("SELECT batch_row FROM {annals_dead_letters} WHERE batch_id = ?1");
    let mut statement = transaction.prepare_cached(sql.as_str())?;
    let rows = statement.query_map([id.hyphenated().to_string()], |row| row.get::<_, i64>(0))?;
    rows.filter_map(|row| row.map(|row| usize::try_from(row).ok()).transpose())
        .collect()
}

/// Which rows a companion is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    New,
    All,
}

impl Told {
    fn of<R: Record>(companion: &dyn Companion<R>) -> Self {
        if companion.wants_every_row() {
            Self::All
        } else {
            Self::New
        }
    }
}

/// Rows that were refused, and rows that a companion is told.
type Inserted<'b, R> = (Vec<(usize, ParkReason)>, Vec<&'b R>);

fn insert<'b, R: Record>(
    transaction: &Transaction<'_>,
    names: &Names,
    batch: &'b Batch<R>,
    tell: Option<Told>,
) -> Result<Inserted<'b, R>, rusqlite::Error> {
    let mut refused = Vec::new();
    let mut told = Vec::new();
    let sql = insert_sql(names, R::DESCRIPTOR, batch.on_conflict);
    let mut statement = transaction.prepare_cached(&sql)?;
    // An update of a row that is there changes a row as well: only what was not there is new.
    let probe = (tell == Some(Told::New)
        && batch.on_conflict != OnConflict::Ignore
        && !R::DESCRIPTOR.key.is_empty())
    .then(|| transaction.prepare_cached(&count_sql(names, R::DESCRIPTOR)))
    .transpose()?;
    let mut probe = probe;
    for (position, row) in batch.rows.iter().enumerate() {
        let was_there = match &mut probe {
            Some(probe) => {
                bind_row(probe, row)?;
                let mut rows = probe.raw_query();
                rows.next()?.is_some()
            }
            None => false,
        };
        let done = bind_row(&mut statement, row).and_then(|()| statement.raw_execute());
        match done {
            Ok(changed) => {
                let tells = match tell {
                    Some(Told::All) => true,
                    Some(Told::New) => changed > 0 && !was_there,
                    None => false,
                };
                if tells {
                    told.push(row);
                }
            }
            Err(source) => {
                let error = Error::Statement {
                    doing: "inserting a row",
                    source: source.into(),
                };
                if error.action() != Action::Isolate {
                    return Err(into_sqlite(error));
                }
                refused.push((position, ParkReason::of(&error)));
            }
        }
    }
    Ok((refused, told))
}

fn into_sqlite(error: Error) -> rusqlite::Error {
    match error {
        Error::Statement {
            source: crate::DriverError::Sqlite(source),
            ..
        } => source,
        other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
    }
}

fn insert_sql(names: &Names, descriptor: &Descriptor, on_conflict: OnConflict) -> String {
    let parameters = joined((1..=descriptor.columns.len()).map(|n| Dialect::Sqlite.parameter(n)));
    format!(
        "INSERT INTO {} AS target ({}) VALUES ({parameters}){}",
        names.table(descriptor.table),
        column_list(descriptor),
        conflict_clause(Dialect::Sqlite, descriptor, on_conflict),
    )
}

/// Finds a row by its key; its parameters are those of the insert, so that both are bound alike.
fn count_sql(names: &Names, descriptor: &Descriptor) -> String {
    let key = descriptor.key.iter().filter_map(|position| {
        let column = descriptor.columns.get(*position)?;
        Some(format!(
            "{} = {}",
            quoted(column.name),
            Dialect::Sqlite.parameter(position + 1)
        ))
    });
    let key = key.collect::<Vec<_>>().join(" AND ");
    // The last parameter is named so that every value of the row can be bound.
    let last = Dialect::Sqlite.parameter(descriptor.columns.len());
    format!(
        "SELECT 1 FROM {} WHERE {key} AND ({last} IS NULL OR TRUE)",
        names.table(descriptor.table)
    )
}

/// The letters that this batch replays and that are gone.
fn gone_letters<R>(
    transaction: &Transaction<'_>,
    names: &Names,
    batch: &Batch<R>,
) -> Result<Vec<Uuid>, rusqlite::Error> {
    let sql = names.statement("SELECT 1 FROM {annals_dead_letters} WHERE id = $1");
    let mut there = HashSet::new();
    for id in &batch.letters {
        let mut statement = transaction.prepare_cached(sql.as_str())?;
        if statement.exists([id.hyphenated().to_string()])? {
            there.insert(*id);
        }
    }
    Ok(batch.letters_without(&there))
}

fn settle_letters<R: Record>(
    transaction: &Transaction<'_>,
    names: &Names,
    batch: &Batch<R>,
    refused: &[(usize, ParkReason)],
) -> Result<(), rusqlite::Error> {
    if batch.letters.is_empty() {
        let sql = insert_sql(names, DeadLetter::DESCRIPTOR, OnConflict::Ignore);
        let mut statement = transaction.prepare_cached(&sql)?;
        for letter in batch.letters_of(refused) {
            bind_row(&mut statement, &letter)?;
            statement.raw_execute()?;
        }
        return Ok(());
    }
    let (still, done) = batch.replayed(refused);
    let delete = names.statement("DELETE FROM {annals_dead_letters} WHERE id = ?1");
    for id in done {
        transaction
            .prepare_cached(delete.as_str())?
            .execute([id.hyphenated().to_string()])?;
    }
    let update = names.statement(
        "UPDATE {annals_dead_letters} SET attempts = attempts + 1, reason = ?2, code = ?3, column_name = ?4 WHERE id = ?1",
    );
    for (id, reason) in still {
        let values = params![
            id.hyphenated().to_string(),
            reason.reason,
            reason.code,
            reason.column
        ];
        transaction
            .prepare_cached(update.as_str())?
            .execute(values)?;
    }
    Ok(())
}
