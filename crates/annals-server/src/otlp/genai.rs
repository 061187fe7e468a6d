//! Which attributes become columns of their own: what [`annals_telemetry::genai`] says, for OTLP's values.
//!
//! Names under `annals.` are what [`span::to_proto`](super::span::to_proto) writes for a column that the
//! attributes do not tell, and anybody may use them to say it outright.

use annals_telemetry::{
    Span,
    genai::{self, Attribute, REPORTED},
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};

/// Fills in the columns that a span's attributes tell. Its name, scope and times must be there already.
pub(super) fn promote(attributes: &[KeyValue], span: &mut Span) {
    let named = attributes
        .iter()
        .map(|kv| (kv.key.as_str(), Value(kv.value.as_ref())));
    genai::normalise(named, span);
}

/// A value as it came, which is looked at only where its name matters.
struct Value<'a>(Option<&'a AnyValue>);

impl<'a> From<Value<'a>> for Attribute<'a> {
    fn from(value: Value<'a>) -> Self {
        match value.0.and_then(|value| value.value.as_ref()) {
            Some(Any::StringValue(text)) => Self::Text(text),
            Some(Any::IntValue(int)) => Self::Int(*int),
            Some(Any::DoubleValue(double)) => Self::Double(*double),
            Some(Any::BoolValue(bool)) => Self::Bool(*bool),
            Some(Any::ArrayValue(array)) => {
                let texts = array.values.iter().map(|item| match &item.value {
                    Some(Any::StringValue(text)) => Some(text.as_str()),
                    _ => None,
                });
                texts
                    .collect::<Option<Vec<_>>>()
                    .map_or(Self::Other, Self::Texts)
            }
            _ => Self::Other,
        }
    }
}

/// Adds attributes for the columns that the others do not tell, so that a span which came by another
/// protocol goes out whole.
///
/// A cost that was made with a price does not go out: whoever takes the span makes it with their own.
pub(super) fn tell(span: &Span, attributes: &mut Vec<KeyValue>) {
    let mut told = Span::new("", "", "", &span.operation_name, span.start_time, 0);
    told.scope_name.clone_from(&span.scope_name);
    promote(attributes, &mut told);
    let mut add = |name: &str, value: Option<Any>| {
        if let Some(value) = value {
            attributes.retain(|attribute| attribute.key != name);
            attributes.push(KeyValue {
                key: name.to_owned(),
                value: Some(AnyValue { value: Some(value) }),
                ..KeyValue::default()
            });
        }
    };
    // Taken column by column, each with the name that says it outright.
    macro_rules! columns {
        ($($column:ident $name:literal $value:expr,)*) => {$(
            add($name, untold(&span.$column, &told.$column).map($value));
        )*};
    }
    columns! {
        model_name "annals.model_name" Any::StringValue,
        model_version "annals.model_version" Any::StringValue,
        batch_size "annals.batch_size" int,
        input_tokens "annals.input_tokens" int,
        output_tokens "annals.output_tokens" int,
        gpu_utilization "annals.gpu_utilization" Any::DoubleValue,
        provider "annals.provider" Any::StringValue,
        gen_ai_operation "annals.gen_ai_operation" Any::StringValue,
        request_model "annals.request_model" Any::StringValue,
        response_model "annals.response_model" Any::StringValue,
        cached_tokens "annals.cached_tokens" int,
        cache_write_tokens "annals.cache_write_tokens" int,
        reasoning_tokens "annals.reasoning_tokens" int,
        token_convention "annals.token_convention" Any::StringValue,
        time_to_first_token_nanos "annals.time_to_first_token_nanos" int,
        conversation_id "annals.conversation_id" Any::StringValue,
        user_id "annals.user_id" Any::StringValue,
        finish_reason "annals.finish_reason" Any::StringValue,
        response_id "annals.response_id" Any::StringValue,
        tool_name "annals.tool_name" Any::StringValue,
        agent_name "annals.agent_name" Any::StringValue,
    }
    if span
        .cost_source
        .as_deref()
        .is_none_or(|source| source == REPORTED)
    {
        add(
            "annals.cost",
            untold(&span.cost, &told.cost).map(Any::DoubleValue),
        );
    }
}

fn int(int: impl Into<i64>) -> Any {
    Any::IntValue(int.into())
}

/// What a column has and the attributes do not tell.
fn untold<T: Clone + PartialEq>(column: &Option<T>, told: &Option<T>) -> Option<T> {
    if column == told { None } else { column.clone() }
}

#[cfg(test)]
mod tests {
    use annals_record::Timestamp;
    use opentelemetry_proto::tonic::common::v1::ArrayValue;

    use super::*;

    fn attribute(key: &str, value: Any) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    }

    fn string(text: &str) -> Any {
        Any::StringValue(text.to_owned())
    }

    fn promoted(attributes: &[KeyValue]) -> Span {
        let mut span = Span::new("", "", "", "", Timestamp::default(), 0);
        promote(attributes, &mut span);
        span
    }

    fn of_every_column() -> Vec<KeyValue> {
        let value = |text: &str| AnyValue {
            value: Some(string(text)),
        };
        let reasons = ArrayValue {
            values: vec![value("stop"), value("length")],
        };
        vec![
            attribute("gen_ai.provider.name", string("anthropic")),
            attribute("gen_ai.operation.name", string("chat")),
            attribute("gen_ai.request.model", string("claude")),
            attribute("gen_ai.response.model", string("claude-4")),
            attribute("gen_ai.usage.input_tokens", Any::IntValue(300)),
            attribute("gen_ai.usage.output_tokens", Any::DoubleValue(350.0)),
            attribute("gen_ai.usage.cache_read.input_tokens", string("800")),
            attribute("gen_ai.usage.cache_write.input_tokens", Any::IntValue(100)),
            attribute("gen_ai.usage.reasoning.output_tokens", Any::IntValue(5)),
            attribute("gen_ai.response.finish_reasons", Any::ArrayValue(reasons)),
            attribute("gen_ai.response.id", string("r-1")),
            attribute("gen_ai.response.time_to_first_chunk", Any::DoubleValue(0.5)),
            attribute("gen_ai.conversation.id", string("c-1")),
            attribute("user.id", string("u-1")),
            attribute("gen_ai.tool.name", string("weather")),
            attribute("gen_ai.agent.name", string("planner")),
            attribute("gen_ai.usage.cost", Any::DoubleValue(0.5)),
            attribute("model_version", string("v3")),
            attribute("batch_size", Any::IntValue(8)),
            attribute("gpu_utilization", Any::DoubleValue(91.5)),
        ]
    }

    #[test]
    fn values_of_every_type_are_understood() {
        let span = promoted(&of_every_column());
        assert_eq!(span.input_tokens, Some(1200));
        assert_eq!(span.output_tokens, Some(350));
        assert_eq!(span.finish_reason.as_deref(), Some("stop,length"));
        assert_eq!(span.time_to_first_token_nanos, Some(500_000_000));
        assert_eq!(span.token_convention.as_deref(), Some("beside"));
        for value in [
            None,
            Some(Any::BoolValue(true)),
            Some(Any::BytesValue(vec![1])),
            Some(Any::KvlistValue(Default::default())),
            Some(Any::ArrayValue(ArrayValue {
                values: vec![AnyValue { value: None }],
            })),
        ] {
            let attributes = of_every_column().into_iter().map(|mut kv| {
                kv.value = Some(AnyValue {
                    value: value.clone(),
                });
                kv
            });
            let span = promoted(&attributes.collect::<Vec<_>>());
            assert_eq!(span, promoted(&[]), "{value:?}");
        }
    }

    #[test]
    fn a_span_that_came_by_otlp_goes_out_as_it_came() {
        let given = of_every_column();
        let mut span = promoted(&given);
        let mut attributes = given.clone();
        tell(&span, &mut attributes);
        assert_eq!(attributes, given);

        // A cost that was made here was not told, and is not told.
        attributes.retain(|kv| kv.key != "gen_ai.usage.cost");
        let given = attributes.clone();
        span.cost_source = Some("openai/gpt-4o@2024-08-06".to_owned());
        tell(&span, &mut attributes);
        assert_eq!(attributes, given);
    }

    #[test]
    fn columns_that_no_attribute_tells_come_back() {
        let span = promoted(&of_every_column());
        let mut attributes = Vec::new();
        tell(&span, &mut attributes);
        assert!(attributes.iter().all(|kv| kv.key.starts_with("annals.")));
        assert_eq!(promoted(&attributes), span);
    }

    #[test]
    fn of_a_repeated_attribute_the_last_value_counts() {
        let attributes = [
            attribute("batch_size", Any::IntValue(1)),
            attribute("batch_size", Any::IntValue(2)),
        ];
        assert_eq!(promoted(&attributes).batch_size, Some(2));
        let unusable = [
            attribute("batch_size", Any::IntValue(1)),
            attribute("batch_size", Any::BoolValue(true)),
        ];
        assert_eq!(promoted(&unusable).batch_size, None);
    }
}
