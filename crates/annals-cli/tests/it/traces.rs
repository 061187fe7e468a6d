//! `annals traces search` and the waterfall.

use std::time::Duration;

use annals_record::{Json, Timestamp};
use annals_telemetry::{Span, SpanStore as _, Spans, StatusCode};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::program::{Run, annals};

on_every_backend!(
    traces_are_searched_by_every_flag,
    a_search_says_what_it_did_not_look_at,
    a_trace_is_drawn_as_a_waterfall,
);

fn run(database: &TestDatabase, arguments: &[&str]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    annals(directory.path(), Some(&database.url), arguments)
}

async fn three(database: &TestDatabase) {
    let spans = Spans::open(&database.url).await.unwrap();
    let now = Timestamp::now();
    let batch = (0..3_u64).flat_map(|n| {
        let start = now - Duration::from_secs(60 * (n + 1));
        let root = Span::new(format!("t{n}"), "root", "api", "GET /", start, 900_000_000);
        let mut call = Span::new(
            format!("t{n}"),
            "call",
            "llm",
            "chat",
            start + Duration::from_millis(300),
            300_000_000,
        );
        call.parent_span_id = Some("root".into());
        call.model_name = Some(["gpt-4", "claude", "gpt-4"][n as usize].to_owned());
        call.tags = Json::parse(&format!(r#"{{"tenant": "t-{n}"}}"#)).ok();
        call.user_id = (n == 2).then(|| "ann".to_owned());
        call.status_code = [StatusCode::Ok, StatusCode::Error, StatusCode::Unset][n as usize];
        (call.input_tokens, call.output_tokens) = (Some(1_200), Some(34));
        [root, call]
    });
    assert_eq!(
        spans.write_batch(batch.collect()).await.unwrap().committed,
        6
    );
}

async fn traces_are_searched_by_every_flag(database: TestDatabase) {
    three(&database).await;
    let search = |flags: &str| -> Vec<String> {
        let words: Vec<&str> = ["traces", "search", "--json"]
            .into_iter()
            .chain(flags.split_whitespace())
            .collect();
        let found = run(&database, &words).json();
        let traces = found["traces"].as_array().unwrap().iter();
        traces
            .map(|trace| trace["trace_id"].as_str().unwrap().to_owned())
            .collect()
    };
    for (flags, expected) in [
        ("", vec!["t0", "t1", "t2"]),
        ("--model gpt-4", vec!["t0", "t2"]),
        ("--model gpt-4 --user ann", vec!["t2"]),
        ("--errors", vec!["t1"]),
        ("--status error", vec!["t1"]),
        ("--attribute tenant=t-1", vec!["t1"]),
        ("--name CHAT --since 1h", vec!["t0", "t1", "t2"]),
        ("--root get", vec!["t0", "t1", "t2"]),
        ("--service llm", vec![]),
        ("--min-duration 500ms --limit 1", vec!["t0"]),
        ("--max-duration 500ms", vec![]),
    ] {
        assert_eq!(search(flags), expected, "{flags}");
    }
    let first = run(&database, &["traces", "search", "--limit", "1", "--json"]).json();
    let next = first["next"].as_str().unwrap();
    assert_eq!(search(&format!("--limit 2 --after {next}")), ["t1", "t2"]);
    for bad in [
        ["--status", "bad"],
        ["--attribute", "x"],
        ["--min-duration", "fast"],
        ["--limit", "0"],
        ["--min-cost", "-1"],
    ] {
        let refused = run(&database, &["traces", "search", bad[0], bad[1]]);
        assert_ne!(refused.code, 0, "{bad:?}");
        assert!(
            refused
                .err
                .contains(&bad[0].trim_start_matches('-').replace('-', "_"))
                || refused.err.contains(bad[0]),
            "{refused:?}"
        );
    }
}

async fn a_search_says_what_it_did_not_look_at(database: TestDatabase) {
    three(&database).await;
    let defaulted = run(&database, &["traces", "search", "--name", "chat"]);
    assert!(defaulted.err.contains("--since"), "{defaulted:?}");
    assert!(
        defaulted.out.contains("t0") && defaulted.out.contains("GET /"),
        "{defaulted:?}"
    );
    let told = run(&database, &["traces", "search", "--name", "chat", "--json"]).json();
    assert_eq!(told["window"]["defaulted"], true);
    for flags in [
        &["--name", "chat", "--since", "2h"][..],
        &["--model", "gpt-4"],
    ] {
        let words: Vec<&str> = ["traces", "search"]
            .into_iter()
            .chain(flags.iter().copied())
            .collect();
        let given = run(&database, &words);
        assert!(!given.err.contains("--since"), "{given:?}");
    }
    let none = run(&database, &["traces", "search", "--model", "none"]);
    assert!(none.code == 0 && none.out.contains("no traces"), "{none:?}");
}

async fn a_trace_is_drawn_as_a_waterfall(database: TestDatabase) {
    three(&database).await;
    let drawn = run(&database, &["traces", "get", "t1", "--ascii"]);
    assert_eq!(drawn.code, 0, "{drawn:?}");
    let lines: Vec<&str> = drawn.out.lines().collect();
    assert!(
        lines[0].starts_with("trace t1, 2 spans, 900.0 ms from "),
        "{drawn:?}"
    );
    assert!(
        lines[3].starts_with("0 ns") && lines[3].contains("====") && lines[3].contains("GET /"),
        "{drawn:?}"
    );
    for told in ["300.0 ms", "  chat", "error", "1200>34"] {
        assert!(lines[4].contains(told), "{told}: {drawn:?}");
    }
    assert!(lines[2..5].iter().all(|line| line.len() <= 80), "{drawn:?}");
    assert!(
        lines
            .last()
            .unwrap()
            .starts_with("total: 900.0 ms, 2 spans, 1 failed"),
        "{drawn:?}"
    );
    let json = run(&database, &["traces", "get", "t1", "--json"]).json();
    assert_eq!(
        (
            &json["summary"]["span_count"],
            &json["spans"][1]["model_name"]
        ),
        (&2.into(), &"claude".into())
    );
}
