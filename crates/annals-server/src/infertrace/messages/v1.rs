//! The contract that InferTrace's collector runs, package `infertrace.v1`.
//!
//! Source of names, numbers and types: the reference of InferTrace at commit 7cbb360, which
//! `proto/infertrace_v1.proto` repeats.

/// The service's full name, as it stands in the path of a call:
/// `/infertrace.v1.CollectorService/SendSpanBatch`.
pub const SERVICE: &str = "infertrace.v1.CollectorService";

/// Spans to take over.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SendSpanBatchRequest {
    /// The spans.
    #[prost(message, repeated, tag = "1")]
    pub spans: Vec<Span>,
}

/// How many were taken over. The call succeeds even when none was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SendSpanBatchResponse {
    /// Spans that were taken over.
    #[prost(int32, tag = "1")]
    pub accepted_count: i32,
    /// Spans that were not.
    #[prost(int32, tag = "2")]
    pub rejected_count: i32,
}

/// One operation of one service. It has no parent, tags, tokens or resources.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Span {
    /// Its trace. Empty: absent.
    #[prost(string, tag = "1")]
    pub trace_id: String,
    /// Its id within the trace. Empty: absent.
    #[prost(string, tag = "2")]
    pub span_id: String,
    /// The service that did the work.
    #[prost(string, tag = "3")]
    pub service_name: String,
    /// What it did.
    #[prost(string, tag = "4")]
    pub operation_name: String,
    /// The model that answered.
    #[prost(string, tag = "5")]
    pub model_name: String,
    /// When it began, in nanoseconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "6")]
    pub start_time_unix_nano: i64,
    /// How long it took, in nanoseconds.
    #[prost(int64, tag = "7")]
    pub duration_nanos: i64,
    /// How it ended, in words of the sender's choice.
    #[prost(string, tag = "8")]
    pub status: String,
}
