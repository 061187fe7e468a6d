//! Models: which there are, how fast they are, whether they became slower, and what was unusual.

use std::{collections::HashMap, time::Duration};

use annals_record::Timestamp;
use annals_telemetry::{
    Anomaly, AnomalyKind, LatencyWindow, Model, RegressionAlert, RegressionRule, Verdict, cost,
    usage::{UsageBy, UsageGroup, UsageQuery},
};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    parameters::{Parameters, PathText, count, number, time, window},
    problem::Problem,
};

/// The window of latency and analysis.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// The window in which models are looked for.
const MODELS_WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// A window that ends at a time or now.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Windowed {
    /// How far back to look: 24h for the list of models when not given
    window: Option<String>,
    /// Where the window ends (RFC 3339); now when not given
    until: Option<String>,
}

/// Models that were at work.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelsJson {
    #[schema(format = DateTime)]
    window_start: String,
    #[schema(format = DateTime)]
    window_end: String,
    /// Those with the most spans first, at most 1,000.
    models: Vec<ModelJson>,
}

/// One model.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelJson {
    model_name: String,
    /// Its versions in the window; at most the 20 seen last.
    versions: Vec<String>,
    span_count: u64,
    /// Spans whose status code is error.
    error_count: u64,
    /// To the microsecond.
    #[schema(format = DateTime)]
    first_seen: String,
    /// To the microsecond.
    #[schema(format = DateTime)]
    last_seen: String,
    /// Who served most calls of it; absent where no call said, as is the rest where there was no call.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// Calls in the hours that the window touches, as with tokens and cost; see /costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    /// In US dollars, of the calls whose cost is known; absent when it is of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
}

/// What a model was used for, at all its providers.
#[derive(Debug, Default)]
struct Used {
    /// That of most calls, and how many they are.
    provider: (u64, Option<String>),
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost_nanos: Option<i64>,
}

/// Usage by model.
fn used(groups: Vec<UsageGroup>) -> HashMap<String, Used> {
    let mut models: HashMap<String, Used> = HashMap::new();
    for UsageGroup {
        model,
        provider,
        usage,
        ..
    } in groups
    {
        let used = models.entry(model.unwrap_or_default()).or_default();
        let provider = provider.filter(|provider| !provider.is_empty());
        if usage.calls > used.provider.0 && provider.is_some() {
            used.provider = (usage.calls, provider);
        }
        used.calls += usage.calls;
        used.input_tokens = used.input_tokens.saturating_add(usage.input_tokens);
        used.output_tokens = used.output_tokens.saturating_add(usage.output_tokens);
        used.cost_nanos = match (used.cost_nanos, usage.cost_nanos) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
    }
    models
}

impl ModelJson {
    fn of(model: Model, used: Option<Used>) -> Self {
        let has_calls = used.is_some();
        let used = used.unwrap_or_default();
        Self {
            provider: used.provider.1,
            calls: has_calls.then_some(used.calls),
            input_tokens: has_calls.then_some(used.input_tokens),
            output_tokens: has_calls.then_some(used.output_tokens),
            cost: used.cost_nanos.map(cost::dollars),
            versions: model.versions,
            span_count: model.span_count,
            error_count: model.error_count,
            first_seen: model.first_seen.to_string(),
            last_seen: model.last_seen.to_string(),
            model_name: model.model_name,
        }
    }
}

/// The models whose spans began in a window.
#[utoipa::path(
    get,
    path = "/models",
    tag = "models",
    params(Windowed),
    responses((status = 200, body = ModelsJson), (status = 400, body = Problem))
)]
pub(super) async fn list_models(
    State(api): State<Api>,
    Parameters(asked): Parameters<Windowed>,
) -> Result<Json<ModelsJson>, Problem> {
    let length = window(
        "window",
        asked.window.as_deref(),
        MODELS_WINDOW,
        api.max_window,
    )?;
    let to = time("until", asked.until.as_deref())?.unwrap_or_else(Timestamp::now);
    let from = to - length;
    let models = api.spans().models(from, to).await?;
    let usage = UsageQuery {
        limit: 10_000,
        ..UsageQuery::new(from, to).by(&[UsageBy::Model, UsageBy::Provider])
    };
    let mut used = used(api.spans().usage(&usage).await?.groups);
    Ok(Json(ModelsJson {
        window_start: from.to_string(),
        window_end: to.to_string(),
        models: models
            .into_iter()
            .map(|model| {
                let used = used.remove(&model.model_name);
                ModelJson::of(model, used)
            })
            .collect(),
    }))
}

/// Which spans of a model.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LatencyQuestion {
    /// How far back to look; 5m when not given
    window: Option<String>,
    /// Where the window ends (RFC 3339); now when not given
    until: Option<String>,
    /// Only spans of this version of the model
    version: Option<String>,
}

/// Latency in a window, by nearest rank: each percentile is a duration that really happened.
#[derive(Serialize, ToSchema)]
pub(super) struct LatencyJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    model_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_version: Option<String>,
    /// Spans that began in the window. Without any, the percentiles are 0.
    sample_count: u64,
    /// In nanoseconds.
    p50: i64,
    /// In nanoseconds.
    p95: i64,
    /// In nanoseconds.
    p99: i64,
    /// Spans that began then or later …
    #[schema(format = DateTime)]
    window_start: String,
    /// … and before this.
    #[schema(format = DateTime)]
    window_end: String,
}

impl LatencyJson {
    fn of(name: Option<String>, version: Option<String>, window: &LatencyWindow) -> Self {
        Self {
            model_name: name,
            model_version: version,
            sample_count: window.latency.sample_count,
            p50: window.latency.p50_nanos,
            p95: window.latency.p95_nanos,
            p99: window.latency.p99_nanos,
            window_start: window.from.to_string(),
            window_end: window.to.to_string(),
        }
    }
}

/// Latency percentiles of a model, read from every span of the window. A model that is not known has no
/// samples.
#[utoipa::path(
    get,
    path = "/models/{name}/latency",
    tag = "models",
    params(("name" = String, Path, description = "The model, with / as %2F"), LatencyQuestion),
    responses((status = 200, body = LatencyJson), (status = 400, body = Problem))
)]
pub(super) async fn latency(
    State(api): State<Api>,
    PathText(name): PathText,
    Parameters(asked): Parameters<LatencyQuestion>,
) -> Result<Json<LatencyJson>, Problem> {
    let length = window("window", asked.window.as_deref(), WINDOW, api.max_window)?;
    let to = time("until", asked.until.as_deref())?.unwrap_or_else(Timestamp::now);
    let from = to - length;
    let version = asked.version.as_deref();
    let latency = api
        .spans()
        .latency_of_version(&name, version, from, to)
        .await?;
    Ok(Json(LatencyJson {
        model_name: Some(name),
        model_version: asked.version,
        sample_count: latency.sample_count,
        p50: latency.p50_nanos,
        p95: latency.p95_nanos,
        p99: latency.p99_nanos,
        window_start: from.to_string(),
        window_end: to.to_string(),
    }))
}

/// When slower is a regression.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RegressionQuestion {
    /// How far back "now" reaches; 5m when not given
    window: Option<String>,
    /// How far back "before" reaches from where the window begins; 30m when not given
    baseline: Option<String>,
    /// How many times slower is too slow; 1.8 when not given
    factor: Option<String>,
    /// Spans that each side must have; 20 when not given
    min_samples: Option<String>,
    /// Where the window ends (RFC 3339); now when not given
    until: Option<String>,
    /// Only spans of this version of the model
    version: Option<String>,
    /// Compare with this version, over both windows together, instead of with the time before
    baseline_version: Option<String>,
}

/// A model's latency now and before.
#[derive(Serialize, ToSchema)]
pub(super) struct RegressionJson {
    model_name: String,
    /// regressed, steady, too_few_samples or no_baseline
    verdict: &'static str,
    /// The verdict in a sentence.
    reason: String,
    /// Present when the verdict is regressed.
    alert: Option<AlertJson>,
    current: LatencyJson,
    baseline: LatencyJson,
    factor: f64,
    min_samples: u64,
}

/// A model that became too slow.
#[derive(Serialize, ToSchema)]
pub(super) struct AlertJson {
    model_name: String,
    /// In nanoseconds.
    current_p95: i64,
    /// In nanoseconds.
    baseline_p95: i64,
    /// The first divided by the second.
    multiplier: f64,
    /// When the first span that slow began in the window.
    #[schema(format = DateTime)]
    first_seen_at: String,
}

impl From<RegressionAlert> for AlertJson {
    fn from(alert: RegressionAlert) -> Self {
        Self {
            model_name: alert.model_name,
            current_p95: alert.current_p95_nanos,
            baseline_p95: alert.baseline_p95_nanos,
            multiplier: alert.multiplier,
            first_seen_at: alert.first_seen_at.to_string(),
        }
    }
}

/// Whether a model became slower than it was, or than another version of it.
#[utoipa::path(
    get,
    path = "/models/{name}/regression",
    tag = "models",
    params(("name" = String, Path, description = "The model, with / as %2F"), RegressionQuestion),
    responses((status = 200, body = RegressionJson), (status = 400, body = Problem))
)]
pub(super) async fn regression(
    State(api): State<Api>,
    PathText(name): PathText,
    Parameters(asked): Parameters<RegressionQuestion>,
) -> Result<Json<RegressionJson>, Problem> {
    let default = RegressionRule::default();
    let samples = asked.min_samples.as_deref();
    let length = |name, value: &Option<String>, default| {
        window(name, value.as_deref(), default, api.max_window)
    };
    let rule = RegressionRule {
        window: length("window", &asked.window, default.window)?,
        baseline: length("baseline", &asked.baseline, default.baseline)?,
        factor: number("factor", asked.factor.as_deref(), default.factor)?,
        min_samples: count("min_samples", samples, default.min_samples, (1, 1_000_000))?,
        baseline_version: asked.baseline_version,
    };
    let now = time("until", asked.until.as_deref())?.unwrap_or_else(Timestamp::now);
    let version = asked.version.as_deref();
    let found = api.spans().regression(&name, version, &rule, now).await?;
    let (verdict, reason) = in_words(&found.verdict, &rule);
    let alert = match found.verdict {
        Verdict::Regressed(alert) => Some(alert.into()),
        _ => None,
    };
    let baseline_version = rule.baseline_version.or_else(|| asked.version.clone());
    Ok(Json(RegressionJson {
        verdict,
        reason,
        alert,
        current: LatencyJson::of(None, asked.version, &found.current),
        baseline: LatencyJson::of(None, baseline_version, &found.baseline),
        factor: rule.factor,
        min_samples: rule.min_samples,
        model_name: name,
    }))
}

fn in_words(verdict: &Verdict, rule: &RegressionRule) -> (&'static str, String) {
    match verdict {
        Verdict::Regressed(alert) => (
            "regressed",
            format!(
                "the 95th percentile is {:.2} times that of the baseline, and {} is too slow",
                alert.multiplier, rule.factor
            ),
        ),
        Verdict::Steady { multiplier } => (
            "steady",
            format!(
                "the 95th percentile is {multiplier:.2} times that of the baseline, below {}",
                rule.factor
            ),
        ),
        Verdict::TooFewSamples { side, has, needs } => (
            "too_few_samples",
            format!(
                "the {} window has {has} spans and {needs} are needed",
                match side {
                    annals_telemetry::Side::Current => "current",
                    annals_telemetry::Side::Baseline => "baseline",
                }
            ),
        ),
        _ => (
            "no_baseline",
            "the baseline's 95th percentile is 0, of which nothing is a multiple".to_owned(),
        ),
    }
}

/// Which spans to analyse.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AnalysisQuestion {
    /// How far back to look; 5m when not given
    window: Option<String>,
    /// Where the window ends (RFC 3339); now when not given
    until: Option<String>,
    /// Anomalies to show at most, 1 to 1000; 100 when not given
    limit: Option<String>,
}

/// What was unusual.
#[derive(Serialize, ToSchema)]
pub(super) struct AnalysisJson {
    model_name: String,
    #[schema(format = DateTime)]
    window_start: String,
    #[schema(format = DateTime)]
    window_end: String,
    spans_examined: u64,
    /// Whether the window has more spans than were examined; the newest are.
    truncated: bool,
    /// How much was found, by kind.
    counts: CountsJson,
    /// What to do, for each kind that was found.
    recommendations: Vec<&'static str>,
    /// Newest first.
    anomalies: Vec<AnomalyJson>,
}

/// Anomalies by kind.
#[derive(Serialize, ToSchema)]
pub(super) struct CountsJson {
    latency_spike: u64,
    gpu_underutil: u64,
    poor_batching: u64,
}

/// One thing that was unusual about one span.
#[derive(Serialize, ToSchema)]
pub(super) struct AnomalyJson {
    /// latency_spike, gpu_underutil or poor_batching
    kind: &'static str,
    model_name: String,
    /// critical or warning
    severity: &'static str,
    /// Nanoseconds of a spike, percent of a GPU, or a batch's fill ratio with 1 for full.
    value: f64,
    /// What it is held against, in the same unit.
    baseline: f64,
    details: String,
    trace_id: String,
    span_id: String,
    #[schema(format = DateTime)]
    start_time: String,
}

impl From<Anomaly> for AnomalyJson {
    fn from(anomaly: Anomaly) -> Self {
        Self {
            kind: anomaly.kind.as_str(),
            model_name: anomaly.model_name,
            severity: anomaly.severity.as_str(),
            value: anomaly.value,
            baseline: anomaly.baseline,
            details: anomaly.details,
            trace_id: anomaly.trace_id,
            span_id: anomaly.span_id,
            start_time: anomaly.start_time.to_string(),
        }
    }
}

/// Slow spans, an idle GPU while requests wait, and batches hardly filled.
#[utoipa::path(
    get,
    path = "/models/{name}/analysis",
    tag = "models",
    params(("name" = String, Path, description = "The model, with / as %2F"), AnalysisQuestion),
    responses((status = 200, body = AnalysisJson), (status = 400, body = Problem))
)]
pub(super) async fn analysis(
    State(api): State<Api>,
    PathText(name): PathText,
    Parameters(asked): Parameters<AnalysisQuestion>,
) -> Result<Json<AnalysisJson>, Problem> {
    let length = window("window", asked.window.as_deref(), WINDOW, api.max_window)?;
    let limit = count("limit", asked.limit.as_deref(), 100, (1, 1_000))?;
    let to = time("until", asked.until.as_deref())?.unwrap_or_else(Timestamp::now);
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let found = api.spans().analysis(&name, to - length, to, limit).await?;
    let kinds = [
        AnomalyKind::LatencySpike,
        AnomalyKind::GpuUnderutil,
        AnomalyKind::PoorBatching,
    ];
    Ok(Json(AnalysisJson {
        model_name: name,
        window_start: found.from.to_string(),
        window_end: found.to.to_string(),
        spans_examined: found.spans_examined,
        truncated: found.truncated,
        recommendations: kinds
            .into_iter()
            .filter(|kind| found.counts.of(*kind) > 0)
            .map(AnomalyKind::recommendation)
            .collect(),
        counts: CountsJson {
            latency_spike: found.counts.latency_spike,
            gpu_underutil: found.counts.gpu_underutil,
            poor_batching: found.counts.poor_batching,
        },
        anomalies: found.anomalies.into_iter().map(AnomalyJson::from).collect(),
    }))
}
