//! Which records to find, and pages of them.

use std::time::Duration;

use annals_record::{Filter, Timestamp, Uuid};
use annals_store::{Page, Store};
use serde_json::Value;

use crate::{
    LogRecord, Result,
    log::{LogError, MAX_SEVERITY},
};

/// Records of a page when nobody says how many.
pub const DEFAULT_LIMIT: u32 = 100;

/// Records of a page at most.
pub const MAX_LIMIT: u32 = 10_000;

/// How far back is looked for what no index has, when nobody says how far.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// Conditions on attributes at most.
const MAX_ATTRIBUTES: usize = 32;

/// Which records to find. Only what is set is a condition.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Only records of this service.
    pub service_name: Option<String>,
    /// Only records at least so grave, 1 to 24; see [`severity`](crate::log::severity).
    pub severity: Option<i32>,
    /// Only records of then or later.
    pub since: Option<Timestamp>,
    /// Only records of then or earlier.
    pub until: Option<Timestamp>,
    /// Only what was said in this trace.
    pub trace_id: Option<String>,
    /// Only what was said in this span.
    pub span_id: Option<String>,
    /// Only records whose body contains this, whatever its case: of every letter on PostgreSQL, of ASCII's on SQLite.
    pub text: Option<String>,
    /// Only records with each of these attributes, by name and value as text: `5` is the text, and the number.
    pub attributes: Vec<(String, String)>,
    /// Only events of this name.
    pub event_name: Option<String>,
    /// Only records of this scope.
    pub scope_name: Option<String>,
    /// Which come first.
    pub order: LogOrder,
    /// At most so many; 100 when not set or zero, and never more than 10,000.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

/// Which records come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogOrder {
    /// Those of the latest time.
    #[default]
    NewestFirst,
    /// Those of the earliest time.
    OldestFirst,
}

/// Some records of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPage {
    /// The records, in order.
    pub rows: Vec<LogRecord>,
    /// Give this to [`LogFilter::after`] for the records behind these; `None` when there are none.
    pub next: Option<String>,
    /// The window that was searched because none was given: since and until. What has an index is found without one.
    pub defaulted: Option<(Timestamp, Timestamp)>,
}

impl LogFilter {
    /// Whether only a look at every record tells which match.
    fn needs_window(&self) -> bool {
        let is_bounded = self.since.is_some() || self.until.is_some();
        // Their index has few records of one trace.
        let is_narrow = self.trace_id.is_some();
        let is_searched = self.text.is_some()
            || !self.attributes.is_empty()
            || self.event_name.is_some()
            || self.scope_name.is_some()
            || self.span_id.is_some();
        is_searched && !is_bounded && !is_narrow
    }

    /// What has to hold of a record, in this window where none was given.
    pub(super) fn conditions(
        &self,
        window: Option<(Timestamp, Timestamp)>,
    ) -> Result<Filter<LogRecord>, LogError> {
        let wrong = |field, problem| Err(LogError::new(field, problem));
        if !self
            .severity
            .is_none_or(|severity| (1..=MAX_SEVERITY).contains(&severity))
        {
            return wrong("severity", "must be 1 to 24");
        }
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since > until
        {
            return wrong("since", "is later than until");
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            return wrong("attributes", "are more than 32 conditions");
        }
        let since = self.since.or(window.map(|(since, _)| since));
        let until = self.until.or(window.map(|(_, until)| until));
        let text = |text: &Option<String>| text.clone();
        let conditions = [
            text(&self.service_name).map(|service| LogRecord::SERVICE_NAME.eq(service)),
            self.severity
                .map(|severity| LogRecord::SEVERITY_NUMBER.at_least(severity)),
            since.map(|since| LogRecord::TIMESTAMP.at_least(since)),
            until.map(|until| LogRecord::TIMESTAMP.at_most(until)),
            text(&self.trace_id).map(|trace| LogRecord::TRACE_ID.eq(trace)),
            text(&self.span_id).map(|span| LogRecord::SPAN_ID.eq(span)),
            text(&self.text).map(|text| LogRecord::BODY.contains_ignoring_case(text)),
            text(&self.event_name).map(|event| LogRecord::EVENT_NAME.eq(event)),
            text(&self.scope_name).map(|scope| LogRecord::SCOPE_NAME.eq(scope)),
        ];
        let attributes = self
            .attributes
            .iter()
            .map(|(name, value)| has_attribute(name, value));
        let conditions = conditions.into_iter().flatten();
        Ok(Filter::all(conditions.chain(attributes)))
    }
}

/// An attribute whose value is this text, or what it reads as.
fn has_attribute(name: &str, value: &str) -> Filter<LogRecord> {
    let text = LogRecord::ATTRIBUTES.has(name, Value::String(value.to_owned()));
    match serde_json::from_str(value) {
        Ok(other @ (Value::Number(_) | Value::Bool(_))) => {
            text.or(LogRecord::ATTRIBUTES.has(name, other))
        }
        _ => text,
    }
}

/// The place behind a page: its rows, and the window that was searched because none was given, which must not move
/// with the clock from page to page.
struct Place {
    window: Option<(Timestamp, Timestamp)>,
    cursor: String,
}

impl Place {
    fn parse(text: String) -> Self {
        let parsed = || {
            let (window, cursor) = text.strip_prefix('w')?.split_once('.')?;
            let (since, until) = window.split_once('-')?;
            let time = |text: &str| Some(Timestamp::from_unix_nanos(text.parse().ok()?));
            Some(((time(since)?, time(until)?), cursor.to_owned()))
        };
        match parsed() {
            Some((window, cursor)) => Self {
                window: Some(window),
                cursor,
            },
            None => Self {
                window: None,
                cursor: text,
            },
        }
    }

    fn into_text(self) -> String {
        let cursor = self.cursor;
        match self.window {
            None => cursor,
            Some((since, until)) => {
                format!("w{}-{}.{cursor}", since.unix_nanos(), until.unix_nanos())
            }
        }
    }
}

pub(super) async fn search(store: &Store, filter: LogFilter, now: Timestamp) -> Result<LogPage> {
    let after = filter.after.clone().map(Place::parse);
    let window = filter.needs_window().then(|| {
        let of_the_first_page = after.as_ref().and_then(|place| place.window);
        of_the_first_page.unwrap_or_else(|| {
            let nanos = i64::try_from(DEFAULT_WINDOW.as_nanos()).unwrap_or(i64::MAX);
            let since = now.unix_nanos().saturating_sub(nanos);
            (Timestamp::from_unix_nanos(since), now)
        })
    });
    let order = match filter.order {
        LogOrder::NewestFirst => LogRecord::TIMESTAMP.desc(),
        LogOrder::OldestFirst => LogRecord::TIMESTAMP.asc(),
    };
    let limit = filter
        .limit
        .filter(|limit| *limit > 0)
        .unwrap_or(DEFAULT_LIMIT)
        .min(MAX_LIMIT);
    let mut query = store
        .query()
        .filter(filter.conditions(window)?)
        .order(order)
        .limit(limit.into())
        .planned();
    if let Some(place) = after {
        query = query.after(place.cursor);
    }
    let Page { rows, next } = query.fetch().await?;
    Ok(LogPage {
        rows,
        next: next.map(|cursor| Place { window, cursor }.into_text()),
        defaulted: window,
    })
}

pub(super) async fn get(
    store: &Store,
    timestamp: Timestamp,
    id: Uuid,
) -> Result<Option<LogRecord>> {
    // The key is unique to the microsecond.
    let micros = timestamp
        .unix_nanos()
        .div_euclid(1_000)
        .saturating_mul(1_000);
    let (first, last) = (micros, micros.saturating_add(999));
    let filter = Filter::all([
        LogRecord::TIMESTAMP.at_least(Timestamp::from_unix_nanos(first)),
        LogRecord::TIMESTAMP.at_most(Timestamp::from_unix_nanos(last)),
        LogRecord::ID.eq(id),
    ]);
    let found = store
        .query()
        .filter(filter)
        .limit(1)
        .planned()
        .fetch()
        .await?;
    Ok(found.rows.into_iter().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_goes_along_with_the_cursor() {
        let time = |nanos| Timestamp::from_unix_nanos(nanos);
        for window in [None, Some((time(5), time(1_700_000_000_000_000_001)))] {
            let cursor = "abc-1.2".to_owned();
            let place = Place::parse(Place { window, cursor }.into_text());
            assert_eq!(place.window, window);
            assert_eq!(place.cursor, "abc-1.2");
        }
    }

    #[test]
    fn a_window_is_set_only_for_what_no_index_has() {
        let filter = || LogFilter {
            text: Some("x".to_owned()),
            ..LogFilter::default()
        };
        assert!(filter().needs_window());
        assert!(!LogFilter::default().needs_window());
        for bounded in [
            LogFilter {
                since: Some(Timestamp::now()),
                ..filter()
            },
            LogFilter {
                trace_id: Some("1".repeat(32)),
                ..filter()
            },
        ] {
            assert!(!bounded.needs_window());
        }
    }
}
