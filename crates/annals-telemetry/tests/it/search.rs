//! Search of traces finds what a look at everything would, in its order, whatever the pages.

use std::{collections::BTreeSet, time::Duration};

use annals_record::{Filter, Json, Timestamp};
use annals_telemetry::{
    AttributeEquals, Span, SpanFilter, SpanStore, Spans, StatusCode, Trace, TraceSearch,
    TraceStatus,
};
use annals_testkit::{TestDatabase, on_every_backend};
use proptest::{
    prelude::{Just, any},
    prop_oneof,
    sample::select,
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::spans::{at, open, span};

on_every_backend!(
    pages_give_what_a_look_at_everything_gives,
    late_spans_neither_double_nor_hide_what_they_do_not_move,
    a_trace_of_many_matching_spans_is_one,
    errors_of_a_model_come_by_whichever_is_rarer,
    what_is_asked_of_rows_goes_by_rows,
    attributes_compare_by_what_they_are,
    a_provider_is_found_by_its_models,
    a_search_without_an_index_says_that_it_looked_at_a_day,
    a_cursor_keeps_its_window_and_its_search,
    summaries_are_the_spans_without_their_bodies,
    what_a_database_has_no_text_for_is_refused,
);

/// What only servers have.
mod on_servers {
    use annals_testkit::on_every_server;

    use super::a_listing_of_summaries_reads_no_bodies;

    on_every_server!(a_listing_of_summaries_reads_no_bodies);
}

const CASES: usize = 25;
const NAMES: [&str; 4] = ["chat gpt", "GET /Chat", "retrieve", "100%_Chat"];
const MODELS: [&str; 3] = ["gpt-4", "claude", "rare"];

/// A span of few traces, few times and few of everything, so that all of it coincides.
fn drawn() -> impl Strategy<Value = Span> {
    let shape = (
        0..9_u8,
        any::<u16>(),
        0..30_i64,
        0..3_i64,
        0..40_i64,
        any::<bool>(),
    );
    let words = (
        select(vec!["api", "db", "web"]),
        proptest::option::of(select(MODELS.to_vec())),
        select(NAMES.to_vec()),
        prop_oneof![
            Just(r#"{"env":"prod"}"#),
            Just(r#"{"env":"dev","n":3}"#),
            Just(r#"{"n":"3"}"#)
        ],
        proptest::option::of(select(vec!["ann", "bob"])),
        0..4_u8,
    );
    (shape, words).prop_map(|((trace, id, micros, nanos, long, is_root), words)| {
        let (service, model, name, tags, user, status) = words;
        let mut span = span(
            &format!("t{trace}"),
            &format!("s{id:05}"),
            micros * 1_000 + nanos,
        );
        span.duration_nanos = long * 1_000;
        span.service_name = service.to_owned();
        span.operation_name = name.to_owned();
        span.model_name = model.map(str::to_owned);
        span.tags = Json::parse(tags).ok();
        span.user_id = user.map(str::to_owned);
        span.parent_span_id = (!is_root).then(|| "parent".to_owned());
        span.status_code = [
            StatusCode::Unset,
            StatusCode::Ok,
            StatusCode::Ok,
            StatusCode::Error,
        ][usize::from(status)];
        span
    })
}

fn search() -> impl Strategy<Value = TraceSearch> {
    let of_span = (
        proptest::option::weighted(0.4, select(MODELS.to_vec())),
        proptest::option::weighted(0.3, select(vec!["CHAT", "%", "_", "none"])),
        proptest::option::weighted(0.3, select(vec![("env", "prod"), ("n", "3"), ("env", "3")])),
        0..30_i64,
        0..40_i64,
        any::<bool>(),
    );
    let of_trace = (
        proptest::option::weighted(0.2, select(vec!["api", "db"])),
        proptest::option::weighted(0.2, select(vec!["ann", "bob"])),
        proptest::option::weighted(0.2, 0..40_u64),
        proptest::option::weighted(0.2, 0..60_u64),
        any::<bool>(),
        1..5_u32,
    );
    (of_span, of_trace).prop_map(
        |((model, name, attribute, since, length, is_open), of_trace)| {
            let (service, user, least, most, errors, limit) = of_trace;
            let window = least.zip(most).is_none_or(|(least, most)| least <= most);
            TraceSearch {
                model_name: model.map(str::to_owned),
                name: name.map(str::to_owned),
                attributes: attribute
                    .map(|(name, value)| AttributeEquals::reads(name, value))
                    .into_iter()
                    .collect(),
                since: Some(if is_open { at(0) } else { at(since * 1_000) }),
                until: (!is_open).then(|| at((since + length) * 1_000 + 1)),
                service_name: service.map(str::to_owned),
                user_id: user.map(str::to_owned),
                min_duration: least.filter(|_| window).map(Duration::from_micros),
                max_duration: most.filter(|_| window).map(Duration::from_micros),
                errors: errors && limit == 1,
                limit: Some(limit),
                ..TraceSearch::default()
            }
        },
    )
}

/// Writes spans, all of them.
pub(crate) async fn write(spans: &Spans, batch: Vec<Span>) {
    assert_eq!(spans.write_batch(batch).await.unwrap().parked, 0);
}

fn is_within(search: &TraceSearch, time: Timestamp) -> bool {
    search.since.is_none_or(|since| time >= since) && search.until.is_none_or(|until| time <= until)
}

fn asks_spans(search: &TraceSearch) -> bool {
    search.model_name.is_some() || search.name.is_some() || !search.attributes.is_empty()
}

/// Where there are few spans, those of a model are fewer than traces that failed.
fn goes_by_spans(search: &TraceSearch) -> bool {
    asks_spans(search)
        && search.user_id.is_none()
        && (!search.errors || search.model_name.is_some())
}

fn matches(search: &TraceSearch, span: &Span) -> bool {
    let tags = span.tags.as_ref().map(Json::to_value).unwrap_or_default();
    search
        .model_name
        .as_ref()
        .is_none_or(|model| span.model_name.as_ref() == Some(model))
        && search.name.as_ref().is_none_or(|name| {
            span.operation_name
                .to_lowercase()
                .contains(&name.to_lowercase())
        })
        && search.attributes.iter().all(|attribute| {
            attribute
                .values
                .iter()
                .any(|value| tags.get(&attribute.name) == Some(value))
        })
        && is_within(search, span.start_time)
}

fn row_matches(search: &TraceSearch, trace: &Trace) -> bool {
    let duration = Duration::from_micros(trace.duration_us.unwrap().unsigned_abs());
    search
        .service_name
        .as_ref()
        .is_none_or(|service| *service == trace.service_name)
        && search
            .user_id
            .as_ref()
            .is_none_or(|user| trace.user_id.as_ref() == Some(user))
        && search.min_duration.is_none_or(|least| duration >= least)
        && search.max_duration.is_none_or(|most| duration <= most)
        && (!search.errors || trace.status == TraceStatus::Error)
}

/// The traces that match, in order, each with its place there: by spans the newest that matches, else its start.
async fn model(spans: &Spans, written: &[Span], search: &TraceSearch) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let ids: BTreeSet<&str> = written.iter().map(|span| &*span.trace_id).collect();
    for id in ids {
        let trace = spans.trace(id).await.unwrap().unwrap();
        let own = written.iter().filter(|span| span.trace_id == id);
        let newest = own
            .filter(|span| matches(search, span))
            .map(|span| {
                format!(
                    "{:020} {} {}",
                    span.start_time.unix_nanos(),
                    span.trace_id,
                    span.span_id
                )
            })
            .max();
        let by_row = format!("{:020} {}", trace.start_time.unix_nanos(), trace.id);
        let place = match (asks_spans(search), goes_by_spans(search)) {
            (true, true) => newest,
            (true, false) => newest.map(|_| by_row),
            (false, _) => is_within(search, trace.start_time).then_some(by_row),
        };
        found.extend(
            place
                .filter(|_| row_matches(search, &trace))
                .map(|place| (place, trace.trace_id)),
        );
    }
    found.sort();
    found.reverse();
    found
}

/// Every page of a search; `between` happens once, behind the first page.
async fn pages(spans: &Spans, search: &TraceSearch, mut between: Option<Vec<Span>>) -> Vec<Trace> {
    let mut all = Vec::new();
    let mut search = search.clone();
    for _ in 0..1_000 {
        let page = spans.search(search.clone()).await.unwrap();
        assert!(page.traces.len() <= search.limit.unwrap() as usize);
        all.extend(page.traces);
        let Some(next) = page.next else { return all };
        search.after = Some(next);
        if let Some(late) = between.take() {
            write(spans, late).await;
        }
    }
    panic!("the pages have no end: {search:?}");
}

fn runner() -> TestRunner {
    TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    )
}

fn draw<T: std::fmt::Debug>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

async fn empty(spans: &Spans) {
    spans.store().delete::<Span>(Filter::all([])).await.unwrap();
    spans
        .store()
        .delete::<Trace>(Filter::all([]))
        .await
        .unwrap();
}

/// Those of one key but for the first have no place in the table.
fn of_distinct_keys(mut spans: Vec<Span>) -> Vec<Span> {
    let mut keys = BTreeSet::new();
    spans.retain(|span| {
        keys.insert((
            span.trace_id.clone(),
            span.span_id.clone(),
            span.start_time.unix_micros(),
        ))
    });
    spans
}

async fn pages_give_what_a_look_at_everything_gives(database: TestDatabase) {
    let spans = open(&database).await;
    let mut runner = runner();
    for _ in 0..CASES {
        empty(&spans).await;
        let written = of_distinct_keys(draw(
            &mut runner,
            &proptest::collection::vec(drawn(), 1..60),
        ));
        write(&spans, written.clone()).await;
        for _ in 0..8 {
            let search = draw(&mut runner, &search());
            let expected = model(&spans, &written, &search).await;
            let expected: Vec<&str> = expected.iter().map(|(_, id)| &**id).collect();
            let found = pages(&spans, &search, None).await;
            let found: Vec<&str> = found.iter().map(|trace| &*trace.trace_id).collect();
            assert_eq!(found, expected, "{search:#?}\n{written:#?}");
        }
    }
}

async fn late_spans_neither_double_nor_hide_what_they_do_not_move(database: TestDatabase) {
    let spans = open(&database).await;
    let mut runner = runner();
    for _ in 0..CASES {
        empty(&spans).await;
        let drawn = of_distinct_keys(draw(
            &mut runner,
            &proptest::collection::vec(drawn(), 2..60),
        ));
        let (early, late) = drawn.split_at(drawn.len() * 3 / 4);
        write(&spans, early.to_vec()).await;
        let mut search = draw(&mut runner, &search());
        search.limit = Some(2);
        let before = model(&spans, early, &search).await;
        let found = pages(&spans, &search, Some(late.to_vec())).await;
        // Where there was one page only, they come now.
        write(&spans, late.to_vec()).await;
        let after = model(&spans, &drawn, &search).await;
        let times = |id: &str| found.iter().filter(|trace| trace.trace_id == id).count();
        let goes_by_spans = goes_by_spans(&search);
        for (place, id) in &before {
            if before.len() > 2 && after.contains(&(place.clone(), id.clone())) {
                assert_eq!(times(id), 1, "{id} {search:#?}\n{early:#?}\nlate {late:#?}");
            }
            assert!(
                !goes_by_spans || times(id) <= 1,
                "{id} came twice: {search:#?}"
            );
        }
    }
}

async fn a_trace_of_many_matching_spans_is_one(database: TestDatabase) {
    let spans = open(&database).await;
    // More candidates than a batch has, around one that is alone.
    let mut batch: Vec<Span> = (0..2_500)
        .map(|n| span("long", &format!("s{n:05}"), n * 1_000))
        .collect();
    batch.push(span("short", "s", 1_200_000));
    write(&spans, batch).await;
    let search = TraceSearch {
        name: Some("get".into()),
        since: Some(at(0)),
        limit: Some(1),
        ..TraceSearch::default()
    };
    let found = pages(&spans, &search, None).await;
    let found: Vec<&str> = found.iter().map(|trace| &*trace.trace_id).collect();
    assert_eq!(found, ["long", "short"]);
}

async fn errors_of_a_model_come_by_whichever_is_rarer(database: TestDatabase) {
    let spans = open(&database).await;
    // Trace n has spans of its model at n and at a time that turns the order around; one of ten failed.
    let batch = (0..900_i64).flat_map(|n| {
        let id = format!("t{n:04}");
        let failed = n % 10 == 3;
        let model = match n % 30 {
            13 => "rare",
            _ => "common",
        };
        [("a", n * 1_000), ("b", 2_000_000 - n * 1_000)].map(|(own, time)| Span {
            model_name: Some(model.into()),
            status_code: match failed {
                true => StatusCode::Error,
                false => StatusCode::Unset,
            },
            ..span(&id, own, time)
        })
    });
    write(&spans, batch.collect()).await;
    for (model, is_by_start) in [("common", true), ("rare", false)] {
        for limit in [7, 1_000] {
            let search = TraceSearch {
                model_name: Some(model.into()),
                errors: true,
                since: Some(at(1)),
                limit: Some(limit),
                ..TraceSearch::default()
            };
            let found = pages(&spans, &search, None).await;
            let found: Vec<String> = found.into_iter().map(|trace| trace.trace_id).collect();
            let failed = (0..900).filter(|n| n % 10 == 3 && (n % 30 == 13) == (model == "rare"));
            let mut expected: Vec<String> = failed.map(|n| format!("t{n:04}")).collect();
            if is_by_start && limit < 1_000 {
                expected.reverse();
            }
            assert_eq!(found, expected, "{model} {limit}");
        }
    }
}

async fn ids(spans: &Spans, search: TraceSearch) -> Vec<String> {
    let found = spans.search(search).await.unwrap();
    found
        .traces
        .into_iter()
        .map(|trace| trace.trace_id)
        .collect()
}

async fn what_is_asked_of_rows_goes_by_rows(database: TestDatabase) {
    let spans = open(&database).await;
    let mut traces: Vec<Trace> = (0..4)
        .map(|n| {
            Trace::new(format!("t{n}"), "api", at(n * 1_000))
                .unwrap()
                .ending(at(n * 1_000 + 9))
                .unwrap()
        })
        .collect();
    traces[1].status = TraceStatus::Ok;
    traces[2].status = TraceStatus::Error;
    traces[2].user_id = Some("ann".into());
    traces[3].conversation_id = Some("c".into());
    traces[3].root_span_name = Some("Nightly Report".into());
    spans.insert_traces(traces).await.unwrap();
    for (id, cost, tokens) in [(0, 0.25, 10), (1, 0.5, 1_000)] {
        database
            .execute(&format!(
                "UPDATE traces SET cost = {cost}, input_tokens = {tokens}, output_tokens = 1 WHERE trace_id = 't{id}'"
            ))
            .await;
    }
    let all = || TraceSearch {
        since: Some(at(0)),
        ..TraceSearch::default()
    };
    let with = |change: fn(&mut TraceSearch)| {
        let mut search = all();
        change(&mut search);
        ids(&spans, search)
    };
    assert_eq!(ids(&spans, all()).await, ["t3", "t2", "t1", "t0"]);
    assert_eq!(
        with(|search| search.status = Some(TraceStatus::Ok)).await,
        ["t1"]
    );
    assert_eq!(with(|search| search.errors = true).await, ["t2"]);
    assert_eq!(
        with(|search| search.user_id = Some("ann".into())).await,
        ["t2"]
    );
    assert_eq!(
        with(|search| search.conversation_id = Some("c".into())).await,
        ["t3"]
    );
    assert_eq!(
        with(|search| search.root_name = Some("REPORT".into())).await,
        ["t3"]
    );
    assert_eq!(
        with(|search| search.min_cost = Some(0.25)).await,
        ["t1", "t0"]
    );
    assert_eq!(with(|search| search.max_cost = Some(0.25)).await, ["t0"]);
    assert_eq!(with(|search| search.min_tokens = Some(1_001)).await, ["t1"]);
    assert_eq!(
        with(|search| search.min_tokens = Some(1_002)).await,
        [""; 0]
    );
    assert_eq!(
        with(|search| search.max_tokens = Some(0)).await,
        ["t3", "t2"]
    );
    assert_eq!(
        with(|search| search.until = Some(at(1_000))).await,
        ["t1", "t0"]
    );
}

async fn attributes_compare_by_what_they_are(database: TestDatabase) {
    let spans = open(&database).await;
    let tags = [
        r#"{"tries": 3}"#,
        r#"{"tries": "3"}"#,
        r#"{"tries": 30, "a.b": "it's \"quoted\""}"#,
        r#"{"done": true, "none": null, "deep": {"tries": 3}}"#,
    ];
    let batch = tags.iter().enumerate().map(|(n, tags)| Span {
        tags: Json::parse(tags).ok(),
        ..span(&format!("t{n}"), "s", n as i64)
    });
    write(&spans, batch.collect()).await;
    let having = |attributes: Vec<AttributeEquals>| {
        ids(
            &spans,
            TraceSearch {
                attributes,
                since: Some(at(0)),
                ..TraceSearch::default()
            },
        )
    };
    assert_eq!(
        having(vec![AttributeEquals::reads("tries", "3")]).await,
        ["t1", "t0"]
    );
    assert_eq!(having(vec![AttributeEquals::new("tries", 3)]).await, ["t0"]);
    assert_eq!(
        having(vec![AttributeEquals::new("tries", "3")]).await,
        ["t1"]
    );
    assert_eq!(
        having(vec![AttributeEquals::reads("done", "true")]).await,
        ["t3"]
    );
    assert_eq!(
        having(vec![AttributeEquals::reads("a.b", r#"it's "quoted""#)]).await,
        ["t2"]
    );
    let both = vec![
        AttributeEquals::reads("tries", "30"),
        AttributeEquals::reads("a.b", "x"),
    ];
    assert_eq!(having(both).await, [""; 0]);
}

async fn a_provider_is_found_by_its_models(database: TestDatabase) {
    let spans = open(&database).await;
    let call = |trace: &str, provider: &str, model: Option<&str>, start: i64| Span {
        provider: Some(provider.into()),
        model_name: model.map(str::to_owned),
        gen_ai_operation: Some("chat".into()),
        input_tokens: Some(5),
        output_tokens: Some(5),
        ..span(trace, "s", start)
    };
    let hour = 3_600_000_000_000;
    let batch = vec![
        call("a", "openai", Some("gpt-4"), 0),
        call("b", "openai", Some("gpt-5"), 30 * hour),
        call("c", "azure", Some("gpt-4"), 2 * hour),
        call("d", "nameless", None, hour),
        span("e", "s", 0),
    ];
    write(&spans, batch).await;
    let of = |provider: &str, since: Option<Timestamp>| {
        ids(
            &spans,
            TraceSearch {
                provider: Some(provider.into()),
                since,
                ..TraceSearch::default()
            },
        )
    };
    assert_eq!(of("openai", None).await, ["b", "a"]);
    assert_eq!(of("openai", Some(at(hour))).await, ["b"]);
    assert_eq!(of("azure", None).await, ["c"]);
    assert_eq!(of("nobody", None).await, [""; 0]);
    assert_eq!(of("nameless", Some(at(0))).await, ["d"]);
}

async fn a_search_without_an_index_says_that_it_looked_at_a_day(database: TestDatabase) {
    let spans = open(&database).await;
    let hours_ago = |hours: u64| Timestamp::now() - Duration::from_secs(hours * 3_600);
    let batch = [1, 23, 25]
        .map(|hours| Span::new(format!("t{hours}"), "s", "api", "chat", hours_ago(hours), 5));
    write(&spans, batch.to_vec()).await;
    let named = TraceSearch {
        name: Some("chat".into()),
        ..TraceSearch::default()
    };
    let page = spans.search(named.clone()).await.unwrap();
    let found: Vec<&str> = page.traces.iter().map(|trace| &*trace.trace_id).collect();
    assert_eq!(found, ["t1", "t23"]);
    assert!(page.window.unwrap().is_defaulted);
    let given = TraceSearch {
        since: Some(hours_ago(48)),
        ..named
    };
    let page = spans.search(given).await.unwrap();
    assert_eq!(
        (page.traces.len(), page.window.unwrap().is_defaulted),
        (3, false)
    );
    // An index bounds these.
    let page = spans.search(TraceSearch::default()).await.unwrap();
    assert_eq!((page.traces.len(), page.window), (3, None));
}

async fn a_cursor_keeps_its_window_and_its_search(database: TestDatabase) {
    let spans = open(&database).await;
    let now = Timestamp::now();
    let batch = (1..4).map(|n| {
        Span::new(
            format!("t{n}"),
            "s",
            "api",
            "chat",
            now - Duration::from_secs(n),
            5,
        )
    });
    write(&spans, batch.collect()).await;
    let named = TraceSearch {
        name: Some("chat".into()),
        limit: Some(1),
        ..TraceSearch::default()
    };
    let first = spans.search(named.clone()).await.unwrap();
    let second = TraceSearch {
        after: first.next.clone(),
        ..named.clone()
    };
    let second = spans.search(second).await.unwrap();
    assert_eq!(second.window, first.window);
    assert_eq!(second.traces[0].trace_id, "t2");
    // Its limit may change, nothing else.
    let other = |change: fn(&mut TraceSearch)| {
        let mut search = TraceSearch {
            after: first.next.clone(),
            ..named.clone()
        };
        change(&mut search);
        spans.search(search)
    };
    let rest = other(|search| search.limit = Some(9)).await.unwrap();
    assert_eq!((rest.traces.len(), rest.next), (2, None));
    let error = other(|search| search.errors = true).await.unwrap_err();
    assert!(error.to_string().contains("another query"), "{error}");
    let error = other(|search| search.after = Some("6a".into()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cursor"), "{error}");
}

async fn summaries_are_the_spans_without_their_bodies(database: TestDatabase) {
    let spans = open(&database).await;
    let batch = (0..7).map(|n| Span {
        tags: Json::parse(r#"{"prompt": "long"}"#).ok(),
        cost: Some(n as f64),
        ..span("t", &format!("s{n}"), n)
    });
    write(&spans, batch.collect()).await;
    let listing = |after: Option<String>| SpanFilter {
        limit: Some(4),
        after,
        ..SpanFilter::default()
    };
    let first = spans.list_summaries(listing(None)).await.unwrap();
    let whole = spans.list_spans(listing(None)).await.unwrap();
    assert_eq!(first.next, whole.next);
    for (summary, span) in first.rows.iter().zip(&whole.rows) {
        assert_eq!(
            (&summary.span_id, summary.start_time, summary.cost),
            (&span.span_id, span.start_time, span.cost)
        );
    }
    // The cursor of one is the other's.
    let rest = spans.list_summaries(listing(whole.next)).await.unwrap();
    let rest: Vec<&str> = rest.rows.iter().map(|span| &*span.span_id).collect();
    assert_eq!(rest, ["s2", "s1", "s0"]);
}

async fn what_a_database_has_no_text_for_is_refused(database: TestDatabase) {
    let spans = open(&database).await;
    let search = TraceSearch {
        name: Some("a\0b".into()),
        since: Some(at(0)),
        ..TraceSearch::default()
    };
    match spans.search(search).await {
        Ok(page) => assert!(page.traces.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // Conditions are values, never SQL.
    for text in ["' OR '1'='1", "%'; DROP TABLE spans; --", "\\"] {
        let search = TraceSearch {
            name: Some(text.into()),
            model_name: Some(text.into()),
            attributes: vec![AttributeEquals::reads(text, text)],
            since: Some(at(0)),
            ..TraceSearch::default()
        };
        assert_eq!(ids(&spans, search).await, [""; 0]);
    }
}

/// Blocks of large values that were read, of all tables.
const BODIES_READ: &str = "SELECT coalesce(sum(coalesce(toast_blks_read, 0) + coalesce(toast_blks_hit, 0)), 0)::bigint
                             FROM pg_statio_all_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
const SCANS: &str = "SELECT coalesce(sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)), 0)::bigint
                       FROM pg_stat_all_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";

async fn a_listing_of_summaries_reads_no_bodies(database: TestDatabase) {
    let written = open(&database).await;
    let mut dice = 1_u64;
    let batch = (0..50).map(|n| {
        // What compresses well stays in the row.
        let prompt: String = (0..20_000)
            .map(|_| {
                dice = dice
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                char::from(b'!' + (dice >> 58) as u8 % 90).to_ascii_uppercase()
            })
            .map(|letter| {
                if matches!(letter, '"' | '\\') {
                    '.'
                } else {
                    letter
                }
            })
            .collect();
        Span {
            tags: Json::parse(&format!(r#"{{"prompt": "{prompt}"}}"#)).ok(),
            ..span("t", &format!("s{n}"), n)
        }
    });
    write(&written, batch.collect()).await;
    written.shutdown(Duration::from_secs(30)).await;
    written.store().close().await;
    // A server's session tells what it has read when it ends.
    let settled = async || {
        let others = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        while database.number(others).await > 0 {
            tokio::task::yield_now().await;
        }
        (
            database.number(BODIES_READ).await,
            database.number(SCANS).await,
        )
    };
    let (before, scans) = settled().await;
    let reader = open(&database).await;
    assert_eq!(
        reader
            .list_summaries(SpanFilter::default())
            .await
            .unwrap()
            .rows
            .len(),
        50
    );
    reader.shutdown(Duration::from_secs(30)).await;
    reader.store().close().await;
    let (summaries, scans_then) = settled().await;
    assert!(scans_then > scans, "nothing was counted at all");
    let reader = open(&database).await;
    assert_eq!(
        reader
            .list_spans(SpanFilter::default())
            .await
            .unwrap()
            .rows
            .len(),
        50
    );
    reader.shutdown(Duration::from_secs(30)).await;
    reader.store().close().await;
    let (whole, _) = settled().await;
    assert_eq!(
        summaries - before,
        0,
        "a listing without bodies has read them"
    );
    assert!(
        whole - summaries >= 50,
        "a listing with bodies reads them: {}",
        whole - summaries
    );
}
