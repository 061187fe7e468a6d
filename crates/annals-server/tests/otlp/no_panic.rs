//! No input panics: any text, JSON of the right names with any values, and good documents with
//! something broken in them.

use annals_server::otlp::{Bounds, json};
use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use crate::refusals::{document, span};

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "resourceSpans",
        "resource",
        "scopeSpans",
        "scope",
        "spans",
        "schemaUrl",
        "traceId",
        "spanId",
        "kind",
        "startTimeUnixNano",
        "attributes",
        "key",
        "value",
        "stringValue",
        "intValue",
        "doubleValue",
        "bytesValue",
        "arrayValue",
        "kvlistValue",
        "values",
        "events",
        "links",
        "status",
        "trace_id",
    ])
}

fn shape() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9a-f]{0,34}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name(), inner), 0..4).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

/// Reads, and writes again what was read.
fn exercise(text: &str) {
    if let Ok(decoded) = json::read(text, &Bounds::default()) {
        let _ = json::write(&decoded.records);
    }
}

proptest! {
    #[test]
    fn of_any_text(text in any::<String>()) {
        exercise(&text);
    }

    #[test]
    fn of_json_with_the_right_names(shape in shape()) {
        exercise(&shape.to_string());
        exercise(&document(std::slice::from_ref(&shape)));
        exercise(&document(&[span(&shape)]));
    }

    #[test]
    fn of_a_broken_document(
        shape in shape(),
        at in any::<prop::sample::Index>(),
        cut in 0..4_usize,
        put in "[\\[\\]{}\",:0-9nu\\\\]{0,3}",
    ) {
        let mut characters: Vec<char> = document(&[span(&shape)]).chars().collect();
        let at = at.index(characters.len());
        let end = characters.len().min(at + cut);
        characters.splice(at..end, put.chars());
        exercise(&characters.into_iter().collect::<String>());
    }
}
