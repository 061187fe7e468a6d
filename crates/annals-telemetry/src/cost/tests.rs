//! Prices are found by the names that calls have, and no other; their arithmetic is exact.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn found(provider: &str, model: &str) -> Option<String> {
    let now = at("2026-08-01T00:00:00Z");
    let price = PriceList::shipped().find(Some(provider), model, now)?;
    Some(format!("{}/{}", price.provider, price.model))
}

#[test]
fn the_shipped_list_is_right() {
    let written = Written::read(include_str!("prices.toml"), "prices.toml").unwrap();
    assert!(written.prices.len() > 200, "{}", written.prices.len());
    for price in &written.prices {
        let rates = price.rates;
        assert!(rates.cached <= rates.input, "{}", price.id);
        assert!(rates.input > 0, "{}", price.id);
        assert!(
            price.long.is_none_or(|(_, long)| long.input > rates.input),
            "{}",
            price.id
        );
        // Every name of it leads to it, where its provider is named.
        let time = price.valid_from.or(price
            .valid_until
            .map(|until| Timestamp::from_unix_nanos(until.unix_nanos() - 1)));
        for name in price.aliases.iter().chain([&price.model]) {
            let found = PriceList::shipped().find(
                Some(&price.provider),
                name,
                time.unwrap_or(at("2026-08-01T00:00:00Z")),
            );
            assert_eq!(
                found.unwrap_or_else(|| panic!("{name}")).id,
                price.id,
                "{name}"
            );
        }
    }
}

#[test]
fn names_lead_to_prices_by_alias_part_and_version() {
    for (provider, model, expected) in [
        ("openai", "gpt-4o", "openai/gpt-4o"),
        ("OpenAI", " GPT-4o ", "openai/gpt-4o"),
        ("openai", "gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
        ("openai", "gpt-4o-2029-01-31", "openai/gpt-4o"),
        ("openai", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("openai", "gpt-4-0613", "openai/gpt-4"),
        ("openai", "o3-mini-2025-01-31", "openai/o3-mini"),
        ("openai", "gpt-5-chat-latest", "openai/gpt-5"),
        (
            "openai",
            "ft:gpt-4o-mini-2024-07-18:my-org::abc",
            "openai/ft:gpt-4o-mini",
        ),
        ("azure.ai.openai", "gpt-35-turbo", "openai/gpt-3.5-turbo"),
        ("az.ai.openai", "gpt-4o", "openai/gpt-4o"),
        ("openai.chat", "gpt-4o", "openai/gpt-4o"),
        (
            "anthropic",
            "claude-sonnet-4-20250514",
            "anthropic/claude-sonnet-4",
        ),
        (
            "anthropic",
            "claude-opus-4-1-20250805",
            "anthropic/claude-opus-4-1",
        ),
        (
            "anthropic",
            "claude-3-5-sonnet-latest",
            "anthropic/claude-3-5-sonnet",
        ),
        (
            "aws.bedrock",
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "anthropic/claude-3-5-sonnet",
        ),
        (
            "aws.bedrock",
            "us.anthropic.claude-opus-4-6-v1",
            "anthropic/claude-opus-4-6",
        ),
        (
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova-pro-v1:0",
            "aws.bedrock/nova-pro",
        ),
        (
            "aws.bedrock",
            "amazon.titan-embed-text-v2:0",
            "aws.bedrock/titan-embed-text-v2",
        ),
        (
            "aws.bedrock",
            "cohere.command-r-plus-v1:0",
            "aws.bedrock/command-r-plus",
        ),
        (
            "gcp.gemini",
            "models/gemini-2.0-flash-001",
            "google/gemini-2.0-flash",
        ),
        (
            "vertex_ai",
            "gemini-2.5-pro-preview-05-06",
            "google/gemini-2.5-pro",
        ),
        (
            "gcp.vertex_ai",
            "publishers/anthropic/models/claude-sonnet-4@20250514",
            "anthropic/claude-sonnet-4",
        ),
        ("cohere", "command-a-03-2025", "cohere/command-a"),
        ("groq", "openai/gpt-oss-120b", "groq/gpt-oss-120b"),
        (
            "together",
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "together/llama-3.3-70b-instruct-turbo",
        ),
        ("litellm", "gpt-4o", "openai/gpt-4o"),
        (
            "openrouter",
            "anthropic/claude-sonnet-4.5",
            "anthropic/claude-sonnet-4-5",
        ),
        ("", "mistral-large-latest", "mistral/mistral-large"),
        (
            "",
            "text-embedding-3-small",
            "openai/text-embedding-3-small",
        ),
    ] {
        assert_eq!(
            found(provider, model).as_deref(),
            Some(expected),
            "{provider} {model}"
        );
    }
}

#[test]
fn a_name_that_is_another_model_s_is_not_guessed_at() {
    for (provider, model) in [
        ("openai", "gpt-4o-nova"),
        ("openai", "gpt-4oo"),
        ("openai", "gpt-4.2"),
        ("openai", "gpt-4o-realtime-preview"),
        ("openai", "gpt-4o-"),
        ("openai", "-2024-08-06"),
        ("openai", ""),
        ("openai", "gpt"),
        ("anthropic", "claude-opus-4-9"),
        ("anthropic", "claude-opus-4-10"),
        ("openai", "claude-sonnet-4"),
        // Where the model is open, its price is its host's.
        ("vllm", "gpt-4o"),
        ("ollama", "llama3.1-8b"),
        ("", "llama-3.3-70b-versatile"),
        ("openrouter", "openai/gpt-4o:free"),
        ("openrouter", "nobody/gpt-4o"),
    ] {
        assert_eq!(found(provider, model), None, "{provider} {model}");
    }
}

#[test]
fn a_price_is_that_of_its_time() {
    let price = |model, time| {
        PriceList::shipped()
            .find(Some("openai"), model, at(time))
            .unwrap()
            .id
            .clone()
    };
    assert_eq!(price("o3", "2025-06-09T23:59:59.999999999Z"), "openai/o3");
    assert_eq!(price("o3", "2025-06-10T00:00:00Z"), "openai/o3@2025-06-10");
    assert_eq!(price("gpt-4o", "2024-06-01T00:00:00Z"), "openai/gpt-4o");
    assert_eq!(
        price("gpt-4o", "2030-06-01T00:00:00Z"),
        "openai/gpt-4o@2024-10-02"
    );
}

/// A call with tokens: input, cached, cache write, output, reasoning.
fn tokens(counts: [Option<i64>; 5]) -> Option<TokenCounts> {
    let mut span = Span::new("t", "s", "api", "chat", at("2026-08-01T00:00:00Z"), 1);
    let [input, cached, write, output, reasoning] = counts;
    span.input_tokens = input.map(|n| i32::try_from(n).unwrap());
    span.output_tokens = output.map(|n| i32::try_from(n).unwrap());
    (
        span.cached_tokens,
        span.cache_write_tokens,
        span.reasoning_tokens,
    ) = (cached, write, reasoning);
    TokenCounts::of(&span)
}

const LIST: &str = r#"
    [[price]]
    provider = "acme"
    model = "anvil"
    input = 3
    output = 15
    cached = 0.3
    cache_write = 3.75
    reasoning = 20
    long = { above = 200_000, input = 6, output = 22.5 }
"#;

#[test]
fn each_part_costs_its_own_price_and_no_count_makes_a_cost_negative() {
    let list = PriceList::with_text(LIST, "mine.toml").unwrap();
    let price = list
        .find(Some("acme"), "anvil", at("2026-08-01T00:00:00Z"))
        .unwrap();
    assert_eq!(price.id, "file:acme/anvil");
    let cost = |counts| price.cost(&tokens(counts).unwrap()).unwrap();
    assert_eq!(
        cost([Some(1_000), Some(400), Some(100), Some(50), Some(20)]),
        500 * 3_000 + 400 * 300 + 100 * 3_750 + 30 * 15_000 + 20 * 20_000
    );
    assert_eq!(cost([Some(1), None, None, None, None]), 3_000);
    assert_eq!(cost([None, None, None, Some(1), None]), 15_000);
    assert_eq!(cost([Some(0), None, None, Some(0), None]), 0);
    // More cached than read, and counts below nothing.
    assert_eq!(
        cost([
            Some(10),
            Some(i64::MAX),
            Some(i64::MAX),
            Some(10),
            Some(i64::MAX)
        ]),
        10 * 300 + 10 * 20_000
    );
    assert_eq!(
        cost([Some(-5), Some(-5), Some(i64::MIN), Some(-1), Some(-1)]),
        0
    );
    // Long prompts: every token of the call.
    assert_eq!(
        cost([Some(200_000), None, None, Some(1), None]),
        200_000 * 3_000 + 15_000
    );
    assert_eq!(
        cost([Some(200_001), Some(1), None, Some(1), None]),
        200_001 * 6_000 + 22_500
    );
    assert_eq!(
        cost([
            Some(i32::MAX.into()),
            None,
            None,
            Some(i32::MAX.into()),
            None
        ]),
        i64::from(i32::MAX) * 28_500
    );
    assert_eq!(tokens([None, Some(3), None, None, None]), None);
}

#[test]
fn costs_are_rounded_once_to_the_next_billionth() {
    let list = PriceList::with_text(
        r#"price = [{ provider = "a", model = "m", input = 0.0375, output = 0.0025 }]"#,
        "mine.toml",
    )
    .unwrap();
    let price = list
        .find(Some("a"), "m", at("2026-08-01T00:00:00Z"))
        .unwrap();
    let cost =
        |input, output| price.cost(&tokens([Some(input), None, None, Some(output), None]).unwrap());
    assert_eq!(cost(1, 0), Some(38));
    assert_eq!(cost(0, 1), Some(3));
    assert_eq!(cost(1, 1), Some(40));
    assert_eq!(cost(2, 0), Some(75));
}

#[test]
fn a_file_goes_before_what_is_shipped_at_its_times() {
    let list = PriceList::with_text(
        r#"
        no_provider = ["my-gateway"]
        provider = [{ name = "openai", aliases = ["our-openai"] }, { name = "self", aliases = ["vllm"], only_named = true }]
        price = [
            { provider = "OpenAI", model = "GPT-4o", valid_from = 2026-01-01, input = 1, output = 1 },
            { provider = "self", model = "llama", input = 0, output = 0 },
        ]
        "#,
        "mine.toml",
    )
    .unwrap();
    let id = |provider, model, time| {
        list.find(Some(provider), model, at(time))
            .map(|price| price.id.clone())
    };
    let (before, after) = ("2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z");
    assert_eq!(
        id("openai", "gpt-4o", after).as_deref(),
        Some("file:openai/gpt-4o@2026-01-01")
    );
    assert_eq!(
        id("our-openai", "gpt-4o", before).as_deref(),
        Some("openai/gpt-4o@2024-10-02")
    );
    // A dated name is the file's model, though the shipped list knows it by itself.
    assert_eq!(
        id("openai", "gpt-4o-2024-05-13", after).as_deref(),
        Some("file:openai/gpt-4o@2026-01-01")
    );
    assert_eq!(
        id("azure", "gpt-4o-mini", after).as_deref(),
        Some("openai/gpt-4o-mini")
    );
    assert_eq!(
        id("my-gateway", "gpt-4o", after).as_deref(),
        Some("file:openai/gpt-4o@2026-01-01")
    );
    assert_eq!(
        id("vllm", "meta/llama", after).as_deref(),
        Some("file:self/llama")
    );
    assert_eq!(id("", "llama", after), None);
    let ids: Vec<_> = list
        .prices()
        .iter()
        .map(|price| price.id.clone())
        .filter(|id| id.contains("/gpt-4o@") || id.ends_with("/gpt-4o"))
        .collect();
    assert_eq!(
        ids,
        [
            "file:openai/gpt-4o@2026-01-01",
            "openai/gpt-4o",
            "openai/gpt-4o@2024-10-02"
        ]
    );
}

#[test]
fn what_shares_a_list_sees_it_replaced() {
    let list = PriceList::shipped().clone();
    let now = at("2026-08-01T00:00:00Z");
    assert!(list.find(Some("acme"), "anvil", now).is_none());
    list.replace_with(&PriceList::with_text(LIST, "mine.toml").unwrap());
    assert!(list.find(Some("acme"), "anvil", now).is_some());
    assert!(
        PriceList::shipped()
            .find(Some("acme"), "anvil", now)
            .is_none()
    );
}

#[test]
fn a_list_that_is_wrong_says_where_and_why() {
    let cases = [
        ("price = [", "line 1: "),
        (
            "\n[[price]]\nprovider = \"a\"\nmodel = \"m\"\ninput = 1",
            "line 2: missing field `output`",
        ),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \"m\"\ninput = 1\noutput = 1\noutputs = 2",
            "line 6: unknown field `outputs`",
        ),
        ("prices = []", "line 1: unknown field `prices`"),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \"m\"\ninput = -1\noutput = 1",
            "line 1: input of a/m is -1; write US dollars",
        ),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \"m\"\ninput = nan\noutput = 1",
            "input of a/m is NaN",
        ),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \"m\"\ninput = 1\noutput = 1e9",
            "output of a/m is 1000000000",
        ),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \"m\"\ninput = 0.0000000001\noutput = 1",
            "at most 9 decimals",
        ),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \"m\"\ninput = \"1\"\noutput = 1",
            "line 4: ",
        ),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \" m\"\ninput = 1\noutput = 1",
            "\" m\" is no name",
        ),
        (
            "[[price]]\nprovider = \"\"\nmodel = \"m\"\ninput = 1\noutput = 1",
            "\"\" is no name",
        ),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \"m\"\nvalid_from = 10:00:00\ninput = 1\noutput = 1",
            "valid_from of a/m is 10:00:00; write a day",
        ),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \"m\"\nvalid_until = 9999-01-01\ninput = 1\noutput = 1",
            "valid_until of a/m is 9999-01-01",
        ),
        (
            "[[price]]\nprovider = \"a\"\nmodel = \"m\"\nvalid_from = 2025-01-02\nvalid_until = 2025-01-02\ninput = 1\noutput = 1",
            "is not after",
        ),
        (
            "price = [\n{ provider = \"a\", model = \"m\", input = 1, output = 1 },\n{ provider = \"a\", model = \"M\", input = 1, output = 1 },\n]",
            "line 3: m has two prices at one time",
        ),
        (
            "price = [\n{ provider = \"a\", model = \"m\", input = 1, output = 1 },\n{ provider = \"a\", model = \"n\", aliases = [\"m\"], input = 1, output = 1 },\n]",
            "line 3: m is an alias of n and a name of m at a",
        ),
        (
            "provider = [{ name = \"\" }]",
            "line 1: the provider \"\" is no name",
        ),
    ];
    for (text, expected) in cases {
        let error = PriceList::with_text(text, "mine.toml")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the price list mine.toml, line "),
            "{error}"
        );
        assert!(error.contains(expected), "{error}\nnot {expected}");
    }
    let error = PriceList::with_file(Path::new("/nonexistent/prices.toml")).unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/prices.toml"),
        "{error}"
    );
}

#[test]
fn random_names_do_not_fill_memory() {
    let list = PriceList::with_text(LIST, "mine.toml").unwrap();
    let now = at("2026-08-01T00:00:00Z");
    for n in 0..3 * REMEMBERED {
        assert!(
            list.find(Some("acme"), &format!("anvil-{n}x"), now)
                .is_none()
        );
    }
    assert!(list.find(Some("acme"), &"x".repeat(1 << 20), now).is_none());
    assert!(list.find(Some("acme"), "anvil", now).is_some());
    let table = list.table();
    let remembered = table.remembered.read().unwrap();
    let kept: usize = remembered.models.values().map(HashMap::len).sum();
    assert!(kept <= REMEMBERED && kept == remembered.count, "{kept}");
}

proptest! {
    #[test]
    fn no_name_breaks_the_search(provider in "\\PC{0,40}", model in "\\PC{0,80}", tail in "[-@:v0-9.]{0,20}") {
        let now = at("2026-08-01T00:00:00Z");
        let _ = PriceList::shipped().find(Some(&provider), &model, now);
        let _ = PriceList::shipped().find(None, &format!("gpt-4o{tail}"), now);
        let _ = PriceList::shipped().find(Some("openai"), &format!("ft:{model}{tail}"), now);
    }

    #[test]
    fn a_cost_is_that_of_its_parts_and_survives_being_a_double(
        counts in proptest::array::uniform5(proptest::option::of(-3_i64..3_000_000)),
    ) {
        let list = PriceList::with_text(LIST, "mine.toml").unwrap();
        let price = list.find(Some("acme"), "anvil", at("2026-08-01T00:00:00Z")).unwrap();
        if let Some(tokens) = tokens(counts) {
            let cost = price.cost(&tokens).unwrap();
            prop_assert!(cost >= 0);
            prop_assert_eq!(nanodollars(dollars(cost)), Some(cost));
        }
    }
}
