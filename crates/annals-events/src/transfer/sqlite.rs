//! Import on SQLite.

use annals_store::{
    Error as StoreError, Names,
    rusqlite::{self, OptionalExtension as _, params},
};

use super::Record;
use crate::{Error, Place, Result, name};

pub(super) fn import(
    connection: &rusqlite::Connection,
    names: &Names,
    records: &[Record],
) -> Result<()> {
    let doing = || StoreError::statement("importing");
    if let Some(what) = taken(connection, names, records).map_err(doing())? {
        return Err(Error::PlaceTaken { what });
    }
    insert(connection, names, records).map_err(doing())?;
    Ok(())
}

/// The first place or id that is taken already.
fn taken(
    connection: &rusqlite::Connection,
    names: &Names,
    records: &[Record],
) -> Result<Option<String>, rusqlite::Error> {
    let place = names.statement("SELECT 1 FROM {messages} WHERE global_position = $1");
    let mut place = connection.prepare_cached(place.as_str())?;
    let position =
        names.statement("SELECT 1 FROM {messages} WHERE stream_name = $1 AND position = $2");
    let mut position = connection.prepare_cached(position.as_str())?;
    let id = names.statement("SELECT 1 FROM {message_ids} WHERE id = $1");
    let mut id = connection.prepare_cached(id.as_str())?;
    for record in records {
        let found = |_: &rusqlite::Row<'_>| Ok(());
        let Place {
            position: at,
            global_position,
        } = record.place;
        if place
            .query_row([global_position], found)
            .optional()?
            .is_some()
        {
            return Ok(Some(format!("global position {global_position}")));
        }
        if position
            .query_row((&record.stream, at), found)
            .optional()?
            .is_some()
        {
            return Ok(Some(format!("position {at} of stream {}", record.stream)));
        }
        let text = record.id.hyphenated().to_string();
        if id.query_row([text], found).optional()?.is_some() {
            return Ok(Some(format!("message id {}", record.id)));
        }
    }
    Ok(None)
}

fn insert(
    connection: &rusqlite::Connection,
    names: &Names,
    records: &[Record],
) -> Result<(), rusqlite::Error> {
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
    let head = names.statement(
        "INSERT INTO {stream_heads} AS head (stream_name, category, position, global_position, time)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (stream_name) DO UPDATE
            SET position = excluded.position,
                global_position = excluded.global_position,
                time = excluded.time
          WHERE excluded.position > head.position",
    );
    let mut head = connection.prepare_cached(head.as_str())?;
    let counter = names.statement(
        "UPDATE {message_counter}
            SET global_position = max(global_position, $1), time = max(time, $2)",
    );
    let mut counter = connection.prepare_cached(counter.as_str())?;
    for record in records {
        let Place {
            position,
            global_position,
        } = record.place;
        let time = record.time.unix_micros();
        let category = name::category(&record.stream);
        let text = record.id.hyphenated().to_string();
        message.execute(params![
            time,
            global_position,
            position,
            record.stream,
            record.kind,
            record.data.as_str(),
            record.metadata.as_ref().map(annals_record::Json::as_str),
            text,
            category,
        ])?;
        id.execute((text, position, global_position, time))?;
        head.execute((&record.stream, category, position, global_position, time))?;
        counter.execute((global_position, time))?;
    }
    Ok(())
}
