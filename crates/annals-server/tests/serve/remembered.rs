//! A server that remembers: late spans, two servers, and a Redis that comes and goes.

use annals_record::Timestamp;
use annals_testkit::{RedisServer, TestDatabase, on_every_backend};

use crate::{
    client::get,
    infertrace::{send_v1, v1_span},
    serving::{self, Served, eventually},
};

on_every_backend!(
    a_redis_that_comes_and_goes_changes_no_answer_and_two_servers_agree,
    a_redis_that_is_not_there_is_no_reason_not_to_be_ready,
);

async fn write(served: &Served, id: &str) {
    let mut span = v1_span("t", id);
    span.start_time_unix_nano = Timestamp::now().unix_nanos() - 3_600_000_000_000;
    assert_eq!(send_v1(served, vec![span]).await, (1, 0));
}

async fn figure(served: &Served, name: &str) -> f64 {
    let shown = get(served.http, "/metrics").await.text().to_owned();
    let figures = shown.lines().filter_map(|line| line.strip_prefix(name));
    figures
        .filter_map(|rest| rest.trim().parse::<f64>().ok())
        .sum()
}

const HITS: &str = r#"annals_cache_requests_total{kind="trace",layer="redis",outcome="hit"}"#;

async fn a_redis_that_comes_and_goes_changes_no_answer_and_two_servers_agree(
    database: TestDatabase,
) {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let url = redis.url();
    let settings = [
        ("REDIS_URL", url.as_str()),
        ("REDIS_READ_TIMEOUT", "300ms"),
        ("CACHE_TRACES_AFTER", "1ms"),
        // So that Redis is asked each time.
        ("CACHE_BYTES", "off"),
    ];
    let one = serving::on(&database, &settings).await;
    let other = serving::on(&database, &settings).await;
    let mut written = 0;
    let mut grow = async || {
        for served in [&one, &other] {
            write(served, &format!("s{written}")).await;
            written += 1;
            for served in [&one, &other, &one, &other] {
                assert_eq!(served.trace("t").await.len(), written);
            }
        }
    };
    let hits = async || {
        let before = figure(&one, HITS).await;
        eventually("a hit", async || {
            one.trace("t").await;
            figure(&one, HITS).await > before
        })
        .await;
    };
    grow().await;
    hits().await;
    for (go, come) in [
        (
            RedisServer::kill as fn(&RedisServer),
            RedisServer::restart as fn(&RedisServer),
        ),
        (RedisServer::pause, RedisServer::resume),
    ] {
        go(&redis);
        grow().await;
        assert_eq!(get(one.http, "/ready").await.status, 200);
        come(&redis);
        grow().await;
        hits().await;
    }
}

async fn a_redis_that_is_not_there_is_no_reason_not_to_be_ready(database: TestDatabase) {
    let settings = [
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:1/"),
        ("CACHE_TRACES_AFTER", "1ms"),
    ];
    let served = serving::on(&database, &settings).await;
    write(&served, "a").await;
    for _ in 0..5 {
        assert_eq!(served.trace("t").await.len(), 1);
    }
    assert_eq!(get(served.http, "/ready").await.status, 200);
    let shown = get(served.http, "/metrics").await.text().to_owned();
    assert!(shown.contains("annals_cache_redis_up"), "{shown}");
    assert!(!shown.contains("hunter2"));
}
