//! Logs, as an export of OTLP.

use annals_telemetry::LogRecord;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
    },
    logs::v1::ResourceLogs,
};

use super::{Arrived, Rejected, Signal};
use crate::{
    intake::{Intake, LogSink},
    otlp::{
        Decoded,
        json::{self, ReadError},
        logs::{self, Coming},
    },
    roads::Roads,
};

/// Log records.
#[derive(Debug)]
pub(crate) struct Logs;

impl Signal for Logs {
    type Sink = LogSink;
    type Request = ExportLogsServiceRequest;
    type OfResource = ResourceLogs;
    type Answer = ExportLogsServiceResponse;

    const PATH: &'static str = "/v1/logs";
    const SERVICE: &'static str = "opentelemetry.proto.collector.logs.v1.LogsService";
    const REQUEST: &'static str = "ExportLogsServiceRequest";
    const RESOURCES: &'static str = "resource_logs";
    const REJECTED: &'static str = "rejectedLogRecords";

    fn intake(roads: &Roads) -> &Intake<LogSink> {
        &roads.logs
    }

    fn resources(request: Self::Request) -> Vec<ResourceLogs> {
        request.resource_logs
    }

    fn from_proto(request: Vec<ResourceLogs>, arrived: &Arrived<'_>) -> Decoded<LogRecord> {
        let came = |hash: &[u8; 32]| arrived.roads.logs.came(hash);
        let coming = Coming::new(arrived.bytes, &came);
        logs::from_proto(request, arrived.bounds, &coming)
    }

    fn from_json(text: &str, arrived: &Arrived<'_>) -> Result<Decoded<LogRecord>, ReadError> {
        let came = |hash: &[u8; 32]| arrived.roads.logs.came(hash);
        let coming = Coming::new(arrived.bytes, &came);
        json::read_logs(text, arrived.bounds, &coming)
    }

    fn answer(rejected: Option<Rejected>) -> ExportLogsServiceResponse {
        ExportLogsServiceResponse {
            partial_success: rejected.map(|rejected| ExportLogsPartialSuccess {
                rejected_log_records: rejected.count,
                error_message: rejected.message,
            }),
        }
    }

    fn rejected(answer: &ExportLogsServiceResponse) -> Option<Rejected> {
        answer.partial_success.as_ref().map(|partial| Rejected {
            count: partial.rejected_log_records,
            message: partial.error_message.clone(),
        })
    }
}
