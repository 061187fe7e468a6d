//! What is asked or sent wrongly about bars and ticks is refused by name, and nothing of it is kept.

use serde_json::json;

use crate::{
    bars::{bar, bars, write, written},
    client::{get, post},
    exports::Packing,
    serving,
};

#[tokio::test]
async fn questions_are_refused_by_the_name_of_what_is_wrong() {
    let served = serving::in_memory(&[("MAX_QUERY_WINDOW", "2d")]).await;
    for (path, told) in [
        ("/bars/A?timeframe=2m", "timeframe"),
        ("/bars/A?timeframe=1M", "1m, 5m, 15m, 1h, 1d"),
        ("/bars/A?timeframe=1d&zone=Mars/Olympus", "zone"),
        ("/bars/A?zone=", "zone"),
        ("/bars/A?cursor=nonsense", "cursor"),
        ("/bars/A?cursor=", "cursor"),
        ("/bars/A?limit=0", "limit"),
        ("/bars/A?limit=10001", "limit"),
        ("/bars/A?limit=many", "limit"),
        ("/bars/A?limit=1&limit=2", "limit"),
        ("/bars/A?start=yesterday", "start"),
        ("/bars/A?end=2026-13-01T00:00:00Z", "end"),
        ("/bars/A?since=2026-01-01T00:00:00Z", "since"),
        ("/bars/A/latest?timeframe=1w", "timeframe"),
        ("/bars/A/latest?zone=x", "zone"),
        ("/bars/A/latest?limit=0", "limit"),
        ("/bars/A/latest?start=2026-01-01T00:00:00Z", "start"),
        ("/bars/A/gaps?limit=1", "limit"),
        ("/bars/A/gaps?start=x", "start"),
        (
            "/bars/A/gaps?start=2026-01-01T00:00:00Z&end=2026-01-04T00:00:00Z",
            "MAX_QUERY_WINDOW",
        ),
        ("/bars", "symbols"),
        ("/bars?limit=1", "symbols"),
        ("/bars?symbols=", "symbols"),
        ("/bars?symbols=A,,B", "symbols"),
        ("/bars?symbol=", "symbol"),
        ("/bars?symbols=A&limit=0", "limit"),
        ("/bars?symbols=A&limit=10001", "limit"),
        ("/bars?symbols=A&limit=1&limit=2", "limit"),
        ("/bars?symbols=A&timeframe=5m", "timeframe"),
        ("/symbols?since=x", "since"),
        ("/symbols?window=1h", "window"),
    ] {
        let error = get(served.http, path).await.refusal(400);
        assert!(error.contains(told), "{path}: {error}");
    }
    let many: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
    let error = get(served.http, &format!("/bars?symbols={}", many.join(","))).await;
    assert!(error.refusal(400).contains("1000"));
    let half = many[..500].join(",");
    let error = get(served.http, &format!("/bars?symbols={half}&limit=201")).await;
    assert!(error.refusal(400).contains("from 1 to 200"));
    let fits = format!("/bars?symbols={half}&limit=200");
    assert_eq!(get(served.http, &fits).await.found(), json!([]));
    for path in ["/bars/", "/bars/A/B", "/bars/A/B/latest"] {
        let error = get(served.http, path).await.not_served();
        assert!(error.contains("%2F"), "{error}");
    }
}

#[tokio::test]
async fn methods_that_there_are_not_are_refused() {
    let served = serving::in_memory(&[]).await;
    for (method, path, told) in [
        (http::Method::DELETE, "/bars", "GET or POST"),
        (http::Method::PUT, "/ticks", "send POST"),
        (http::Method::GET, "/ticks", "send POST"),
        (http::Method::POST, "/bars/A", "send GET"),
        (http::Method::POST, "/symbols", "send GET"),
    ] {
        let sent = crate::client::request(method, path, &[], crate::client::whole("[]"));
        let answer = crate::client::send(served.http, sent).await;
        let error = answer.refusal(405);
        assert!(error.contains(told), "{error}");
        assert_ne!(answer.header("allow"), "");
    }
}

#[tokio::test]
async fn a_body_of_which_nothing_can_be_read_is_refused_whole() {
    let served = serving::in_memory(&[]).await;
    let one = bar("A", 0).to_string();
    for path in ["/bars", "/ticks"] {
        for (media, body) in [
            ("application/json", ""),
            ("application/json", "{}"),
            ("application/json", one.as_str()),
            ("application/json", "[{}, "),
            ("application/json", "[{}] []"),
            ("application/x-ndjson", ""),
            ("application/x-ndjson", "\n\n"),
            ("application/x-ndjson", "symbol,open\nA,1\n"),
        ] {
            let answer = post(
                served.http,
                path,
                &[("content-type", media)],
                body.to_owned(),
            )
            .await;
            let error = answer.refusal(400);
            assert!(
                error.contains("nothing of the request can be read"),
                "{error}"
            );
            assert_eq!(answer.header("retry-after"), "");
        }
    }
    for body in ["", "symbol,timestamp,open\n", "a\n1\n"] {
        let answer = post(served.http, "/bars", &[("content-type", "text/csv")], body).await;
        answer.refusal(400);
    }
    // Packed wrongly.
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    post(served.http, "/bars", &headers, one.clone())
        .await
        .refusal(400);
    // What holds nothing is no mistake, and a header alone is a file without bars.
    for (media, body) in [
        ("application/json", "[]"),
        ("text/csv", "symbol,timestamp,open,high,low,close,volume\n"),
    ] {
        let answer = post(served.http, "/bars", &[("content-type", media)], body).await;
        assert_eq!(answer.found()["committed"], 0);
    }
    assert_eq!(get(served.http, "/bars/A/latest").await.found(), json!([]));
}

#[tokio::test]
async fn what_is_not_spoken_is_refused() {
    let served = serving::in_memory(&[]).await;
    for path in ["/bars", "/ticks"] {
        for headers in [
            &[][..],
            &[("content-type", "application/xml")],
            &[("content-type", "")],
            &[
                ("content-type", "application/json"),
                ("content-encoding", "br"),
            ],
            &[
                ("content-type", "application/json"),
                ("content-encoding", "gzip, zstd"),
            ],
        ] {
            let answer = post(served.http, path, headers, "[]").await;
            let error = answer.refusal(415);
            assert!(error.contains("Content-"), "{path} {headers:?}: {error}");
        }
    }
    let answer = post(
        served.http,
        "/ticks",
        &[("content-type", "text/csv")],
        "a\n",
    )
    .await;
    assert!(answer.refusal(415).contains("application/x-ndjson"));
    for (path, told) in [
        ("/bars?conflict=add", "replace, merge or ignore"),
        ("/bars?conflct=merge", "conflct"),
        ("/ticks?conflict=merge", "conflict"),
    ] {
        let error = write(&served, path, &json!([])).await.refusal(400);
        assert!(error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_body_larger_than_allowed_is_refused_packed_or_not() {
    let served = serving::in_memory(&[("MAX_REQUEST_BYTES", "64KiB")]).await;
    let large = vec![b' '; (64 << 10) + 1];
    for path in ["/bars", "/ticks"] {
        for packing in Packing::ALL {
            let headers = [
                ("content-type", "application/json"),
                ("content-encoding", packing.name()),
            ];
            let answer = post(served.http, path, &headers, packing.pack(&large)).await;
            assert!(answer.refusal(413).contains("MAX_REQUEST_BYTES"));
            assert_eq!(answer.header("retry-after"), "", "again would not help");
        }
    }
    written(&served, &bars("A", 0..100)).await;
}

#[tokio::test]
async fn a_symbol_longer_than_an_index_holds_is_refused_in_every_format() {
    let served = serving::in_memory(&[]).await;
    let fits = "x".repeat(256);
    written(&served, &bars(&fits, 0..1)).await;
    let long = bar(&"x".repeat(257), 0);
    let csv = format!(
        "symbol,timestamp,open,high,low,close,volume\n{},2026-01-06,1,1,1,1,1\n",
        "x".repeat(257)
    );
    for (media, body) in [
        ("application/json", format!("[{long}]")),
        ("application/x-ndjson", long.to_string()),
        ("text/csv", csv),
    ] {
        let answer = post(served.http, "/bars", &[("content-type", media)], body).await;
        let error = answer.found()["refused"][0]["error"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(error.contains("257 bytes"), "{error}");
    }
}
