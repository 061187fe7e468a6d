//! Traces by what they and their spans are.
//!
//! # Two roads
//!
//! What is asked of a trace alone (service, status, times, duration, user, conversation, cost) is a query on `traces`, served
//! by its indexes, and the trace that began last comes first.
//!
//! What is asked of spans (model, provider, attributes, names, tools, agents) goes by spans: those that match, newest first,
//! and each trace at its newest one that matches. Where a user or a conversation is asked for as well, which few traces have,
//! those are looked through instead, and come by their start; so are traces that failed, unless spans of the model or the
//! provider that is asked for are fewer still.
//!
//! # Windows
//!
//! Attributes, names, tools, agents and sums of tokens have no index. Without a `since` they are looked for in the day before `until`,
//! or before now, and [`TracePage::window`] says so. Nothing ever reads a whole table that nobody asked for.
//!
//! # Pages
//!
//! A page that had to look at much and found little ends early, with a cursor: only a page without one is the last. All pages
//! of a search together have every trace once. A trace that gets spans meanwhile may have moved: by spans it never comes
//! twice, and whoever asks anew finds it in front; by its own row it may come again, where its start now is.

mod by_spans;
mod by_traces;
mod conditions;
mod cursor;
mod matching;
mod road;
mod summary;

use std::time::Duration;

use annals_record::Timestamp;
use annals_store::Store;

use crate::{Invalid, Result, Spans, Trace, TraceStatus};
use cursor::Cursor;
use road::Road;

pub use conditions::AttributeEquals;
pub(crate) use matching::SpanKey;
pub use summary::{SpanSummary, SpanSummaryPage};

/// Traces of a page when nobody says how many.
const DEFAULT_LIMIT: u32 = 50;

/// Traces of a page at most.
const MAX_LIMIT: u32 = 1_000;

/// How far back is looked where there is no index and nobody says how far.
const DEFAULT_WINDOW: Duration = Duration::from_secs(86_400);

/// Batches of candidates that one page looks at. What it has not found by then, the next page goes on to look for.
const MAX_BATCHES: usize = 16;

/// Candidates of a batch at most.
const MAX_BATCH: u64 = 4_000;

/// Which traces to find. Only what is set is a condition, and all that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct TraceSearch {
    /// Only traces that are called by this service.
    pub service_name: Option<String>,
    /// Only traces of this status.
    pub status: Option<TraceStatus>,
    /// Only traces of which a span failed.
    pub errors: bool,
    /// Only what began then or later: the trace, or by spans the span that matches.
    pub since: Option<Timestamp>,
    /// Only what began then or earlier.
    pub until: Option<Timestamp>,
    /// Only traces that took so long or longer.
    pub min_duration: Option<Duration>,
    /// Only traces that took so long or less.
    pub max_duration: Option<Duration>,
    /// Only traces with a span of this model.
    pub model_name: Option<String>,
    /// Only traces with a span of a model of this provider.
    pub provider: Option<String>,
    /// Only traces for this user.
    pub user_id: Option<String>,
    /// Only traces of this conversation.
    pub conversation_id: Option<String>,
    /// Only traces that cost so many US dollars or more; one whose cost nobody knows does not.
    pub min_cost: Option<f64>,
    /// Only traces that cost so many US dollars or less; one whose cost nobody knows does not.
    pub max_cost: Option<f64>,
    /// Only traces whose calls of models read and wrote so many tokens or more.
    pub min_tokens: Option<u64>,
    /// Only traces whose calls of models read and wrote so many tokens or less.
    pub max_tokens: Option<u64>,
    /// Only traces with a span that has all of these.
    pub attributes: Vec<AttributeEquals>,
    /// Only traces with a span whose name contains this, whatever its case.
    pub name: Option<String>,
    /// Only traces whose root's name contains this, whatever its case.
    pub root_name: Option<String>,
    /// Only traces with a call of this tool.
    pub tool_name: Option<String>,
    /// Only traces in which this agent worked.
    pub agent_name: Option<String>,
    /// At most so many; 50 when not set or zero, and never more than 1,000.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

/// Some traces that were found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TracePage {
    /// The traces, in order.
    pub traces: Vec<Trace>,
    /// Give this to [`TraceSearch::after`] for those behind these; `None` when all was looked at.
    pub next: Option<String>,
    /// What was looked at, if that had bounds.
    pub window: Option<TraceWindow>,
}

/// A time in which traces are looked for; both ends are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceWindow {
    /// Its beginning; `None` for all that there was.
    pub since: Option<Timestamp>,
    /// Its end; `None` for all that comes.
    pub until: Option<Timestamp>,
    /// Nobody has asked for its beginning.
    pub is_defaulted: bool,
}

/// A page that is asked for: the same on each page of a search but for where it begins.
struct Asked {
    search: TraceSearch,
    window: Option<TraceWindow>,
    limit: usize,
    from: Option<Place>,
}

/// A place in the order: behind it the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    time: Timestamp,
    /// By spans the trace's id, else the id of its row.
    trace: String,
    /// By spans the span's id, else empty.
    span: String,
}

/// What a road has found, and where to go on.
struct Found {
    traces: Vec<Trace>,
    next: Option<Place>,
}

impl Spans {
    /// Finds traces; see [`search`](crate::search) for what is fast and in which order they come.
    ///
    /// # Errors
    ///
    /// A condition cannot be met by anything ([`Error::Invalid`](crate::Error::Invalid)), the cursor is of another search, or
    /// the database failed.
    pub async fn search(&self, search: TraceSearch) -> Result<TracePage> {
        find(self.store(), search).await
    }
}

pub(crate) async fn find(store: &Store, mut search: TraceSearch) -> Result<TracePage> {
    search.check()?;
    let limit = search
        .limit
        .take()
        .filter(|limit| *limit > 0)
        .unwrap_or(DEFAULT_LIMIT)
        .min(MAX_LIMIT);
    let after = search.after.take();
    let fingerprint = cursor::fingerprint(&search);
    let (window, from) = match after {
        Some(text) => {
            let cursor = Cursor::read(&text, fingerprint)?;
            (cursor.window, Some(cursor.place))
        }
        None => (search.window(Timestamp::now()), None),
    };
    let asked = Asked {
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        search,
        window,
        from,
    };
    let found = match road::of(store, &asked).await? {
        Road::Spans => by_spans::page(store, &asked).await?,
        Road::Traces => by_traces::page(store, &asked).await?,
    };
    let next = found
        .next
        .map(|place| Cursor { window, place }.write(fingerprint));
    Ok(TracePage {
        traces: found.traces,
        next,
        window,
    })
}

impl TraceSearch {
    /// Refuses what nothing can meet: it is more likely a mistake than a question.
    fn check(&self) -> Result<(), Invalid> {
        let invalid = |field, needs| Err(Invalid::new("search", field, needs));
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since > until
        {
            return invalid("since", "not later than until");
        }
        if let (Some(least), Some(most)) = (self.min_duration, self.max_duration)
            && least > most
        {
            return invalid("min_duration", "not longer than max_duration");
        }
        if let (Some(least), Some(most)) = (self.min_tokens, self.max_tokens)
            && least > most
        {
            return invalid("min_tokens", "not more than max_tokens");
        }
        for (field, cost) in [("min_cost", self.min_cost), ("max_cost", self.max_cost)] {
            if cost.is_some_and(|cost| !cost.is_finite() || cost < 0.0) {
                return invalid(field, "a number of US dollars, zero or more");
            }
        }
        if let (Some(least), Some(most)) = (self.min_cost, self.max_cost)
            && least > most
        {
            return invalid("min_cost", "not more than max_cost");
        }
        for (field, text) in [("name", &self.name), ("root_name", &self.root_name)] {
            if text.as_deref() == Some("") {
                return invalid(field, "at least one letter");
            }
        }
        if self
            .attributes
            .iter()
            .any(|attribute| attribute.name.is_empty())
        {
            return invalid("attribute", "a name");
        }
        Ok(())
    }

    /// Whether an index leads to what is asked for, however little there is of it.
    fn has_index(&self) -> bool {
        let by_span = self.name.is_some()
            || self.tool_name.is_some()
            || self.agent_name.is_some()
            || !self.attributes.is_empty();
        let by_row =
            self.root_name.is_some() || self.min_tokens.is_some() || self.max_tokens.is_some();
        self.names_few() || !(by_span || by_row)
    }

    fn window(&self, now: Timestamp) -> Option<TraceWindow> {
        if self.since.is_none() && !self.has_index() {
            let until = self.until.unwrap_or(now);
            return Some(TraceWindow {
                since: Some(until - DEFAULT_WINDOW),
                until: Some(until),
                is_defaulted: true,
            });
        }
        (self.since.is_some() || self.until.is_some()).then_some(TraceWindow {
            since: self.since,
            until: self.until,
            is_defaulted: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_no_index_gets_a_window() {
        let now = Timestamp::from_unix_nanos(1_735_689_600_000_000_000);
        let window = |search: TraceSearch| search.window(now);
        let model = TraceSearch {
            model_name: Some("gpt-4".into()),
            ..TraceSearch::default()
        };
        assert_eq!(window(TraceSearch::default()), None);
        assert_eq!(window(model.clone()), None);
        let named = TraceSearch {
            name: Some("chat".into()),
            ..model
        };
        let defaulted = window(named.clone()).unwrap();
        assert_eq!(
            (defaulted.since, defaulted.until, defaulted.is_defaulted),
            (Some(now - DEFAULT_WINDOW), Some(now), true)
        );
        let given = TraceSearch {
            since: Some(now),
            ..named.clone()
        };
        assert_eq!(
            window(given),
            Some(TraceWindow {
                since: Some(now),
                until: None,
                is_defaulted: false
            })
        );
        let of_user = TraceSearch {
            user_id: Some("u".into()),
            ..named
        };
        assert_eq!(window(of_user), None);
    }

    #[test]
    fn what_nothing_can_meet_is_refused_by_name() {
        let some = TraceSearch::default;
        for (search, field) in [
            (
                TraceSearch {
                    min_cost: Some(-1.0),
                    ..some()
                },
                "min_cost",
            ),
            (
                TraceSearch {
                    max_cost: Some(f64::NAN),
                    ..some()
                },
                "max_cost",
            ),
            (
                TraceSearch {
                    min_tokens: Some(2),
                    max_tokens: Some(1),
                    ..some()
                },
                "min_tokens",
            ),
            (
                TraceSearch {
                    name: Some(String::new()),
                    ..some()
                },
                "name",
            ),
        ] {
            let message = search.check().unwrap_err().to_string();
            assert!(message.contains(field), "{message}");
        }
    }
}
