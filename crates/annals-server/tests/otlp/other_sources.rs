//! Spans that did not come by OTLP go out by it.

use annals_record::{Json, Timestamp};
use annals_server::otlp::{Bounds, json};
use annals_telemetry::Span;

fn span() -> Span {
    let start = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
    let mut span = Span::new(
        "01".repeat(16),
        "02".repeat(8),
        "model-server",
        "infer",
        start,
        5,
    );
    span.status = Some("unset".to_owned());
    span
}

#[test]
fn columns_that_the_tags_do_not_tell_go_out_and_come_back() {
    let mut given = span();
    given.tags = Some(Json::parse(r#"{"gen_ai.response.model":"other","n":1}"#).unwrap());
    given.model_name = Some("llama-70b".to_owned());
    given.model_version = Some("v3".to_owned());
    given.batch_size = Some(8);
    given.input_tokens = Some(1);
    given.output_tokens = Some(2);
    given.gpu_utilization = Some(91.5);
    given.provider = Some("self".to_owned());
    given.gen_ai_operation = Some("chat".to_owned());
    given.request_model = Some("llama".to_owned());
    given.response_model = Some("llama-70b".to_owned());
    given.cached_tokens = Some(3);
    given.reasoning_tokens = Some(4);
    given.time_to_first_token_nanos = Some(5);
    given.conversation_id = Some("c".to_owned());
    given.cost = Some(0.25);
    given.cost_source = Some("reported".to_owned());
    given.user_id = Some("u".to_owned());
    given.cache_write_tokens = Some(6);
    given.token_convention = Some("beside".to_owned());
    given.finish_reason = Some("stop,length".to_owned());
    given.response_id = Some("r".to_owned());
    given.tool_name = Some("t".to_owned());
    given.agent_name = Some("a".to_owned());

    let back = json::read(&json::write(&[given.clone()]).unwrap(), &Bounds::default())
        .unwrap()
        .records
        .remove(0);
    // The attributes of the way are new, and so is the resource that tells the service.
    let expected = Span {
        tags: back.tags.clone(),
        resource: back.resource.clone(),
        ..given
    };
    assert_eq!(back, expected);
    assert_eq!(
        back.resource.unwrap().as_str(),
        r#"{"service.name":"model-server"}"#
    );
}

#[test]
fn a_service_name_wins_over_a_resource_that_tells_another() {
    let mut given = span();
    given.resource = Some(Json::parse(r#"{"a":1,"service.name":"other"}"#).unwrap());
    let back = json::read(&json::write(&[given]).unwrap(), &Bounds::default())
        .unwrap()
        .records
        .remove(0);
    assert_eq!(back.service_name, "model-server");
    assert_eq!(
        back.resource.unwrap().as_str(),
        r#"{"a":1,"service.name":"model-server"}"#
    );
}

#[test]
fn what_otlp_cannot_express_is_refused_by_the_columns_name() {
    type Change = fn(&mut Span);
    let cases: [(Change, &str); 7] = [
        (|span| span.trace_id = "trace-1".to_owned(), "trace_id"),
        (|span| span.span_id = String::new(), "span_id"),
        (
            |span| span.parent_span_id = Some("p".to_owned()),
            "parent_span_id",
        ),
        (
            |span| span.start_time = Timestamp::from_unix_nanos(-1),
            "start_time",
        ),
        (|span| span.duration_nanos = i64::MIN, "duration_nanos"),
        (|span| span.tags = Json::parse("[1]").ok(), "tags"),
        (|span| span.events = Json::parse("[1]").ok(), "events"),
    ];
    for (change, field) in cases {
        let mut bad = span();
        change(&mut bad);
        let refused = json::write(&[span(), bad]).unwrap_err();
        assert_eq!((refused.index, refused.reason.field.as_str()), (1, field));
    }
}
