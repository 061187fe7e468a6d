//! One span of either contract.

use annals_record::{Json, Timestamp};
use annals_telemetry::{Span, StatusCode};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use prost::Message as _;
use serde_json::Value;

use super::{
    ids::{self, Maker},
    messages::{
        planned::{self, InferenceContext, ResourceMetrics},
        v1,
    },
};
use crate::otlp::{FieldError, Problem, attributes, origin::UNKNOWN_SERVICE};

/// What stands before the name of a field that is kept among the tags.
const PREFIX: &str = "infertrace.";

/// The record of a span of the first plan.
///
/// The model's name, version, batch size and tokens and the GPU's use go to their columns. Every other
/// field of `inference` and `resources` goes to `tags` as `infertrace.` and its name, and wins over a
/// tag that the sender named so. Other tags stay as they came.
///
/// Where `inference` is there, 0 tokens and an empty queue are what was measured, and are kept; of all
/// other fields 0 is taken for absent, as it is with a batch of 0 requests. Where `resources` is
/// there, 0 % of the GPU is kept. A GPU use that is not finite goes to the tags, in the form that
/// [`attributes`] has for such numbers.
///
/// A span without a service is one of [`UNKNOWN_SERVICE`], as it is by OTLP. `status` stays in the
/// sender's words; `status_code` is what they mean: [`StatusCode::Ok`] for `ok`,
/// [`StatusCode::Error`] for `error`, `err`, `exception`, `fail`, `failed`, `failure`, `timeout`,
/// `timed_out` and `deadline_exceeded`, in either case and with any of ` `, `-` and `_` between words,
/// and [`StatusCode::Unset`] for everything else.
///
/// Ids that are absent are made, see [`ids`]; in a batch, use
/// [`planned_batch`](super::planned_batch), which keeps equal spans apart.
///
/// # Errors
///
/// An id is longer than [`ids::LONGEST`], the start is not above 0 or the duration is below 0; the
/// error names the field.
pub fn from_planned(message: planned::Span) -> Result<Span, FieldError> {
    planned(message, &mut Maker::default())
}

/// The record of a span of v1.
///
/// Status and absent ids are treated as by [`from_planned`]; in a batch, use
/// [`v1_batch`](super::v1_batch).
///
/// # Errors
///
/// The service or the model is empty, the start or the duration is not above 0 (source: the collector's
/// own checks, commit 7cbb360), or an id is longer than [`ids::LONGEST`]; the error names the field.
pub fn from_v1(message: v1::Span) -> Result<Span, FieldError> {
    v1(message, &mut Maker::default())
}

/// [`from_planned`] for one of many.
pub(super) fn planned(message: planned::Span, maker: &mut Maker) -> Result<Span, FieldError> {
    let trace_id = ids::of_bytes(&message.trace_id, ids::TRACE, "trace_id")?;
    let span_id = ids::of_bytes(&message.span_id, ids::SPAN, "span_id")?;
    let parent_span_id = ids::of_bytes(&message.parent_span_id, ids::SPAN, "parent_span_id")?;
    let start = start(message.start_time_unix_nano)?;
    if message.duration_nanos < 0 {
        return Err(number(
            "duration_nanos",
            message.duration_nanos,
            "a number of nanoseconds from 0",
        ));
    }
    let (trace_id, span_id) = maker.complete(trace_id, span_id, || message.encode_to_vec());

    let service_name = absent_if_empty(message.service_name);
    let mut span = Span::new(
        trace_id,
        span_id,
        service_name.unwrap_or_else(|| UNKNOWN_SERVICE.to_owned()),
        message.operation_name,
        start,
        message.duration_nanos,
    );
    span.parent_span_id = parent_span_id;
    let mut tags: Vec<KeyValue> = message
        .tags
        .into_iter()
        .map(|(key, text)| attribute(key, Any::StringValue(text)))
        .collect();
    if let Some(inference) = message.inference {
        take_inference(inference, &mut span, &mut tags);
    }
    if let Some(resources) = message.resources {
        take_resources(resources, &mut span, &mut tags);
    }
    span.tags = column(tags)?;
    give_status(message.status, &mut span);
    Ok(span)
}

/// [`from_v1`] for one of many.
pub(super) fn v1(message: v1::Span, maker: &mut Maker) -> Result<Span, FieldError> {
    let trace_id = ids::of_text(&message.trace_id, "trace_id")?;
    let span_id = ids::of_text(&message.span_id, "span_id")?;
    let texts = [
        ("service_name", &message.service_name),
        ("model_name", &message.model_name),
    ];
    for (field, text) in texts {
        if text.is_empty() {
            return Err(FieldError::new(field, Problem::Missing));
        }
    }
    let start = start(message.start_time_unix_nano)?;
    if message.duration_nanos <= 0 {
        return Err(number(
            "duration_nanos",
            message.duration_nanos,
            "a number of nanoseconds above 0",
        ));
    }
    let (trace_id, span_id) = maker.complete(trace_id, span_id, || message.encode_to_vec());

    let mut span = Span::new(
        trace_id,
        span_id,
        message.service_name,
        message.operation_name,
        start,
        message.duration_nanos,
    );
    span.model_name = Some(message.model_name);
    give_status(message.status, &mut span);
    Ok(span)
}

fn start(nanos: i64) -> Result<Timestamp, FieldError> {
    if nanos > 0 {
        Ok(Timestamp::from_unix_nanos(nanos))
    } else {
        Err(number(
            "start_time_unix_nano",
            nanos,
            "a number of nanoseconds above 0",
        ))
    }
}

fn number(field: &'static str, found: i64, expected: &'static str) -> FieldError {
    let found = found.to_string();
    FieldError::new(field, Problem::Type { found, expected })
}

fn take_inference(inference: InferenceContext, span: &mut Span, tags: &mut Vec<KeyValue>) {
    span.model_name = absent_if_empty(inference.model_name);
    span.model_version = absent_if_empty(inference.model_version);
    span.batch_size = Some(inference.batch_size).filter(|requests| *requests != 0);
    span.input_tokens = Some(inference.input_tokens);
    span.output_tokens = Some(inference.output_tokens);
    let others = [
        ("framework", text(inference.framework)),
        ("sequence_length", float(inference.sequence_length)),
        ("cache_hit_rate", float(inference.cache_hit_rate)),
        ("pipeline_stage", text(inference.pipeline_stage)),
        // Whether requests waited is what the detector of idle GPUs asks, so that 0 is an answer.
        (
            "queue_depth",
            Some(Any::IntValue(inference.queue_depth.into())),
        ),
        ("queue_wait_time_ms", float(inference.queue_wait_time_ms)),
        ("batch_fill_ratio", float(inference.batch_fill_ratio)),
    ];
    add(others, tags);
}

fn take_resources(resources: ResourceMetrics, span: &mut Span, tags: &mut Vec<KeyValue>) {
    let gpu = resources.gpu_utilization_percent;
    span.gpu_utilization = Some(gpu).filter(|percent| percent.is_finite());
    let others = [
        // Percentages that are no numbers would spoil every average over the column.
        (
            "gpu_utilization_percent",
            double(gpu).filter(|_| !gpu.is_finite()),
        ),
        (
            "gpu_memory_used_bytes",
            whole(resources.gpu_memory_used_bytes),
        ),
        (
            "gpu_memory_total_bytes",
            whole(resources.gpu_memory_total_bytes),
        ),
        ("gpu_device_id", text(resources.gpu_device_id)),
        (
            "cpu_utilization_percent",
            double(resources.cpu_utilization_percent),
        ),
        ("memory_heap_bytes", whole(resources.memory_heap_bytes)),
    ];
    add(others, tags);
}

/// Adds fields behind the sender's tags, since of equal names the last one stays.
fn add<const N: usize>(fields: [(&str, Option<Any>); N], tags: &mut Vec<KeyValue>) {
    let present = fields
        .into_iter()
        .filter_map(|(name, value)| Some(attribute(format!("{PREFIX}{name}"), value?)));
    tags.extend(present);
}

fn attribute(key: String, value: Any) -> KeyValue {
    KeyValue {
        key,
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(text: String) -> Option<Any> {
    absent_if_empty(text).map(Any::StringValue)
}

fn whole(int: i64) -> Option<Any> {
    (int != 0).then_some(Any::IntValue(int))
}

fn double(double: f64) -> Option<Any> {
    (double != 0.0).then_some(Any::DoubleValue(double))
}

/// A float of 32 bits as the shortest number that stands for it: 0.3 is to be 0.3 again, not
/// 0.30000001192092896, which is no longer equal to any threshold of 0.3.
fn float(float: f32) -> Option<Any> {
    let shortest = float
        .to_string()
        .parse()
        .unwrap_or_else(|_| f64::from(float));
    double(shortest)
}

fn column(tags: Vec<KeyValue>) -> Result<Option<Json>, FieldError> {
    if tags.is_empty() {
        return Ok(None);
    }
    let object = attributes::encode(tags).map_err(|error| error.within("tags"))?;
    Json::try_from(&Value::Object(object))
        .map(Some)
        .map_err(|error| FieldError::new("tags", error))
}

fn absent_if_empty(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

fn give_status(status: String, span: &mut Span) {
    span.status_code = status_code(&status);
    span.status = absent_if_empty(status);
}

fn status_code(status: &str) -> StatusCode {
    let word = status.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    match word.as_str() {
        "ok" => StatusCode::Ok,
        "error" | "err" | "exception" | "fail" | "failed" | "failure" | "timeout" | "timed_out"
        | "deadline_exceeded" => StatusCode::Error,
        _ => StatusCode::Unset,
    }
}
