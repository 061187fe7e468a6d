use proptest::prelude::*;
use serde_json::json;

use super::*;

fn state() -> State {
    State::new(
        "hash".to_owned(),
        "0af7651916cd43dd8448eb211c80319c".to_owned(),
    )
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_767_225_600 + second).unwrap()
}

fn find(spans: &[Span], name: &str) -> Span {
    let found = spans.iter().find(|span| span.name == name);
    found
        .cloned()
        .unwrap_or_else(|| unreachable!("no span {name} in {spans:?}"))
}

fn deliver(state: &mut State) -> Vec<Span> {
    let pending = state.pending();
    let versions: Vec<Version> = pending.iter().map(Version::from).collect();
    state.delivered(&versions);
    pending
}

#[test]
fn actions_nest_and_steps_are_part_of_the_innermost() {
    let mut state = state();
    state
        .step("Checkout", StepResult::Pass, None, None, at(0))
        .unwrap();
    state.start("Build", None, at(1)).unwrap();
    state.start("Compile", None, at(2)).unwrap();
    state
        .step("api", StepResult::Pass, Some("12 crates"), None, at(3))
        .unwrap();
    state.end(None, None, None, at(4)).unwrap();
    state
        .step("Package", StepResult::Pass, None, None, at(5))
        .unwrap();
    let spans = state.pending();
    let [checkout, build, compile, api, package] =
        ["Checkout", "Build", "Compile", "api", "Package"].map(|name| find(&spans, name));
    for (span, parent, depth, sequence) in [
        (&checkout, None, 0, 0),
        (&build, None, 0, 1),
        (&compile, Some(&build), 1, 2),
        (&api, Some(&compile), 2, 3),
        (&package, Some(&build), 1, 4),
    ] {
        let parent = parent.map(|parent| parent.span_id.clone());
        assert_eq!(
            (&span.parent_span_id, span.depth, span.sequence),
            (&parent, depth, sequence)
        );
        assert_eq!(span.trace_id, checkout.trace_id);
    }
    assert_eq!(
        api.attributes,
        json!({ RESULT: "pass" }).as_object().unwrap().clone()
    );
    assert_eq!(api.message.as_deref(), Some("12 crates"));
    assert_eq!(
        (api.start_time, api.end_time),
        (at(3).to_string(), Some(at(3).to_string()))
    );
    assert_eq!((build.status.as_str(), build.end_time), ("running", None));
    assert_eq!(
        (compile.status.as_str(), compile.status_code.as_str()),
        ("completed", "ok")
    );
}

#[test]
fn the_worst_child_decides_unless_a_status_is_given() {
    let cases: [(&[StepResult], Option<Status>, &str); 5] = [
        (&[], None, "completed"),
        (&[StepResult::Pass, StepResult::Pass], None, "completed"),
        (
            &[StepResult::Pass, StepResult::Fail, StepResult::Pass],
            None,
            "failed",
        ),
        (&[StepResult::Fail], Some(Status::Completed), "completed"),
        (&[StepResult::Pass], Some(Status::Skipped), "skipped"),
    ];
    for (steps, status, expected) in cases {
        let mut state = state();
        state.start("outer", None, at(0)).unwrap();
        state.start("inner", None, at(0)).unwrap();
        for step in steps {
            state.step("step", *step, None, None, at(1)).unwrap();
        }
        state.end(status, None, None, at(2)).unwrap();
        state.end(None, None, None, at(3)).unwrap();
        let spans = state.pending();
        assert_eq!(
            find(&spans, "inner").status,
            expected,
            "{steps:?} {status:?}"
        );
        // What was decided below counts above.
        assert_eq!(
            find(&spans, "outer").status,
            expected,
            "{steps:?} {status:?}"
        );
    }
}

#[test]
fn a_failure_that_was_delivered_and_forgotten_still_counts() {
    let mut state = state();
    state.start("Deploy", None, at(0)).unwrap();
    state
        .step("Apply", StepResult::Fail, None, None, at(1))
        .unwrap();
    deliver(&mut state);
    assert_eq!(state.spans.len(), 1);
    state = State::read(&serde_json::to_vec(&state).unwrap()).unwrap();
    state.end(None, None, None, at(2)).unwrap();
    assert_eq!(state.pending().first().unwrap().status, "failed");
}

#[test]
fn metadata_are_events_of_the_innermost() {
    let mut state = state();
    assert!(matches!(
        state.metadata("k", json!("v"), None, at(0)),
        Err(TraceError::NothingOpen)
    ));
    state.start("Deploy", None, at(0)).unwrap();
    state
        .step("Apply", StepResult::Pass, None, None, at(1))
        .unwrap();
    state
        .metadata("images", json!(["api", "web"]), None, at(2))
        .unwrap();
    let deploy = find(&state.pending(), "Deploy");
    let event = deploy.events.first().unwrap();
    assert_eq!(event.timestamp, at(2).to_string());
    assert_eq!(event.attributes.get("images"), Some(&json!(["api", "web"])));
    assert_eq!(deploy.changes, 1);
}

#[test]
fn only_what_the_server_does_not_have_is_sent() {
    let mut state = state();
    state.start("Deploy", None, at(0)).unwrap();
    assert_eq!(deliver(&mut state).len(), 1);
    assert!(state.pending().is_empty() && state.has_open() && !state.is_over());
    state.metadata("k", json!("v"), None, at(1)).unwrap();
    let sent = state.pending();
    // It ends while the version before is on its way.
    state.end(None, None, None, at(2)).unwrap();
    state.delivered(&sent.iter().map(Version::from).collect::<Vec<_>>());
    let last = deliver(&mut state);
    assert_eq!(last.first().unwrap().changes, 2);
    assert!(state.is_over());
}

#[test]
fn an_older_delivery_that_is_told_late_takes_nothing_back() {
    let mut state = state();
    state.start("Deploy", None, at(0)).unwrap();
    let old: Vec<Version> = state.pending().iter().map(Version::from).collect();
    state.metadata("k", json!("v"), None, at(1)).unwrap();
    deliver(&mut state);
    state.delivered(&old);
    assert!(state.pending().is_empty());
}

#[test]
fn parallel_branches_name_their_action() {
    let mut state = state();
    let a = state.start("a", None, at(0)).unwrap();
    let b = state.start("b", Some(a.span_id()), at(1)).unwrap();
    let c = state.start("c", Some(a.span_id()), at(2)).unwrap();
    state
        .step("in b", StepResult::Fail, None, Some(b.span_id()), at(3))
        .unwrap();
    state.end(None, None, Some(b.span_id()), at(4)).unwrap();
    let spans = state.pending();
    assert_eq!(
        find(&spans, "c").parent_span_id.as_deref(),
        Some(a.span_id())
    );
    assert_eq!(find(&spans, "b").status, "failed");
    assert_eq!(find(&spans, "c").status, "running");
    // What has ended is no action any more.
    let gone = state.start("d", Some(b.span_id()), at(5));
    assert!(
        matches!(gone, Err(TraceError::NoSuchAction { .. })),
        "{gone:?}"
    );
    // The end of one ends what is in it.
    state
        .step("in c", StepResult::Pass, None, Some(c.span_id()), at(6))
        .unwrap();
    state.end(None, None, Some(a.span_id()), at(7)).unwrap();
    assert!(!state.has_open());
    let spans = state.pending();
    assert_eq!(find(&spans, "c").status, "completed");
    assert_eq!(find(&spans, "a").status, "failed");
}

#[test]
fn everything_ends_at_once_with_the_status_on_the_innermost() {
    let mut state = state();
    state.end_all(Some(Status::Failed), None, at(0));
    for name in ["a", "b", "c"] {
        state.start(name, None, at(0)).unwrap();
    }
    state.end_all(Some(Status::Failed), Some("interrupted"), at(1));
    let spans = state.pending();
    for name in ["a", "b", "c"] {
        assert_eq!(find(&spans, name).status, "failed");
    }
    assert_eq!(find(&spans, "c").message.as_deref(), Some("interrupted"));
    assert_eq!(find(&spans, "a").message, None);
}

#[test]
fn a_clock_that_was_set_back_makes_no_negative_duration() {
    let mut state = state();
    state.start("Deploy", None, at(10)).unwrap();
    state.end(None, None, None, at(3)).unwrap();
    let deploy = find(&state.pending(), "Deploy");
    assert_eq!(deploy.end_time, Some(deploy.start_time));
}

#[test]
fn a_name_is_needed() {
    let mut state = state();
    assert!(state.start(" ", None, at(0)).is_err());
    assert!(state.step("", StepResult::Pass, None, None, at(0)).is_err());
    state.start("a", None, at(0)).unwrap();
    assert!(state.metadata("", json!(1), None, at(0)).is_err());
    assert_eq!(state.pending().len(), 1);
}

#[test]
fn a_state_of_another_version_or_with_another_field_is_not_guessed_at() {
    let written = serde_json::to_value(state()).unwrap();
    let with = |name: &str, value: serde_json::Value| {
        let mut changed = written.clone();
        changed
            .as_object_mut()
            .unwrap()
            .insert(name.to_owned(), value);
        State::read(changed.to_string().as_bytes())
    };
    assert!(with("token", json!("hash")).is_ok());
    assert!(with("version", json!(2)).unwrap_err().contains("version 2"));
    assert!(with("more", json!(1)).is_err());
    assert!(State::read(b"").is_err());
}

#[test]
fn what_is_too_long_for_the_server_does_not_take_the_rest_along() {
    let mut state = state();
    let log = "é".repeat(100_000) + "the reason";
    state.start(&log, None, at(0)).unwrap();
    let long = json!("x".repeat(100_000));
    let added = (0..10).filter(|n| state.metadata("log", long.clone(), None, at(*n)).is_ok());
    assert_eq!(added.count(), 5);
    state.end(None, Some(&log), None, at(20)).unwrap();
    let span = state.pending().remove(0);
    let message = span.message.unwrap();
    assert!(
        message.len() <= 64 << 10 && message.starts_with("… é"),
        "{}",
        message.len()
    );
    assert!(message.ends_with("the reason"));
    assert!(span.name.len() <= 64 << 10);
}

#[test]
fn ids_are_16_digits_and_differ() {
    let ids: std::collections::HashSet<String> = (0..1_000).map(|_| Span::new_id()).collect();
    assert_eq!(ids.len(), 1_000);
    assert!(
        ids.iter()
            .all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()))
    );
}

/// What a shell may ask for, in any order.
#[derive(Clone, Debug)]
enum Asked {
    Start,
    Step(bool),
    Metadata,
    End,
    EndAll,
    Deliver,
    Restart,
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        Just(Asked::Start),
        any::<bool>().prop_map(Asked::Step),
        Just(Asked::Metadata),
        Just(Asked::End),
        Just(Asked::EndAll),
        Just(Asked::Deliver),
        Just(Asked::Restart),
    ]
}

proptest! {
    /// The server has every span in its last version, whenever spans are sent and however often a command is a
    /// process of its own.
    #[test]
    fn the_server_has_the_last_version_of_everything(all in prop::collection::vec(asked(), 0..60)) {
        let mut state = state();
        let mut server = std::collections::HashMap::<String, Span>::new();
        let mut begun = 0;
        let take = |server: &mut std::collections::HashMap<String, Span>, spans: Vec<Span>| {
            for span in spans {
                let before = server.insert(span.span_id.clone(), span.clone());
                // Nothing is sent twice in one version.
                assert!(before.is_none_or(|before| before.changes < span.changes));
            }
        };
        for (second, asked) in (0..).zip(all) {
            match asked {
                Asked::Start => { state.start("a", None, at(second)).unwrap(); begun += 1; }
                Asked::Step(passes) => {
                    let result = if passes { StepResult::Pass } else { StepResult::Fail };
                    state.step("s", result, None, None, at(second)).unwrap();
                    begun += 1;
                }
                Asked::Metadata => { let _ = state.metadata("k", json!(second), None, at(second)); }
                Asked::End => { let _ = state.end(None, None, None, at(second)); }
                Asked::EndAll => state.end_all(None, None, at(second)),
                Asked::Deliver => take(&mut server, deliver(&mut state)),
                Asked::Restart => state = State::read(&serde_json::to_vec(&state).unwrap()).unwrap(),
            }
        }
        state.end_all(None, None, at(1_000));
        take(&mut server, deliver(&mut state));
        prop_assert!(state.is_over());
        prop_assert_eq!(server.len(), begun);
        prop_assert!(server.values().all(|span| span.end_time.is_some()));
        let mut sequences: Vec<i32> = server.values().map(|span| span.sequence).collect();
        sequences.sort_unstable();
        prop_assert_eq!(sequences, (0..i32::try_from(begun).unwrap()).collect::<Vec<_>>());
        for span in server.values() {
            let depth = span.parent_span_id.as_ref().map_or(0, |id| server.get(id).unwrap().depth + 1);
            prop_assert_eq!(span.depth, depth);
            // A failure shows all the way up.
            if let Some(parent) = span.parent_span_id.as_ref().filter(|_| span.status == "failed") {
                prop_assert_eq!(&server.get(parent).unwrap().status, "failed");
            }
        }
    }
}
