//! Whatever comes: it is taken as it is, or refused.

use annals_deploy::{
    DeploymentSpan, Deployments, Intake, OtelSpan, SpanEvent,
    intake::{MAX_ATTRIBUTES_BYTES, MAX_ID_BYTES, MAX_TEXT_BYTES},
};
use annals_record::{Json, Timestamp};
use annals_testkit::{TestDatabase, on_every_backend};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{at, event, row, span, taken, workspace};

on_every_backend!(whatever_is_taken_every_backend_stores);

fn json_value() -> impl Strategy<Value = Value> {
    let text = "[^\\x00]{0,12}".prop_map(Value::from);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        text,
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[^\\x00]{0,6}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![
        "[^\\x00]{0,12}",
        "ctrlplane\\.[a-z_]{0,6}[0-9]",
        Just("ctrlplane.version_id".to_owned()),
    ];
    prop::collection::btree_map(key, json_value(), 0..12)
        .prop_map(|members| members.into_iter().collect())
}

proptest! {
    #[test]
    fn every_attribute_comes_back(attributes in attributes(), event_attributes in attributes()) {
        let mut span = span("a");
        span.attributes = attributes.clone();
        span.events = vec![event("e", Value::Object(event_attributes.clone()))];
        let row = row(span);
        prop_assert_eq!(row.attributes.to_value(), Value::Object(attributes));
        prop_assert_eq!(&row.events.to_value()[0]["attributes"], &Value::Object(event_attributes));
    }

    /// Whatever comes, it is taken as it is or refused in a sentence.
    #[test]
    fn nothing_makes_intake_fall_over(
        ids in any::<[String; 3]>(),
        name in any::<String>(),
        column in prop::sample::select(vec![
            "workspace_id", "phase", "depth", "sequence", "message", "release_target_key", "status",
        ]),
        value in json_value(),
        start in any::<i64>(),
        end in any::<Option<i64>>(),
    ) {
        let [trace_id, span_id, parent] = ids;
        let mut span = OtelSpan::new(trace_id, span_id, name, Timestamp::from_unix_nanos(start));
        span.parent_span_id = Some(parent);
        span.end_time = end.map(Timestamp::from_unix_nanos);
        span.attributes.insert(format!("ctrlplane.{column}"), value);
        span.events = vec![SpanEvent {
            name: String::new(),
            timestamp: Timestamp::from_unix_nanos(start),
            attributes: Map::new(),
        }];
        let kept = (span.trace_id.clone(), span.span_id.clone(), span.name.clone());
        match taken(span) {
            Ok(row) => prop_assert_eq!((row.trace_id, row.span_id, row.name), kept),
            Err(error) => prop_assert!(!error.problem.is_empty() && !error.problem.contains('\n')),
        }
    }
}

/// The largest, deepest and oddest that intake takes; a refusal by one database alone would lose the batch there.
async fn whatever_is_taken_every_backend_stores(database: TestDatabase) {
    let deployments = Deployments::open(&database.url).await.unwrap();
    let id = |n: char| n.to_string().repeat(MAX_ID_BYTES);
    let mut largest = OtelSpan::new(id('t'), id('s'), "n".repeat(MAX_TEXT_BYTES), at(1));
    largest.parent_span_id = Some(id('p'));
    largest.end_time = Some(at(-1));
    largest.status_message = Some("é".repeat(MAX_TEXT_BYTES / 2));
    largest.events = vec![event(
        "",
        json!({"deep": (0..120).fold(json!(1), |v, _| json!([v]))}),
    )];
    for column in [
        "phase",
        "node_type",
        "status",
        "release_target_key",
        "release_id",
        "job_id",
        "parent_trace_id",
        "deployment_id",
        "trigger",
    ] {
        // Not compressible, as an index entry would otherwise hold far more.
        let noise: String = (0_u64..)
            .map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .take(32)
            .collect();
        largest
            .attributes
            .insert(format!("ctrlplane.{column}"), noise.into());
    }
    let deep = (0..Json::MAX_DEPTH - 1).fold(json!("\u{1}\u{7f}\u{ffff}\u{10ffff}\"\\"), |v, _| {
        json!([v])
    });
    largest.attributes.insert("deep".to_owned(), deep);
    largest.attributes.insert(
        "numbers".to_owned(),
        json!([f64::MAX, f64::MIN_POSITIVE, u64::MAX, i64::MIN, -0.0]),
    );
    largest.attributes.insert(
        String::new(),
        "x".repeat(MAX_ATTRIBUTES_BYTES - 32_768).into(),
    );
    let smallest = OtelSpan::new("t", "s", "", at(2));

    let rows = Intake::default()
        .rows(vec![largest, smallest], Some(workspace()))
        .unwrap();
    for row in rows.clone() {
        deployments.write(vec![row]).await.unwrap();
    }
    let query = deployments.store().query::<DeploymentSpan>();
    let stored = query
        .order(DeploymentSpan::START_TIME.asc())
        .fetch()
        .await
        .unwrap();
    assert_eq!(stored.rows.len(), 2);
    for (stored, row) in stored.rows.iter().zip(&rows) {
        assert!(stored == row, "{} differs", row.span_id);
    }
    let nulls = "SELECT COUNT(*) FROM deployment_trace_span WHERE span_id = 's' AND phase IS NULL AND node_type IS NULL
        AND release_target_key IS NULL AND release_id IS NULL AND job_id IS NULL AND parent_trace_id IS NULL
        AND depth IS NULL AND sequence IS NULL AND deployment_id IS NULL AND trigger IS NULL AND message IS NULL
        AND parent_span_id IS NULL AND end_time IS NULL";
    assert_eq!(database.number(nulls).await, 1);
}
