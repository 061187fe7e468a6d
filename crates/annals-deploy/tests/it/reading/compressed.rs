//! Every question answers the same when chunks are compressed, and when late rows have come to them since.

use annals_deploy::{Asked, Deployments, SpanFilter, TraceFilter, WorkspaceReads};
use annals_record::Timestamp;
use annals_store::Interval;
use annals_testkit::{TestDatabase, on_community};

use super::model::{DAY, before, drawn, listed, paged, written};
use crate::support::{deployments, id};

#[test]
fn compressed_chunks_answer_as_others() {
    on_community(compressed_as_others);
}

/// Everything that a workspace answers, page by page, as text.
async fn told(reads: WorkspaceReads<'_>, until: Timestamp) -> String {
    let asked = || Asked {
        since: Some(before(until, 120 * DAY)),
        until: Some(until),
        ..Asked::default()
    };
    let spans = SpanFilter {
        status: Some("failed".to_owned()),
        ..SpanFilter::default()
    };
    let traces = TraceFilter {
        release_id: Some("rel-1".to_owned()),
        ..TraceFilter::default()
    };
    let quiet = async || {};
    let lists = (
        paged(asked(), 9, |asked| reads.of_release("rel-1", asked), quiet).await,
        paged(
            asked(),
            9,
            |asked| reads.of_release_target("r1-e1-d1", asked),
            quiet,
        )
        .await,
        paged(asked(), 9, |asked| reads.of_job("job-1", asked), quiet).await,
        paged(asked(), 9, |asked| reads.spans(spans.clone(), asked), quiet).await,
        paged(asked(), 9, |asked| reads.roots(asked), quiet).await,
        paged(
            asked(),
            9,
            |asked| reads.traces(traces.clone(), asked),
            quiet,
        )
        .await,
        paged(asked(), 9, |asked| reads.failed(asked), quiet).await,
    );
    let mut all = format!("{lists:?}");
    for trace in 0..75 {
        let trace = format!("trace-1-{trace}");
        all += &format!("{:?}", reads.trace(&trace).await.ok());
        all += &format!("{:?}", reads.tree(&trace).await.ok());
        all += &format!("{:?}", reads.children(&trace, "s0001").await.unwrap());
    }
    for key in ["r1-e1-d1", "r1-e1-d2", "r2-e1-d1"] {
        all += &format!("{:?}", reads.why_not_deployed(key).await.unwrap());
    }
    all + &format!("{:?}", reads.phases(None, asked()).await.unwrap())
}

async fn compress(deployments: &Deployments) {
    let mut chunks = 0;
    deployments
        .lifecycle()
        .compress_chunks(&Interval::days(0), false, &mut |_| chunks += 1)
        .await
        .unwrap();
    assert!(chunks > 10, "{chunks}");
}

async fn compressed_as_others(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let now = Timestamp::now();
    let spans = drawn(now, 600);
    let (late, early) = spans.split_at(60);
    written(&deployments, early).await;
    let reads = deployments.workspace(id(1));
    let before_it = told(reads, now).await;
    compress(&deployments).await;
    assert_eq!(told(reads, now).await, before_it);
    written(&deployments, late).await;
    let asked = Asked {
        since: Some(before(now, 120 * DAY)),
        limit: Some(1_000),
        ..Asked::default()
    };
    let page = reads.spans(SpanFilter::default(), asked).await.unwrap();
    assert_eq!(page.rows, listed(&spans, 1, &page, |_| true));
}
