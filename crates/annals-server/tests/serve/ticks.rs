//! Ticks by HTTP, and the bars that become of them.

use annals_server::Stop;
use annals_testkit::{TestDatabase, on_every_backend, on_every_server};
use serde_json::{Value, json};

use crate::{
    bars::{bars, day, minute, written},
    client::{Answer, get, post},
    exports::Packing,
    serving::{self, Served, eventually},
};

on_every_backend!(
    trades_become_bars,
    every_format_feeds_the_same,
    a_stop_writes_minutes_that_are_running,
    a_checkpoint_writes_minutes_that_are_running,
    trades_are_merged_with_what_is_there,
);

/// What needs a server.
mod away {
    use super::*;

    on_every_server!(
        ticks_are_taken_while_the_database_is_away,
        a_stop_counts_parts_that_nobody_can_write,
    );
}

/// A trade in a minute of [`minute`]'s day, so many seconds after it began.
fn trade(symbol: &str, at: u32, second: u32, price: f64, size: i64) -> Value {
    let time = minute(at).replace(":00Z", &format!(":{second:02}Z"));
    json!({"symbol": symbol, "timestamp": time, "price": price, "size": size, "type": "trade"})
}

async fn feed(served: &Served, ticks: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    post(served.http, "/ticks", &headers, ticks.to_string()).await
}

async fn fed(served: &Served, ticks: &Value) {
    let answer = feed(served, ticks).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let count = ticks.as_array().unwrap().len();
    let expected = json!({"taken": count, "quotes": 0, "refused": [], "refused_count": 0});
    assert_eq!(answer.json(), expected);
}

/// Open, high, low, close, volume and mean of each bar of a symbol.
async fn summaries(served: &Served, symbol: &str) -> Vec<[f64; 6]> {
    let fields = ["open", "high", "low", "close", "volume", "vwap"];
    let bars = day(served, symbol).await;
    let bars = bars.as_array().unwrap().iter();
    bars.map(|bar| fields.map(|field| bar[field].as_f64().unwrap()))
        .collect()
}

/// Waits until a symbol has these bars.
async fn become_of(served: &Served, symbol: &str, expected: &[[f64; 6]]) {
    eventually("the bars are there", async || {
        summaries(served, symbol).await == expected
    })
    .await;
}

/// The trades that follow are long past, so each minute is closed at the next look.
const SOON: (&str, &str) = ("BARS_DB_WRITE_INTERVAL", "10ms");

async fn trades_become_bars(database: TestDatabase) {
    let served = serving::on(&database, &[SOON]).await;
    let mut ticks = json!([
        trade("A", 0, 1, 10.0, 100),
        trade("A", 0, 30, 14.0, 100),
        trade("B", 0, 2, 5.0, 1),
        trade("A", 0, 59, 12.0, 200),
        trade("A", 1, 0, 12.5, 10),
    ]);
    fed(&served, &ticks).await;
    become_of(
        &served,
        "A",
        &[
            [10.0, 14.0, 10.0, 12.0, 400.0, 12.0],
            [12.5, 12.5, 12.5, 12.5, 10.0, 12.5],
        ],
    )
    .await;
    become_of(&served, "B", &[[5.0, 5.0, 5.0, 5.0, 1.0, 5.0]]).await;
    let first = &day(&served, "A").await[0];
    assert_eq!(first["timestamp"], minute(0));
    assert_eq!(first["opened_at"], "2026-01-06T00:00:01Z");
    assert_eq!(first["closed_at"], "2026-01-06T00:00:59Z");

    // Bad ones refuse themselves alone, and quotes are counted.
    ticks = json!([
        trade("C", 0, 1, 7.0, 1),
        trade("C", 0, 2, 7.0, -1),
        {"symbol": "C", "timestamp": minute(0), "price": 9, "size": 5, "type": "quote"},
        {"symbol": "C", "timestamp": minute(0), "price": 9},
        {"symbol": "", "timestamp": minute(0), "price": 9, "size": 5},
    ]);
    let answer = feed(&served, &ticks).await;
    assert_eq!(answer.status, 202);
    let refused = json!([
        {"index": 1, "error": "the size -1 is below zero"},
        {"index": 3, "error": "size is missing"},
        {"index": 4, "error": "the symbol is empty"},
    ]);
    let expected = json!({"taken": 1, "quotes": 1, "refused": refused, "refused_count": 3});
    assert_eq!(answer.json(), expected);
    become_of(&served, "C", &[[7.0, 7.0, 7.0, 7.0, 1.0, 7.0]]).await;

    let metrics = get(served.http, "/metrics").await;
    for line in [
        "annals_ticks_total{kind=\"trade\",outcome=\"taken\"}",
        "annals_ticks_total{kind=\"trade\",outcome=\"refused\"}",
        "annals_ticks_total{kind=\"unknown\",outcome=\"refused\"}",
        "annals_ticks_total{kind=\"quote\",outcome=\"ignored\"}",
        "annals_late_ticks_total",
        "annals_feed_waiting",
        "annals_requests_total{road=\"ticks\",outcome=\"partial\"}",
        "timescale_write_total{table=\"bars_1m\",status=\"success\"}",
    ] {
        assert!(metrics.text().contains(line), "{line}: {}", metrics.text());
    }
}

async fn every_format_feeds_the_same(database: TestDatabase) {
    let served = serving::on(&database, &[SOON]).await;
    for packing in Packing::ALL {
        for media in ["application/json", "application/x-ndjson"] {
            let symbol = format!("{}-{}", packing.name(), media.len());
            // Without a type it is a trade, and times may be milliseconds.
            let tick = json!({
                "symbol": symbol, "timestamp": 1_767_657_600_000_i64, "price": 2, "size": 3.0,
            });
            let (body, place) = match media {
                "application/json" => (format!("[{tick},7]"), "index"),
                _ => (format!("{tick}\n7\n"), "line"),
            };
            let headers = [
                ("content-type", media),
                ("content-encoding", packing.name()),
            ];
            let answer = post(
                served.http,
                "/ticks",
                &headers,
                packing.pack(body.as_bytes()),
            )
            .await;
            assert_eq!(answer.status, 202);
            let answer = answer.json();
            assert_eq!(
                (&answer["taken"], &answer["refused_count"]),
                (&json!(1), &json!(1))
            );
            let expected = if place == "line" { 2 } else { 1 };
            assert_eq!(answer["refused"][0][place], expected, "{answer}");
            become_of(&served, &symbol, &[[2.0, 2.0, 2.0, 2.0, 3.0, 2.0]]).await;
        }
    }
}

/// Trades of a minute that will not close while the test runs.
fn running(symbol: &str) -> (Value, String) {
    let now = annals_record::Timestamp::now() + std::time::Duration::from_secs(600);
    let minute = format!("{}:00Z", &now.to_string()[..16]);
    let ticks = [(1.0, 1), (3.0, 1)].map(|(price, size)| {
        json!({"symbol": symbol, "timestamp": minute, "price": price, "size": size})
    });
    (Value::from(ticks.to_vec()), minute)
}

async fn a_stop_writes_minutes_that_are_running(database: TestDatabase) {
    let served = serving::on(&database, &[SOON]).await;
    let (ticks, minute) = running("A");
    fed(&served, &ticks).await;
    served.tell(Stop::Drain);
    let report = served.end().await;
    assert_eq!(report.ticks.ticks.trades, 2, "{report:?}");
    assert_eq!(report.ticks.written.committed, 1, "{report:?}");
    assert_eq!(report.lost(), 0, "{report:?}");

    let served = serving::on(&database, &[]).await;
    let latest = get(served.http, "/bars/A/latest").await.found();
    assert_eq!(latest.as_array().unwrap().len(), 1, "{latest}");
    assert_eq!(latest[0]["timestamp"], minute);
    assert_eq!(latest[0]["volume"], 2);
}

async fn a_checkpoint_writes_minutes_that_are_running(database: TestDatabase) {
    let settings = [SOON, ("BARS_CHECKPOINT_INTERVAL", "10ms")];
    let served = serving::on(&database, &settings).await;
    let (ticks, _) = running("A");
    let volume = async || {
        let latest = get(served.http, "/bars/A/latest").await.found();
        latest[0]["volume"].as_i64()
    };
    fed(&served, &ticks).await;
    eventually("the minute is there", async || volume().await == Some(2)).await;
    let (_, minute) = running("A");
    let more = json!([{"symbol": "A", "timestamp": minute, "price": 2, "size": 5}]);
    fed(&served, &more).await;
    eventually("the rest of it is there", async || {
        let seen = get(served.http, "/bars/A/latest").await.found();
        let bars = seen.as_array().unwrap().iter();
        bars.map(|bar| bar["volume"].as_i64().unwrap()).sum::<i64>() == 7
    })
    .await;
}

async fn trades_are_merged_with_what_is_there(database: TestDatabase) {
    // Whatever bars do.
    let settings = [SOON, ("BARS_DB_CONFLICT", "ignore")];
    let served = serving::on(&database, &settings).await;
    written(&served, &bars("A", [10])).await;
    fed(&served, &json!([trade("A", 10, 5, 50.0, 10)])).await;
    become_of(&served, "A", &[[110.0, 112.0, 50.0, 50.0, 20.0, 80.125]]).await;
    // A trade of a minute that was written long ago goes into that.
    fed(&served, &json!([trade("A", 10, 6, 40.0, 20)])).await;
    become_of(&served, "A", &[[110.0, 112.0, 40.0, 40.0, 40.0, 60.0625]]).await;
}

async fn ticks_are_taken_while_the_database_is_away(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let served = serving::on(&behind, &[SOON]).await;
    proxy.refuse();
    proxy.cut();
    for at in 0..100 {
        fed(
            &served,
            &json!([trade("A", at, 1, 10.0, 1), trade("A", at, 2, 11.0, 1)]),
        )
        .await;
    }
    proxy.heal();
    let expected = [[10.0, 11.0, 10.0, 11.0, 2.0, 10.5]; 100];
    become_of(&served, "A", &expected).await;
}

async fn a_stop_counts_parts_that_nobody_can_write(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    for stop in [Stop::Now, Stop::Drain] {
        proxy.heal();
        let settings = [("SHUTDOWN_TIMEOUT", "1s"), ("BARS_DB_WRITE_INTERVAL", "1h")];
        let served = serving::on(&behind, &settings).await;
        proxy.refuse();
        proxy.cut();
        let ticks: Value = (0..5).map(|at| trade("A", at, 1, 10.0, 1)).collect();
        fed(&served, &ticks).await;
        served.tell(stop);
        let report = served.end().await;
        assert_eq!(report.lost(), 5, "{report:?}");
        assert_eq!(report.ticks.ticks.trades, 5, "{report:?}");
    }
}
