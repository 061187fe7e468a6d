//! A group on SQLite: one transaction on the one connection that writes.

use std::sync::Arc;

use annals_record::Timestamp;
use annals_store::{
    Error as StoreError, Names, Work,
    rusqlite::{self, OptionalExtension as _, params},
    sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};
use uuid::Uuid;

use super::{
    group::Committed,
    plan::{Known, Plan, Request, Written},
};
use crate::{Error, Result, message::Place, name};

/// Reads what the group has to know, and writes it.
pub(super) struct Take {
    pub(super) names: Names,
    pub(super) group: Arc<[Request]>,
}

impl Work for Take {
    type Output = Committed;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        _connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<Committed>> {
        async { Err(super::wrong_backend()) }.boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<Committed> {
        let known = look(connection, &self.names, &self.group)
            .map_err(StoreError::statement("reading heads"))?;
        let plan = Plan::of(&self.group, &known);
        insert(connection, &self.names, &plan).map_err(StoreError::statement("appending"))?;
        Ok(Committed::of(plan))
    }
}

fn look(
    connection: &rusqlite::Connection,
    names: &Names,
    group: &[Request],
) -> Result<Known, rusqlite::Error> {
    let mut known = Known {
        global_position: connection
            .prepare_cached(
                names
                    .statement("SELECT global_position FROM {message_counter}")
                    .as_str(),
            )?
            .query_row([], |row| row.get(0))?,
        ..Known::default()
    };
    let head = names.statement("SELECT position FROM {stream_heads} WHERE stream_name = $1");
    let mut head = connection.prepare_cached(head.as_str())?;
    let id = names.statement(
        "SELECT message_id.position, message_id.global_position, message.stream_name, message.type,
                message.data, message.metadata
           FROM {message_ids} AS message_id
           LEFT JOIN {messages} AS message USING (global_position)
          WHERE message_id.id = $1",
    );
    let mut by_id = connection.prepare_cached(id.as_str())?;
    for (append, message) in group.iter().flat_map(Request::messages) {
        if !known.versions.contains_key(&append.stream) {
            let version = head
                .query_row([&append.stream], |row| row.get(0))
                .optional()?;
            known
                .versions
                .insert(append.stream.clone(), version.unwrap_or(-1));
        }
        let Some(id) = message.id else { continue };
        let written = by_id.query_row([text(id)], written).optional()?;
        known.ids.extend(written.map(|written| (id, written)));
    }
    Ok(known)
}

fn written(row: &rusqlite::Row<'_>) -> Result<Written, rusqlite::Error> {
    let place = Place {
        position: row.get(0)?,
        global_position: row.get(1)?,
    };
    let content = match row.get::<_, Option<String>>(2)? {
        None => None,
        Some(stream) => super::content(stream, row.get(3)?, row.get(4)?, row.get(5)?),
    };
    Ok(Written { place, content })
}

fn insert(
    connection: &rusqlite::Connection,
    names: &Names,
    plan: &Plan<'_>,
) -> Result<(), rusqlite::Error> {
    let Some(last) = plan.rows.last() else {
        return Ok(());
    };
    // Clocks are put back; times are not.
    let turn = names.statement(
        "UPDATE {message_counter} SET global_position = $1, time = max(time, $2) RETURNING time",
    );
    let now = Timestamp::now().unix_micros();
    let time: i64 = connection
        .prepare_cached(turn.as_str())?
        .query_row((last.place.global_position, now), |row| row.get(0))?;
    let message = names.statement(
        "INSERT INTO {messages}
                (time, global_position, position, stream_name, type, data, metadata, id, category)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    );
    let mut message = connection.prepare_cached(message.as_str())?;
    let id = names.statement(
        "INSERT INTO {message_ids} (id, position, global_position, time) VALUES ($1, $2, $3, $4)",
    );
    let mut id = connection.prepare_cached(id.as_str())?;
    for row in &plan.rows {
        let Place {
            position,
            global_position,
        } = row.place;
        message.execute(params![
            time,
            global_position,
            position,
            row.stream,
            row.message.kind,
            row.message.data.as_str(),
            row.message.metadata.as_ref().map(|json| json.as_str()),
            text(row.id),
            name::category(row.stream),
        ])?;
        id.execute((text(row.id), position, global_position, time))?;
    }
    let head = names.statement(
        "INSERT INTO {stream_heads} (stream_name, category, position, global_position, time)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (stream_name) DO UPDATE
            SET position = excluded.position,
                global_position = excluded.global_position,
                time = excluded.time",
    );
    let mut head = connection.prepare_cached(head.as_str())?;
    for (stream, place) in &plan.heads {
        let category = name::category(stream);
        head.execute((
            stream,
            category,
            place.position,
            place.global_position,
            time,
        ))?;
    }
    Ok(())
}

/// As ids are kept.
pub(crate) fn text(id: Uuid) -> String {
    id.hyphenated().to_string()
}
