//! What an external system continues with a token.

use std::time::Duration;

use annals_deploy::{
    MemoryStore, ReconcileTarget, Status, TokenError, TokenKeys, WorkspaceId, token::DEFAULT_LIFE,
};
use annals_record::Timestamp;

use super::{KEY, keys, recorder, rows, workspace};
use crate::support::id;

fn engine() -> ReconcileTarget {
    ReconcileTarget::options(workspace(), KEY)
        .tokens(keys())
        .start()
}

// Case 22
#[test]
fn a_jobs_token_tells_its_trace_its_span_its_job_and_its_workspace() {
    let recorder = engine();
    let execution = recorder.start_execution();
    let job = execution.trigger_job("github-action", []);
    let now = Timestamp::now();
    let claims = |token: annals_deploy::TraceToken| keys().verify(token.as_str(), now).unwrap();
    let nameless = claims(job.token().unwrap());
    assert_eq!(nameless.trace_id, recorder.root_trace_id());
    assert_eq!(nameless.span_id, job.span_id());
    assert_eq!(nameless.workspace, workspace());
    assert_eq!(nameless.job_id, "");
    let life = nameless.expires_at.duration_since(now);
    assert!(
        life.abs_diff(DEFAULT_LIFE) <= Duration::from_secs(2),
        "{life:?}"
    );

    recorder.set_job_id("job-of-the-recorder");
    assert_eq!(claims(job.token().unwrap()).job_id, "job-of-the-recorder");
    job.set_job_id("a:job.with-dots");
    let week = Duration::from_secs(7 * 86_400);
    let named = claims(job.token_for(week).unwrap());
    assert_eq!(named.job_id, "a:job.with-dots");
    assert!(named.expires_at.duration_since(now) >= week);
    // Longer than time lasts is no reason to panic.
    job.token_for(Duration::MAX).unwrap();
}

#[test]
fn without_a_secret_there_are_no_tokens() {
    let recorder = recorder();
    let job = recorder.start_execution().trigger_job("ci", []);
    assert_eq!(job.token(), Err(TokenError::NoSecret));
}

#[tokio::test]
async fn every_span_of_what_continues_is_linked_and_its_root_hangs_under_the_job() {
    let engine = engine();
    let execution = engine.start_execution();
    let job = execution.trigger_job("ci", []);
    job.set_job_id("job-1");
    let token = job.token().unwrap();
    let store = MemoryStore::new();
    let outside = ReconcileTarget::from_job(workspace(), token.as_str(), &keys())
        .unwrap()
        .store(std::sync::Arc::new(store.clone()))
        .start();
    assert_ne!(outside.root_trace_id(), engine.root_trace_id());
    assert_eq!(outside.release_target_key(), None);
    super::complete_workflow(&outside);
    outside.complete(Status::Completed);
    outside.persist().await.unwrap();
    let rows = store.spans();
    assert_eq!(rows.len(), 12);
    for row in &rows {
        // Fault 11: not the root alone.
        assert_eq!(row.parent_trace_id.as_deref(), Some(engine.root_trace_id()));
        let is_job = row.name.starts_with("Job: ");
        assert_eq!(row.job_id.as_deref(), Some("job-1"), "{is_job}");
        assert_eq!(row.release_target_key, None);
    }
    // Fault 12: where the job is, and not only in its trace.
    assert_eq!(rows[0].parent_span_id, Some(job.span_id()));
    assert_eq!((rows[0].depth, rows[0].sequence), (Some(0), Some(0)));
    assert!(
        super::rows(&engine)
            .await
            .iter()
            .all(|row| row.parent_trace_id.is_none())
    );
    // It can hand on in turn.
    let next = outside.start_execution().trigger_job("next", []);
    let token = next.token().unwrap();
    let claims = keys().verify(token.as_str(), Timestamp::now()).unwrap();
    assert_eq!(claims.trace_id, outside.root_trace_id());
}

#[test]
fn a_token_that_is_not_good_here_begins_nothing() {
    let engine = engine();
    let job = engine.start_execution().trigger_job("ci", []);
    let token = job.token().unwrap();
    let refused = |workspace: WorkspaceId, token: &str, keys: &TokenKeys| {
        ReconcileTarget::from_job(workspace, token, keys).unwrap_err()
    };
    let error = refused(id(2), token.as_str(), &keys());
    assert!(
        matches!(error, TokenError::ForeignWorkspace { .. }),
        "{error}"
    );
    let other = TokenKeys::new("another secret of some length").unwrap();
    let error = refused(workspace(), token.as_str(), &other);
    assert!(
        error.to_string().starts_with("invalid signature"),
        "{error}"
    );
    let error = refused(workspace(), "nothing", &keys());
    assert_eq!(error, TokenError::Format);
    let expired = keys().sign(&annals_deploy::Claims::lasting(
        engine.root_trace_id(),
        job.span_id(),
        "",
        workspace(),
        Duration::from_secs(1),
        Timestamp::from_unix_seconds(1_000_000_000).unwrap(),
    ));
    let error = refused(workspace(), expired.as_str(), &keys());
    assert_eq!(error.to_string(), "token expired");
    let options = ReconcileTarget::from_job(workspace(), token.as_str(), &keys()).unwrap();
    assert!(!format!("{options:?}").contains(token.as_str()));
}

#[tokio::test]
async fn a_job_without_an_id_links_without_one() {
    let engine = engine();
    let job = engine.start_execution().trigger_job("ci", []);
    let token = job.token().unwrap();
    let options = ReconcileTarget::from_job(workspace(), token.as_str(), &keys()).unwrap();
    let outside = options.start();
    assert_eq!(rows(&outside).await[0].job_id, None);
}
