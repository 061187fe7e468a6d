//! Sums of usage over a window, by one or two of their dimensions.

use annals_record::{Record, Timestamp, TimestampMicros, Value};
use annals_store::{Dialect, Store};

use super::{
    DAY, HOUR, UsageBy,
    counts::{CONVERSATION, USER, name},
    floor,
};
use crate::{Error, Result, bind, remembered::Remembered};

/// Groups of an answer at most.
const MAX_GROUPS: u32 = 10_000;

/// What to sum up.
#[derive(Clone, Debug)]
pub struct UsageQuery {
    /// From when on; widened to the beginning of its hour, or of its day in UTC where users or conversations are asked for.
    pub from: Timestamp,
    /// Until when, that instant excluded; widened likewise to the end.
    pub to: Timestamp,
    /// By what; none of it for the total alone.
    pub by: Vec<UsageBy>,
    /// Only calls of this model.
    pub model: Option<String>,
    /// Only of this provider.
    pub provider: Option<String>,
    /// Only by this service.
    pub service: Option<String>,
    /// Only for this user.
    pub user: Option<String>,
    /// Only in this conversation.
    pub conversation: Option<String>,
    /// Groups at most, of those that cost most: 100 unless set, and never more than 10,000.
    pub limit: u32,
}

impl UsageQuery {
    /// The total of a window.
    #[must_use]
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to,
            by: Vec::new(),
            model: None,
            provider: None,
            service: None,
            user: None,
            conversation: None,
            limit: 100,
        }
    }

    /// The same by given dimensions.
    #[must_use]
    pub fn by(mut self, by: &[UsageBy]) -> Self {
        self.by = by.to_vec();
        self
    }
}

/// What calls there were, and what they cost.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Calls of models.
    pub calls: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Those whose cost nobody knows.
    pub unpriced_calls: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read that came from a cache.
    pub cached_tokens: u64,
    /// Tokens read that were written to a cache.
    pub cache_write_tokens: u64,
    /// Tokens written while thinking.
    pub reasoning_tokens: u64,
    /// What the calls cost whose cost is known, in billionths of a US dollar; `None` when it is of none.
    pub cost_nanos: Option<i64>,
    /// How long a call took, on average, in milliseconds; `None` without calls.
    pub mean_ms: Option<f64>,
    /// By how much calls differed from that: the standard deviation, in milliseconds.
    pub stddev_ms: Option<f64>,
}

impl Usage {
    /// What the calls cost whose cost is known, in US dollars.
    #[must_use]
    pub fn cost(&self) -> Option<f64> {
        self.cost_nanos.map(crate::cost::dollars)
    }
}

/// What was used by one of what it was summed up by. Only what was asked for is there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UsageGroup {
    /// The beginning of the hour or day.
    pub time: Option<Timestamp>,
    /// The service; `""` where nobody knows, as with the others.
    pub service: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The conversation.
    pub conversation: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// What was used.
    pub usage: Usage,
}

/// The answer to a question for usage.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UsageSummary {
    /// The beginning of the window that was summed up.
    pub from: Timestamp,
    /// Its end, excluded.
    pub to: Timestamp,
    /// By what.
    pub by: Vec<UsageBy>,
    /// Everything that matches, groups that are left out included.
    pub total: Usage,
    /// Those that cost most first, then those with most calls, then by name.
    pub groups: Vec<UsageGroup>,
    /// Whether all groups are there.
    pub is_all: bool,
}

/// A row of a statement: a group, or the total.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "usage")]
struct Row {
    is_total: bool,
    time: Option<TimestampMicros>,
    who: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    calls: i64,
    errors: i64,
    unpriced_calls: i64,
    input_tokens: i64,
    output_tokens: i64,
    cached_tokens: i64,
    cache_write_tokens: i64,
    reasoning_tokens: i64,
    cost_nanos: i64,
    duration_ms: f64,
    duration_ms_squares: f64,
}

/// The table that has the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Hourly,
    /// Of users or of conversations.
    Daily(&'static str),
}

/// The table that has the answer to a question.
fn source(query: &UsageQuery) -> Result<Source> {
    let asks = |by| query.by.contains(&by);
    let has = |by, filter: &Option<String>| asks(by) || filter.is_some();
    let refuse = |what: &'static str, problem: &'static str| Err(Error::Usage { what, problem });
    if query.by.len() > 2 {
        return refuse(
            "by",
            "is of one or two of model, provider, service, user, conversation, day and hour",
        );
    }
    if let [a, b] = query.by[..]
        && a == b
    {
        return refuse("by", "names the same twice; leave it out once");
    }
    if asks(UsageBy::Day) && asks(UsageBy::Hour) {
        return refuse(
            "by",
            "names day and hour; an hour is of a day already, leave one of them out",
        );
    }
    let subject = match (
        has(UsageBy::User, &query.user),
        has(UsageBy::Conversation, &query.conversation),
    ) {
        (true, true) => {
            return refuse(
                "users and conversations",
                "are summed up apart from each other; leave one of them out, and ask for the traces of a conversation",
            );
        }
        (true, false) => USER,
        (false, true) => CONVERSATION,
        (false, false) => return Ok(Source::Hourly),
    };
    if has(UsageBy::Service, &query.service) {
        return refuse(
            "users and conversations",
            "are summed up by day, provider and model, and not by service; leave the service out",
        );
    }
    if asks(UsageBy::Hour) {
        return refuse(
            "users and conversations",
            "are summed up by day, and not by hour; ask by day",
        );
    }
    Ok(Source::Daily(subject))
}

/// Sums up.
pub(super) async fn of(
    store: &Store,
    remembered: Option<&Remembered>,
    query: &UsageQuery,
) -> Result<UsageSummary> {
    let source = source(query)?;
    let (length, who) = match source {
        Source::Hourly => (HOUR, &query.service),
        Source::Daily(USER) => (DAY, &query.user),
        Source::Daily(_) => (DAY, &query.conversation),
    };
    let from = floor(query.from, length);
    let to = match floor(query.to, length) {
        to if Timestamp::from_unix_nanos(to.saturating_mul(1_000)) < query.to => to + length,
        to => to,
    };
    let limit = query.limit.clamp(1, MAX_GROUPS);
    let by = |by| Value::Bool(query.by.contains(&by));
    let text =
        |text: &Option<String>| bind::optional_text(text.as_deref().map(|text| name(Some(text))));
    let is_by_who = [UsageBy::Service, UsageBy::User, UsageBy::Conversation]
        .iter()
        .any(|by| query.by.contains(by));
    let mut values = vec![
        Value::Timestamp(from),
        Value::Timestamp(to),
        by(UsageBy::Hour),
        by(UsageBy::Day),
        Value::Bool(is_by_who),
        by(UsageBy::Provider),
        by(UsageBy::Model),
        text(who),
        text(&query.provider),
        text(&query.model),
        // One more, to know whether these are all; none where only the total is asked for.
        Value::Int8(if query.by.is_empty() {
            0
        } else {
            i64::from(limit) + 1
        }),
    ];
    if let Source::Daily(subject) = source {
        values.push(bind::text(subject));
    }
    let names = store.names();
    let sql = names.statement(match (source, names.dialect()) {
        (Source::Hourly, Dialect::Sqlite) => concat!(
            include_str!("summary_hourly.sqlite.sql"),
            include_str!("summary_end.sqlite.sql")
        ),
        (Source::Hourly, _) => concat!(
            include_str!("summary_hourly.postgres.sql"),
            include_str!("summary_end.postgres.sql")
        ),
        (Source::Daily(_), Dialect::Sqlite) => concat!(
            include_str!("summary_daily.sqlite.sql"),
            include_str!("summary_end.sqlite.sql")
        ),
        (Source::Daily(_), _) => concat!(
            include_str!("summary_daily.postgres.sql"),
            include_str!("summary_end.postgres.sql")
        ),
    });
    let rows: Vec<Row> = match remembered {
        Some(remembered) => {
            let days = (
                from.div_euclid(DAY) * DAY,
                to.saturating_add(DAY - 1)
                    .div_euclid(DAY)
                    .saturating_mul(DAY),
            );
            remembered.usage(store, sql, values, days).await?
        }
        None => store.fetch_planned(sql, values).await?,
    };
    let (totals, mut groups): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.is_total);
    groups.sort_by(|a, b| {
        let by_money = (b.cost_nanos, b.calls).cmp(&(a.cost_nanos, a.calls));
        by_money.then_with(|| {
            (a.time, &a.who, &a.provider, &a.model).cmp(&(b.time, &b.who, &b.provider, &b.model))
        })
    });
    let is_all = groups.len() <= limit as usize;
    groups.truncate(limit as usize);
    Ok(UsageSummary {
        from: time(from),
        to: time(to),
        by: query.by.clone(),
        total: totals.first().map(usage).unwrap_or_default(),
        groups: groups.into_iter().map(|row| group(row, source)).collect(),
        is_all,
    })
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_unix_nanos(micros.saturating_mul(1_000))
}

fn group(row: Row, source: Source) -> UsageGroup {
    let usage = usage(&row);
    let who = |of: Source| row.who.clone().filter(|_| of == source);
    UsageGroup {
        time: row.time.map(Timestamp::from),
        service: who(Source::Hourly),
        user: who(Source::Daily(USER)),
        conversation: who(Source::Daily(CONVERSATION)),
        provider: row.provider,
        model: row.model,
        usage,
    }
}

fn usage(row: &Row) -> Usage {
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    let calls = row.calls as f64;
    let mean_ms = (row.calls > 0).then(|| row.duration_ms / calls);
    // Rounding may leave less than nothing where all took about as long.
    let variance = mean_ms.map(|mean| (row.duration_ms_squares / calls - mean * mean).max(0.0));
    Usage {
        calls: count(row.calls),
        errors: count(row.errors),
        unpriced_calls: count(row.unpriced_calls),
        input_tokens: count(row.input_tokens),
        output_tokens: count(row.output_tokens),
        cached_tokens: count(row.cached_tokens),
        cache_write_tokens: count(row.cache_write_tokens),
        reasoning_tokens: count(row.reasoning_tokens),
        cost_nanos: (row.calls > row.unpriced_calls).then_some(row.cost_nanos),
        mean_ms,
        stddev_ms: variance.map(f64::sqrt),
    }
}
