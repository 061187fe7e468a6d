//! Traces by their own rows, the one that began last first.

use annals_record::{Filter, Uuid};
use annals_store::{Error, Store};

use super::{
    Asked, Found, MAX_BATCH, MAX_BATCHES, Place,
    conditions::{has_tokens, of_span, of_trace, spans_within, traces_around, traces_within},
    matching::matching,
};
use crate::{Result, Trace};

pub(super) async fn page(store: &Store, asked: &Asked) -> Result<Found> {
    let search = &asked.search;
    let mut traces = Vec::new();
    let of_spans = match search.asks_spans() {
        true => match of_span(store, search).await? {
            Some(condition) => Some(condition.and(spans_within(asked.window))),
            None => return Ok(Found { traces, next: None }),
        },
        false => None,
    };
    let within = match of_spans {
        // By a span that matches, a trace is in a window that it may have begun before.
        Some(_) => traces_around(asked.window),
        None => traces_within(asked.window),
    };
    let condition = of_trace(search).and(within);
    let is_exact = of_spans.is_none() && search.min_tokens.is_none() && search.max_tokens.is_none();
    let mut size = asked.first_batch(is_exact);
    let mut from = asked.from.clone();
    for _ in 0..MAX_BATCHES {
        let behind = from.as_ref().map(behind).transpose()?;
        let batch = store
            .query::<Trace>()
            .filter(condition.clone())
            .filter(Filter::all(behind))
            .order(Trace::START_TIME.desc())
            .order(Trace::ID.desc())
            .limit(size)
            .planned()
            .fetch()
            .await?;
        let matched = match &of_spans {
            Some(condition) => {
                let candidates: Vec<&Trace> = batch.rows.iter().collect();
                Some(matching(store, condition, &candidates).await?)
            }
            None => None,
        };
        let is_asked_for = |trace: &Trace| {
            has_tokens(search, trace)
                && matched
                    .as_ref()
                    .is_none_or(|matched| matched.contains(&trace.trace_id))
        };
        let mut rows = batch.rows.into_iter();
        while let Some(trace) = rows.next() {
            from = Some(Place {
                time: trace.start_time,
                trace: trace.id.to_string(),
                span: String::new(),
            });
            traces.extend(Some(trace).filter(is_asked_for));
            if traces.len() == asked.limit {
                let is_more = batch.next.is_some() || rows.any(|trace| is_asked_for(&trace));
                return Ok(Found {
                    traces,
                    next: from.filter(|_| is_more),
                });
            }
        }
        if batch.next.is_none() {
            return Ok(Found { traces, next: None });
        }
        size = size.saturating_mul(2).min(MAX_BATCH);
    }
    Ok(Found { traces, next: from })
}

/// Traces behind a place, in the order of starts and ids, the last ones first.
fn behind(place: &Place) -> Result<Filter<Trace>> {
    let id: Uuid = place.trace.parse().map_err(|_| Error::Cursor {
        problem: "is not one that this program gave out",
    })?;
    let before = Trace::START_TIME.lt(place.time).or(Trace::ID.lt(id));
    Ok(Trace::START_TIME.at_most(place.time).and(before))
}
