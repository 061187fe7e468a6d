//! Money: what models were used for and what it cost, prices, and costs anew from other prices.

use std::{sync::Arc, time::Duration};

use annals_record::Timestamp;
use annals_store::config::parse_duration;
use annals_telemetry::{
    PriceList,
    cost::{Price, Rates, dollars},
    usage::{Recompute, Recomputed, Usage, UsageBy, UsageGroup, UsageQuery, UsageSummary},
};
use axum::{
    Json,
    extract::{Request, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    object::object,
    parameters::{Nothing, Parameters, count, time},
    problem::Problem,
};

/// The window of a summary when none is given.
const WINDOW: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Which usage to sum up.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CostQuestion {
    /// Calls that began then or later (RFC 3339), or so long ago, such as 7d; 30d when not given. Widened to whole hours, or
    /// to whole days of UTC where users or conversations are asked for
    since: Option<String>,
    /// Calls that began before then; now when not given. Widened likewise
    until: Option<String>,
    /// One or two of model, provider, service, user, conversation, day and hour, with a comma between; nothing for the total alone
    by: Option<String>,
    /// Only calls of this model
    model: Option<String>,
    /// Only of this provider
    provider: Option<String>,
    /// Only by this service
    service: Option<String>,
    /// Only for this user
    user: Option<String>,
    /// Only in this conversation
    conversation: Option<String>,
    /// Groups at most, of those that cost most: 1 to 10000, and 100 when not given
    limit: Option<String>,
}

/// What calls there were, and what they cost.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageJson {
    calls: u64,
    /// Calls that failed.
    errors: u64,
    /// Calls whose cost nobody knows: their model has no price, or they tell no tokens.
    unpriced_calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    /// Part of the input.
    cached_tokens: u64,
    /// Part of the input.
    cache_write_tokens: u64,
    /// Part of the output.
    reasoning_tokens: u64,
    /// In US dollars, of the calls whose cost is known; absent when it is of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
    /// How long a call took on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_ms: Option<f64>,
    /// The standard deviation of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    stddev_ms: Option<f64>,
}

/// What was used by one of what was asked by; only that is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Empty where the calls named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<String>,
    /// The beginning of the day, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    day: Option<String>,
    /// The beginning of the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    hour: Option<String>,
    #[serde(flatten)]
    usage: UsageJson,
}

/// Sums of usage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CostsJson {
    /// The window that was summed up: calls that began then or later …
    #[schema(format = DateTime)]
    from: String,
    /// … and before this.
    #[schema(format = DateTime)]
    to: String,
    /// Everything that matches, groups that are left out included.
    total: UsageJson,
    /// Those that cost most first, then those with most calls, then by name.
    groups: Vec<GroupJson>,
    /// Whether more groups match than `limit` lets through.
    more: bool,
}

impl From<Usage> for UsageJson {
    fn from(usage: Usage) -> Self {
        Self {
            cost: usage.cost(),
            calls: usage.calls,
            errors: usage.errors,
            unpriced_calls: usage.unpriced_calls,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_tokens: usage.cached_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            mean_ms: usage.mean_ms,
            stddev_ms: usage.stddev_ms,
        }
    }
}

impl From<UsageSummary> for CostsJson {
    fn from(summary: UsageSummary) -> Self {
        let by = summary.by;
        let group = |group: UsageGroup| {
            let at = |of| {
                group
                    .time
                    .filter(|_| by.contains(&of))
                    .map(|time| time.to_string())
            };
            GroupJson {
                day: at(UsageBy::Day),
                hour: at(UsageBy::Hour),
                model: group.model,
                provider: group.provider,
                service: group.service,
                user: group.user,
                conversation: group.conversation,
                usage: group.usage.into(),
            }
        };
        Self {
            from: summary.from.to_string(),
            to: summary.to.to_string(),
            total: summary.total.into(),
            groups: summary.groups.into_iter().map(group).collect(),
            more: !summary.is_all,
        }
    }
}

/// A time, or how long ago it was.
fn moment(name: &str, value: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    match value.and_then(parse_duration) {
        Some(ago) => Ok(Some(now - ago)),
        None => time(name, value),
    }
}

/// By what, in one parameter.
fn by(value: Option<&str>) -> Result<Vec<UsageBy>, Problem> {
    let names = value
        .unwrap_or("")
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names
        .map(|name| {
            UsageBy::named(name).ok_or_else(|| {
                Problem::parameter("by", name, "one or two of model, provider, service, user, conversation, day and hour, with a comma between")
            })
        })
        .collect()
}

/// Calls of models, tokens and money, summed up. A call counts as soon as its span is stored, however late it comes, and goes on
/// to count when its span is deleted by age.
#[utoipa::path(
    get,
    path = "/costs",
    tag = "costs",
    params(CostQuestion),
    responses((status = 200, body = CostsJson), (status = 400, body = Problem))
)]
pub(super) async fn costs(
    State(api): State<Api>,
    Parameters(asked): Parameters<CostQuestion>,
) -> Result<Json<CostsJson>, Problem> {
    let now = Timestamp::now();
    let to = moment("until", asked.until.as_deref(), now)?.unwrap_or(now);
    let from = moment("since", asked.since.as_deref(), now)?.unwrap_or(to - WINDOW);
    ordered(from, to)?;
    let limit = count("limit", asked.limit.as_deref(), 100, (1, 10_000))?;
    let query = UsageQuery {
        model: asked.model,
        provider: asked.provider,
        service: asked.service,
        user: asked.user,
        conversation: asked.conversation,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        ..UsageQuery::new(from, to).by(&by(asked.by.as_deref())?)
    };
    Ok(Json(api.spans().usage(&query).await?.into()))
}

fn ordered(from: Timestamp, to: Timestamp) -> Result<(), Problem> {
    if from < to {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        format!("since ({from}) is not before until ({to}); exchange them, or leave one out"),
    ))
}

/// Which prices to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PriceQuestion {
    /// Only the price that a call of this model has, by whatever name
    model: Option<String>,
    /// Only prices of this provider
    provider: Option<String>,
    /// Only prices that are valid then (RFC 3339); now when a model is given
    at: Option<String>,
}

/// What a million tokens cost, in US dollars.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RatesJson {
    input: f64,
    output: f64,
    cached: f64,
    cache_write: f64,
    reasoning: f64,
}

impl From<Rates> for RatesJson {
    fn from(rates: Rates) -> Self {
        Self {
            input: dollars(rates.input),
            output: dollars(rates.output),
            cached: dollars(rates.cached),
            cache_write: dollars(rates.cache_write),
            reasoning: dollars(rates.reasoning),
        }
    }
}

/// The prices of calls that read many tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LongJson {
    /// Calls that read more tokens than so many.
    above: u32,
    #[serde(flatten)]
    rates: RatesJson,
}

/// One price.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PriceJson {
    /// What spans say in `cost_source`; begins with `file:` when it is of PRICES_FILE.
    id: String,
    provider: String,
    model: String,
    aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    valid_until: Option<String>,
    #[serde(flatten)]
    rates: RatesJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<LongJson>,
}

impl From<&Price> for PriceJson {
    fn from(price: &Price) -> Self {
        Self {
            id: price.id.clone(),
            provider: price.provider.clone(),
            model: price.model.clone(),
            aliases: price.aliases.clone(),
            valid_from: price.valid_from.map(|time| time.to_string()),
            valid_until: price.valid_until.map(|time| time.to_string()),
            rates: price.rates.into(),
            long: price.long.map(|(above, rates)| LongJson {
                above,
                rates: rates.into(),
            }),
        }
    }
}

/// The prices that this server gives to calls whose costs are not reported: those of PRICES_FILE, then those that it was
/// made with.
#[utoipa::path(
    get,
    path = "/costs/prices",
    tag = "costs",
    params(PriceQuestion),
    responses((status = 200, body = Vec<PriceJson>), (status = 400, body = Problem))
)]
pub(super) async fn prices(
    State(api): State<Api>,
    Parameters(asked): Parameters<PriceQuestion>,
) -> Result<Json<Vec<PriceJson>>, Problem> {
    let at = time("at", asked.at.as_deref())?;
    let found = listed(
        &api.roads.prices.list,
        asked.provider.as_deref(),
        asked.model.as_deref(),
        at,
    );
    Ok(Json(
        found
            .iter()
            .map(|price| PriceJson::from(&**price))
            .collect(),
    ))
}

/// The price of a model, or those of a provider or of all, at a time or at all.
fn listed(
    list: &PriceList,
    provider: Option<&str>,
    model: Option<&str>,
    at: Option<Timestamp>,
) -> Vec<Arc<Price>> {
    if let Some(model) = model {
        let price = list.find(provider, model, at.unwrap_or_else(Timestamp::now));
        return price.into_iter().collect();
    }
    let fits = |price: &&Arc<Price>| {
        provider.is_none_or(|provider| price.provider.eq_ignore_ascii_case(provider))
            && at.is_none_or(|at| price.is_valid(at))
    };
    list.prices().iter().filter(fits).map(Arc::clone).collect()
}

/// Which calls to give their costs anew.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z", "model": "gpt-4o", "dry_run": true}))]
pub(super) struct RecomputeJson {
    /// Calls that began then or later (RFC 3339), or so long ago, such as 7d.
    since: Option<String>,
    /// Calls that began before then; now when not given.
    until: Option<String>,
    /// Only calls of this model, by the name that spans have.
    model: Option<String>,
    /// Whether nothing is done and only told; false when not given.
    #[serde(default)]
    dry_run: bool,
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecomputedJson {
    #[schema(format = DateTime)]
    from: String,
    #[schema(format = DateTime)]
    to: String,
    dry_run: bool,
    /// Calls that were looked at: those whose cost was not reported.
    calls: u64,
    /// Those of them whose cost changed, or the price that it was made with.
    changed: u64,
    /// What the calls cost before, in US dollars.
    cost_before: f64,
    /// What they cost now.
    cost_after: f64,
    unpriced_before: u64,
    unpriced_after: u64,
}

impl RecomputedJson {
    fn of(asked: &Recompute, done: &Recomputed) -> Self {
        Self {
            from: asked.from.to_string(),
            to: asked.to.to_string(),
            dry_run: asked.dry_run,
            calls: done.calls,
            changed: done.changed,
            cost_before: dollars(done.before_nanos),
            cost_after: dollars(done.after_nanos),
            unpriced_before: done.unpriced_before,
            unpriced_after: done.unpriced_after,
        }
    }
}

/// Reads PRICES_FILE again, and gives calls the costs that they have by it: spans, traces and sums alike. Costs that were
/// reported stay. Done in steps: when it is broken off, asking again goes on.
#[utoipa::path(
    post,
    path = "/costs/recompute",
    tag = "costs",
    request_body = RecomputeJson,
    responses((status = 200, body = RecomputedJson), (status = 400, body = Problem), (status = 409, body = Problem))
)]
pub(super) async fn recompute(
    State(api): State<Api>,
    Parameters(Nothing {}): Parameters<Nothing>,
    request: Request,
) -> Result<Json<RecomputedJson>, Problem> {
    let asked: RecomputeJson = object(
        &api.roads.gate,
        request,
        "{\"since\": \"7d\", \"dry_run\": true}",
    )
    .await?;
    let now = Timestamp::now();
    let Some(from) = moment("since", asked.since.as_deref(), now)? else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "since is missing, and nothing was done: say from when on, such as {\"since\": \"7d\"}",
        ));
    };
    let to = moment("until", asked.until.as_deref(), now)?.unwrap_or(now);
    ordered(from, to)?;
    let prices = api.roads.prices.read().await.map_err(|error| {
        Problem::new(StatusCode::CONFLICT, format!("{error}; nothing was done"))
    })?;
    let asked = Recompute {
        from,
        to,
        model: asked.model,
        dry_run: asked.dry_run,
    };
    if !asked.dry_run {
        // First, so that spans that come meanwhile have the same prices.
        api.roads.prices.list.replace_with(&prices);
    }
    let done = api.spans().recompute(&prices, &asked, &|_| {}).await?;
    Ok(Json(RecomputedJson::of(&asked, &done)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_takes_names_with_commas_and_names_what_it_does_not_know() {
        assert_eq!(
            by(Some("model, day")).unwrap(),
            [UsageBy::Model, UsageBy::Day]
        );
        assert!(by(None).unwrap().is_empty());
        let error = by(Some("model,colour")).unwrap_err();
        assert!(error.message().contains("\"colour\""), "{error:?}");
    }

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let now = Timestamp::from_unix_nanos(10_000_000_000);
        let since = |text| {
            moment("since", Some(text), now)
                .unwrap()
                .unwrap()
                .unix_nanos()
        };
        assert_eq!(since("4s"), 6_000_000_000);
        assert_eq!(since("1970-01-01T00:00:01Z"), 1_000_000_000);
        assert!(moment("since", Some("yesterday"), now).is_err());
        assert!(ordered(now, now).is_err());
    }
}
