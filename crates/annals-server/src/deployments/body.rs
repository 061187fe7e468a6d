//! What a request with spans brings: which language it speaks, and its spans as the store takes them.

use annals_deploy::{OtelSpan, Status, intake::Revision};
use annals_record::TextEnum as _;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde::{Deserialize, de::IgnoredAny};

use super::{fields, otlp};
use crate::{
    otlp::{Bounds, FieldError, json},
    refusal::{Form, Refusal},
};

/// A version of a span.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SentSpan {
    /// The span.
    pub(super) span: OtelSpan,
    /// Which of two versions of it stays.
    pub(super) revision: Revision,
}

impl SentSpan {
    /// A version after so many changes.
    pub(super) fn new(span: OtelSpan, prefix: &str, changes: u32) -> Self {
        let status = span.attributes.get(&format!("{prefix}status"));
        let is_aborted = status.is_some_and(|status| *status == Status::Aborted.as_text());
        let revision = match span.end_time {
            None => Revision::running(changes),
            Some(end) if is_aborted => Revision::aborted(end, changes),
            Some(end) => Revision::ended(end, changes),
        };
        Self { span, revision }
    }
}

/// In whose words a client speaks, and so is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// OpenTelemetry's.
    Otlp(Form),
    /// The HTTP API's.
    Plain,
}

/// A body that could be told apart.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) language: Language,
    pub(super) spans: Result<Vec<SentSpan>, Refusal>,
}

/// What JSON is about.
#[derive(Deserialize)]
struct Names {
    spans: Option<IgnoredAny>,
    #[serde(rename = "resourceSpans")]
    resource_spans: Option<IgnoredAny>,
    #[serde(rename = "resource_spans")]
    in_snake_case: Option<IgnoredAny>,
}

/// Reads a body of a media type.
pub(super) fn read(form: Form, bytes: &[u8], prefix: &str, bounds: &Bounds) -> Body {
    match form {
        Form::Protobuf => Body {
            language: Language::Otlp(form),
            spans: of_protobuf(bytes, prefix, bounds),
        },
        Form::Json => of_json(bytes, prefix, bounds),
    }
}

/// What is told of a body that cannot be taken.
fn unreadable(why: &str) -> Refusal {
    Refusal::invalid(format!("{why}; nothing of this request was stored"))
}

fn of_protobuf(bytes: &[u8], prefix: &str, bounds: &Bounds) -> Result<Vec<SentSpan>, Refusal> {
    let request = ExportTraceServiceRequest::decode(bytes)?;
    if request.resource_spans.is_empty() && !bytes.is_empty() {
        // What protobuf does not know it passes over, and everything in it would be lost.
        return Err(unreadable(
            "the request has bytes and no resource_spans: it is not an ExportTraceServiceRequest",
        ));
    }
    let spans = otlp::from_proto(request.resource_spans, bounds);
    let spans = spans.map_err(|error| unreadable(&error.to_string()))?;
    Ok(sent(spans, prefix))
}

fn of_json(bytes: &[u8], prefix: &str, bounds: &Bounds) -> Body {
    let plain = |spans| Body {
        language: Language::Plain,
        spans,
    };
    let refused = |why: String| plain(Err(unreadable(&format!("the body cannot be read: {why}"))));
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return refused(format!("it is not UTF-8: {error}")),
    };
    if !text.trim_ascii_start().starts_with('{') {
        return refused("it is no JSON object with spans or resourceSpans".to_owned());
    }
    let names: Names = match serde_json::from_str(text) {
        Ok(names) => names,
        Err(error) => return refused(error.to_string()),
    };
    let is_otlp = names.resource_spans.is_some() || names.in_snake_case.is_some();
    match (names.spans.is_some(), is_otlp) {
        (false, false) => refused("it has neither spans nor resourceSpans".to_owned()),
        (true, true) => refused("it has both spans and resourceSpans; send one of them".to_owned()),
        (true, false) => match fields::read(text, prefix, bounds) {
            Ok(spans) => plain(Ok(spans)),
            Err(why) => refused(why),
        },
        (false, true) => Body {
            language: Language::Otlp(Form::Json),
            spans: of_otlp_json(text, prefix, bounds),
        },
    }
}

fn of_otlp_json(text: &str, prefix: &str, bounds: &Bounds) -> Result<Vec<SentSpan>, Refusal> {
    let messages = json::messages(text)?;
    let spans = otlp::from_proto(messages, bounds).map_err(FieldError::with_json_names);
    let spans = spans.map_err(|error| unreadable(&error.to_string()))?;
    Ok(sent(spans, prefix))
}

fn sent(spans: Vec<OtelSpan>, prefix: &str) -> Vec<SentSpan> {
    let spans = spans.into_iter();
    spans.map(|span| SentSpan::new(span, prefix, 0)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};

    use super::*;

    fn of(form: Form, bytes: &[u8]) -> Body {
        read(form, bytes, "ctrlplane.", &Bounds::default())
    }

    fn otlp_document(span: &Value) -> String {
        json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string()
    }

    #[test]
    fn each_language_is_told_by_its_names() {
        let span =
            json!({"traceId": "01".repeat(16), "spanId": "02".repeat(8), "startTimeUnixNano": "1"});
        for (body, language) in [
            (json!({"spans": []}).to_string(), Language::Plain),
            (otlp_document(&span), Language::Otlp(Form::Json)),
            (
                json!({"resourceSpans": []}).to_string(),
                Language::Otlp(Form::Json),
            ),
        ] {
            let body = of(Form::Json, body.as_bytes());
            assert_eq!(body.language, language);
            assert!(body.spans.is_ok());
        }
        let empty = of(Form::Protobuf, b"");
        assert_eq!(empty.language, Language::Otlp(Form::Protobuf));
        assert!(empty.spans.unwrap().is_empty());
    }

    #[test]
    fn what_is_neither_is_refused_and_says_that_nothing_was_stored() {
        let both = json!({"spans": [], "resourceSpans": []}).to_string();
        for (body, told) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            ("{", "EOF"),
            ("{}", "neither"),
            ("{\"traces\": []}", "neither"),
            ("{\"resource_spans\": []}", "resourceSpans"),
            (both.as_str(), "both"),
        ] {
            let refusal = of(Form::Json, body.as_bytes()).spans.unwrap_err();
            assert!(refusal.message().contains(told), "{body}: {refusal:?}");
        }
        assert!(of(Form::Json, &[0xFF, 0xFE]).spans.is_err());
        for bytes in [&b"\x01"[..], b"hello", &[0x10, 0x01]] {
            assert!(of(Form::Protobuf, bytes).spans.is_err(), "{bytes:?}");
        }
        let span = json!({"traceId": "xyz"});
        let refusal = of(Form::Json, otlp_document(&span).as_bytes())
            .spans
            .unwrap_err();
        let told = "resourceSpans[0].scopeSpans[0].spans[0].traceId";
        assert!(refusal.message().contains(told), "{refusal:?}");
    }

    fn name() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "spans",
            "resourceSpans",
            "scopeSpans",
            "resource",
            "scope",
            "traceId",
            "spanId",
            "startTimeUnixNano",
            "endTimeUnixNano",
            "trace_id",
            "span_id",
            "name",
            "start_time",
            "end_time",
            "phase",
            "status",
            "status_code",
            "changes",
            "attributes",
            "events",
            "links",
            "timestamp",
            "key",
            "value",
            "stringValue",
            "doubleValue",
            "arrayValue",
            "kvlistValue",
            "values",
            "ctrlplane.status",
        ])
    }

    fn shape() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[0-9a-f]{0,34}".prop_map(Value::from),
            Just(Value::from("2026-01-31T09:30:00Z")),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(8, 64, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                vec((name(), inner), 0..6).prop_map(|members| {
                    let members = members.into_iter();
                    members
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..256)) {
            let _ = of(Form::Protobuf, &bytes);
            let _ = of(Form::Json, &bytes);
        }

        #[test]
        fn no_json_with_the_right_names_panics(shape in shape()) {
            for body in [
                shape.to_string(),
                json!({"spans": shape}).to_string(),
                json!({"spans": [shape]}).to_string(),
                otlp_document(&shape),
            ] {
                let _ = of(Form::Json, body.as_bytes());
            }
        }

        #[test]
        fn no_broken_span_panics(
            at in any::<prop::sample::Index>(),
            cut in 0..4_usize,
            put in "[\\[\\]{}\",:0-9nu\\\\]{0,3}",
        ) {
            let span = json!({
                "trace_id": "t", "span_id": "s", "name": "n", "start_time": "2026-01-31T09:30:00Z",
                "status": "completed", "changes": 3, "attributes": {"a": [1, {"b": "c"}]},
                "events": [{"name": "e", "timestamp": "2026-01-31T09:30:00Z"}],
            });
            let body = json!({"spans": [span]}).to_string();
            let mut characters: Vec<char> = body.chars().collect();
            let at = at.index(characters.len());
            let end = characters.len().min(at + cut);
            characters.splice(at..end, put.chars());
            let body: String = characters.into_iter().collect();
            let _ = of(Form::Json, body.as_bytes());
        }
    }
}
