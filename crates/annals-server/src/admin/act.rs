//! What takes long, and is told as it goes: compressing, decompressing, dropping, expiring, deleting.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Shared, asked,
    steps::{ConvertedTotals, DeletedTotals, ExpiredTotals, Step},
};
use crate::api::{
    parameters::{PathText, time},
    problem::Problem,
};

/// What is old enough.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"older_than": "90 days", "dry_run": true}))]
pub(super) struct ByAge {
    /// From which age on, such as 90 days.
    older_than: Option<String>,
    /// Whether nothing is done and only told; false when not given.
    #[serde(default)]
    dry_run: bool,
}

/// Which chunks are to be rows again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}))]
pub(super) struct ByRange {
    /// Chunks that end behind this (RFC 3339).
    from: Option<String>,
    /// Chunks that begin before this (RFC 3339).
    until: Option<String>,
    /// Every chunk: instead of a range.
    #[serde(default)]
    all: bool,
    /// Whether nothing is done and only told; false when not given.
    #[serde(default)]
    dry_run: bool,
}

/// Whose rows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"only": "checkout", "older_than": "30 days", "dry_run": true}))]
pub(super) struct ByOwner {
    /// Of one owner: a service of spans, a symbol of bars.
    only: Option<String>,
    /// From which age on, such as 30 days.
    older_than: Option<String>,
    /// Of every age: instead of `older_than`.
    #[serde(default)]
    all: bool,
    /// Whether nothing is done and only told; false when not given.
    #[serde(default)]
    dry_run: bool,
}

fn incomplete(why: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{why}; nothing was done"))
}

/// Compresses chunks that are older, the oldest first, each in a transaction of its own.
///
/// The answer is a line of JSON for each chunk as it is done, and a last one with `"done":true` and totals, or
/// with `error` and `status`; what was told is done either way. Who hangs up stops it behind the chunk that
/// is under way. What is refused before the first chunk is answered by its status.
#[utoipa::path(
    post,
    path = "/admin/tables/{label}/compress",
    tag = "admin",
    params(("label" = String, Path, description = "The table: spans, bars_1m, events:orders")),
    request_body = ByAge,
    responses(
        (status = 200, content(
            (Step = "application/x-ndjson"),
        ), description = "A line for each chunk, and a last one as `ConvertedTotals` has it"),
        (status = 400, body = Problem),
        (status = 403, body = Problem, description = "The database's user does not own the table"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Somebody else is at the table"),
        (status = 501, body = Problem, description = "This database cannot compress")
    )
)]
pub(super) async fn compress(
    State(admin): Shared,
    PathText(label): PathText,
    request: Request,
) -> Result<Response, Problem> {
    let asked: ByAge = asked::body(&admin, request).await?;
    let age = asked::age("older_than", asked.older_than.as_deref())?;
    let life = admin.life(&label).await?;
    let operations = &admin.operations;
    let answer = operations.run("compressing", label, move |teller| async move {
        let mut told = |step: &_| teller.tell(&Step::from(step));
        let done = life.compress_chunks(&age, asked.dry_run, &mut told).await?;
        Ok(ConvertedTotals::of(&done, asked.dry_run))
    });
    Ok(answer.await)
}

/// Makes rows again of compressed chunks, the newest first: of those that touch a time range, or of all.
/// The answer is as that of compressing.
#[utoipa::path(
    post,
    path = "/admin/tables/{label}/decompress",
    tag = "admin",
    params(("label" = String, Path, description = "The table: spans, bars_1m, events:orders")),
    request_body = ByRange,
    responses(
        (status = 200, content(
            (Step = "application/x-ndjson"),
        ), description = "A line for each chunk, and a last one as `ConvertedTotals` has it"),
        (status = 400, body = Problem),
        (status = 403, body = Problem, description = "The database's user does not own the table"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Somebody else is at the table"),
        (status = 501, body = Problem, description = "This database cannot compress")
    )
)]
pub(super) async fn decompress(
    State(admin): Shared,
    PathText(label): PathText,
    request: Request,
) -> Result<Response, Problem> {
    let asked: ByRange = asked::body(&admin, request).await?;
    let from = time("from", asked.from.as_deref())?;
    let until = time("until", asked.until.as_deref())?;
    let is_ranged = from.is_some() || until.is_some();
    if asked.all == is_ranged {
        return Err(incomplete(
            "say which chunks, by either {\"from\": TIME, \"until\": TIME}, of which one is enough, or {\"all\": true}",
        ));
    }
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        return Err(incomplete("from is not before until"));
    }
    let life = admin.life(&label).await?;
    let operations = &admin.operations;
    let answer = operations.run("decompressing", label, move |teller| async move {
        let mut told = |step: &_| teller.tell(&Step::from(step));
        let done = life.decompress_chunks(from, until, asked.dry_run, &mut told);
        Ok(ConvertedTotals::of(&done.await?, asked.dry_run))
    });
    Ok(answer.await)
}

/// Drops chunks that are older as a whole, the oldest first, and what other tables have of them.
/// The answer is as that of compressing.
#[utoipa::path(
    post,
    path = "/admin/tables/{label}/drop",
    tag = "admin",
    params(("label" = String, Path, description = "The table: spans, bars_1m, events:orders")),
    request_body = ByAge,
    responses(
        (status = 200, content(
            (Step = "application/x-ndjson"),
        ), description = "A line for each chunk, and a last one as `ExpiredTotals` has it"),
        (status = 400, body = Problem),
        (status = 403, body = Problem, description = "The database's user does not own the table"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Somebody else is at the table"),
        (status = 501, body = Problem, description = "This database has no chunks; expire works on every one")
    )
)]
pub(super) async fn drop_chunks(
    State(admin): Shared,
    PathText(label): PathText,
    request: Request,
) -> Result<Response, Problem> {
    let asked: ByAge = asked::body(&admin, request).await?;
    let age = asked::age("older_than", asked.older_than.as_deref())?;
    let life = admin.life(&label).await?;
    let operations = &admin.operations;
    let answer = operations.run("dropping", label, move |teller| async move {
        let mut told = |step: &_| teller.tell(&Step::from(step));
        let expiry = life.drop_chunks(&age, asked.dry_run, &mut told).await?;
        Ok(ExpiredTotals::of(&expiry, asked.dry_run))
    });
    Ok(answer.await)
}

/// Lets rows go that are older, as a policy of retention does, on every database: whole chunks where there are
/// chunks, else rows in bounded steps. The answer is as that of compressing.
#[utoipa::path(
    post,
    path = "/admin/tables/{label}/expire",
    tag = "admin",
    params(("label" = String, Path, description = "The table: spans, bars_1m, events:orders")),
    request_body = ByAge,
    responses(
        (status = 200, content(
            (Step = "application/x-ndjson"),
        ), description = "A line for each step, and a last one as `ExpiredTotals` has it"),
        (status = 400, body = Problem),
        (status = 403, body = Problem, description = "The database's user does not own the table"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Somebody else is at the table")
    )
)]
pub(super) async fn expire(
    State(admin): Shared,
    PathText(label): PathText,
    request: Request,
) -> Result<Response, Problem> {
    let asked: ByAge = asked::body(&admin, request).await?;
    let age = asked::age("older_than", asked.older_than.as_deref())?;
    let life = admin.life(&label).await?;
    let operations = &admin.operations;
    let answer = operations.run("expiring", label, move |teller| async move {
        let mut told = |step: &_| teller.tell(&Step::from(step));
        let expiry = life.expire(&age, asked.dry_run, &mut told).await?;
        Ok(ExpiredTotals::of(&expiry, asked.dry_run))
    });
    Ok(answer.await)
}

/// Deletes the rows of one owner, compressed or not, in bounded steps: those that are older, or all of them.
/// The answer is as that of compressing.
#[utoipa::path(
    post,
    path = "/admin/tables/{label}/delete",
    tag = "admin",
    params(("label" = String, Path, description = "The table: spans, bars_1m, events:orders")),
    request_body = ByOwner,
    responses(
        (status = 200, content(
            (Step = "application/x-ndjson"),
        ), description = "A line for each step, and a last one as `DeletedTotals` has it"),
        (status = 400, body = Problem),
        (status = 403, body = Problem, description = "The database's user does not own the table"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Somebody else is at the table")
    )
)]
pub(super) async fn delete(
    State(admin): Shared,
    PathText(label): PathText,
    request: Request,
) -> Result<Response, Problem> {
    let asked: ByOwner = asked::body(&admin, request).await?;
    let Some(owner) = asked.only.filter(|owner| !owner.contains('\0')) else {
        return Err(incomplete(
            "only is missing, or no text that a row has: say whose rows, such as {\"only\": \"checkout\"}",
        ));
    };
    if asked.all == asked.older_than.is_some() {
        return Err(incomplete(
            "say which of its rows, by either {\"older_than\": \"30 days\"} or {\"all\": true}",
        ));
    }
    let age = asked.older_than.as_deref();
    let age = age.map(|age| asked::age("older_than", Some(age)));
    let age = age.transpose()?;
    let life = admin.life(&label).await?;
    let operations = &admin.operations;
    let answer = operations.run("deleting", label, move |teller| async move {
        let dry_run = asked.dry_run;
        let mut told = |rows: &u64| teller.tell(&Step::deleted(*rows, dry_run));
        let rows = life.delete_of(&owner, age.as_ref(), dry_run, &mut told);
        Ok(DeletedTotals::of(rows.await?, dry_run))
    });
    Ok(answer.await)
}
