//! A group on PostgreSQL.
//!
//! As long as nobody else appends to the namespace, one statement is enough: it writes if the counter's turn is
//! the one that this writer left, and then the versions that it remembers are true. The next group can be on its
//! way before the answer is there: its turn follows upon the one before, so it is written after that one or not
//! at all. Somebody else's append is another turn; then heads are read anew. If that happens again in
//! between, the counter's row is locked first and everything read after it, which always comes to an end.

use std::{collections::HashMap, sync::Arc};

use annals_store::{
    Access, Error as StoreError, Names, Session, Store, Work, rusqlite,
    sqlx::{self, Row as _},
};
use futures_util::future::{BoxFuture, FutureExt as _};
use uuid::Uuid;

use super::{
    group::Committed,
    plan::{Known, Plan, Request, Written},
};
use crate::{Error, Result, message::Place};

/// Streams whose versions are remembered.
const REMEMBERED: usize = 65_536;

/// What a writer remembers of a namespace from its last append.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The turn that it left, and the place of the last message; nothing before the first append.
    last: Option<(Uuid, i64)>,
    versions: HashMap<String, i64>,
}

/// A group that can be written if nobody else writes before it.
pub(super) struct Ready {
    write: Write,
    /// What it comes to, if it is written.
    pub(super) committed: Committed,
}

impl Ready {
    /// Tries it; tells whether it was written.
    pub(super) async fn write(self, session: &mut Session) -> Result<bool> {
        match session.run(Access::Statement, self.write).await {
            // An id of the group is there already, for which the statement does not look.
            Err(Error::Store(error)) if error.code().as_deref() == Some("23505") => Ok(false),
            other => other,
        }
    }
}

impl Memory {
    /// Makes a group ready from what is remembered, and remembers it as written. `None` when that is not
    /// enough.
    pub(super) fn ready(&mut self, names: &Names, group: &[Request]) -> Option<Ready> {
        let (turn, global_position) = self.last?;
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
        let plan = Plan::of(group, &known);
        // Only a commit proves what is remembered; a refusal alone proves nothing.
        plan.rows.last()?;
        Some(self.make_ready(names, plan, turn))
    }

    fn make_ready(&mut self, names: &Names, plan: Plan<'_>, turn: Uuid) -> Ready {
        let next = Uuid::new_v4();
        let write = Write {
            names: names.clone(),
            columns: Columns::of(&plan),
            turns: (turn, next),
        };
        if let Some(row) = plan.rows.last() {
            self.last = Some((next, row.place.global_position));
        }
        for (stream, place) in &plan.heads {
            match self.versions.get_mut(*stream) {
                Some(version) => *version = place.position,
                None => {
                    self.versions.insert((*stream).to_owned(), place.position);
                }
            }
        }
        Ready {
            write,
            committed: Committed::of(plan),
        }
    }

    /// Remembers what the database said.
    fn learn(&mut self, known: &Known, turn: Uuid) {
        let last = Some((turn, known.global_position));
        if self.last != last || self.versions.len() + known.versions.len() > REMEMBERED {
            self.versions.clear();
        }
        self.last = last;
        self.versions.extend(known.versions.clone());
    }
}

/// Appends a group with nothing in flight before it, whatever is remembered.
pub(super) async fn append(
    store: &Store,
    names: &Names,
    memory: &mut Memory,
    group: &Arc<[Request]>,
) -> Result<Committed> {
    let mut session = store.session().await?;
    let look = Look {
        names: names.clone(),
        group: Arc::clone(group),
    };
    let (known, turn) = session.run(Access::Read, look).await?;
    memory.learn(&known, turn);
    let plan = Plan::of(group, &known);
    if plan.rows.is_empty() {
        return Ok(Committed::of(plan));
    }
    let mut ready = memory.make_ready(names, plan, turn);
    let committed = std::mem::take(&mut ready.committed);
    if ready.write(&mut session).await? {
        return Ok(committed);
    }
    *memory = Memory::default();
    let take = Take {
        names: names.clone(),
        group: Arc::clone(group),
    };
    session.run(Access::Write, take).await
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
        (turn, next): (Uuid, Uuid),
    ) -> Result<bool> {
        let turns: i64 =
            sqlx::query_scalar(names.statement(include_str!("../../sql/append.postgres.sql")))
                .bind(turn)
                .bind(next)
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
    /// The one before, and its own.
    turns: (Uuid, Uuid),
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
                .insert(connection, &self.names, self.turns)
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
            let (known, turn) = look(connection, &self.names, &self.group).await?;
            let plan = Plan::of(&self.group, &known);
            if !plan.rows.is_empty() {
                Columns::of(&plan)
                    .insert(connection, &self.names, (turn, Uuid::new_v4()))
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
    SELECT counter.global_position, counter.turn, head.stream_name, head.\"position\"
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
    let mut turn = Uuid::nil();
    for row in &rows {
        known.global_position = row.try_get(0).map_err(doing())?;
        turn = row.try_get(1).map_err(doing())?;
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
        return Ok((known, turn));
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
    Ok((known, turn))
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
