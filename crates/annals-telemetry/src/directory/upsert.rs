//! The directory's statements, run in the transaction of each batch of spans.

use annals_record::{TextEnum as _, Timestamp};
use annals_store::{
    Companion, Names,
    rusqlite::{self, params},
    sql::PgTimestamp,
    sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _, join};

use super::summary::summaries;
use crate::{Span, usage};

/// Keeps `traces` and what is summed up of models true. Only spans that are new in `spans` are counted, so a batch
/// that is sent twice counts once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directory;

impl Companion<Span> for Directory {
    fn apply_postgres<'a>(
        &'a self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
        inserted: Vec<&'a Span>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        async move {
            let rows = summaries(&inserted);
            macro_rules! column {
                ($of:expr) => {
                    rows.iter().map($of).collect::<Vec<_>>()
                };
            }
            let time = |time: Timestamp| PgTimestamp(time.unix_micros());
            let upsert = sqlx::query(names.statement(include_str!("upsert.postgres.sql")))
                .bind(column!(|(id, _)| *id))
                .bind(column!(|(_, row)| row.trace_id))
                .bind(column!(|(_, row)| row.service_name))
                .bind(column!(|(_, row)| time(row.start_time)))
                .bind(column!(|(_, row)| row.start_time.subsec_micro_nanos()))
                .bind(column!(|(_, row)| time(row.end_time)))
                .bind(column!(|(_, row)| row.end_time.subsec_micro_nanos()))
                .bind(column!(|(_, row)| row.duration_us()))
                .bind(column!(|(_, row)| row.status.as_text()))
                .bind(column!(|(_, row)| row.status_message))
                .bind(column!(|(_, row)| row.root_span_name))
                .bind(column!(|(_, row)| row.span_count))
                .bind(column!(|(_, row)| row.user_id))
                .bind(column!(|(_, row)| row.conversation_id))
                .bind(column!(|(_, row)| row.error_count))
                .bind(column!(|(_, row)| row.model_calls))
                .bind(column!(|(_, row)| row.unpriced_calls))
                .bind(column!(|(_, row)| row.input_tokens))
                .bind(column!(|(_, row)| row.output_tokens))
                .bind(column!(|(_, row)| row.cost()))
                .execute(&mut *connection);
            // Polled in this order: what comes next is put together while the server is at the first.
            let next = async { usage::Addition::of(names, &inserted) };
            let (upserted, addition) = join(upsert, next).await;
            upserted?;
            addition.run(connection, names).await
        }
        .boxed()
    }

    fn apply_sqlite(
        &self,
        connection: &rusqlite::Connection,
        names: &Names,
        inserted: Vec<&Span>,
    ) -> Result<(), rusqlite::Error> {
        let sql = names.statement(include_str!("upsert.sqlite.sql"));
        let mut statement = connection.prepare_cached(sql.as_str())?;
        let now = Timestamp::now().unix_micros();
        for (id, row) in summaries(&inserted) {
            statement.execute(params![
                id.hyphenated().to_string(),
                row.trace_id,
                row.service_name,
                row.start_time.unix_micros(),
                row.start_time.subsec_micro_nanos(),
                row.end_time.unix_micros(),
                row.end_time.subsec_micro_nanos(),
                row.duration_us(),
                row.status.as_text(),
                row.status_message,
                row.root_span_name,
                row.span_count,
                now,
                row.user_id,
                row.conversation_id,
                row.error_count,
                row.model_calls,
                row.unpriced_calls,
                row.input_tokens,
                row.output_tokens,
                row.cost(),
            ])?;
        }
        usage::add_sqlite(connection, names, &inserted)
    }
}
