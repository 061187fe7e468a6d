//! Policies: what there is, setting and removing.

use annals_store::{
    Lifecycle,
    lifecycle::{Policy, PolicyKind, PolicyStatus},
};
use axum::{
    Json,
    extract::{Request, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Shared, asked};
use crate::api::{
    parameters::{Parameters, PathText, PathTexts},
    problem::Problem,
};

/// What is said instead of an age where something is never to happen.
const NEVER: &str = "never";

/// A policy, where it comes from, and how it went. What is absent is left out.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyJson {
    /// The table's label.
    table: String,
    /// compression, retention or refresh
    kind: &'static str,
    /// Of whose rows alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<String>,
    /// At which age, or of refresh how often; null for never.
    interval: Option<String>,
    /// Whether somebody set it; else it is the table's default.
    is_set: bool,
    /// Who runs it: annals serve, or the database. Nobody where it cannot run here.
    #[serde(skip_serializing_if = "Option::is_none")]
    runner: Option<&'static str>,
    /// When it last ended, by the database's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_run: Option<String>,
    /// What came of that: what was done, or the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_outcome: Option<String>,
    /// Whether that was an error.
    has_failed: bool,
    /// When it is due next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    next_run: Option<String>,
}

impl PolicyJson {
    fn of(life: &Lifecycle, status: PolicyStatus) -> Self {
        let policy = status.policy;
        Self {
            table: life.table().label().to_owned(),
            kind: policy.kind.as_str(),
            only: policy.owner,
            interval: policy.interval.map(|interval| interval.to_string()),
            is_set: status.is_set,
            runner: status.runner,
            last_run: status.last_run.map(|time| time.to_string()),
            last_outcome: status.last_outcome,
            has_failed: status.has_failed,
            next_run: status.next_run.map(|time| time.to_string()),
        }
    }
}

async fn shown(life: &Lifecycle) -> Result<Vec<PolicyJson>, annals_store::Error> {
    let policies = life.policies().await?;
    let policies = policies.into_iter();
    Ok(policies
        .map(|policy| PolicyJson::of(life, policy))
        .collect())
}

fn kind(text: &str) -> Result<PolicyKind, Problem> {
    let kinds = [
        PolicyKind::Compression,
        PolicyKind::Retention,
        PolicyKind::Refresh,
    ];
    let found = kinds.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| {
        Problem::parameter("kind", text, "one of compression, retention and refresh")
    })
}

/// The policies of every table, defaults included.
#[utoipa::path(
    get,
    path = "/admin/policies",
    tag = "admin",
    responses((status = 200, body = Vec<PolicyJson>))
)]
pub(super) async fn all(State(admin): Shared) -> Result<Json<Vec<PolicyJson>>, Problem> {
    let mut all = Vec::new();
    for table in admin.tables.all().await? {
        all.extend(shown(&admin.life_of(table)).await?);
    }
    Ok(Json(all))
}

/// The policies of a table, defaults included.
#[utoipa::path(
    get,
    path = "/admin/tables/{label}/policies",
    tag = "admin",
    params(("label" = String, Path, description = "The table: spans, bars_1m, events:orders")),
    responses((status = 200, body = Vec<PolicyJson>), (status = 404, body = Problem))
)]
pub(super) async fn of_table(
    State(admin): Shared,
    PathText(label): PathText,
) -> Result<Json<Vec<PolicyJson>>, Problem> {
    let life = admin.life(&label).await?;
    Ok(Json(shown(&life).await?))
}

/// What is to happen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"after": "90 days"}))]
pub(super) struct PolicyAsked {
    /// Of compression and retention: at which age, such as 90 days, or never.
    after: Option<String>,
    /// Of refresh: how often, such as 10s, or never.
    every: Option<String>,
    /// Of whose rows alone: a service of spans, a symbol of bars. Of retention only.
    only: Option<String>,
}

impl PolicyAsked {
    fn policy(self, kind: PolicyKind) -> Result<Policy, Problem> {
        let (name, asked, other) = match kind {
            PolicyKind::Refresh => ("every", self.every, self.after),
            _ => ("after", self.after, self.every),
        };
        let Some(text) = asked.filter(|_| other.is_none()) else {
            let example = if name == "every" { "10s" } else { "90 days" };
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                format!(
                    "a policy of {kind} is asked for by {name} alone, such as {{\"{name}\": \"{example}\"}}; nothing was done"
                ),
            ));
        };
        let interval = match text.trim() {
            NEVER => None,
            age => Some(asked::age(name, Some(age))?),
        };
        Ok(Policy {
            kind,
            owner: self.only,
            interval,
        })
    }
}

/// Sets a policy, in place of the one of its kind and owner that there was.
#[utoipa::path(
    put,
    path = "/admin/tables/{label}/policies/{kind}",
    tag = "admin",
    params(
        ("label" = String, Path, description = "The table: spans, bars_1m, events:orders"),
        ("kind" = String, Path, description = "compression, retention or refresh")
    ),
    request_body = PolicyAsked,
    responses(
        (status = 200, body = PolicyJson),
        (status = 400, body = Problem, description = "What it says is no age, or a table of this kind cannot have it"),
        (status = 403, body = Problem, description = "The database's user does not own the table"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Somebody else is at the table"),
        (status = 501, body = Problem, description = "This database cannot do it")
    )
)]
pub(super) async fn set(
    State(admin): Shared,
    PathTexts(label, word): PathTexts,
    request: Request,
) -> Result<Json<PolicyJson>, Problem> {
    let kind = kind(&word)?;
    let asked: PolicyAsked = asked::body(&admin, request).await?;
    let policy = asked.policy(kind)?;
    let life = admin.life(&label).await?;
    life.set_policy(&policy).await?;
    let until = policy.interval.as_ref().map(ToString::to_string);
    let until = until.unwrap_or_else(|| NEVER.to_owned());
    let only = policy.owner.as_deref();
    tracing::info!(table = label, %kind, only, interval = until, "policy set");
    let found = life.policies().await?.into_iter();
    let mut found = found.filter(|status| status.policy == policy);
    // Somebody else may have set another one since.
    let status = found.next().ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "somebody else set another policy in the same moment; look at what there is",
        )
    })?;
    Ok(Json(PolicyJson::of(&life, status)))
}

/// Whose policy.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RemoveQuestion {
    /// The policy of this owner's rows alone, rather than the table's
    only: Option<String>,
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyRemoved {
    /// Whether there was one.
    removed: bool,
}

/// Takes a policy away; a default that is taken away stays away until one is set.
#[utoipa::path(
    delete,
    path = "/admin/tables/{label}/policies/{kind}",
    tag = "admin",
    params(
        ("label" = String, Path, description = "The table: spans, bars_1m, events:orders"),
        ("kind" = String, Path, description = "compression, retention or refresh"),
        RemoveQuestion
    ),
    responses(
        (status = 200, body = PolicyRemoved),
        (status = 403, body = Problem, description = "The database's user does not own the table"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Somebody else is at the table")
    )
)]
pub(super) async fn remove(
    State(admin): Shared,
    PathTexts(label, word): PathTexts,
    Parameters(question): Parameters<RemoveQuestion>,
) -> Result<Json<PolicyRemoved>, Problem> {
    let kind = kind(&word)?;
    let life = admin.life(&label).await?;
    let only = question.only.as_deref();
    let removed = life.remove_policy(kind, only).await?;
    tracing::info!(table = label, %kind, only, removed, "policy taken away");
    Ok(Json(PolicyRemoved { removed }))
}
