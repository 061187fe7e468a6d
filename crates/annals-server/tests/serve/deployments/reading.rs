//! Every question, by HTTP.

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use super::{WORKSPACE, ago, each, found, in_memory, on, span, with, written};
use crate::{client::get, serving::Served};

on_every_backend!(
    each_question_finds_what_it_is_about,
    a_listing_goes_on_where_its_headers_say,
    what_blocks_a_target_is_told_and_null_when_nothing_does,
    phases_and_failures_are_counted,
    keys_with_slashes_and_blanks_are_found,
);

/// A reconciliation: two spans of planning and a job, and a younger trace of another target.
async fn recorded(served: &Served) {
    let of_target =
        json!({"release_target_key": "api-eu", "deployment_id": "d-1", "release_id": "r-1"});
    let spans = [
        with(
            span("t1", "root", 9_000),
            json!({"phase": "reconciliation", "node_type": "phase", "trigger": "manual", "sequence": 0}),
        ),
        with(
            span("t1", "plan", 8_000),
            json!({"parent_span_id": "root", "phase": "planning", "node_type": "phase", "sequence": 1}),
        ),
        with(
            span("t1", "policy", 7_000),
            json!({"parent_span_id": "plan", "phase": "planning", "node_type": "evaluation", "sequence": 2}),
        ),
        with(
            span("t1", "job", 6_000),
            json!({"parent_span_id": "root", "phase": "execution", "node_type": "action", "job_id": "j-1", "sequence": 3}),
        ),
    ];
    let spans = spans.map(|span| with(span, of_target.clone()));
    written(served, WORKSPACE, &spans).await;
    let young = with(
        span("t2", "root", 1_000),
        json!({"release_target_key": "web-eu", "deployment_id": "d-2", "trigger": "scheduled", "status": "failed"}),
    );
    written(served, WORKSPACE, &[young]).await;
}

async fn each_question_finds_what_it_is_about(database: TestDatabase) {
    let served = on(&database).await;
    recorded(&served).await;
    for (path, ids) in [
        ("/traces/t1", &["root", "plan", "policy", "job"][..]),
        ("/traces/t1/spans/root/children", &["plan", "job"]),
        ("/traces/t1/spans/policy/children", &[]),
        ("/spans?phase=planning", &["policy", "plan"]),
        ("/spans?node_type=evaluation", &["policy"]),
        ("/spans?status=failed", &["root"]),
        ("/spans?deployment_id=d-1&phase=execution", &["job"]),
        ("/spans?name=span%20p", &["policy", "plan"]),
        ("/spans/roots", &["root", "root"]),
        ("/releases/r-1/spans?limit=2", &["job", "policy"]),
        ("/release-targets/web-eu/spans", &["root"]),
        ("/jobs/j-1/spans", &["job"]),
        ("/jobs/nobody/spans", &[]),
    ] {
        let read = found(&served, WORKSPACE, path).await;
        assert_eq!(each(&read, "span_id"), ids, "{path}");
    }
    for (path, traces) in [
        ("/traces", &["t2", "t1"][..]),
        ("/traces?deployment_id=d-1", &["t1"]),
        ("/traces?release_id=r-1", &["t1"]),
        ("/traces?release_target_key=web-eu", &["t2"]),
        ("/traces?trigger=manual", &["t1"]),
        ("/traces?status=failed", &["t2"]),
        ("/traces?trigger=manual&status=failed", &[]),
    ] {
        let read = found(&served, WORKSPACE, path).await;
        assert_eq!(each(&read, "trace_id"), traces, "{path}");
    }
    let tree = found(&served, WORKSPACE, "/traces/t1/tree").await;
    assert_eq!(
        (&tree["trace_id"], &tree["is_cut"]),
        (&json!("t1"), &json!(false))
    );
    assert_eq!(each(&tree["roots"], "span_id"), ["root"]);
    let root = &tree["roots"][0];
    assert_eq!(root["depth_in_tree"], 0);
    assert_eq!(each(&root["children"], "span_id"), ["plan", "job"]);
    let policy = &root["children"][0]["children"][0];
    assert_eq!(
        (&policy["span_id"], &policy["depth_in_tree"]),
        (&json!("policy"), &json!(2))
    );
    assert_eq!(policy["children"], json!([]));
}

async fn a_listing_goes_on_where_its_headers_say(database: TestDatabase) {
    let served = on(&database).await;
    let spans: Vec<Value> = (0..5)
        .map(|n| span("t", &format!("s{n}"), 5_000 - n * 100))
        .collect();
    written(&served, WORKSPACE, &spans).await;
    let mut path = format!("/workspaces/{WORKSPACE}/spans?limit=2&status=completed");
    let mut seen = Vec::new();
    let mut windows = Vec::new();
    loop {
        let answer = get(served.http, &path).await;
        seen.extend(each(&answer.found(), "span_id"));
        let window = answer.header("annals-window").to_owned();
        let (since, until) = window.split_once('/').unwrap();
        assert!(since < until, "{window}");
        windows.push(window);
        // One that came meanwhile is beyond the window.
        written(
            &served,
            WORKSPACE,
            &[span("t", &format!("late{}", windows.len()), 1)],
        )
        .await;
        let next = answer.header("annals-next-cursor");
        let link = answer.header("link");
        assert_eq!(next.is_empty(), link.is_empty());
        if next.is_empty() {
            break;
        }
        assert!(
            link.contains(next) && link.contains("status=completed"),
            "{link}"
        );
        let (target, _) = link.trim_start_matches('<').split_once('>').unwrap();
        path = target.to_owned();
    }
    assert_eq!(seen, ["s4", "s3", "s2", "s1", "s0"]);
    windows.dedup();
    assert_eq!(windows.len(), 1, "{windows:?}");
}

async fn what_blocks_a_target_is_told_and_null_when_nothing_does(database: TestDatabase) {
    let served = on(&database).await;
    let of = |id: &str, millis, fields| {
        let of_target = json!({"release_target_key": "api-eu", "phase": "planning"});
        with(with(span("t1", id, millis), of_target), fields)
    };
    let spans = [
        of("root", 9_000, json!({"node_type": "phase"})),
        of(
            "policy",
            8_000,
            json!({"parent_span_id": "root", "node_type": "evaluation", "status": "failed", "message": "2 of 3 approvals"}),
        ),
        of(
            "no",
            7_000,
            json!({"parent_span_id": "root", "node_type": "decision", "status": "failed", "message": "blocked"}),
        ),
    ];
    written(&served, WORKSPACE, &spans).await;
    let why = found(&served, WORKSPACE, "/release-targets/api-eu/why").await;
    assert_eq!(why["trace_id"], "t1");
    assert_eq!(why["decision"]["message"], "blocked");
    assert_eq!(each(&why["blocked_by"], "message"), ["2 of 3 approvals"]);
    let yes = of(
        "yes",
        1_000,
        json!({"parent_span_id": "root", "node_type": "decision"}),
    );
    written(&served, WORKSPACE, &[yes]).await;
    for key in ["api-eu", "nothing"] {
        let path = format!("/release-targets/{key}/why");
        assert_eq!(found(&served, WORKSPACE, &path).await, Value::Null, "{key}");
    }
}

async fn phases_and_failures_are_counted(database: TestDatabase) {
    let served = on(&database).await;
    recorded(&served).await;
    let running = json!({"trace_id": "t3", "span_id": "run", "name": "n", "start_time": ago(10), "phase": "planning", "node_type": "phase", "deployment_id": "d-1"});
    let no = with(
        span("t3", "no", 100),
        json!({"node_type": "decision", "phase": "eligibility", "status": "failed", "message": "not yet", "release_target_key": "api-eu"}),
    );
    written(&served, WORKSPACE, &[running, no]).await;
    let phases = found(&served, WORKSPACE, "/phases").await;
    let planning = phases.as_array().unwrap().iter();
    let planning = planning
        .clone()
        .find(|phase| phase["phase"] == "planning")
        .unwrap();
    assert_eq!(planning["running"], 1, "{phases}");
    assert_eq!(planning["failed"], 0);
    assert!(planning["p95_ms"].is_number() && planning["failure_rate"].is_number());
    let none = found(&served, WORKSPACE, "/phases?deployment_id=nobody").await;
    assert_eq!(none, json!([]));
    let failures = found(&served, WORKSPACE, "/failures").await;
    assert_eq!(each(&failures, "trace_id"), ["t3"]);
    let failure = &failures[0];
    assert_eq!(
        (&failure["message"], &failure["release_target_key"]),
        (&json!("not yet"), &json!("api-eu"))
    );
    assert!(failure["decided_at"].is_string());
}

async fn keys_with_slashes_and_blanks_are_found(database: TestDatabase) {
    let served = on(&database).await;
    let key = "k8s/eu west-api?";
    written(
        &served,
        WORKSPACE,
        &[with(
            span("a/b c", "s", 10),
            json!({"release_target_key": key}),
        )],
    )
    .await;
    let escaped = "k8s%2Feu%20west-api%3F";
    let read = found(
        &served,
        WORKSPACE,
        &format!("/release-targets/{escaped}/spans"),
    )
    .await;
    assert_eq!(each(&read, "release_target_key"), [key]);
    let read = found(&served, WORKSPACE, "/traces/a%2Fb%20c").await;
    assert_eq!(each(&read, "span_id"), ["s"]);
    let path = format!("/workspaces/{WORKSPACE}/release-targets/k8s/eu/spans");
    let hint = get(served.http, &path).await.not_served();
    assert!(hint.contains("%2F"), "{hint}");
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let served = in_memory().await;
    let below = [
        "",
        "/traces",
        "/traces/t",
        "/traces/t/tree",
        "/traces/t/spans/s/children",
        "/spans",
        "/spans/roots",
        "/releases/r/spans",
        "/release-targets/k/spans",
        "/jobs/j/spans",
        "/release-targets/k/why",
        "/failures",
        "/phases",
    ];
    for path in below {
        let path = format!("/workspaces/{WORKSPACE}{path}");
        let error = get(served.http, &path).await.refusal(404);
        assert!(error.contains(WORKSPACE), "{path}: {error}");
    }
    written(&served, WORKSPACE, &[span("other", "s", 10)]).await;
    for path in ["/traces/t", "/traces/t/tree"] {
        let path = format!("/workspaces/{WORKSPACE}{path}");
        let error = get(served.http, &path).await.refusal(404);
        assert!(error.contains("\"t\""), "{path}: {error}");
    }
}

#[tokio::test]
async fn questions_are_refused_by_the_name_of_what_is_wrong() {
    let served = in_memory().await;
    written(&served, WORKSPACE, &[span("t", "s", 10)]).await;
    for (path, told) in [
        ("/traces?limit=0", "limit"),
        ("/traces?limit=1001", "limit"),
        ("/traces?since=yesterday", "since"),
        ("/traces?cursor=nonsense", "cursor"),
        ("/traces?phase=planning", "phase"),
        ("/spans?trigger=manual", "trigger"),
        ("/spans?until=2026-13-01T00:00:00Z", "until"),
        ("/spans?status=a&status=b", "status"),
        ("/spans/roots?status=failed", "status"),
        ("/releases/r/spans?release_id=r", "release_id"),
        ("/release-targets/k/spans?limit=many", "limit"),
        ("/release-targets/k/why?since=2026-01-01T00:00:00Z", "since"),
        ("/jobs/j/spans?cursor=", "cursor"),
        ("/failures?limit=-1", "limit"),
        ("/phases?limit=1", "limit"),
        (
            "/spans?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z",
            "since",
        ),
    ] {
        let path = format!("/workspaces/{WORKSPACE}{path}");
        let error = get(served.http, &path).await.refusal(400);
        assert!(error.contains(told), "{path}: {error}");
    }
}
