//! What the tests share: a store on a fresh database, and rows.

use annals_deploy::{
    DeploymentSpan, Deployments, DeploymentsOptions, MIGRATIONS, StatusCode, WorkspaceId,
    intake::Revision,
};
use annals_record::{Json, Timestamp, TimestampMicros, Uuid};
use annals_testkit::TestDatabase;

/// The 1st of January 2026, in nanoseconds.
const BEGIN: i64 = 1_767_225_600_000_000_000;

/// Deployment traces in a fresh database, its tables made.
pub(crate) async fn deployments(database: &TestDatabase) -> Deployments {
    let store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    let options = DeploymentsOptions::default();
    Deployments::new(store, options).await.unwrap()
}

/// The id of a workspace.
pub(crate) fn id(workspace: i64) -> WorkspaceId {
    Uuid::from_u128(0x7f0c_2a9e_8d1b_4b52_9d3f_0000_0000_0000 + workspace.unsigned_abs() as u128)
        .into()
}

/// So many milliseconds after the beginning, with nanoseconds.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_nanos(BEGIN + millis * 1_000_000 + 123)
}

/// A span that runs, begun so many milliseconds after the beginning.
pub(crate) fn row(workspace: i64, trace: &str, span: &str, millis: i64) -> DeploymentSpan {
    let start = at(millis);
    DeploymentSpan {
        id: DeploymentSpan::id_of(trace, span, start),
        trace_id: trace.to_owned(),
        span_id: span.to_owned(),
        parent_span_id: None,
        name: format!("{trace}/{span}"),
        start_time: start,
        end_time: None,
        workspace_id: id(workspace).uuid(),
        release_target_key: Some("resource-environment-deployment".to_owned()),
        release_id: None,
        job_id: None,
        parent_trace_id: None,
        phase: Some("planning".to_owned()),
        node_type: Some("phase".to_owned()),
        status: Some("running".to_owned()),
        depth: Some(0),
        sequence: Some(0),
        attributes: Json::empty_object(),
        events: Json::parse("[]").unwrap(),
        created_at: TimestampMicros::floor(start),
        deployment_id: None,
        trigger: None,
        message: None,
        status_code: StatusCode::Unset,
        revision: Revision::of(None).number(),
    }
}

/// The span once it has ended well.
pub(crate) fn end(mut row: DeploymentSpan, millis: i64) -> DeploymentSpan {
    row.end_time = Some(at(millis));
    row.status = Some("completed".to_owned());
    row.status_code = StatusCode::Ok;
    row.revision = Revision::of(row.end_time).number();
    row
}

/// The span, begun so many days before now.
pub(crate) fn days_ago(mut row: DeploymentSpan, days: i64) -> DeploymentSpan {
    let nanos = Timestamp::now().unix_nanos() - days * 86_400_000_000_000;
    row.start_time = Timestamp::from_unix_nanos(nanos);
    row.id = DeploymentSpan::id_of(&row.trace_id, &row.span_id, row.start_time);
    row.created_at = TimestampMicros::floor(row.start_time);
    row
}

/// Every span that is stored, by trace and start.
pub(crate) async fn stored(deployments: &Deployments) -> Vec<DeploymentSpan> {
    let query = deployments.store().query::<DeploymentSpan>();
    let query = query
        .order(DeploymentSpan::TRACE_ID.asc())
        .order(DeploymentSpan::START_TIME.asc());
    query.fetch().await.unwrap().rows
}
