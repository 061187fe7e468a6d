use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    Json::parse(text).unwrap().as_str().to_owned()
}

#[test]
fn numbers_take_the_form_that_jsonb_gives_them() {
    for (given, kept) in [
        ("1e2", "100"),
        ("-0", "0"),
        ("-0.0", "0.0"),
        ("1E-7", "0.0000001"),
        ("1.10", "1.10"),
        ("1.25e1", "12.5"),
        ("0.001e5", "100"),
        ("-1.5e-3", "-0.0015"),
        ("0e5", "0"),
        ("18446744073709551615", "18446744073709551615"),
        (
            "123456789012345678901234567890.5",
            "123456789012345678901234567890.5",
        ),
    ] {
        assert_eq!(canonical(given), kept, "{given}");
    }
}

#[test]
fn keys_are_sorted_by_length_and_the_last_of_equal_keys_stays() {
    assert_eq!(
        canonical(r#"{"bb": 1, "a": {"y":1,"x":2}, "bb": 3, "ab": [ ]}"#),
        r#"{"a":{"x":2,"y":1},"ab":[],"bb":3}"#
    );
    assert_eq!(canonical(r#"{"\u0061": 1, "a": 2}"#), r#"{"a":2}"#);
}

#[test]
fn escapes_are_written_one_way() {
    assert_eq!(
        canonical(r#""\u0041\/\u00e9\n\u001f\uD83D\uDE00""#),
        "\"A/é\\n\\u001f😀\""
    );
}

#[test]
fn a_nul_is_kept_and_known() {
    let json = Json::parse(r#"{"a\u0000": 1}"#).unwrap();
    assert!(json.has_nul());
    assert_eq!(json.as_str(), r#"{"a\u0000":1}"#);
    assert!(!Json::parse(r#""\\u0000""#).unwrap().has_nul());
}

#[test]
fn what_is_not_json_is_refused_at_its_byte() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "1.",
        "nul",
        "\"\\ud800\"",
        "\"\u{1}\"",
        "1 2",
        "{1:2}",
    ] {
        assert!(
            matches!(Json::parse(text), Err(JsonError::Syntax { .. })),
            "{text:?}"
        );
    }
    assert_eq!(Json::parse("1e401"), Err(JsonError::Exponent { at: 0 }));
    assert_eq!(
        Json::parse("1e99999999999"),
        Err(JsonError::Exponent { at: 0 })
    );
    assert!(matches!(
        Json::parse(&"[".repeat(200)),
        Err(JsonError::TooDeep { .. })
    ));
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no NaN", |f| f.is_finite())
            .prop_map(|f| json!(f + 0.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_tree_comes_back_equal_with_integers_and_floats_apart(tree in tree()) {
        prop_assert_eq!(Json::try_from(&tree).unwrap().to_value(), tree);
    }

    #[test]
    fn the_canonical_form_is_a_fixed_point(tree in tree()) {
        let once = Json::parse(&tree.to_string()).unwrap();
        prop_assert_eq!(&Json::parse(once.as_str()).unwrap(), &once);
    }

    #[test]
    fn no_input_panics(text in any::<String>()) {
        let _ = Json::parse(&text);
    }
}
