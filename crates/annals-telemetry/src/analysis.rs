//! What was unusual in the spans of one model: slow ones, an idle GPU, batches hardly filled.

mod detector;

use std::{collections::VecDeque, time::Duration};

use annals_record::{Json, Record, Timestamp, Value};
use annals_store::Store;

use crate::{Result, bind};
use detector::{Detector, Finding, HISTORY, Sample};

/// Spans of a window that are examined at most; the newest are.
const MAX_EXAMINED: usize = 20_000;

/// How far before the window the mean of its first spans reaches: durations of the day before tell
/// what is usual, and those before it would make a rare model's question read every chunk.
const HISTORY_REACH: Duration = Duration::from_secs(24 * 60 * 60);

/// What was found in a window of one model.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Analysis {
    /// The window holds spans that began then or later, to the microsecond, …
    pub from: Timestamp,
    /// … and before this, to the microsecond.
    pub to: Timestamp,
    /// Spans that were examined: those of the window, and of more than 20,000 the newest. Spans with
    /// a negative duration are left out.
    pub spans_examined: u64,
    /// Whether the window has spans that were not examined.
    pub truncated: bool,
    /// How much was found, whatever the limit.
    pub counts: AnomalyCounts,
    /// What was found, newest first, as much as the limit allows.
    pub anomalies: Vec<Anomaly>,
}

/// How many anomalies of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnomalyCounts {
    /// Spikes of latency.
    pub latency_spike: u64,
    /// Spans with an idle GPU.
    pub gpu_underutil: u64,
    /// Spans with a batch hardly filled.
    pub poor_batching: u64,
}

/// One thing that was unusual about one span.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Anomaly {
    /// What.
    pub kind: AnomalyKind,
    /// How bad.
    pub severity: Severity,
    /// The model.
    pub model_name: String,
    /// The span's trace.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
    /// When it began.
    pub start_time: Timestamp,
    /// What was measured: the duration in nanoseconds, the use of the GPU in percent, or the batch's
    /// fill ratio, 1 being full.
    pub value: f64,
    /// What it is held against, in the same unit: the mean duration before the span, or the least
    /// use or ratio that is not unusual.
    pub baseline: f64,
    /// The finding in a few words.
    pub details: String,
}

/// Kinds of anomalies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnomalyKind {
    /// The span took more than 3 times the mean of the up to 1,000 spans before it, of which there
    /// are at least 10, begun no earlier than a day before the window.
    LatencySpike,
    /// The GPU was used less than 40 percent while requests waited.
    GpuUnderutil,
    /// The batch was less than three tenths full, and not empty.
    PoorBatching,
}

/// How bad an anomaly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Capacity is wasted.
    Warning,
    /// Somebody waited.
    Critical,
}

impl AnomalyKind {
    /// The kind's name, as protocols have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LatencySpike => "latency_spike",
            Self::GpuUnderutil => "gpu_underutil",
            Self::PoorBatching => "poor_batching",
        }
    }

    /// How bad such an anomaly is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::LatencySpike => Severity::Critical,
            Self::GpuUnderutil | Self::PoorBatching => Severity::Warning,
        }
    }

    /// What to do about it, in one sentence.
    #[must_use]
    pub const fn recommendation(self) -> &'static str {
        match self {
            Self::LatencySpike => {
                "Open the trace to see which step took the time, and compare it with a trace of the usual length."
            }
            Self::GpuUnderutil => {
                "Look for what keeps waiting requests from the GPU: too small a batch, too few workers, or work on the CPU before it."
            }
            Self::PoorBatching => {
                "Let the batcher wait a little longer for requests, or give it smaller batches to fill."
            }
        }
    }
}

impl Severity {
    /// The severity's name, as protocols have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl AnomalyCounts {
    /// How many of one kind there are.
    #[must_use]
    pub const fn of(&self, kind: AnomalyKind) -> u64 {
        match kind {
            AnomalyKind::LatencySpike => self.latency_spike,
            AnomalyKind::GpuUnderutil => self.gpu_underutil,
            AnomalyKind::PoorBatching => self.poor_batching,
        }
    }

    fn add(&mut self, kind: AnomalyKind) {
        let count = match kind {
            AnomalyKind::LatencySpike => &mut self.latency_spike,
            AnomalyKind::GpuUnderutil => &mut self.gpu_underutil,
            AnomalyKind::PoorBatching => &mut self.poor_batching,
        };
        *count += 1;
    }
}

/// A row of the window: what is looked at, and the span's place.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "examined")]
struct Examined {
    trace_id: String,
    span_id: String,
    start_time: Timestamp,
    duration_nanos: i64,
    gpu_utilization: Option<f64>,
    annals_queue_depth: Option<Json>,
    infertrace_queue_depth: Option<Json>,
    plain_queue_depth: Option<Json>,
    inference_queue_depth: Option<Json>,
    annals_batch_fill_ratio: Option<Json>,
    infertrace_batch_fill_ratio: Option<Json>,
    plain_batch_fill_ratio: Option<Json>,
    inference_batch_fill_ratio: Option<Json>,
}

/// A row from before the window.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "earlier")]
struct Earlier {
    duration_nanos: i64,
}

/// Analyses the spans of `model` that began in the window.
pub(crate) async fn of_model(
    store: &Store,
    model: &str,
    from: Timestamp,
    to: Timestamp,
    limit: u32,
) -> Result<Analysis> {
    let read = |from, to, rows: usize| {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        vec![
            bind::text(model),
            bind::micros(from),
            bind::micros(to),
            Value::Int8(rows),
        ]
    };
    let sql = store
        .names()
        .statement(include_str!("analysis/examined.sql"));
    let values = read(from, to, MAX_EXAMINED + HISTORY);
    let mut rows: Vec<Examined> = store.fetch(sql, values).await?;
    // What the window holds beyond the examined spans is the history of the first of them.
    let beyond = rows.split_off(rows.len().min(MAX_EXAMINED));
    let sql = store
        .names()
        .statement(include_str!("analysis/earlier.sql"));
    let values = read(from - HISTORY_REACH, from, HISTORY - beyond.len());
    let earlier: Vec<Earlier> = store.fetch(sql, values).await?;

    let mut detector = Detector::default();
    // Rows come newest first, and are judged from the oldest on.
    let history = earlier.iter().rev().map(|row| row.duration_nanos);
    history
        .chain(beyond.iter().rev().map(|row| row.duration_nanos))
        .for_each(|duration_nanos| detector.learn(duration_nanos));
    Ok(Analysis {
        from,
        to,
        truncated: !beyond.is_empty(),
        ..examined(detector, model, rows, limit)
    })
}

/// Judges spans that come newest first.
fn examined(mut detector: Detector, model: &str, rows: Vec<Examined>, limit: u32) -> Analysis {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let spans_examined = rows.len() as u64;
    let mut counts = AnomalyCounts::default();
    let mut newest: VecDeque<Anomaly> = VecDeque::new();
    for row in rows.into_iter().rev() {
        for finding in detector.judge(&row.sample()) {
            counts.add(finding.kind);
            newest.push_front(row.anomaly(model, finding));
            newest.truncate(limit);
        }
    }
    Analysis {
        spans_examined,
        counts,
        anomalies: newest.into(),
        ..Analysis::default()
    }
}

impl Examined {
    fn sample(&self) -> Sample {
        Sample {
            duration_nanos: self.duration_nanos,
            gpu_utilization: self.gpu_utilization,
            queue_depth: first_number([
                &self.annals_queue_depth,
                &self.infertrace_queue_depth,
                &self.plain_queue_depth,
                &self.inference_queue_depth,
            ]),
            batch_fill_ratio: first_number([
                &self.annals_batch_fill_ratio,
                &self.infertrace_batch_fill_ratio,
                &self.plain_batch_fill_ratio,
                &self.inference_batch_fill_ratio,
            ]),
        }
    }

    fn anomaly(&self, model: &str, finding: Finding) -> Anomaly {
        Anomaly {
            kind: finding.kind,
            severity: finding.kind.severity(),
            model_name: model.to_owned(),
            trace_id: self.trace_id.clone(),
            span_id: self.span_id.clone(),
            start_time: self.start_time,
            value: finding.value,
            baseline: finding.baseline,
            details: finding.details,
        }
    }
}

/// The first that is a finite number, or the text of one.
fn first_number(tags: [&Option<Json>; 4]) -> Option<f64> {
    let number = |json: &Json| {
        let value = json.to_value();
        let number = match value.as_str() {
            Some(text) => text.trim().parse().ok(),
            None => value.as_f64(),
        };
        number.filter(|number: &f64| number.is_finite())
    };
    tags.into_iter().flatten().find_map(number)
}
