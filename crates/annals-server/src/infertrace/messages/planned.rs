//! The contract of InferTrace's first plan, package `infertrace`.
//!
//! Source of names, numbers and types: the reference of InferTrace's first plan (commit d01ba58,
//! phases 2 and 7), which `proto/infertrace.proto` repeats.

use std::collections::BTreeMap;

/// The service's full name, as it stands in the path of a call:
/// `/infertrace.CollectorService/SendSpan` and `…/SendSpanBatch`.
pub const SERVICE: &str = "infertrace.CollectorService";

/// One span to take over.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SendSpanRequest {
    /// The span.
    #[prost(message, optional, tag = "1")]
    pub span: Option<Span>,
}

/// Spans to take over.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SendSpanBatchRequest {
    /// The spans.
    #[prost(message, repeated, tag = "1")]
    pub spans: Vec<Span>,
}

/// The answer to both calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SendSpanResponse {
    /// Whether what was sent was taken over.
    #[prost(bool, tag = "1")]
    pub accepted: bool,
}

/// One operation of one service.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Span {
    /// Its trace; 16 bytes by the plan, any in practice. Empty: absent.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// Its id within the trace; 8 bytes by the plan, any in practice. Empty: absent.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// The span that caused it. Empty: absent.
    #[prost(bytes = "vec", tag = "3")]
    pub parent_span_id: Vec<u8>,
    /// The service that did the work.
    #[prost(string, tag = "4")]
    pub service_name: String,
    /// What it did.
    #[prost(string, tag = "5")]
    pub operation_name: String,
    /// When it began, in nanoseconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "6")]
    pub start_time_unix_nano: i64,
    /// How long it took, in nanoseconds.
    #[prost(int64, tag = "7")]
    pub duration_nanos: i64,
    /// How it ended, in words of the sender's choice.
    #[prost(string, tag = "8")]
    pub status: String,
    /// What else there is to say. Sorted, so that equal spans are equal bytes.
    #[prost(btree_map = "string, string", tag = "9")]
    pub tags: BTreeMap<String, String>,
    /// What the model did.
    #[prost(message, optional, tag = "10")]
    pub inference: Option<InferenceContext>,
    /// What the machine was doing.
    #[prost(message, optional, tag = "11")]
    pub resources: Option<ResourceMetrics>,
}

/// What the model did.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InferenceContext {
    /// The model.
    #[prost(string, tag = "1")]
    pub model_name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub model_version: String,
    /// Requests in the model's batch.
    #[prost(int32, tag = "3")]
    pub batch_size: i32,
    /// Tokens read.
    #[prost(int32, tag = "4")]
    pub input_tokens: i32,
    /// Tokens written.
    #[prost(int32, tag = "5")]
    pub output_tokens: i32,
    /// What the model runs in: `pytorch`, `tensorflow`, `onnx`.
    #[prost(string, tag = "6")]
    pub framework: String,
    /// Length of the sequence, in tokens.
    #[prost(float, tag = "7")]
    pub sequence_length: f32,
    /// Share of what was found in a cache, 0 to 1.
    #[prost(float, tag = "8")]
    pub cache_hit_rate: f32,
    /// `preprocessing`, `inference` or `postprocessing`.
    #[prost(string, tag = "9")]
    pub pipeline_stage: String,
    /// Requests that waited when this one began.
    #[prost(int32, tag = "10")]
    pub queue_depth: i32,
    /// How long this one waited, in milliseconds.
    #[prost(float, tag = "11")]
    pub queue_wait_time_ms: f32,
    /// How full the model's batch was, 0 to 1.
    #[prost(float, tag = "12")]
    pub batch_fill_ratio: f32,
}

/// What the machine was doing.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ResourceMetrics {
    /// Use of the GPU, in percent.
    #[prost(double, tag = "1")]
    pub gpu_utilization_percent: f64,
    /// Memory of the GPU in use, in bytes.
    #[prost(int64, tag = "2")]
    pub gpu_memory_used_bytes: i64,
    /// Memory that the GPU has, in bytes.
    #[prost(int64, tag = "3")]
    pub gpu_memory_total_bytes: i64,
    /// Which GPU it was.
    #[prost(string, tag = "4")]
    pub gpu_device_id: String,
    /// Use of the processor, in percent.
    #[prost(double, tag = "5")]
    pub cpu_utilization_percent: f64,
    /// The process's heap, in bytes.
    #[prost(int64, tag = "6")]
    pub memory_heap_bytes: i64,
}
