//! Bars by HTTP: written in every format, and found again.

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use crate::{
    client::{Answer, get, post},
    exports::Packing,
    serving::{self, Served},
};

on_every_backend!(
    every_format_writes_the_same_bars,
    a_bad_bar_refuses_itself_alone,
    a_range_has_both_ends_and_pages_give_every_bar_once,
    longer_bars_are_made_as_they_are_read,
    the_newest_bars_of_one_and_of_many_symbols,
    symbols_and_gaps,
    each_policy_does_what_it_says,
    a_symbol_may_be_any_text,
    a_request_larger_than_the_queue_fits,
    every_writer_is_counted,
);

/// What needs a server.
mod parked {
    use super::what_the_table_refuses_is_parked;

    annals_testkit::on_every_server!(what_the_table_refuses_is_parked);
}

/// A Tuesday's minute, from midnight.
pub(crate) fn minute(minute: u32) -> String {
    format!(
        "2026-01-{:02}T{:02}:{:02}:00Z",
        6 + minute / 1_440,
        minute / 60 % 24,
        minute % 60
    )
}

/// A bar whose prices and volume tell its minute.
pub(crate) fn bar(symbol: &str, at: u32) -> Value {
    let price = 100.0 + f64::from(at);
    json!({
        "symbol": symbol, "timestamp": minute(at), "open": price, "high": price + 2.0,
        "low": price - 1.0, "close": price + 1.0, "volume": at, "vwap": price + 0.25,
    })
}

pub(crate) fn bars(symbol: &str, minutes: impl IntoIterator<Item = u32>) -> Value {
    minutes.into_iter().map(|at| bar(symbol, at)).collect()
}

pub(crate) async fn write(served: &Served, path: &str, bars: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    post(served.http, path, &headers, bars.to_string()).await
}

pub(crate) async fn written(served: &Served, bars: &Value) {
    let answer = write(served, "/bars", bars).await.found();
    let count = bars.as_array().unwrap().len();
    let expected = json!({"committed": count, "parked": 0, "refused": [], "refused_count": 0});
    assert_eq!(answer, expected);
}

async fn found(served: &Served, path: &str) -> Value {
    get(served.http, path).await.found()
}

/// Every bar of a symbol on the day of [`minute`].
pub(crate) async fn day(served: &Served, symbol: &str) -> Value {
    let path = format!("/bars/{symbol}?start={}&end={}", minute(0), minute(1_439));
    found(served, &path).await
}

fn lines(bars: &Value) -> String {
    let lines = bars.as_array().unwrap().iter();
    lines.map(|bar| format!("{bar}\n")).collect()
}

fn csv(bars: &Value) -> String {
    let columns = [
        "symbol",
        "timestamp",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "vwap",
    ];
    let rows = bars.as_array().unwrap().iter().map(|bar| {
        let fields = columns.map(|column| bar[column].to_string().replace('"', ""));
        fields.join(",") + "\n"
    });
    columns.join(",") + "\n" + &rows.collect::<String>()
}

async fn every_format_writes_the_same_bars(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    for (n, (media, encode)) in [
        ("application/json", Value::to_string as fn(&Value) -> String),
        ("application/x-ndjson", lines),
        ("text/csv; charset=utf-8", csv),
    ]
    .into_iter()
    .enumerate()
    {
        for packing in Packing::ALL {
            let symbol = format!("{n}{}", packing.name());
            let bars = bars(&symbol, 0..5);
            let headers = [
                ("content-type", media),
                ("content-encoding", packing.name()),
            ];
            let body = packing.pack(encode(&bars).as_bytes());
            let answer = post(served.http, "/bars", &headers, body).await.found();
            assert_eq!(answer["committed"], 5, "{answer}");
            assert_eq!(answer["refused_count"], 0, "{answer}");
            assert_eq!(day(&served, &symbol).await, bars);
        }
    }
    // Milliseconds, times inside of the minute, a volume as a double, and no mean.
    let given = json!([{
        "symbol": "M", "timestamp": 1_767_657_600_000_i64, "open": 2, "high": 3, "low": 1,
        "close": 2, "volume": 7.0, "vwap": null,
        "opened_at": 1_767_657_601_500_i64, "closed_at": "2026-01-06T01:00:59.123456789+01:00",
    }]);
    written(&served, &given).await;
    let kept = json!([{
        "symbol": "M", "timestamp": minute(0), "open": 2.0, "high": 3.0, "low": 1.0, "close": 2.0,
        "volume": 7, "vwap": 2.0,
        "opened_at": "2026-01-06T00:00:01.5Z", "closed_at": "2026-01-06T00:00:59.123456Z",
    }]);
    assert_eq!(day(&served, "M").await, kept);
}

async fn a_bad_bar_refuses_itself_alone(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let mut mixed = bars("A", 0..4);
    mixed[0]["volume"] = json!(-1);
    mixed[2]["high"] = json!(1);
    mixed[3]["open"] = json!("x");
    let answer = write(&served, "/bars", &mixed).await.found();
    let refused = json!([
        {"index": 0, "error": "the volume -1 is below zero"},
        {"index": 2, "error": "high 1 is below low 101"},
        {"index": 3, "error": "open is \"x\", but must be a finite number"},
    ]);
    let expected = json!({"committed": 1, "parked": 0, "refused": refused, "refused_count": 3});
    assert_eq!(answer, expected);

    let body = format!("{}\n\nnot json\n{}\n", bar("B", 0), bar("B", 1));
    let headers = [("content-type", "application/x-ndjson")];
    let answer = post(served.http, "/bars", &headers, body).await.found();
    assert_eq!(answer["committed"], 2, "{answer}");
    assert_eq!(answer["refused"][0]["line"], 3, "{answer}");

    let body = csv(&bars("C", 0..3)).replace(",101.0,103.0,100.0,", ",much,103.0,100.0,");
    let headers = [("content-type", "text/csv")];
    let answer = post(served.http, "/bars", &headers, body).await.found();
    assert_eq!(answer["committed"], 2, "{answer}");
    assert_eq!(answer["refused"][0]["line"], 3, "{answer}");

    for (symbol, kept) in [("A", [1].as_slice()), ("B", &[0, 1]), ("C", &[0, 2])] {
        let expected = bars(symbol, kept.iter().copied());
        assert_eq!(day(&served, symbol).await, expected);
    }
    // Of many, the first are told and all are counted.
    let mut bad = bars("D", 0..250);
    for bar in bad.as_array_mut().unwrap() {
        bar["volume"] = json!(0.5);
    }
    bad[249] = bar("D", 249);
    let answer = write(&served, "/bars", &bad).await.found();
    assert_eq!(
        (&answer["committed"], &answer["refused_count"]),
        (&json!(1), &json!(249))
    );
    assert_eq!(answer["refused"].as_array().unwrap().len(), 100);
}

async fn a_range_has_both_ends_and_pages_give_every_bar_once(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    written(&served, &bars("A/B", 0..10)).await;
    written(&served, &bars("OTHER", 0..10)).await;
    let range = |from, to| format!("start={}&end={}", minute(from), minute(to));
    for (query, expected) in [
        (range(3, 5), 3..6),
        (range(8, 100), 8..10),
        (range(5, 3), 0..0),
        (format!("{}&limit=2", range(0, 9)), 0..2),
        (
            "start=2026-01-06T01:03:00%2B01:00&end=2026-01-06T00:04:59.999Z".to_owned(),
            3..5,
        ),
        (format!("end={}", minute(2)), 0..3),
        (format!("end={}", minute(1_449)), 9..10),
    ] {
        let found = found(&served, &format!("/bars/A%2FB?{query}")).await;
        assert_eq!(found, bars("A/B", expected), "{query}");
    }
    let mut path = format!("/bars/A%2FB?{}&limit=3", range(0, 9));
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let answer = get(served.http, &path).await;
        seen.extend(answer.found().as_array().unwrap().clone());
        pages += 1;
        let (link, cursor) = (answer.header("link"), answer.header("annals-next-cursor"));
        let Some(link) = link.strip_prefix('<') else {
            assert_eq!((link, cursor), ("", ""));
            break;
        };
        assert!(
            link.contains(cursor) && link.starts_with("/bars/A%2FB?"),
            "{link}"
        );
        path = link.strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    assert_eq!((Value::Array(seen), pages), (bars("A/B", 0..10), 4));
}

async fn longer_bars_are_made_as_they_are_read(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    // Over midnight in New York, which is 05:00 here.
    written(&served, &bars("A", 295..305)).await;
    let within = format!("start={}&end={}", minute(0), minute(1_439));
    let fields = |bar: &Value| {
        ["timestamp", "open", "high", "low", "close", "volume"].map(|field| bar[field].clone())
    };
    let summary = |from: u32, begin: u32, to: u32| {
        let (first, last) = (100.0 + f64::from(from), 99.0 + f64::from(to));
        let volume: u32 = (from..to).sum();
        [
            json!(minute(begin)),
            json!(first),
            json!(last + 2.0),
            json!(first - 1.0),
            json!(last + 1.0),
            json!(volume),
        ]
    };
    for (timeframe, expected) in [
        ("5m", vec![summary(295, 295, 300), summary(300, 300, 305)]),
        ("15m", vec![summary(295, 285, 300), summary(300, 300, 305)]),
        ("1h", vec![summary(295, 240, 300), summary(300, 300, 305)]),
        ("1d", vec![summary(295, 0, 305)]),
        ("1d&zone=UTC", vec![summary(295, 0, 305)]),
        // The first of the two days began before the range did.
        ("1d&zone=America/New_York", vec![summary(300, 300, 305)]),
    ] {
        let path = format!("/bars/A?{within}&timeframe={timeframe}");
        let found = found(&served, &path).await;
        let found: Vec<_> = found.as_array().unwrap().iter().map(fields).collect();
        assert_eq!(found, expected, "{timeframe}");
    }
    let path = format!("/bars/A?{within}&timeframe=5m&limit=1");
    let answer = get(served.http, &path).await;
    assert_eq!(answer.found()[0]["timestamp"], minute(295));
    let cursor = answer.header("annals-next-cursor");
    let rest = found(&served, &format!("{path}&cursor={cursor}")).await;
    assert_eq!(fields(&rest[0]), summary(300, 300, 305));

    let latest = found(&served, "/bars/A/latest?timeframe=1d&zone=america/new_york").await;
    assert_eq!(latest.as_array().unwrap().len(), 2);
    assert_eq!(fields(&latest[1]), summary(300, 300, 305));
    let latest = found(&served, "/bars/A/latest?timeframe=5m&limit=1").await;
    assert_eq!(fields(&latest[0]), summary(300, 300, 305));
}

async fn the_newest_bars_of_one_and_of_many_symbols(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    for symbol in ["A", "B", "latest", "x,y"] {
        written(&served, &bars(symbol, 0..300)).await;
    }
    assert_eq!(found(&served, "/bars/A/latest").await, bars("A", 100..300));
    assert_eq!(
        found(&served, "/bars/A/latest?limit=2").await,
        bars("A", 298..300)
    );
    assert_eq!(
        found(&served, "/bars/latest/latest?limit=1").await,
        bars("latest", 299..300)
    );
    assert_eq!(found(&served, "/bars/unknown/latest").await, json!([]));
    let of = |symbols: &[&str]| -> Value {
        let bars = symbols
            .iter()
            .flat_map(|symbol| [bar(symbol, 298), bar(symbol, 299)]);
        bars.collect()
    };
    for (query, expected) in [
        ("symbols=B,A", of(&["B", "A"])),
        ("symbols=A,unknown,A", of(&["A"])),
        (
            "symbol=x,y&symbols=latest&symbol=A",
            of(&["x,y", "latest", "A"]),
        ),
        ("symbol=x%2Cy", of(&["x,y"])),
    ] {
        let found = found(&served, &format!("/bars?{query}&limit=2")).await;
        assert_eq!(found, expected, "{query}");
    }
    let default = found(&served, "/bars?symbols=A,B").await;
    assert_eq!(default.as_array().unwrap().len(), 400);
}

async fn symbols_and_gaps(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    written(&served, &bars("B", [0, 1, 5])).await;
    written(&served, &bars("A", [2])).await;
    let since = |at| format!("/symbols?since={}", minute(at));
    let b = |count, at| json!({"symbol": "B", "bar_count": count, "last_seen": minute(at)});
    let a = json!({"symbol": "A", "bar_count": 1, "last_seen": minute(2)});
    assert_eq!(found(&served, &since(0)).await, json!([a, b(3, 5)]));
    assert_eq!(found(&served, &since(3)).await, json!([b(1, 5)]));
    assert_eq!(found(&served, &since(6)).await, json!([]));
    let recent = annals_record::Timestamp::now().to_string();
    let recent = format!("{}:00Z", &recent[..16]);
    let mut now = bar("NOW", 0);
    now["timestamp"] = json!(recent);
    written(&served, &json!([now])).await;
    let seen = found(&served, "/symbols").await;
    assert_eq!(
        seen,
        json!([{"symbol": "NOW", "bar_count": 1, "last_seen": recent}])
    );

    let gap = |from, to| json!({"from": minute(from), "to": minute(to), "minutes": to - from + 1});
    let gaps = |from, to| format!("/bars/B/gaps?start={}&end={}", minute(from), minute(to));
    assert_eq!(
        found(&served, &gaps(0, 7)).await,
        json!([gap(2, 4), gap(6, 7)])
    );
    assert_eq!(found(&served, &gaps(0, 1)).await, json!([]));
    let error = get(served.http, &gaps(1, 0)).await.refusal(400);
    assert!(
        error.contains("the end must be the start or later"),
        "{error}"
    );
    let day = found(&served, &format!("/bars/B/gaps?end={}", minute(1_440))).await;
    let first = json!(gap(2, 4));
    assert_eq!((&day[0], day.as_array().unwrap().len()), (&first, 2));
}

async fn each_policy_does_what_it_says(database: TestDatabase) {
    for (setting, policies) in [
        ("replace", ["", "?conflict=replace"]),
        ("merge", ["", "?conflict=merge"]),
        ("ignore", ["", "?conflict=ignore"]),
    ] {
        let settings = [("BARS_DB_CONFLICT", setting)];
        let served = serving::on(&database, &settings).await;
        for (n, policy) in policies.into_iter().enumerate() {
            let symbol = format!("{setting}{n}");
            written(&served, &bars(&symbol, [10])).await;
            let mut second = bars(&symbol, [20]);
            second[0]["timestamp"] = json!(minute(10));
            let path = format!("/bars{policy}");
            let answer = write(&served, &path, &second).await.found();
            assert_eq!(answer["committed"], 1, "{answer}");
            let bar = &day(&served, &symbol).await[0];
            let [open, close, volume] = ["open", "close", "volume"].map(|name| bar[name].clone());
            let expected = match setting {
                "replace" => [120.0, 121.0, 20.0],
                "merge" => [110.0, 121.0, 30.0],
                _ => [110.0, 111.0, 10.0],
            };
            let found = [open, close, volume].map(|value| value.as_f64().unwrap());
            assert_eq!(found, expected, "{setting} {policy}");
        }
        // Each policy may be asked for, whatever the setting says.
        for other in ["replace", "merge", "ignore"] {
            let bars = bars(&format!("{setting}-{other}"), [1, 2]);
            let path = format!("/bars?conflict={other}");
            let answer = write(&served, &path, &bars).await.found();
            assert_eq!(answer["committed"], 2, "{answer}");
        }
        served.tell(annals_server::Stop::Drain);
        let report = served.end().await;
        assert_eq!(report.bars.accepted, report.bars.committed, "{report:?}");
        assert_eq!(report.bars.committed, 10, "{report:?}");
    }
}

async fn a_symbol_may_be_any_text(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    for (symbol, path) in [
        ("BRK/B", "BRK%2FB"),
        ("latest", "latest"),
        ("gaps", "gaps"),
        ("..", "%2E%2E"),
        ("100% + ?&=#", "100%25%20%2B%20%3F%26%3D%23"),
        ("茅台 'x' \"y\"", "%E8%8C%85%E5%8F%B0%20'x'%20%22y%22"),
    ] {
        written(&served, &bars(symbol, 0..2)).await;
        assert_eq!(day(&served, path).await, bars(symbol, 0..2));
        let latest = found(&served, &format!("/bars/{path}/latest")).await;
        assert_eq!(latest, bars(symbol, 0..2));
        let many = found(&served, &format!("/bars?symbol={path}")).await;
        assert_eq!(many, bars(symbol, 0..2));
    }
    for path in [
        "/bars/a%00b",
        "/bars/%00/latest",
        "/bars/%00/gaps",
        "/bars?symbol=%00",
    ] {
        let error = get(served.http, path).await.refusal(400);
        assert!(error.contains("symbol"), "{error}");
    }
    assert!(
        get(served.http, "/bars/%FF")
            .await
            .refusal(400)
            .contains("UTF-8")
    );
}

async fn a_request_larger_than_the_queue_fits(database: TestDatabase) {
    let settings = [
        ("BARS_DB_WRITE_QUEUE_SIZE", "100"),
        ("BARS_DB_WRITE_BATCH_SIZE", "30"),
    ];
    let served = serving::on(&database, &settings).await;
    written(&served, &bars("A", 0..1_000)).await;
    assert_eq!(database.number("SELECT count(*) FROM bars_1m").await, 1_000);
}

async fn every_writer_is_counted(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    written(&served, &bars("A", 0..3)).await;
    let metrics = get(served.http, "/metrics").await;
    for (name, labels) in [
        (
            "timescale_write_total",
            "{table=\"bars_1m\",status=\"success\"}",
        ),
        (
            "timescale_write_latency_seconds_count",
            "{table=\"bars_1m\",operation=\"write\"}",
        ),
        ("timescale_write_queue_depth", "{table=\"bars_1m\"}"),
        (
            "timescale_write_batch_size_count",
            "{table=\"bars_1m\",operation=\"write\"}",
        ),
        ("annals_bars_total", "{outcome=\"committed\"}"),
        ("annals_requests_total", "{road=\"bars\",outcome=\"ok\"}"),
        ("annals_request_seconds_count", "{road=\"bars\"}"),
        ("annals_feed_waiting", " "),
    ] {
        let line = format!("{name}{labels}");
        assert!(metrics.text().contains(&line), "{line}: {}", metrics.text());
    }
}

async fn what_the_table_refuses_is_parked(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    database
        .execute("ALTER TABLE bars_1m ADD CONSTRAINT lucky CHECK (volume <> 13)")
        .await;
    let answer = write(&served, "/bars", &bars("A", 12..15)).await.found();
    let expected = json!({"committed": 2, "parked": 1, "refused": [], "refused_count": 0});
    assert_eq!(answer, expected);
    assert_eq!(day(&served, "A").await, bars("A", [12, 14]));
}
