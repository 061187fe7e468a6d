//! `annals costs`: sums, prices, and costs anew.

use annals_testkit::{TestDatabase, on_every_backend};

use crate::program::{Run, annals_with};

on_every_backend!(spans_are_imported_with_prices_and_priced_anew);

const PRICES: &str = "[[price]]\nprovider = \"acme\"\nmodel = \"anvil\"\ninput = 1\noutput = 2\n";

/// A call of a model as a line of OTLP/JSON.
fn call(id: u8, model: &str, input: u32) -> String {
    let text = |key: &str, value: &str| {
        format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
    };
    let int =
        |key: &str, value: u32| format!(r#"{{"key":"{key}","value":{{"intValue":"{value}"}}}}"#);
    let attributes = [
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.provider.name", "acme"),
        text("gen_ai.request.model", model),
        int("gen_ai.usage.input_tokens", input),
        int("gen_ai.usage.output_tokens", 0),
        text("user.id", "ann"),
    ]
    .join(",");
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"api"}}}}]}},"scopeSpans":[{{"spans":[{{"traceId":"4bf92f3577b34da6a3ce929d0e0e47{id:02x}","spanId":"00f067aa0ba902{id:02x}","name":"chat","kind":3,"startTimeUnixNano":"1735689600000000000","endTimeUnixNano":"1735689601000000000","attributes":[{attributes}]}}]}}]}}]}}"#
    )
}

async fn spans_are_imported_with_prices_and_priced_anew(database: TestDatabase) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("prices.toml");
    std::fs::write(&file, PRICES).unwrap();
    let settings = [
        ("DATABASE_URL", &*database.url),
        ("PRICES_FILE", file.to_str().unwrap()),
    ];
    let run = |arguments: &[&str]| -> Run { annals_with(directory.path(), &settings, arguments) };
    let lines = [call(1, "anvil", 1_000_000), call(2, "unheard-of", 5)];
    std::fs::write(directory.path().join("calls.jsonl"), lines.join("\n")).unwrap();
    assert_eq!(run(&["migrate", "up"]).code, 0);
    assert_eq!(run(&["spans", "import", "calls.jsonl"]).code, 0);
    let window = [
        "--since",
        "2025-01-01T00:00:00Z",
        "--until",
        "2025-01-02T00:00:00Z",
    ];
    let with = |words: &[&'static str]| [words, &window[..]].concat();
    let costs = run(&with(&["--json", "costs", "--by", "model,user"])).json();
    assert_eq!(
        (
            costs["total"]["calls"].as_u64(),
            costs["total"]["cost"].as_f64()
        ),
        (Some(2), Some(1.0))
    );
    assert_eq!(
        (&costs["groups"][0]["model"], &costs["groups"][0]["user"]),
        (&"anvil".into(), &"ann".into())
    );
    assert!(costs["groups"][1].get("cost").is_none(), "{costs}");
    let shown = run(&with(&["costs"]));
    assert!(
        shown.out.contains("anvil")
            && shown.out.contains("1.0000")
            && shown.out.contains("unpriced calls have no known price"),
        "{shown:?}"
    );

    std::fs::write(&file, PRICES.replace("input = 1", "input = 4")).unwrap();
    let dry = run(&with(&["--json", "costs", "recompute", "--dry-run"])).json();
    assert_eq!(
        (dry["changed"].as_u64(), dry["cost_after"].as_f64()),
        (Some(1), Some(4.0))
    );
    let done = run(&with(&["costs", "recompute"]));
    assert!(
        done.out
            .starts_with("1 of 2 call(s) changed: 1.0000 USD became 4.0000 USD"),
        "{done:?}"
    );
    assert_eq!(
        run(&with(&["--json", "costs"])).json()["total"]["cost"],
        4.0
    );

    std::fs::write(&file, PRICES.replace("input", "inputs")).unwrap();
    let wrong = run(&with(&["costs", "recompute"]));
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.err.contains("line 4: unknown field `inputs`"),
        "{wrong:?}"
    );
}

#[test]
fn prices_are_shown_by_model_and_time() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| annals_with(directory.path(), &[], arguments);
    let price = run(&["costs", "prices", "--model", "gpt-4o-2024-08-06", "--json"]).json();
    assert_eq!(
        (price[0]["input"].as_f64(), price[0]["cached"].as_f64()),
        (Some(2.5), Some(1.25))
    );
    let then = run(&[
        "costs",
        "prices",
        "--model",
        "o3",
        "--at",
        "2025-05-01T00:00:00Z",
    ]);
    assert!(
        then.out.contains("openai/o3") && then.out.contains("10"),
        "{then:?}"
    );
    let none = run(&["costs", "prices", "--model", "unheard-of"]);
    assert!(none.out.contains("no price is known"), "{none:?}");
    for arguments in [
        &["costs", "--by", "colour"][..],
        &["costs", "--since", "yesterday"],
        &["costs", "--limit", "0"],
        &["costs", "recompute"],
    ] {
        assert_ne!(run(arguments).code, 0, "{arguments:?}");
    }
}
