//! Usage says what the spans say, whatever order they come in, and costs can be had anew.

mod recompute;

use std::{collections::BTreeMap, sync::Arc};

use annals_record::Timestamp;
use annals_telemetry::{
    PriceList, Span, SpanStore, Spans, SpansOptions, StatusCode,
    cost::{self, REPORTED},
    usage::{Usage, UsageBy, UsageQuery, UsageSummary},
};
use annals_testkit::{TestDatabase, on_every_backend};
use proptest::{prelude::any, strategy::ValueTree, test_runner::TestRunner};

use crate::{
    models::write,
    spans::{T0, at, open, span},
};

on_every_backend!(
    usage_is_that_of_the_spans_in_any_order_of_batches,
    a_span_that_comes_twice_counts_once,
    what_has_no_price_has_no_cost,
    hostile_spans_hold_nothing_up,
    a_window_is_widened_to_whole_hours_or_days,
    what_is_not_kept_together_is_refused_in_words,
    groups_are_those_that_cost_most,
    many_writers_of_one_day_add_up,
    usage_outlives_its_spans,
);

pub(crate) const HOUR: i64 = 3_600_000_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A list of two models.
pub(crate) const LIST: &str = r#"
    price = [
        { provider = "acme", model = "anvil", valid_until = 2025-01-03, input = 1, output = 2, cached = 0.5, reasoning = 3 },
        { provider = "acme", model = "anvil", valid_from = 2025-01-03, input = 10, output = 20 },
        { provider = "acme", model = "rocket", input = 0.0375, output = 0.15 },
    ]
"#;

pub(crate) fn list(text: &str) -> Arc<PriceList> {
    Arc::new(PriceList::with_text(text, "mine.toml").unwrap())
}

pub(crate) async fn open_with(database: &TestDatabase, text: &str) -> Spans {
    let store = open(database).await.store().clone();
    Spans::new(store, SpansOptions::default().with_prices(list(text)))
        .await
        .unwrap()
}

/// A call of a model; its id is `n`.
pub(crate) fn call(n: usize, model: &str, start: i64, input: i32, output: i32) -> Span {
    let mut span = span(&format!("t{}", n / 3), &format!("{n:06}"), start);
    span.provider = Some("acme".into());
    span.gen_ai_operation = Some("chat".into());
    span.model_name = Some(model.into());
    span.input_tokens = Some(input);
    span.output_tokens = Some(output);
    span
}

/// Calls and others of four days, drawn at random.
pub(crate) fn drawn(count: usize) -> Vec<Span> {
    let mut runner = TestRunner::deterministic();
    let mut draw = |most: u32| -> u32 {
        let drawn: u32 = proptest::strategy::Strategy::new_tree(&any::<u32>(), &mut runner)
            .unwrap()
            .current();
        drawn % most
    };
    (0..count)
        .map(|n| {
            let model = ["anvil", "rocket-2024-08-06", "unheard-of"][draw(3) as usize];
            let start = i64::from(draw(96)) * HOUR + i64::from(draw(3_600)) * 1_000_000_000;
            let mut span = call(n, model, start, draw(100_000) as i32, draw(5_000) as i32);
            span.service_name = format!("service-{}", draw(3));
            span.duration_nanos = i64::from(draw(u32::MAX)) * 30;
            span.cached_tokens = Some(draw(50_000).into());
            span.reasoning_tokens = Some(draw(3_000).into());
            span.user_id = (draw(3) > 0).then(|| format!("user-{}", draw(4)));
            span.conversation_id = (draw(3) > 0).then(|| format!("conversation-{}", draw(9)));
            match draw(8) {
                0 => span.gen_ai_operation = Some("invoke_agent".into()),
                1 => span.status_code = StatusCode::Error,
                2 => span.cost = Some(f64::from(draw(1_000)) / 1e6),
                3 => span.provider = None,
                _ => {}
            }
            span
        })
        .collect()
}

/// What is summed up of spans, by keys.
#[derive(Debug, Default, PartialEq)]
struct Sum([i64; 9], f64, f64);

/// Counted from the spans themselves.
fn recount(spans: &[Span], by: &[UsageBy]) -> BTreeMap<Vec<String>, Sum> {
    let mut sums: BTreeMap<Vec<String>, Sum> = BTreeMap::new();
    for span in spans
        .iter()
        .filter(|span| span.gen_ai_operation.as_deref() == Some("chat"))
    {
        let micros = span.start_time.unix_micros();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let key: Option<Vec<String>> = by
            .iter()
            .map(|by| match by {
                UsageBy::Model => Some(text(&span.model_name)),
                UsageBy::Provider => Some(text(&span.provider)),
                UsageBy::Service => Some(span.service_name.clone()),
                UsageBy::User => span.user_id.clone(),
                UsageBy::Conversation => span.conversation_id.clone(),
                UsageBy::Day => Some((micros / (DAY / 1_000) * (DAY / 1_000)).to_string()),
                UsageBy::Hour => Some((micros / (HOUR / 1_000) * (HOUR / 1_000)).to_string()),
                _ => None,
            })
            .collect();
        let Some(key) = key else { continue };
        let sum = sums.entry(key).or_default();
        let cost = span.cost.map(|cost| cost::nanodollars(cost).unwrap());
        let ms = span.duration_nanos as f64 / 1e6;
        for (sum, count) in sum.0.iter_mut().zip([
            1,
            i64::from(span.status_code == StatusCode::Error),
            i64::from(cost.is_none()),
            span.input_tokens.unwrap().into(),
            span.output_tokens.unwrap().into(),
            span.cached_tokens.unwrap_or(0),
            span.cache_write_tokens.unwrap_or(0),
            span.reasoning_tokens.unwrap_or(0),
            cost.unwrap_or(0),
        ]) {
            *sum += count;
        }
        sum.1 += ms;
        sum.2 += ms * ms;
    }
    sums
}

fn told(usage: &Usage) -> [i64; 9] {
    [
        usage.calls,
        usage.errors,
        usage.unpriced_calls,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.cost_nanos.unwrap_or(0) as u64,
    ]
    .map(|count| count as i64)
}

fn keys(summary: &UsageSummary) -> BTreeMap<Vec<String>, Usage> {
    let groups = summary.groups.iter().map(|group| {
        let key = summary.by.iter().map(|by| match by {
            UsageBy::Model => group.model.clone().unwrap(),
            UsageBy::Provider => group.provider.clone().unwrap(),
            UsageBy::Service => group.service.clone().unwrap(),
            UsageBy::User => group.user.clone().unwrap(),
            UsageBy::Conversation => group.conversation.clone().unwrap(),
            _ => group.time.unwrap().unix_micros().to_string(),
        });
        (key.collect(), group.usage.clone())
    });
    groups.collect()
}

/// Every summary is what a recount of the stored spans gives.
pub(crate) async fn agrees_with_its_spans(spans: &Spans) {
    use UsageBy::*;
    let stored = stored(spans).await;
    let (from, to) = (at(-DAY), at(9 * DAY));
    for by in [
        &[][..],
        &[Model],
        &[Provider],
        &[Service],
        &[User],
        &[Conversation],
        &[Day],
        &[Hour],
        &[Model, Day],
        &[Service, Model],
        &[User, Model],
        &[Conversation, Provider],
        &[User, Day],
        &[Hour, Model],
    ] {
        let summary = spans
            .usage(&UsageQuery {
                limit: 10_000,
                ..UsageQuery::new(from, to).by(by)
            })
            .await
            .unwrap();
        assert!(summary.is_all);
        let expected = recount(&stored, by);
        if by.is_empty() {
            assert!(summary.groups.is_empty());
            let expected = expected.get(&vec![]).map_or([0; 9], |sum| sum.0);
            assert_eq!(told(&summary.total), expected);
            continue;
        }
        let found = keys(&summary);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{by:?}"
        );
        for (key, usage) in &found {
            let Sum(counts, ms, squares) = &expected[key];
            assert_eq!(&told(usage), counts, "{by:?} {key:?}");
            let calls = counts[0] as f64;
            let mean = ms / calls;
            let deviation = (squares / calls - mean * mean).max(0.0).sqrt();
            assert!(
                (usage.mean_ms.unwrap() - mean).abs() <= mean * 1e-9,
                "{usage:?} {mean}"
            );
            assert!(
                (usage.stddev_ms.unwrap() - deviation).abs() <= 1e-6 * (mean + 1.0),
                "{usage:?} {deviation}"
            );
        }
    }
    // Traces have the same money.
    let mut traces: BTreeMap<&str, (i64, i64, i64)> = BTreeMap::new();
    for span in stored
        .iter()
        .filter(|span| span.gen_ai_operation.as_deref() == Some("chat"))
    {
        let sum = traces.entry(&span.trace_id).or_default();
        sum.0 += 1;
        match span.cost {
            Some(cost) => sum.2 += cost::nanodollars(cost).unwrap(),
            None => sum.1 += 1,
        }
    }
    for (trace_id, (calls, unpriced, nanos)) in traces {
        let trace = spans.trace(trace_id).await.unwrap().unwrap();
        assert_eq!(
            (
                i64::from(trace.model_calls),
                i64::from(trace.unpriced_calls)
            ),
            (calls, unpriced),
            "{trace_id}"
        );
        assert_eq!(
            trace.cost.map(|cost| cost::nanodollars(cost).unwrap()),
            (calls > unpriced).then_some(nanos),
            "{trace_id}"
        );
    }
}

pub(crate) async fn stored(spans: &Spans) -> Vec<Span> {
    spans.store().query::<Span>().fetch().await.unwrap().rows
}

async fn total(spans: &Spans) -> Usage {
    spans
        .usage(&UsageQuery::new(at(-30 * DAY), at(30 * DAY)))
        .await
        .unwrap()
        .total
}

async fn usage_is_that_of_the_spans_in_any_order_of_batches(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    let all = drawn(400);
    // From the end, in batches of several sizes, some of them sent twice.
    let mut rest = &all[..];
    let mut size = 1;
    while !rest.is_empty() {
        let (before, batch) = rest.split_at(rest.len().saturating_sub(size));
        write(&spans, batch.to_vec()).await;
        if size % 2 == 0 {
            write(&spans, batch.to_vec()).await;
        }
        (rest, size) = (before, size * 2);
    }
    let stored = stored(&spans).await;
    assert_eq!(stored.len(), 400);
    assert!(
        stored
            .iter()
            .any(|span| span.cost_source.as_deref() == Some(REPORTED))
    );
    assert!(
        stored
            .iter()
            .any(|span| span.cost_source.as_deref() == Some("file:acme/anvil@2025-01-03"))
    );
    assert!(
        stored
            .iter()
            .any(|span| span.cost_source.as_deref() == Some("file:acme/rocket"))
    );
    agrees_with_its_spans(&spans).await;
}

async fn a_span_that_comes_twice_counts_once(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    let one = call(1, "anvil", 0, 1_000, 100);
    write(&spans, vec![one.clone(), one.clone()]).await;
    spans.write(one.clone()).await.unwrap();
    write(&spans, vec![call(2, "anvil", 1, 1, 0), one]).await;
    let total = total(&spans).await;
    assert_eq!((total.calls, total.input_tokens), (2, 1_001));
    assert_eq!(total.cost_nanos, Some(1_000 * 1_000 + 100 * 2_000 + 1_000));
    agrees_with_its_spans(&spans).await;
}

async fn what_has_no_price_has_no_cost(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    spans
        .write(call(1, "unheard-of", 0, 1_000, 100))
        .await
        .unwrap();
    let unknown = total(&spans).await;
    assert_eq!(
        (unknown.calls, unknown.unpriced_calls, unknown.cost_nanos),
        (1, 1, None)
    );
    // A price of nothing is one.
    let free = Span {
        cost: Some(0.0),
        ..call(2, "unheard-of", 0, 1, 1)
    };
    spans.write(free).await.unwrap();
    let some = total(&spans).await;
    assert_eq!(
        (some.calls, some.unpriced_calls, some.cost_nanos),
        (2, 1, Some(0))
    );
    // Nor has what is no call, though it tells tokens.
    let agent = Span {
        gen_ai_operation: Some("invoke_agent".into()),
        ..call(3, "anvil", 0, 5, 5)
    };
    spans.write(agent).await.unwrap();
    assert_eq!(total(&spans).await.calls, 2);
    let stored = stored(&spans).await;
    let costs: Vec<_> = stored
        .iter()
        .map(|span| (span.span_id.as_str(), span.cost))
        .collect();
    assert!(
        costs.contains(&("000001", None)) && costs.contains(&("000003", None)),
        "{costs:?}"
    );
}

async fn hostile_spans_hold_nothing_up(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    let mut batch = Vec::new();
    for n in 0..10 {
        let mut span = call(n, "anvil", 0, i32::MAX, i32::MAX);
        span.duration_nanos = [47_000_000_000, i64::MAX, i64::MIN, -1, 0][n % 5];
        span.cached_tokens = Some([i64::MAX, i64::MIN, -1, 0, 5][n % 5]);
        span.cache_write_tokens = Some(i64::MAX);
        span.reasoning_tokens = Some(i64::MIN);
        span.user_id = Some("ü".repeat(400 + n % 2));
        span.service_name = "s".repeat(500);
        batch.push(span);
    }
    batch[1].input_tokens = Some(i32::MIN);
    for (n, cost) in [f64::NAN, f64::INFINITY, -1.0, 1e300, 1e6, 1e6 + 0.1]
        .into_iter()
        .enumerate()
    {
        batch.push(Span {
            cost: Some(cost),
            ..call(20 + n, "anvil", 0, 1, 1)
        });
    }
    let count = batch.len();
    let written = spans.write_batch(batch).await.unwrap();
    assert_eq!((written.committed, written.parked), (count, 0));
    let found = total(&spans).await;
    assert_eq!(found.calls, count as u64);
    assert_eq!(found.input_tokens, 9 * i32::MAX as u64 + 6);
    let stddev = found.stddev_ms.unwrap();
    assert!(
        stddev.is_finite() && stddev > 0.0 && found.mean_ms.unwrap() > 0.0,
        "{found:?}"
    );
    // The costs of ten thousand such calls are more than fits, and still nothing fails.
    for round in 0..2 {
        let most = (0..5_000).map(|n| Span {
            cost: Some(1e6),
            ..call(1_000 + round * 5_000 + n, "anvil", 1, 0, 0)
        });
        assert_eq!(
            spans.write_batch(most.collect()).await.unwrap().committed,
            5_000
        );
    }
    let found = total(&spans).await;
    assert_eq!(found.cost_nanos, Some(i64::MAX));
    let by_user = UsageQuery::new(at(0), at(DAY)).by(&[UsageBy::User]);
    // Both names have one beginning.
    assert_eq!(spans.usage(&by_user).await.unwrap().groups.len(), 1);
    let long = UsageQuery {
        user: Some("ü".repeat(400)),
        ..by_user
    };
    assert_eq!(spans.usage(&long).await.unwrap().total.calls, 10);
}

async fn a_window_is_widened_to_whole_hours_or_days(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    let batch = [-1, 0, HOUR - 1, HOUR, 2 * HOUR, DAY]
        .iter()
        .enumerate()
        .map(|(n, start)| {
            let mut span = call(n, "anvil", *start, 1, 0);
            span.user_id = Some("u".into());
            span
        });
    write(&spans, batch.collect()).await;
    let ask = async |from, to, by: &[UsageBy]| {
        let summary = spans
            .usage(&UsageQuery::new(at(from), at(to)).by(by))
            .await
            .unwrap();
        (
            summary.from.unix_nanos() - T0,
            summary.to.unix_nanos() - T0,
            summary.total.calls,
        )
    };
    assert_eq!(ask(0, HOUR, &[]).await, (0, HOUR, 2));
    assert_eq!(ask(1, HOUR + 1, &[]).await, (0, 2 * HOUR, 3));
    assert_eq!(ask(-1, 0, &[]).await, (-HOUR, 0, 1));
    assert_eq!(ask(HOUR / 2, HOUR / 2, &[]).await, (0, HOUR, 2));
    assert_eq!(ask(HOUR, HOUR + 1, &[UsageBy::User]).await, (0, DAY, 4));
    let forever = UsageQuery::new(Timestamp::MIN, Timestamp::MAX).by(&[UsageBy::Day]);
    assert_eq!(spans.usage(&forever).await.unwrap().groups.len(), 3);
}

async fn what_is_not_kept_together_is_refused_in_words(database: TestDatabase) {
    use UsageBy::*;
    let spans = open(&database).await;
    let ask = |by: &[UsageBy]| UsageQuery::new(at(0), at(1)).by(by);
    for (query, expected) in [
        (ask(&[User, Service]), "not by service"),
        (ask(&[User, Conversation]), "apart from each other"),
        (ask(&[Conversation, Hour]), "by day, and not by hour"),
        (
            UsageQuery {
                user: Some("u".into()),
                ..ask(&[Service])
            },
            "not by service",
        ),
        (
            UsageQuery {
                service: Some("s".into()),
                ..ask(&[User])
            },
            "leave the service out",
        ),
        (ask(&[Model, Day, Provider]), "one or two of"),
        (ask(&[Model, Model]), "names the same twice"),
        (ask(&[Hour, Day]), "leave one of them out"),
    ] {
        let error = spans.usage(&query).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

async fn groups_are_those_that_cost_most(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    let batch = (0..30).map(|n| {
        let mut span = call(n, "anvil", 0, n as i32 * 10, 0);
        span.service_name = format!("s{n:02}");
        span
    });
    write(&spans, batch.collect()).await;
    let query = UsageQuery {
        limit: 2,
        ..UsageQuery::new(at(0), at(1)).by(&[UsageBy::Service])
    };
    let summary = spans.usage(&query).await.unwrap();
    let services: Vec<_> = summary
        .groups
        .iter()
        .map(|group| group.service.as_deref().unwrap())
        .collect();
    assert_eq!((services, summary.is_all), (vec!["s29", "s28"], false));
    assert_eq!(summary.total.calls, 30);
    let one = UsageQuery {
        service: Some("s07".into()),
        model: Some("anvil".into()),
        provider: Some("acme".into()),
        ..query
    };
    let summary = spans.usage(&one).await.unwrap();
    assert_eq!(
        (summary.total.calls, summary.total.cost_nanos),
        (1, Some(70_000))
    );
    let none = UsageQuery {
        model: Some("rocket".into()),
        ..one
    };
    assert_eq!(spans.usage(&none).await.unwrap().total, Usage::default());
}

async fn many_writers_of_one_day_add_up(database: TestDatabase) {
    let (one, two) = (
        open_with(&database, LIST).await,
        open_with(&database, LIST).await,
    );
    let write = async |spans: &Spans, writer: usize| {
        for round in 0..12 {
            let batch = (0..40).map(|n| {
                let mut span = call(
                    writer * 10_000 + round * 100 + n,
                    "anvil",
                    (n as i64 * 7 % 48) * HOUR,
                    10,
                    1,
                );
                // Both write the same traces.
                span.trace_id = format!("t{}", (n * 7 + round) % 20);
                span.user_id = Some(format!("u{}", n % 5));
                span
            });
            assert_eq!(
                spans.write_batch(batch.collect()).await.unwrap().committed,
                40
            );
        }
    };
    tokio::join!(write(&one, 1), write(&two, 2));
    assert_eq!(total(&one).await.calls, 2 * 12 * 40);
    agrees_with_its_spans(&one).await;
}

async fn usage_outlives_its_spans(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    spans.write(call(1, "anvil", 0, 10, 1)).await.unwrap();
    let before = total(&spans).await;
    database.execute("DELETE FROM spans").await;
    assert_eq!(total(&spans).await, before);
}
