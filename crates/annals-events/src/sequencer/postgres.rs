//! A group on PostgreSQL.
//!
//! As long as nobody else appends to the namespace, one statement is enough: it writes if the counter's turn is
//! the one that this writer left, and then the versions that it remembers are true (see [`Memory`]). Somebody
//! else's append is another turn; then heads are read anew. If that happens again in between, the
//! counter's row is locked first and everything read after it, which always comes to an end.

use std::{collections::HashMap, sync::Arc};

use annals_store::{
    Access, Error as StoreError, Names, Store, Work, rusqlite,
    sqlx::{self, Row as _},
};
use futures_util::future::{BoxFuture, FutureExt as _};
use uuid::Uuid;

use super::{
    group::Committed,
    memory::Memory,
    plan::{Known, Plan, Request, Written},
};
use crate::{Error, Result, message::Place, name};

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
    let (write, landing) = memory.make_ready(names, plan, turn, &known.versions);
    if let Some(bases) = written(session.run(Access::Statement, write).await)? {
        return Ok(landing.land(memory, &bases));
    }
    *memory = Memory::default();
    let take = Take {
        names: names.clone(),
        group: Arc::clone(group),
    };
    session.run(Access::Write, take).await
}

/// Whether it was written, and upon which versions. An id of the group that is there already, for which the
/// statement does not look, means that it was not.
pub(super) fn written(written: Result<Option<Vec<i64>>>) -> Result<Option<Vec<i64>>> {
    match written {
        Err(Error::Store(error)) if error.code().as_deref() == Some("23505") => Ok(None),
        other => other,
    }
}

/// The streams of a plan that grow, in one order. `versions` are those on which it is built, and `assumed` those
/// of them that are not known, with what they must be.
pub(super) fn growth<'a>(
    plan: &Plan<'a>,
    versions: &HashMap<String, i64>,
    assumed: &HashMap<&str, Option<i64>>,
) -> Vec<Growth<'a>> {
    let mut growth: Vec<_> = plan
        .heads
        .iter()
        .map(|(stream, last)| Growth {
            stream,
            base: versions.get(*stream).copied().unwrap_or(-1),
            is_known: !assumed.contains_key(stream),
            required: assumed.get(stream).copied().flatten(),
            last: *last,
        })
        .collect();
    growth.sort_unstable_by_key(|growth| growth.stream);
    growth
}

/// A plan's rows and heads, column by column, as the statement takes them.
pub(super) struct Columns {
    last: i64,
    streams: Vec<String>,
    categories: Vec<String>,
    bases: Vec<Option<i64>>,
    required: Vec<Option<i64>>,
    lengths: Vec<i64>,
    ends: Vec<i64>,
    ids: Vec<Uuid>,
    heads: Vec<i64>,
    numbers: Vec<i64>,
    global_positions: Vec<i64>,
    kinds: Vec<String>,
    data: Vec<String>,
    metadata: Vec<Option<String>>,
}

/// A stream that grows.
pub(super) struct Growth<'a> {
    pub(super) stream: &'a str,
    /// The version on which the plan's places are built.
    pub(super) base: i64,
    /// Whether that is certain if the turn is.
    pub(super) is_known: bool,
    /// The version that it must have; for one that is not known.
    pub(super) required: Option<i64>,
    /// The place of its last message.
    pub(super) last: Place,
}

impl Columns {
    /// `growth` is in one order, whoever writes.
    pub(super) fn of(plan: &Plan<'_>, growth: &[Growth<'_>]) -> Self {
        let heads: HashMap<&str, (i64, i64)> = (1..)
            .zip(growth)
            .map(|(number, growth)| (growth.stream, (number, growth.base)))
            .collect();
        let mut columns = Self {
            last: plan.rows.last().map_or(0, |row| row.place.global_position),
            streams: growth
                .iter()
                .map(|growth| growth.stream.to_owned())
                .collect(),
            categories: growth
                .iter()
                .map(|growth| name::category(growth.stream).to_owned())
                .collect(),
            bases: growth
                .iter()
                .map(|growth| growth.is_known.then_some(growth.base))
                .collect(),
            required: growth.iter().map(|growth| growth.required).collect(),
            lengths: growth
                .iter()
                .map(|growth| growth.last.position - growth.base)
                .collect(),
            ends: growth
                .iter()
                .map(|growth| growth.last.global_position)
                .collect(),
            ids: Vec::new(),
            heads: Vec::new(),
            numbers: Vec::new(),
            global_positions: Vec::new(),
            kinds: Vec::new(),
            data: Vec::new(),
            metadata: Vec::new(),
        };
        for row in &plan.rows {
            let (head, base) = heads.get(row.stream).copied().unwrap_or_default();
            columns.ids.push(row.id);
            columns.heads.push(head);
            columns.numbers.push(row.place.position - base);
            columns.global_positions.push(row.place.global_position);
            columns.kinds.push(row.message.kind.clone());
            columns.data.push(row.message.data.as_str().to_owned());
            let metadata = row.message.metadata.as_ref();
            columns
                .metadata
                .push(metadata.map(|json| json.as_str().to_owned()));
        }
        columns
    }

    /// Gives the version that each stream had, if it was written.
    async fn insert(
        self,
        connection: &mut sqlx::PgConnection,
        names: &Names,
        (turn, next): (Uuid, Uuid),
    ) -> Result<Option<Vec<i64>>> {
        let sql = names.statement(include_str!("../../sql/append.postgres.sql"));
        let (is_ours, bases): (Option<bool>, Vec<i64>) = sqlx::query_as(sql)
            .bind(turn)
            .bind(next)
            .bind(self.last)
            .bind(self.streams)
            .bind(self.categories)
            .bind(self.bases)
            .bind(self.required)
            .bind(self.lengths)
            .bind(self.ends)
            .bind(self.ids)
            .bind(self.heads)
            .bind(self.numbers)
            .bind(self.global_positions)
            .bind(self.kinds)
            .bind(self.data)
            .bind(self.metadata)
            .fetch_one(connection)
            .await
            .map_err(StoreError::statement("appending"))?;
        Ok((is_ours == Some(true)).then_some(bases))
    }
}

/// One statement that writes a plan.
pub(super) struct Write {
    pub(super) names: Names,
    pub(super) columns: Columns,
    /// The one before, and its own.
    pub(super) turns: (Uuid, Uuid),
}

impl Work for Write {
    type Output = Option<Vec<i64>>;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<Self::Output>> {
        async move {
            self.columns
                .insert(connection, &self.names, self.turns)
                .await
        }
        .boxed()
    }

    fn run_sqlite(
        self,
        _connection: &rusqlite::Connection,
        _names: &Names,
    ) -> Result<Self::Output> {
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
                let growth = growth(&plan, &known.versions, &HashMap::new());
                Columns::of(&plan, &growth)
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
        let (id, written) = stored(row).map_err(doing())?;
        known.ids.insert(id, written);
    }
    Ok((known, turn))
}

fn stored(row: &sqlx::postgres::PgRow) -> Result<(Uuid, Written), sqlx::Error> {
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
