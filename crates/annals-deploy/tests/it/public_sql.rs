//! The SQL of the predecessor's document works as it is written there, in psql as in here.

use annals_deploy::{Asked, DeploymentSpan, Deployments, Error};
use annals_record::{Timestamp, TimestampMicros};
use annals_testkit::{TestDatabase, on_every_server};

use crate::support::{deployments, end, id, row};

on_every_server!(
    the_20_columns_have_the_names_types_and_nullability_of_the_document,
    the_spans_of_a_trace_by_sequence,
    the_spans_of_a_release_target_of_7_days,
    the_spans_of_a_job_by_sequence,
    a_parent_trace_with_the_external_traces_that_are_linked_to_it,
    failed_deployments_of_24_hours,
    a_clean_up_of_what_is_older_than_90_days,
    an_insert_that_knows_only_the_20_columns_works,
    a_row_that_came_by_psql_is_read_in_its_workspace_only,
    a_workspace_that_is_deleted_takes_its_spans_along,
    attributes_and_events_are_jsonb_that_can_be_asked,
);

const DAY: i64 = 86_400_000_000_000;

/// A span that began, and was stored, so many nanoseconds ago.
fn ago(span: DeploymentSpan, nanos: i64) -> DeploymentSpan {
    let mut span = end(span, 1);
    span.start_time = Timestamp::from_unix_nanos(Timestamp::now().unix_nanos() - nanos);
    span.end_time = Some(span.start_time);
    span.id = DeploymentSpan::id_of(&span.trace_id, &span.span_id, span.start_time);
    span.created_at = TimestampMicros::floor(span.start_time);
    span
}

fn numbered(trace: &str, sequence: i32, nanos: i64) -> DeploymentSpan {
    let mut span = row(1, trace, &format!("{sequence}"), 0);
    span.sequence = Some(sequence);
    ago(span, nanos)
}

async fn filled(database: &TestDatabase, spans: &[DeploymentSpan]) -> Deployments {
    let deployments = deployments(database).await;
    for workspace in [1, 2] {
        let of = spans
            .iter()
            .filter(|span| span.workspace_id == id(workspace).uuid());
        deployments.write(of.cloned().collect()).await.unwrap();
    }
    deployments
}

/// Which of the spans a statement gives, by their place among them. Its first column is their id.
async fn places(database: &TestDatabase, sql: &str, spans: &[DeploymentSpan]) -> Vec<usize> {
    let found = database.query(sql).await;
    let place = |id: &String| {
        let mut ids = spans.iter().map(|span| span.id.to_string());
        ids.position(|known| known == *id).unwrap()
    };
    found.iter().map(place).collect()
}

async fn the_20_columns_have_the_names_types_and_nullability_of_the_document(
    database: TestDatabase,
) {
    let _deployments = deployments(&database).await;
    let columns = database
        .query(
            "SELECT column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END
               FROM information_schema.columns
              WHERE table_schema = 'public' AND table_name = 'deployment_trace_span' ORDER BY ordinal_position LIMIT 20",
        )
        .await;
    assert_eq!(
        columns,
        [
            "id uuid not null",
            "trace_id text not null",
            "span_id text not null",
            "parent_span_id text",
            "name text not null",
            "start_time timestamp with time zone not null",
            "end_time timestamp with time zone",
            "workspace_id uuid not null",
            "release_target_key text",
            "release_id text",
            "job_id text",
            "parent_trace_id text",
            "phase text",
            "node_type text",
            "status text",
            "depth integer",
            "sequence integer",
            "attributes jsonb not null",
            "events jsonb not null",
            "created_at timestamp with time zone not null",
        ]
    );
}

async fn the_spans_of_a_trace_by_sequence(database: TestDatabase) {
    let spans = [
        numbered("trace-1", 2, 10),
        numbered("trace-1", 0, 20),
        numbered("trace-2", 0, 30),
        numbered("trace-1", 1, 40),
    ];
    let _deployments = filled(&database, &spans).await;
    let sql = "
        SELECT *
        FROM deployment_trace_span
        WHERE trace_id = 'trace-1'
        ORDER BY sequence ASC;";
    assert_eq!(places(&database, sql, &spans).await, [1, 3, 0]);
}

async fn the_spans_of_a_release_target_of_7_days(database: TestDatabase) {
    let target = |mut span: DeploymentSpan, key: &str| {
        span.release_target_key = Some(key.to_owned());
        span
    };
    let mut spans = [
        target(numbered("t", 0, 6 * DAY), "api-service-production"),
        target(numbered("t", 1, DAY), "api-service-production"),
        target(numbered("t", 3, 0), "api-service-production"),
        target(numbered("t", 2, 0), "api-service-production"),
        target(numbered("t", 4, 8 * DAY), "api-service-production"),
        target(numbered("t", 5, DAY), "other"),
    ];
    spans[3].created_at = spans[2].created_at;
    let _deployments = filled(&database, &spans).await;
    let sql = "
        SELECT *
        FROM deployment_trace_span
        WHERE release_target_key = 'api-service-production'
          AND created_at > NOW() - INTERVAL '7 days'
        ORDER BY created_at DESC, sequence ASC;";
    assert_eq!(places(&database, sql, &spans).await, [3, 2, 1, 0]);
}

async fn the_spans_of_a_job_by_sequence(database: TestDatabase) {
    let job = |mut span: DeploymentSpan, job: &str| {
        span.job_id = Some(job.to_owned());
        span
    };
    let spans = [
        job(numbered("t", 5, 0), "job-1"),
        job(numbered("t", 6, 0), "job-2"),
        job(numbered("u", 4, 0), "job-1"),
    ];
    let _deployments = filled(&database, &spans).await;
    let sql = "
        SELECT *
        FROM deployment_trace_span
        WHERE job_id = 'job-1'
        ORDER BY sequence ASC;";
    assert_eq!(places(&database, sql, &spans).await, [2, 0]);
}

async fn a_parent_trace_with_the_external_traces_that_are_linked_to_it(database: TestDatabase) {
    let linked = |mut span: DeploymentSpan| {
        span.parent_trace_id = Some("parent".to_owned());
        span
    };
    let mut spans = [
        numbered("parent", 0, 9_000_000),
        numbered("parent", 1, 8_000_000),
        linked(numbered("external", 1, 5_000_000)),
        linked(numbered("external", 0, 5_000_000)),
        linked(numbered("again", 0, 6_000_000)),
        numbered("unrelated", 0, 7_000_000),
    ];
    spans[2].created_at = spans[3].created_at;
    let _deployments = filled(&database, &spans).await;
    let sql = "
        -- Get parent trace
        SELECT *
        FROM deployment_trace_span
        WHERE trace_id = 'parent'

        UNION ALL

        -- Get all child traces
        SELECT *
        FROM deployment_trace_span
        WHERE parent_trace_id = 'parent'

        ORDER BY created_at ASC, sequence ASC;";
    assert_eq!(places(&database, sql, &spans).await, [0, 1, 4, 3, 2]);
}

async fn failed_deployments_of_24_hours(database: TestDatabase) {
    let decision = |workspace: i64, trace: &str, status: &str, nanos: i64| {
        let mut span = row(workspace, trace, &format!("{nanos}"), 0);
        span = ago(span, nanos);
        span.node_type = Some("decision".to_owned());
        span.status = Some(status.to_owned());
        span
    };
    let mut twice = decision(1, "late", "failed", 1_000);
    let mut evaluation = decision(1, "evaluated", "failed", 0);
    evaluation.node_type = Some("evaluation".to_owned());
    let mut spans = vec![
        decision(1, "early", "failed", DAY / 2),
        decision(1, "late", "failed", 2_000),
        decision(1, "approved", "completed", 0),
        decision(1, "old", "failed", 2 * DAY),
        decision(2, "foreign", "failed", 0),
        evaluation,
    ];
    twice.created_at = spans[1].created_at;
    spans.push(twice);
    let deployments = filled(&database, &spans).await;
    let sql = format!(
        "
        SELECT DISTINCT trace_id, release_target_key, created_at
        FROM deployment_trace_span
        WHERE status = 'failed'
          AND node_type = 'decision'
          AND workspace_id = '{}'
          AND created_at > NOW() - INTERVAL '24 hours'
        ORDER BY created_at DESC;",
        id(1)
    );
    assert_eq!(database.query(&sql).await, ["late", "early"]);
    // The question that takes its place says the same.
    let failed = deployments.workspace(id(1)).failed(Asked::default()).await;
    let rows = failed.unwrap().rows;
    let traces: Vec<&str> = rows.iter().map(|row| &*row.trace_id).collect();
    assert_eq!(traces, ["late", "early"]);
}

async fn a_clean_up_of_what_is_older_than_90_days(database: TestDatabase) {
    let mut foreign = ago(row(2, "foreign", "s", 0), 91 * DAY);
    foreign.created_at = TimestampMicros::floor(foreign.start_time);
    let spans = [
        numbered("t", 0, 91 * DAY),
        numbered("t", 1, 89 * DAY),
        numbered("old", 0, 200 * DAY),
        numbered("old", 1, 100 * DAY),
        numbered("new", 0, DAY),
        foreign,
    ];
    let deployments = filled(&database, &spans).await;
    let sql = format!(
        "
        -- Delete traces older than 90 days
        DELETE FROM deployment_trace_span
        WHERE workspace_id = '{}'
          AND created_at < NOW() - INTERVAL '90 days';",
        id(1)
    );
    database.execute(&sql).await;
    let left = "SELECT * FROM deployment_trace_span ORDER BY created_at;";
    assert_eq!(places(&database, left, &spans).await, [5, 1, 4]);
    // A trace of which nothing is left is not there any more, whatever the directory still says.
    let reads = deployments.workspace(id(1));
    assert!(matches!(
        reads.trace("old").await,
        Err(Error::NoSuchTrace { .. })
    ));
    assert_eq!(reads.trace("t").await.unwrap(), [spans[1].clone()]);
}

/// As the predecessor's store writes a span.
fn insert(workspace: i64, trace: &str, span: &str) -> String {
    format!(
        "INSERT INTO deployment_trace_span (
             id, trace_id, span_id, parent_span_id, name, start_time, end_time, workspace_id, release_target_key,
             release_id, job_id, parent_trace_id, phase, node_type, status, depth, sequence, attributes, events, created_at
         ) VALUES (
             gen_random_uuid(), '{trace}', '{span}', NULL, 'Reconciliation (manual)', now() - INTERVAL '2 minutes',
             now() - INTERVAL '1 minute', '{}', 'api-service-production', 'rel', 'job', NULL, 'planning', 'decision',
             'failed', 0, 0, '{{\"ctrlplane.status\": \"allowed\"}}', '[]', now()
         )",
        id(workspace)
    )
}

async fn an_insert_that_knows_only_the_20_columns_works(database: TestDatabase) {
    let deployments = deployments(&database).await;
    database.execute(&insert(1, "t", "s")).await;
    // And one that leaves to the defaults what has one.
    database
        .execute(&format!(
            "INSERT INTO deployment_trace_span (trace_id, span_id, name, start_time, workspace_id)
             VALUES ('t', 'u', 'Planning', now(), '{}')",
            id(1)
        ))
        .await;
    let reads = deployments.workspace(id(1));
    let trace = reads.trace("t").await.unwrap();
    let [span, bare] = &trace[..] else {
        panic!("{trace:?}")
    };
    assert_eq!(
        (&*span.span_id, span.status.as_deref()),
        ("s", Some("failed"))
    );
    assert_eq!(
        span.attributes.as_str(),
        r#"{"ctrlplane.status":"allowed"}"#
    );
    assert_eq!(
        (bare.attributes.as_str(), bare.events.as_str()),
        ("{}", "[]")
    );
    assert_eq!(
        (bare.end_time, bare.status_code),
        (None, annals_deploy::StatusCode::Unset)
    );
    let asked = Asked::default;
    assert_eq!(reads.of_job("job", asked()).await.unwrap().rows, trace[..1]);
    assert_eq!(
        reads.of_release("rel", asked()).await.unwrap().rows,
        trace[..1]
    );
    assert_eq!(reads.roots(asked()).await.unwrap().rows.len(), 2);
    assert_eq!(reads.failed(asked()).await.unwrap().rows.len(), 1);
    let blocked = reads.why_not_deployed("api-service-production").await;
    assert_eq!(blocked.unwrap().unwrap().decision, trace[0]);
    assert_eq!(reads.tree("t").await.unwrap().walk().count(), 2);
}

async fn a_row_that_came_by_psql_is_read_in_its_workspace_only(database: TestDatabase) {
    let deployments = deployments(&database).await;
    // Past the directory nobody keeps two workspaces from having spans of one trace.
    deployments
        .write(vec![row(1, "t", "ours", 0)])
        .await
        .unwrap();
    database.execute(&insert(2, "t", "theirs")).await;
    for (workspace, span) in [(1, "ours"), (2, "theirs")] {
        let reads = deployments.workspace(id(workspace));
        let trace = reads.trace("t").await.unwrap();
        let ids: Vec<&str> = trace.iter().map(|span| &*span.span_id).collect();
        assert_eq!(ids, [span]);
        let tree = reads.tree("t").await.unwrap();
        let ids: Vec<&str> = tree.walk().map(|node| &*node.span.span_id).collect();
        assert_eq!(ids, [span]);
    }
    let reads = deployments.workspace(id(3));
    assert!(matches!(
        reads.trace("t").await,
        Err(Error::NoSuchTrace { .. })
    ));
}

async fn a_workspace_that_is_deleted_takes_its_spans_along(database: TestDatabase) {
    let spans = [
        numbered("t", 0, 0),
        numbered("t", 1, 30 * DAY),
        ago(row(2, "foreign", "s", 0), 0),
    ];
    let _deployments = filled(&database, &spans).await;
    let sql = format!("DELETE FROM workspace WHERE id = '{}'", id(1));
    database.execute(&sql).await;
    let left = "SELECT * FROM deployment_trace_span;";
    assert_eq!(places(&database, left, &spans).await, [2]);
}

async fn attributes_and_events_are_jsonb_that_can_be_asked(database: TestDatabase) {
    let mut span = numbered("t", 0, 0);
    let json = |text: &str| annals_record::Json::parse(text).unwrap();
    span.attributes = json(r#"{"ctrlplane.sequence": 5, "custom_attribute": "custom_value"}"#);
    span.events = json(
        r#"[{"name": "approver", "timestamp": "2024-01-15T10:30:00.123456789Z",
             "attributes": {"approver": "alice@company.com"}}]"#,
    );
    let _deployments = filled(&database, &[span]).await;
    let sql =
        "SELECT concat_ws(' ', attributes->>'custom_attribute', attributes->>'ctrlplane.sequence',
                                events->0->>'timestamp', events->0->'attributes'->>'approver')
                 FROM deployment_trace_span WHERE attributes @> '{\"ctrlplane.sequence\": 5}'";
    assert_eq!(
        database.query(sql).await,
        ["custom_value 5 2024-01-15T10:30:00.123456789Z alice@company.com"]
    );
}
