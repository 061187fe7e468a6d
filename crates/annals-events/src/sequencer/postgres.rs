//! A group on PostgreSQL.
//!
//! As long as nobody else appends to the namespace, one statement is enough: it writes if the counter is
//! where this writer left it, and then the versions that it remembers are true. Somebody else's append moves the
//! counter; then heads are read anew. If that happens again in between, the counter's row is locked first
//! and everything read after it, which always comes to an end.

use std::{collections::HashMap, sync::Arc};

use annals_store::{
    Access, Error as StoreError, Names, Store, Work, rusqlite,
    sqlx::{self, Row as _},
};
use futures_util::future::{BoxFuture, FutureExt as _};
use uuid::Uuid;

use super::{
    Committed,
    plan::{Known, Plan, Request, Written},
};
use crate::{Error, Result, message::Place};

/// Streams whose versions are remembered.
const REMEMBERED: usize = 65_536;

/// What a writer remembers of a namespace from its last append.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Where the counter was left, and in which incarnation; nothing is known before the first append.
    counter: Option<(i64, Uuid)>,
    versions: HashMap<String, i64>,
}

impl Memory {
    /// What is remembered, when it is enough for a group.
    fn recall(&self, group: &[Request]) -> Option<(Known, Uuid)> {
        let (global_position, incarnation) = self.counter?;
        let mut versions = HashMap::new();
        for append in group.iter().flat_map(|request| &request.appends) {
            let version = self.versions.get(&append.stream)?;
            versions.insert(append.stream.clone(), *version);
        }
        let known = Known {
            global_position,
            versions,
            ids: HashMap::new(),
        };
        Some((known, incarnation))
    }

    /// Remembers what the database said, and nothing that was true before another's append.
    fn learn(&mut self, known: &Known, incarnation: Uuid) {
        let counter = Some((known.global_position, incarnation));
        if self.counter != counter || self.versions.len() + known.versions.len() > REMEMBERED {
            self.versions.clear();
        }
        self.counter = counter;
        self.versions.extend(known.versions.clone());
    }

    /// Remembers what was just committed.
    fn advance(&mut self, plan: &Plan<'_>, incarnation: Uuid) {
        if let Some(last) = plan.rows.last() {
            self.counter = Some((last.place.global_position, incarnation));
        }
        for (stream, place) in &plan.heads {
            match self.versions.get_mut(*stream) {
                Some(version) => *version = place.position,
                None => {
                    self.versions.insert((*stream).to_owned(), place.position);
                }
            }
        }
    }
}

/// Appends a group.
pub(super) async fn append(
    store: &Store,
    names: &Names,
    memory: &mut Memory,
    group: &Arc<[Request]>,
) -> Result<Committed> {
    if let Some((known, incarnation)) = memory.recall(group) {
        let plan = Plan::of(group, &known);
        // Only a commit proves what is remembered, so a refusal alone proves nothing.
        if !plan.rows.is_empty() {
            match write(store, names, &plan, known.global_position, incarnation).await {
                Ok(true) => {
                    memory.advance(&plan, incarnation);
                    return Ok(Committed::of(plan));
                }
                Ok(false) => {}
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    *memory = Memory::default();
    let look = Look {
        names: names.clone(),
        group: Arc::clone(group),
    };
    let (known, incarnation) = store.run(Access::Read, look).await?;
    memory.learn(&known, incarnation);
    let plan = Plan::of(group, &known);
    if plan.rows.is_empty() {
        return Ok(Committed::of(plan));
    }
    match write(store, names, &plan, known.global_position, incarnation).await {
        Ok(true) => {
            memory.advance(&plan, incarnation);
            return Ok(Committed::of(plan));
        }
        Ok(false) => {}
        Err(error) if is_duplicate(&error) => {}
        Err(error) => return Err(error),
    }
    *memory = Memory::default();
    let take = Take {
        names: names.clone(),
        group: Arc::clone(group),
    };
    store.run(Access::Write, take).await
}

/// Whether an id of the group is there already, which its statement does not look for.
fn is_duplicate(error: &Error) -> bool {
    matches!(error, Error::Store(error) if error.code().as_deref() == Some("23505"))
}

/// Writes a plan in one statement of its own; tells whether the counter was where it is expected.
async fn write(
    store: &Store,
    names: &Names,
    plan: &Plan<'_>,
    global_position: i64,
    incarnation: Uuid,
) -> Result<bool> {
    let write = Write {
        names: names.clone(),
        columns: Columns::of(plan),
        expected: (global_position, incarnation),
    };
    store.run(Access::Statement, write).await
}

/// A plan's rows, column by column, as the statement takes them.
struct Columns {
    last: i64,
    ids: Vec<Uuid>,
    streams: Vec<String>,
    categories: Vec<String>,
    positions: Vec<i64>,
    global_positions: Vec<i64>,
    kinds: Vec<String>,
    data: Vec<String>,
    metadata: Vec<Option<String>>,
    head_streams: Vec<String>,
    head_categories: Vec<String>,
    head_positions: Vec<i64>,
    head_global_positions: Vec<i64>,
}

impl Columns {
    fn of(plan: &Plan<'_>) -> Self {
        macro_rules! column {
            ($row:ident => $value:expr) => {
                plan.rows.iter().map(|$row| $value).collect()
            };
        }
        // In one order, whoever writes them.
        let mut heads: Vec<_> = plan.heads.iter().collect();
        heads.sort_unstable_by_key(|(stream, _)| **stream);
        Self {
            last: plan.rows.last().map_or(0, |row| row.place.global_position),
            ids: column!(row => row.id),
            streams: column!(row => row.stream.to_owned()),
            categories: column!(row => row.category.to_owned()),
            positions: column!(row => row.place.position),
            global_positions: column!(row => row.place.global_position),
            kinds: column!(row => row.message.kind.clone()),
            data: column!(row => row.message.data.as_str().to_owned()),
            metadata: column!(row => row.message.metadata.as_ref().map(|json| json.as_str().to_owned())),
            head_streams: heads
                .iter()
                .map(|(stream, _)| (**stream).to_owned())
                .collect(),
            head_categories: heads
                .iter()
                .map(|(stream, _)| crate::name::category(stream).to_owned())
                .collect(),
            head_positions: heads.iter().map(|(_, place)| place.position).collect(),
            head_global_positions: heads
                .iter()
                .map(|(_, place)| place.global_position)
                .collect(),
        }
    }

    async fn insert(
        self,
        connection: &mut sqlx::PgConnection,
        names: &Names,
        (global_position, incarnation): (i64, Uuid),
    ) -> Result<bool> {
        let turns: i64 =
            sqlx::query_scalar(names.statement(include_str!("../../sql/append.postgres.sql")))
                .bind(global_position)
                .bind(incarnation)
                .bind(self.last)
                .bind(self.ids)
                .bind(self.streams)
                .bind(self.categories)
                .bind(self.positions)
                .bind(self.global_positions)
                .bind(self.kinds)
                .bind(self.data)
                .bind(self.metadata)
                .bind(self.head_streams)
                .bind(self.head_categories)
                .bind(self.head_positions)
                .bind(self.head_global_positions)
                .fetch_one(connection)
                .await
                .map_err(StoreError::statement("appending"))?;
        Ok(turns == 1)
    }
}

/// One statement that writes a plan.
struct Write {
    names: Names,
    columns: Columns,
    expected: (i64, Uuid),
}

impl Work for Write {
    type Output = bool;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<bool>> {
        async move {
            self.columns
                .insert(connection, &self.names, self.expected)
                .await
        }
        .boxed()
    }

    fn run_sqlite(self, _connection: &rusqlite::Connection, _names: &Names) -> Result<bool> {
        Err(super::wrong_backend())
    }
}

/// Reads what a group has to know, in one snapshot.
struct Look {
    names: Names,
    group: Arc<[Request]>,
}

impl Work for Look {
    type Output = (Known, Uuid);
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<(Known, Uuid)>> {
        async move { look(connection, &self.names, &self.group).await }.boxed()
    }

    fn run_sqlite(
        self,
        _connection: &rusqlite::Connection,
        _names: &Names,
    ) -> Result<(Known, Uuid)> {
        Err(super::wrong_backend())
    }
}

/// Locks the counter, reads, and writes.
struct Take {
    names: Names,
    group: Arc<[Request]>,
}

impl Work for Take {
    type Output = Committed;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<Committed>> {
        async move {
            let lock = "SELECT 1 FROM {message_counter} FOR UPDATE";
            sqlx::query(self.names.statement(lock))
                .execute(&mut *connection)
                .await
                .map_err(StoreError::statement("waiting for the turn to append"))?;
            let (known, incarnation) = look(connection, &self.names, &self.group).await?;
            let plan = Plan::of(&self.group, &known);
            if !plan.rows.is_empty() {
                let expected = (known.global_position, incarnation);
                Columns::of(&plan)
                    .insert(connection, &self.names, expected)
                    .await?;
            }
            Ok(Committed::of(plan))
        }
        .boxed()
    }

    fn run_sqlite(self, _connection: &rusqlite::Connection, _names: &Names) -> Result<Committed> {
        Err(super::wrong_backend())
    }
}

const HEADS: &str = "\
    SELECT counter.global_position, counter.incarnation, head.stream_name, head.\"position\"
      FROM {message_counter} AS counter
      LEFT JOIN {stream_heads} AS head ON head.stream_name = ANY($1)";

const IDS: &str = "\
    SELECT message_id.id, message_id.\"position\", message_id.global_position, message.stream_name, message.\"type\",
           message.data::text, message.metadata::text
      FROM {message_ids} AS message_id
      LEFT JOIN {messages} AS message
             ON message.\"time\" = message_id.\"time\" AND message.global_position = message_id.global_position
     WHERE message_id.id = ANY($1)";

/// Reads what a group has to know. Statements of one snapshot, or after the lock.
async fn look(
    connection: &mut sqlx::PgConnection,
    names: &Names,
    group: &[Request],
) -> Result<(Known, Uuid)> {
    let doing = || StoreError::statement("reading heads");
    let mut known = Known::default();
    for append in group.iter().flat_map(|request| &request.appends) {
        known.versions.insert(append.stream.clone(), -1);
    }
    let streams: Vec<String> = known.versions.keys().cloned().collect();
    let rows = sqlx::query(names.statement(HEADS))
        .bind(streams)
        .fetch_all(&mut *connection)
        .await
        .map_err(doing())?;
    let mut incarnation = Uuid::nil();
    for row in &rows {
        known.global_position = row.try_get(0).map_err(doing())?;
        incarnation = row.try_get(1).map_err(doing())?;
        if let Some(stream) = row.try_get(2).map_err(doing())? {
            known
                .versions
                .insert(stream, row.try_get(3).map_err(doing())?);
        }
    }
    let ids: Vec<Uuid> = group
        .iter()
        .flat_map(Request::messages)
        .filter_map(|(_, message)| message.id)
        .collect();
    if ids.is_empty() {
        return Ok((known, incarnation));
    }
    let doing = || StoreError::statement("reading message ids");
    let rows = sqlx::query(names.statement(IDS))
        .bind(ids)
        .fetch_all(connection)
        .await
        .map_err(doing())?;
    for row in &rows {
        let (id, written) = written(row).map_err(doing())?;
        known.ids.insert(id, written);
    }
    Ok((known, incarnation))
}

fn written(row: &sqlx::postgres::PgRow) -> Result<(Uuid, Written), sqlx::Error> {
    let place = Place {
        position: row.try_get(1)?,
        global_position: row.try_get(2)?,
    };
    let content = match row.try_get::<Option<String>, _>(3)? {
        None => None,
        Some(stream) => super::content(stream, row.try_get(4)?, row.try_get(5)?, row.try_get(6)?),
    };
    Ok((row.try_get(0)?, Written { place, content }))
}
