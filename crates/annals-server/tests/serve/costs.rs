//! Money by HTTP: sums, prices, and costs anew from a file that changed.

use annals_record::Timestamp;
use annals_server::infertrace::messages::planned;
use annals_testkit::{TestDatabase, on_every_backend};
use http::Method;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::{Value, json};

use crate::{
    client::{get, request, send, whole},
    exports::{Road, attribute, span},
    infertrace::{planned_span, send_planned},
    serving::{self, Served},
};

on_every_backend!(
    calls_are_summed_up_priced_and_priced_anew,
    every_road_has_the_same_prices,
    models_tell_what_they_cost,
);

const HOUR: i64 = 3_600_000_000_000;

/// A file of prices that goes away with the test.
struct Prices(tempfile::TempDir);

impl Prices {
    fn of(input: &str) -> Self {
        let prices = Self(tempfile::tempdir().unwrap());
        prices.write(input);
        prices
    }

    fn path(&self) -> String {
        self.0
            .path()
            .join("prices.toml")
            .to_str()
            .unwrap()
            .to_owned()
    }

    fn write(&self, input: &str) {
        let text = format!(
            "[[price]]\nprovider = \"acme\"\nmodel = \"anvil\"\ninput = {input}\noutput = 2\n"
        );
        std::fs::write(self.path(), text).unwrap();
    }
}

/// A whole hour, two hours ago.
fn past() -> i64 {
    (Timestamp::now().unix_nanos() / HOUR - 2) * HOUR
}

/// Calls of models: trace, model, tokens read and for whom.
async fn calls(served: &Served, calls: &[(u8, &str, i64, &str)]) {
    let spans: Vec<_> = calls
        .iter()
        .map(|(id, model, input, user)| {
            let mut call = span(*id, *id);
            call.start_time_unix_nano = past() as u64;
            call.end_time_unix_nano = past() as u64 + 1_500_000_000;
            let text = |text: &str| Any::StringValue(text.to_owned());
            call.attributes = vec![
                attribute("gen_ai.operation.name", text("chat")),
                attribute("gen_ai.provider.name", text("acme")),
                attribute("gen_ai.request.model", text(model)),
                attribute("gen_ai.usage.input_tokens", Any::IntValue(*input)),
                attribute("gen_ai.usage.output_tokens", Any::IntValue(0)),
                attribute("user.id", text(user)),
            ];
            call
        })
        .collect();
    Road::Protobuf.export(served, &spans).await.unwrap();
}

async fn recompute(served: &Served, body: &Value) -> crate::client::Answer {
    let headers = [("content-type", "application/json")];
    let body = whole(body.to_string());
    send(
        served.http,
        request(Method::POST, "/costs/recompute", &headers, body),
    )
    .await
}

async fn calls_are_summed_up_priced_and_priced_anew(database: TestDatabase) {
    let prices = Prices::of("1");
    let served = serving::on(&database, &[("PRICES_FILE", &*prices.path())]).await;
    calls(
        &served,
        &[
            (1, "anvil-2024-08-06", 1_000_000, "ann"),
            (2, "anvil", 500_000, "bob"),
            (3, "unheard-of", 7, "ann"),
        ],
    )
    .await;
    let costs = get(served.http, "/costs?by=model&since=1d").await.found();
    assert_eq!(costs["total"]["calls"], 3);
    assert_eq!(costs["total"]["unpriced_calls"], 1);
    assert_eq!(costs["total"]["cost"], 1.5);
    assert_eq!(costs["total"]["mean_ms"], 1500.0);
    assert_eq!(costs["more"], false);
    let groups = costs["groups"].as_array().unwrap();
    let models: Vec<_> = groups
        .iter()
        .map(|group| group["model"].as_str().unwrap())
        .collect();
    assert_eq!(models, ["anvil-2024-08-06", "anvil", "unheard-of"]);
    // Nobody knows what it cost: no number, and none that is zero.
    assert!(groups[2].get("cost").is_none(), "{groups:?}");
    let span = &served.trace(&crate::exports::trace_id(1)).await[0];
    assert_eq!(
        (&span["cost"], &span["cost_source"]),
        (&json!(1.0), &json!("file:acme/anvil"))
    );
    let users = get(served.http, "/costs?by=user,model&user=ann")
        .await
        .found();
    assert_eq!(users["groups"].as_array().unwrap().len(), 2);
    assert_eq!(users["groups"][0]["user"], "ann");
    assert!(
        users["from"].as_str().unwrap().ends_with("T00:00:00Z"),
        "{users}"
    );

    // The file changes; a dry run tells, a recomputation does, and new spans have the new price.
    prices.write("3");
    let dry = recompute(&served, &json!({"since": "1d", "dry_run": true}))
        .await
        .found();
    assert_eq!((&dry["calls"], &dry["changed"]), (&json!(3), &json!(2)));
    assert_eq!(
        (&dry["cost_before"], &dry["cost_after"]),
        (&json!(1.5), &json!(4.5))
    );
    assert_eq!(
        get(served.http, "/costs").await.found()["total"]["cost"],
        1.5
    );
    assert_eq!(
        get(served.http, "/costs/prices?model=anvil").await.found()[0]["input"],
        1.0
    );
    let done = recompute(&served, &json!({"since": "1d"})).await.found();
    assert_eq!(
        (&done["changed"], &done["unpriced_after"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        recompute(&served, &json!({"since": "1d"})).await.found()["changed"],
        0
    );
    assert_eq!(
        get(served.http, "/costs").await.found()["total"]["cost"],
        4.5
    );
    calls(&served, &[(4, "anvil", 1_000_000, "bob")]).await;
    assert_eq!(
        get(served.http, "/costs").await.found()["total"]["cost"],
        7.5
    );
    let trace = &served.trace(&crate::exports::trace_id(1)).await[0];
    assert_eq!(trace["cost"], 3.0);

    // A file that is wrong changes nothing, and says where it is.
    prices.write("-1");
    let refused = recompute(&served, &json!({"since": "1d"}))
        .await
        .refusal(409);
    assert!(
        refused.contains("line 1: input of acme/anvil is -1")
            && refused.contains("nothing was done"),
        "{refused}"
    );
    assert_eq!(
        get(served.http, "/costs").await.found()["total"]["cost"],
        7.5
    );
}

async fn every_road_has_the_same_prices(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let mut call = planned_span(&[1; 16], &[1; 8]);
    call.start_time_unix_nano = past();
    call.inference = Some(planned::InferenceContext {
        model_name: "gpt-4o-2024-08-06".to_owned(),
        input_tokens: 1_000_000,
        output_tokens: 0,
        ..planned::InferenceContext::default()
    });
    send_planned(&served, vec![call]).await;
    let costs = get(served.http, "/costs?by=model,hour").await.found();
    assert_eq!(costs["total"]["cost"], 2.5);
    assert_eq!(
        costs["groups"][0]["hour"],
        Timestamp::from_unix_nanos(past()).to_string()
    );
}

async fn models_tell_what_they_cost(database: TestDatabase) {
    let prices = Prices::of("1");
    let served = serving::on(&database, &[("PRICES_FILE", &*prices.path())]).await;
    calls(
        &served,
        &[(1, "anvil", 1_000_000, "ann"), (2, "unheard-of", 7, "ann")],
    )
    .await;
    let models = get(served.http, "/models?window=24h").await.found();
    let model = |name: &str| {
        models["models"]
            .as_array()
            .unwrap()
            .iter()
            .find(|model| model["model_name"] == name)
            .unwrap()
            .clone()
    };
    let anvil = model("anvil");
    assert_eq!(
        (
            &anvil["provider"],
            &anvil["calls"],
            &anvil["input_tokens"],
            &anvil["cost"]
        ),
        (&json!("acme"), &json!(1), &json!(1_000_000), &json!(1.0))
    );
    assert!(model("unheard-of").get("cost").is_none());
}

#[tokio::test]
async fn questions_that_cannot_be_answered_say_why() {
    let served = serving::in_memory(&[]).await;
    for (path, expected) in [
        ("/costs?by=colour", "by is \"colour\""),
        ("/costs?by=user,service", "not by service"),
        ("/costs?by=model,day,user", "one or two of"),
        ("/costs?since=yesterday", "since"),
        ("/costs?since=1d&until=2d", "exchange them"),
        ("/costs?limit=0", "limit"),
        ("/costs?modell=x", "modell"),
        ("/costs/prices?at=soon", "at"),
    ] {
        let refusal = get(served.http, path).await.refusal(400);
        assert!(refusal.contains(expected), "{path}: {refusal}");
    }
    for (body, expected) in [
        (json!({}), "since is missing"),
        (json!({"since": "1d", "until": "2d"}), "exchange them"),
        (json!({"since": "1d", "price": 1}), "price"),
        (json!([]), "no JSON object"),
    ] {
        let refusal = recompute(&served, &body).await.refusal(400);
        assert!(refusal.contains(expected), "{body}: {refusal}");
    }
    assert!(
        get(served.http, "/costs/recompute")
            .await
            .refusal(405)
            .contains("POST")
    );
    let empty = get(served.http, "/costs?by=day").await.found();
    assert_eq!(
        (&empty["total"]["calls"], &empty["groups"]),
        (&json!(0), &json!([]))
    );
    assert!(empty["total"].get("cost").is_none());
}

#[tokio::test]
async fn prices_are_listed_and_found_by_the_names_that_calls_have() {
    let served = serving::in_memory(&[]).await;
    let all = get(served.http, "/costs/prices").await.found();
    assert!(all.as_array().unwrap().len() > 200);
    let one = get(
        served.http,
        "/costs/prices?model=models/gemini-2.5-pro-preview-05-06&provider=gcp.gemini",
    )
    .await
    .found();
    assert_eq!(one[0]["id"], "google/gemini-2.5-pro");
    assert_eq!(
        (
            &one[0]["input"],
            &one[0]["long"]["above"],
            &one[0]["long"]["output"]
        ),
        (&json!(1.25), &json!(200_000), &json!(15.0))
    );
    let then = get(
        served.http,
        "/costs/prices?model=o3&at=2025-05-01T00:00:00Z",
    )
    .await
    .found();
    assert_eq!(
        (&then[0]["id"], &then[0]["input"]),
        (&json!("openai/o3"), &json!(10.0))
    );
    assert_eq!(
        get(served.http, "/costs/prices?model=unheard-of")
            .await
            .found(),
        json!([])
    );
    let mistral = get(served.http, "/costs/prices?provider=Mistral")
        .await
        .found();
    assert!(
        mistral
            .as_array()
            .unwrap()
            .iter()
            .all(|price| price["provider"] == "mistral")
    );
}

#[tokio::test]
async fn money_asks_for_the_token() {
    let served = serving::in_memory(&[("API_TOKEN", "sixteen-characters")]).await;
    for path in ["/costs", "/costs/prices"] {
        get(served.http, path).await.refusal(401);
    }
    recompute(&served, &json!({"since": "1d"}))
        .await
        .refusal(401);
}
