//! Costs anew from other prices.
//!
//! Goes over the calls of a window in steps of a few thousand, by time and key. Each step is one transaction, which
//! reads its spans, gives those another cost that have one by the price list, and adds the differences to the rows of their
//! traces and of usage. So at any time usage and traces say what their spans say:
//!
//! - Killed in the middle, whole steps are done and the rest is not. Done again, what is right already makes no difference.
//! - Spans that arrive meanwhile are in no step that has read before they were committed: they count with the
//!   cost that they came with. A window that ends in the past and prices that the servers have too leave none behind.
//! - One recomputation runs at a time, by a lock of the database's: nobody else changes the cost of a span, so what a
//!   step has read is still so when it writes.
//! - Rows are locked in the order in which batches of spans lock theirs: spans, traces by their ids, days, usage. A batch
//!   that brings a span again waits for the step that changes it, and nobody waits for that batch.
//!
//! Costs that were reported stay. A call whose price is gone has no cost any more. Usage of spans that are deleted stays as it
//! was, as there is nothing to count it from; so does that of days whose spans came before there was usage, of which
//! only differences would be known.

use std::{collections::HashMap, sync::Arc};

use annals_record::{Record, Timestamp, TimestampMicros, Uuid};
use annals_store::{
    Access, DriverError, Error, Names, Store, Work,
    rusqlite::{self, params},
    sql::PgTimestamp,
    sqlx,
    work::{forget_plans, from_postgres, from_sqlite},
};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{
    DAY,
    add::{count_days, lock_days},
    columns::{columns, daily_keys, hourly_keys},
    counts::{DayKey, HourKey, day_keys, hour_key, sorted},
};
use crate::{
    PriceList, Result, Span, StatusCode, Trace,
    cost::{self, REPORTED},
};

/// Calls of one step: so many are locked at once.
const STEP: i64 = 5_000;

/// How often a step is tried again that met others.
const TRIES: u32 = 5;

/// Which calls to give their costs anew.
#[derive(Clone, Debug)]
pub struct Recompute {
    /// Those that began then or later.
    pub from: Timestamp,
    /// And before then.
    pub to: Timestamp,
    /// Only calls of this model.
    pub model: Option<String>,
    /// Changes nothing, and tells what would change.
    pub dry_run: bool,
}

/// What a recomputation did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recomputed {
    /// Calls that were looked at: those whose cost was not reported.
    pub calls: u64,
    /// Those of them whose cost changed, or the price that it was made with.
    pub changed: u64,
    /// What the calls cost before, in billionths of a US dollar.
    pub before_nanos: i64,
    /// What they cost now.
    pub after_nanos: i64,
    /// Calls without a cost before.
    pub unpriced_before: u64,
    /// Calls without a cost now.
    pub unpriced_after: u64,
}

/// What of a span its cost depends on, and where it counts.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "spans")]
struct Call {
    trace_id: String,
    span_id: String,
    start_time: Timestamp,
    service_name: String,
    provider: Option<String>,
    gen_ai_operation: Option<String>,
    model_name: Option<String>,
    request_model: Option<String>,
    response_model: Option<String>,
    input_tokens: Option<i32>,
    output_tokens: Option<i32>,
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    user_id: Option<String>,
    conversation_id: Option<String>,
    status_code: StatusCode,
    cost: Option<f64>,
    cost_source: Option<String>,
}

impl Call {
    /// As much of the span as is known.
    fn into_span(self) -> Span {
        Span {
            provider: self.provider,
            gen_ai_operation: self.gen_ai_operation,
            model_name: self.model_name,
            request_model: self.request_model,
            response_model: self.response_model,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cached_tokens: self.cached_tokens,
            cache_write_tokens: self.cache_write_tokens,
            reasoning_tokens: self.reasoning_tokens,
            user_id: self.user_id,
            conversation_id: self.conversation_id,
            status_code: self.status_code,
            cost: self.cost,
            cost_source: self.cost_source,
            ..Span::new(
                self.trace_id,
                self.span_id,
                self.service_name,
                "",
                self.start_time,
                0,
            )
        }
    }
}

/// Goes over the window.
pub(super) async fn run(
    store: &Store,
    prices: &PriceList,
    asked: &Recompute,
    told: &(dyn Fn(&Recomputed) + Sync),
) -> Result<Recomputed> {
    // One list for all steps, though others may replace it meanwhile.
    let prices = Arc::new(prices.clone());
    let until = TimestampMicros::floor(asked.to).unix_micros();
    let mut place = Some(Place {
        time: TimestampMicros::floor(asked.from).unix_micros(),
        trace_id: String::new(),
        span_id: String::new(),
    });
    let access = if asked.dry_run {
        Access::Read
    } else {
        Access::Write
    };
    let mut sum = Recomputed::default();
    while let Some(after) = place.take() {
        let step = Step {
            prices: Arc::clone(&prices),
            after,
            until,
            model: asked.model.clone(),
            dry_run: asked.dry_run,
            decompresses: store.capabilities().columnstore(),
        };
        let mut tries = 0;
        let done = loop {
            tries += 1;
            match store.run(access, step.clone()).await {
                // What a step that was not heard of again may have done makes no difference the second time.
                Err(error) if error.is_transient() && tries < TRIES => {}
                done => break done?,
            }
        };
        place = done.next;
        sum.calls += done.sum.calls;
        sum.changed += done.sum.changed;
        sum.before_nanos = sum.before_nanos.saturating_add(done.sum.before_nanos);
        sum.after_nanos = sum.after_nanos.saturating_add(done.sum.after_nanos);
        sum.unpriced_before += done.sum.unpriced_before;
        sum.unpriced_after += done.sum.unpriced_after;
        told(&sum);
    }
    Ok(sum)
}

/// Behind which span a step begins.
#[derive(Clone, Debug)]
struct Place {
    time: i64,
    trace_id: String,
    span_id: String,
}

/// One step.
#[derive(Clone, Debug)]
struct Step {
    prices: Arc<PriceList>,
    after: Place,
    until: i64,
    model: Option<String>,
    dry_run: bool,
    /// Chunks may be compressed.
    decompresses: bool,
}

/// What a step did.
struct Done {
    sum: Recomputed,
    /// Behind which span the next begins; `None` at the end.
    next: Option<Place>,
}

/// What changes by a call's new cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Difference {
    cost_nanos: i64,
    unpriced_calls: i64,
}

impl Difference {
    fn add(&mut self, other: Self) {
        self.cost_nanos = self.cost_nanos.saturating_add(other.cost_nanos);
        self.unpriced_calls += other.unpriced_calls;
    }
}

/// Spans with their new costs, and what they change.
#[derive(Debug)]
struct Changes<'a> {
    /// In the order of their keys.
    spans: Vec<&'a Span>,
    traces: Vec<(Uuid, Difference)>,
    days: Vec<i64>,
    hourly: Vec<(HourKey<'a>, Difference)>,
    daily: Vec<(DayKey<'a>, Difference)>,
}

/// Gives spans their new costs; tells the differences of those that changed.
fn priced(prices: &PriceList, spans: &mut [Span], sum: &mut Recomputed) -> Vec<Option<Difference>> {
    let differences = spans.iter_mut().map(|span| {
        if !crate::genai::is_model_call(span) {
            return None;
        }
        let before = span.cost.and_then(cost::nanodollars);
        let (after, source) = match prices.cost_of(span) {
            Some((nanos, price)) => (Some(nanos), Some(price.id.clone())),
            None => (None, None),
        };
        sum.calls += 1;
        sum.before_nanos = sum.before_nanos.saturating_add(before.unwrap_or(0));
        sum.after_nanos = sum.after_nanos.saturating_add(after.unwrap_or(0));
        sum.unpriced_before += u64::from(before.is_none());
        sum.unpriced_after += u64::from(after.is_none());
        if before == after && source == span.cost_source {
            return None;
        }
        sum.changed += 1;
        span.cost = after.map(cost::dollars);
        span.cost_source = source;
        Some(Difference {
            cost_nanos: after.unwrap_or(0) - before.unwrap_or(0),
            unpriced_calls: i64::from(after.is_none()) - i64::from(before.is_none()),
        })
    });
    differences.collect()
}

fn changes<'a>(spans: &'a [Span], differences: &[Option<Difference>]) -> Changes<'a> {
    let mut changed: Vec<(&Span, Difference)> = spans
        .iter()
        .zip(differences)
        .filter_map(|(span, difference)| Some((span, (*difference)?)))
        .collect();
    changed.sort_by(|(a, _), (b, _)| {
        (&a.trace_id, &a.span_id, a.start_time).cmp(&(&b.trace_id, &b.span_id, b.start_time))
    });
    let mut traces: HashMap<Uuid, Difference> = HashMap::new();
    let mut hourly: HashMap<HourKey<'a>, Difference> = HashMap::new();
    let mut daily: HashMap<DayKey<'a>, Difference> = HashMap::new();
    for (span, difference) in &changed {
        traces
            .entry(Trace::id_of(&span.trace_id))
            .or_default()
            .add(*difference);
        hourly.entry(hour_key(span)).or_default().add(*difference);
        for key in day_keys(span) {
            daily.entry(key).or_default().add(*difference);
        }
    }
    let hourly = sorted(hourly);
    let mut days: Vec<i64> = hourly
        .iter()
        .map(|(key, _)| key.hour.div_euclid(DAY) * DAY)
        .collect();
    days.dedup();
    Changes {
        spans: changed.into_iter().map(|(span, _)| span).collect(),
        traces: sorted(traces),
        days,
        hourly,
        daily: sorted(daily),
    }
}

fn failed<E: Into<DriverError>>() -> impl FnOnce(E) -> Error {
    Error::statement("giving calls their costs anew")
}

/// Behind the last of a full step.
fn next(spans: &[Span]) -> Option<Place> {
    let last = spans.last().filter(|_| spans.len() as i64 == STEP)?;
    Some(Place {
        time: last.start_time.unix_micros(),
        trace_id: last.trace_id.clone(),
        span_id: last.span_id.clone(),
    })
}

const CALLS: &str = include_str!("recompute/calls.sql");

impl Work for Step {
    type Output = Done;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        async move {
            if !self.dry_run {
                let lock =
                    "SELECT pg_advisory_xact_lock(hashtextextended('annals costs of ' || $1, 0))";
                sqlx::query(lock)
                    .bind(names.schema())
                    .execute(&mut *connection)
                    .await
                    .map_err(failed())?;
            }
            let rows = sqlx::query(names.statement(CALLS))
                .persistent(false)
                .bind(PgTimestamp(self.after.time))
                .bind(&self.after.trace_id)
                .bind(&self.after.span_id)
                .bind(PgTimestamp(self.until))
                .bind(self.model.as_deref())
                .bind(STEP)
                .bind(REPORTED)
                .fetch_all(&mut *connection)
                .await
                .map_err(failed())?;
            let calls: Result<Vec<Call>, Error> = rows.iter().map(from_postgres).collect();
            drop(rows);
            let mut spans: Vec<Span> = calls?.into_iter().map(Call::into_span).collect();
            let mut sum = Recomputed::default();
            let differences = priced(&self.prices, &mut spans, &mut sum);
            if !self.dry_run && sum.changed > 0 {
                let changes = changes(&spans, &differences);
                write_postgres(connection, names, &changes, self.decompresses).await?;
            }
            Ok(Done {
                sum,
                next: next(&spans),
            })
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<Done, Error> {
        let sql = names.statement(CALLS);
        let mut statement = connection.prepare_cached(sql.as_str()).map_err(failed())?;
        let values = params![
            self.after.time,
            self.after.trace_id,
            self.after.span_id,
            self.until,
            self.model,
            STEP,
            REPORTED
        ];
        let mut rows = statement.query(values).map_err(failed())?;
        let mut spans = Vec::new();
        while let Some(row) = rows.next().map_err(failed())? {
            spans.push(from_sqlite::<Call>(row)?.into_span());
        }
        let mut sum = Recomputed::default();
        let differences = priced(&self.prices, &mut spans, &mut sum);
        if !self.dry_run && sum.changed > 0 {
            write_sqlite(connection, names, &changes(&spans, &differences)).map_err(failed())?;
        }
        Ok(Done {
            sum,
            next: next(&spans),
        })
    }
}

async fn write_postgres(
    connection: &mut sqlx::PgConnection,
    names: &Names,
    changes: &Changes<'_>,
    decompresses: bool,
) -> Result<(), Error> {
    let Changes {
        spans,
        traces,
        days,
        hourly,
        daily,
    } = changes;
    if decompresses {
        // However many rows share compressed batches with these.
        let sql = "SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', TRUE)";
        sqlx::query(sql)
            .execute(&mut *connection)
            .await
            .map_err(failed())?;
    }
    let times = || spans.iter().map(|span| span.start_time.unix_micros());
    sqlx::query(names.statement(include_str!("recompute/spans.postgres.sql")))
        .persistent(false)
        .bind(spans.iter().map(|span| &*span.trace_id).collect::<Vec<_>>())
        .bind(spans.iter().map(|span| &*span.span_id).collect::<Vec<_>>())
        .bind(times().map(PgTimestamp).collect::<Vec<_>>())
        .bind(spans.iter().map(|span| span.cost).collect::<Vec<_>>())
        .bind(
            spans
                .iter()
                .map(|span| span.cost_source.as_deref())
                .collect::<Vec<_>>(),
        )
        // The chunks that hold them, and no others.
        .bind(PgTimestamp(times().min().unwrap_or(0)))
        .bind(PgTimestamp(times().max().unwrap_or(0)))
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    let ids: Vec<Uuid> = traces.iter().map(|(id, _)| *id).collect();
    let lock = "SELECT FROM {traces} WHERE id = ANY($1) ORDER BY id FOR UPDATE";
    sqlx::query(names.statement(lock))
        .bind(&ids)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    macro_rules! differences {
        ($query:expr, $rows:expr) => {
            columns!($query, $rows; |(_, row)| row.cost_nanos, |(_, row)| row.unpriced_calls)
        };
    }
    let query =
        sqlx::query(names.statement(include_str!("recompute/traces.postgres.sql"))).bind(ids);
    differences!(query, traces)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    lock_days(connection, names, days).await.map_err(failed())?;
    let query = sqlx::query(names.statement(include_str!("recompute/hourly.postgres.sql")));
    let query = hourly_keys!(query, hourly);
    differences!(query, hourly)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    let query = sqlx::query(names.statement(include_str!("recompute/daily.postgres.sql")));
    let query = daily_keys!(query, daily);
    differences!(query, daily)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    if decompresses {
        forget_plans(connection).await?;
    }
    Ok(())
}

fn write_sqlite(
    connection: &rusqlite::Connection,
    names: &Names,
    changes: &Changes<'_>,
) -> Result<(), rusqlite::Error> {
    let prepare = |sql: &'static str| connection.prepare_cached(names.statement(sql).as_str());
    let mut statement = prepare(
        "UPDATE {spans} SET cost = $4, cost_source = $5 WHERE trace_id = $1 AND span_id = $2 AND start_time = $3",
    )?;
    for span in &changes.spans {
        let time = span.start_time.unix_micros();
        statement.execute(params![
            span.trace_id,
            span.span_id,
            time,
            span.cost,
            span.cost_source
        ])?;
    }
    let now = Timestamp::now().unix_micros();
    let mut statement = prepare(include_str!("recompute/traces.sqlite.sql"))?;
    for (id, row) in &changes.traces {
        let id = id.hyphenated().to_string();
        statement.execute(params![id, row.cost_nanos, row.unpriced_calls, now])?;
    }
    count_days(connection, names, &changes.days)?;
    let mut statement = prepare(include_str!("recompute/hourly.sqlite.sql"))?;
    for (key, row) in &changes.hourly {
        statement.execute(params![
            key.hour,
            key.service,
            key.provider,
            key.model,
            row.cost_nanos,
            row.unpriced_calls
        ])?;
    }
    let mut statement = prepare(include_str!("recompute/daily.sqlite.sql"))?;
    for (key, row) in &changes.daily {
        statement.execute(params![
            key.day,
            key.subject,
            key.id,
            key.provider,
            key.model,
            row.cost_nanos,
            row.unpriced_calls
        ])?;
    }
    Ok(())
}
