//! Traces that are remembered: right whatever happens to them, and whatever happens to Redis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use annals_cache::{Cache, CacheOptions, RedisOptions};
use annals_record::Timestamp;
use annals_store::Interval;
use annals_telemetry::{
    Error, MIGRATIONS, PriceList, Span, SpanStore, Spans, SpansOptions, TraceCache,
    usage::{Recompute, UsageBy, UsageQuery},
};
use annals_testkit::{Backend, RedisServer, TestDatabase, on_every_backend};

use crate::spans::{at, span};

on_every_backend!(
    a_trace_that_is_remembered_is_not_read_again,
    a_trace_that_still_grows_is_not_remembered,
    a_late_span_is_in_the_next_read,
    an_acknowledged_span_is_in_every_later_read_of_every_server,
    spans_past_the_directory_keep_a_trace_from_being_remembered,
    spans_that_are_gone_by_age_are_remembered_by_nobody,
    spans_of_a_service_that_was_deleted_are_remembered_by_nobody,
    a_redis_that_is_killed_or_hangs_makes_no_answer_wrong_and_none_fail,
    values_that_are_not_ours_are_no_answers,
    two_databases_on_one_redis_do_not_mix,
    costs_that_are_made_anew_are_in_the_next_read,
    a_summary_is_read_once_and_every_new_call_is_in_the_next,
);

const DAY: i64 = 86_400_000_000_000;

fn memory() -> Cache {
    Cache::new(CacheOptions::default())
}

/// In Redis, and in process too or not.
fn redis(server: &RedisServer, in_process: bool) -> Cache {
    let mut redis = RedisOptions::at(&server.url()).unwrap();
    redis.read_timeout = Duration::from_millis(300);
    redis.pause = Duration::from_millis(20);
    let mut options = CacheOptions::default();
    options.redis = Some(redis);
    if !in_process {
        options.memory = None;
    }
    Cache::new(options)
}

/// A server of its own, with a store of its own.
async fn server(database: &TestDatabase, cache: &Cache) -> Spans {
    server_that(
        database,
        TraceCache::new(cache.clone()).finished_after(Duration::ZERO),
    )
    .await
}

async fn server_that(database: &TestDatabase, cache: TraceCache) -> Spans {
    let store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    let options = SpansOptions::default().with_cache(cache);
    Spans::new(store, options).await.unwrap()
}

async fn write(spans: &Spans, trace: &str, ids: &[&str]) {
    let batch = ids
        .iter()
        .zip(1..)
        .map(|(id, n)| span(trace, id, n * 1_000));
    let written = spans.write_batch(batch.collect()).await.unwrap();
    assert_eq!(written.committed, ids.len());
}

/// The ids of a trace's spans, in its order.
async fn ids(spans: &Spans, trace: &str) -> Vec<String> {
    match spans.get_trace(trace).await {
        Ok(spans) => spans.into_iter().map(|span| span.span_id).collect(),
        Err(Error::TraceNotFound { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

/// Takes all spans away behind everybody's back, so that what is still told is remembered.
async fn take_away(database: &TestDatabase) {
    database.execute("DELETE FROM spans").await;
}

async fn a_trace_that_is_remembered_is_not_read_again(database: TestDatabase) {
    let spans = server(&database, &memory()).await;
    write(&spans, "t", &["a", "b"]).await;
    let first = spans.get_trace("t").await.unwrap();
    take_away(&database).await;
    assert_eq!(spans.get_trace("t").await.unwrap(), first);
    assert_eq!(ids(&spans, "u").await, [""; 0]);
    // The way out for whoever changed spans by SQL.
    database
        .execute("UPDATE traces SET span_count = span_count + 1")
        .await;
    assert_eq!(ids(&spans, "t").await, [""; 0]);
}

async fn a_trace_that_still_grows_is_not_remembered(database: TestDatabase) {
    let cache = TraceCache::new(memory()).finished_after(Duration::from_secs(3600));
    let spans = server_that(&database, cache).await;
    write(&spans, "t", &["a"]).await;
    assert_eq!(ids(&spans, "t").await, ["a"]);
    take_away(&database).await;
    assert_eq!(ids(&spans, "t").await, [""; 0]);

    // Stored long ago by its own times, and not ended.
    let spans = server(&database, &memory()).await;
    let hour = i64::try_from(Duration::from_secs(3600).as_nanos()).unwrap();
    let running = Span::new("u", "a", "api", "GET /", Timestamp::now(), hour);
    spans.write(running).await.unwrap();
    assert_eq!(ids(&spans, "u").await, ["a"]);
    take_away(&database).await;
    assert_eq!(ids(&spans, "u").await, [""; 0]);
}

async fn a_late_span_is_in_the_next_read(database: TestDatabase) {
    let Some(redis_server) = RedisServer::start() else {
        return;
    };
    let caches = [redis(&redis_server, true), redis(&redis_server, true)];
    let one = server(&database, &caches[0]).await;
    let other = server(&database, &caches[1]).await;
    write(&one, "t", &["a", "b"]).await;
    for spans in [&one, &other, &one, &other] {
        assert_eq!(ids(spans, "t").await, ["a", "b"]);
        caches[0].settled().await;
    }
    assert_eq!(redis_server.names().len(), 1);
    // By one, by the other, and by somebody who has no cache.
    let third = Spans::open(&database.url).await.unwrap();
    let mut expected = vec!["a", "b"];
    for (n, (writer, id)) in (10..).zip([(&one, "c"), (&other, "d"), (&third, "e")]) {
        writer.write(span("t", id, n * 1_000)).await.unwrap();
        expected.push(id);
        for spans in [&one, &other, &other, &one] {
            assert_eq!(ids(spans, "t").await, expected);
        }
        caches[0].settled().await;
        caches[1].settled().await;
    }
    // And what Redis has of it now is what a new server takes.
    take_away(&database).await;
    let new = server(&database, &redis(&redis_server, false)).await;
    assert_eq!(ids(&new, "t").await, expected);
}

async fn an_acknowledged_span_is_in_every_later_read_of_every_server(database: TestDatabase) {
    let Some(redis_server) = RedisServer::start() else {
        return;
    };
    let mut servers = Vec::new();
    for _ in 0..2 {
        servers.push(Arc::new(
            server(&database, &redis(&redis_server, true)).await,
        ));
    }
    let (written, end) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut readers = Vec::new();
    for n in 0..4 {
        let spans = Arc::clone(&servers[n % 2]);
        let (written, end) = (Arc::clone(&written), Arc::clone(&end));
        readers.push(tokio::spawn(async move {
            let mut reads = 0;
            while !end.load(Ordering::SeqCst) {
                let before = written.load(Ordering::SeqCst);
                let found = ids(&spans, "t").await.len();
                assert!(
                    found >= before,
                    "{found} of {before} that were acknowledged"
                );
                reads += 1;
            }
            reads
        }));
    }
    for n in 0..40 {
        let id = format!("{n:03}");
        servers[n % 2].write(span("t", &id, 1_000)).await.unwrap();
        written.store(n + 1, Ordering::SeqCst);
        if n % 8 == 0 {
            // Time to be remembered.
            for spans in &servers {
                assert_eq!(ids(spans, "t").await.len(), n + 1);
            }
        }
    }
    end.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 0_u32);
    }
}

async fn spans_past_the_directory_keep_a_trace_from_being_remembered(database: TestDatabase) {
    let spans = server(&database, &memory()).await;
    write(&spans, "t", &["a"]).await;
    let start = match database.backend {
        Backend::Sqlite => at(1_000).unix_micros().to_string(),
        _ => format!("'{}'", at(1_000)),
    };
    let insert = |id: &str| {
        format!(
            "INSERT INTO spans (trace_id, span_id, service_name, operation_name, start_time, duration_nanos)
             VALUES ('t', '{id}', 'api', 'by hand', {start}, 1)"
        )
    };
    database.execute(&insert("b")).await;
    assert_eq!(ids(&spans, "t").await, ["a", "b"]);
    database.execute(&insert("c")).await;
    assert_eq!(ids(&spans, "t").await, ["a", "b", "c"]);
}

async fn spans_that_are_gone_by_age_are_remembered_by_nobody(database: TestDatabase) {
    let cache = memory();
    let spans = server(&database, &cache).await;
    let batch = vec![
        span("both", "old", 1),
        span("both", "new", 9 * DAY),
        span("old", "s", 2),
        span("new", "s", 9 * DAY + 1),
    ];
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 4);
    for (trace, expected) in [("both", 2), ("old", 1), ("new", 1)] {
        assert_eq!(ids(&spans, trace).await.len(), expected);
    }
    let life = spans.lifecycle().at(at(10 * DAY));
    life.expire(&Interval::days(7), false, &mut |_| {})
        .await
        .unwrap();
    // Another server, so that it is not this process's memory alone that is right.
    let other = server(&database, &cache).await;
    for spans in [&spans, &other] {
        assert_eq!(ids(spans, "both").await, ["new"]);
        assert_eq!(ids(spans, "old").await, [""; 0]);
    }
    take_away(&database).await;
    assert_eq!(
        ids(&spans, "new").await,
        ["s"],
        "others are remembered still"
    );
    assert_eq!(ids(&spans, "both").await, [""; 0]);
}

async fn spans_of_a_service_that_was_deleted_are_remembered_by_nobody(database: TestDatabase) {
    let spans = server(&database, &memory()).await;
    let other = Span::new("t", "b", "db", "SELECT", at(2_000), 1_000);
    let batch = vec![span("t", "a", 1_000), other];
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 2);
    assert_eq!(ids(&spans, "t").await, ["a", "b"]);
    let life = spans.lifecycle();
    life.delete_of("db", None, false, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(ids(&spans, "t").await, ["a"]);
}

async fn a_redis_that_is_killed_or_hangs_makes_no_answer_wrong_and_none_fail(
    database: TestDatabase,
) {
    let Some(redis_server) = RedisServer::start() else {
        return;
    };
    let cache = redis(&redis_server, false);
    let spans = Arc::new(server(&database, &cache).await);
    let writer = Spans::open(&database.url).await.unwrap();
    let (written, end) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let readers = (0..3).map(|_| {
        let (spans, written, end) = (Arc::clone(&spans), Arc::clone(&written), Arc::clone(&end));
        tokio::spawn(async move {
            while !end.load(Ordering::SeqCst) {
                let before = written.load(Ordering::SeqCst);
                assert!(ids(&spans, "t").await.len() >= before);
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut count = 0;
    let mut grow = async || {
        for _ in 0..5 {
            writer
                .write(span("t", &format!("{count:03}"), 1_000))
                .await
                .unwrap();
            count += 1;
            written.store(count, Ordering::SeqCst);
            assert_eq!(ids(&spans, "t").await.len(), count);
        }
    };
    type Change = fn(&RedisServer);
    let ways: [(Change, Change); 2] = [
        (RedisServer::kill, RedisServer::restart),
        (RedisServer::pause, RedisServer::resume),
    ];
    for (go, come) in ways {
        grow().await;
        until_remembered(&redis_server, &cache, &spans).await;
        go(&redis_server);
        grow().await;
        while cache.asks_redis() {
            ids(&spans, "t").await;
        }
        grow().await;
        come(&redis_server);
        // One that hung has the trace as it was; the database has gone on meanwhile.
        grow().await;
        until_remembered(&redis_server, &cache, &spans).await;
    }
    end.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
}

/// Reads until Redis has the trace as it is now.
async fn until_remembered(redis_server: &RedisServer, cache: &Cache, spans: &Spans) {
    let remembered = async {
        loop {
            ids(spans, "t").await;
            cache.settled().await;
            if cache.asks_redis() && !redis_server.names().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, remembered).await.unwrap();
}

async fn values_that_are_not_ours_are_no_answers(database: TestDatabase) {
    let Some(redis_server) = RedisServer::start() else {
        return;
    };
    let cache = redis(&redis_server, false);
    let spans = server(&database, &cache).await;
    for (trace, id) in [("t", "a"), ("u", "b")] {
        write(&spans, trace, &[id]).await;
        assert_eq!(ids(&spans, trace).await, [id]);
        cache.settled().await;
    }
    let names = redis_server.names();
    assert_eq!(names.len(), 2);
    let values: Vec<_> = names
        .iter()
        .map(|name| redis_server.command(&[b"GET", name.as_bytes()]))
        .collect();
    for garbage in [
        &values[0][..],
        &values[1],
        b"",
        b"garbage",
        &values[0][..60],
    ] {
        for name in &names {
            redis_server.command(&[b"SET", name.as_bytes(), garbage]);
        }
        assert_eq!(ids(&spans, "t").await, ["a"]);
        assert_eq!(ids(&spans, "u").await, ["b"]);
        cache.settled().await;
    }
}

async fn two_databases_on_one_redis_do_not_mix(database: TestDatabase) {
    let Some(redis_server) = RedisServer::start() else {
        return;
    };
    let cache = redis(&redis_server, true);
    let mut stores = vec![
        database.store_in("one").await,
        database.store_in("two").await,
    ];
    let other = database.backend.database().await;
    stores.push(other.store().await);
    let mut servers = Vec::new();
    for store in stores {
        store.migrator(&[&MIGRATIONS]).up().await.unwrap();
        let traces = TraceCache::new(cache.clone()).finished_after(Duration::ZERO);
        servers.push(
            Spans::new(store, SpansOptions::default().with_cache(traces))
                .await
                .unwrap(),
        );
    }
    for (spans, id) in servers.iter().zip(["a", "b", "c"]) {
        write(spans, "t", &[id]).await;
    }
    for _ in 0..2 {
        for (spans, id) in servers.iter().zip(["a", "b", "c"]) {
            assert_eq!(ids(spans, "t").await, [id]);
        }
        cache.settled().await;
    }
    assert_eq!(redis_server.names().len(), 3);
}

/// A call of a model that cost so much, on a day.
fn call(id: &str, day: i64, cost: f64) -> Span {
    Span {
        provider: Some("acme".into()),
        gen_ai_operation: Some("chat".into()),
        model_name: Some("anvil".into()),
        input_tokens: Some(1_000),
        output_tokens: Some(10),
        cost: Some(cost),
        user_id: Some("ann".into()),
        ..span("t", id, day * DAY)
    }
}

async fn costs_that_are_made_anew_are_in_the_next_read(database: TestDatabase) {
    let list = |price: u32| {
        let text = format!(
            r#"price = [{{ provider = "acme", model = "anvil", input = {price}, output = 0 }}]"#
        );
        Arc::new(PriceList::with_text(&text, "mine.toml").unwrap())
    };
    let store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    let cache = TraceCache::new(memory()).finished_after(Duration::ZERO);
    let options = SpansOptions::default()
        .with_prices(list(1))
        .with_cache(cache);
    let spans = Spans::new(store, options).await.unwrap();
    let mut priced = call("a", 0, 0.0);
    priced.cost = None;
    spans.write(priced).await.unwrap();
    let query = UsageQuery::new(at(-DAY), at(DAY)).by(&[UsageBy::Model]);
    for price in [1, 7, 3] {
        let list = list(price);
        let asked = Recompute {
            from: at(-DAY),
            to: at(DAY),
            model: None,
            dry_run: false,
        };
        let _ = spans.recompute(&list, &asked, &|_| {}).await.unwrap();
        let expected = Some(f64::from(price) / 1e3);
        for _ in 0..2 {
            assert_eq!(spans.get_trace("t").await.unwrap()[0].cost, expected);
            assert_eq!(spans.usage(&query).await.unwrap().total.cost(), expected);
        }
    }
}

async fn a_summary_is_read_once_and_every_new_call_is_in_the_next(database: TestDatabase) {
    let Some(redis_server) = RedisServer::start() else {
        return;
    };
    let caches = [redis(&redis_server, true), redis(&redis_server, true)];
    let one = server(&database, &caches[0]).await;
    let other = server(&database, &caches[1]).await;
    let plain = Spans::open(&database.url).await.unwrap();
    let queries = [
        UsageQuery::new(at(0), at(3 * DAY)),
        UsageQuery::new(at(0), at(3 * DAY)).by(&[UsageBy::Day, UsageBy::Model]),
        UsageQuery::new(at(0), at(3 * DAY)).by(&[UsageBy::User]),
        UsageQuery::new(at(2 * DAY + DAY / 2), at(2 * DAY + DAY / 2 + 1)),
    ];
    for n in 0..6 {
        let span = call(&format!("{n}"), n % 3, 0.25);
        [&one, &other, &plain][n as usize % 3]
            .write(span)
            .await
            .unwrap();
        for query in &queries {
            let expected = plain.usage(query).await.unwrap();
            for spans in [&one, &other, &one] {
                assert_eq!(spans.usage(query).await.unwrap(), expected);
            }
        }
        caches[0].settled().await;
    }
    // Behind everybody's back, so that what is still told is remembered, here and by a new server from Redis.
    database.execute("DELETE FROM usage_hourly").await;
    let new = server(&database, &redis(&redis_server, false)).await;
    for spans in [&one, &other, &new] {
        assert_eq!(spans.usage(&queries[0]).await.unwrap().total.calls, 6);
    }
    assert_eq!(plain.usage(&queries[0]).await.unwrap().total.calls, 0);
}
