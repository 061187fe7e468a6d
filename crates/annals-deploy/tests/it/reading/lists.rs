//! Lists of spans and of traces, against a model of them.

use annals_deploy::{
    Asked, DeploymentSpan, Deployments, Error, Page, Result, SpanFilter, TraceFilter,
    WorkspaceReads,
};
use annals_record::Timestamp;
use annals_testkit::{Backend, TestDatabase, on_every_backend};

use super::model::{DAY, before, began, drawn, listed, paged, written};
use crate::support::{deployments, id, row};

on_every_backend!(
    every_list_gives_what_a_model_of_it_gives,
    pages_of_any_size_give_every_row_once,
    rows_that_come_while_pages_are_turned_double_nothing_and_hide_nothing,
    a_window_begins_inclusive_and_ends_exclusive,
    what_lists_look_through_unless_asked_otherwise,
    a_page_has_100_rows_unless_asked_and_never_more_than_1000,
    a_name_is_found_literally_and_with_case,
    nothing_is_an_empty_page_and_no_error,
    a_cursor_goes_on_with_its_own_list_only,
    a_window_that_ends_before_it_begins_is_refused,
    texts_are_values_and_never_sql,
);

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The lists, each with what it is narrowed to.
#[derive(Clone, Debug)]
enum List {
    Release(&'static str),
    Target(&'static str),
    Job(&'static str),
    Roots,
    Spans(SpanFilter),
    Traces(TraceFilter),
}

impl List {
    fn all() -> Vec<Self> {
        let spans = SpanFilter::default;
        let traces = TraceFilter::default;
        vec![
            Self::Release("rel-1"),
            Self::Target("r1-e1-d1"),
            Self::Job("job-2"),
            Self::Roots,
            Self::Spans(spans()),
            Self::Spans(SpanFilter {
                phase: some("planning"),
                ..spans()
            }),
            Self::Spans(SpanFilter {
                status: some("failed"),
                node_type: some("decision"),
                ..spans()
            }),
            Self::Spans(SpanFilter {
                deployment_id: some("d1"),
                name: some("_API"),
                ..spans()
            }),
            Self::Traces(traces()),
            Self::Traces(TraceFilter {
                deployment_id: some("d1"),
                ..traces()
            }),
            Self::Traces(TraceFilter {
                release_id: some("rel-2"),
                trigger: some("scheduled"),
                ..traces()
            }),
            Self::Traces(TraceFilter {
                release_target_key: some("r1-e1-d2"),
                status: some("failed"),
                ..traces()
            }),
            Self::Traces(TraceFilter {
                job_id: some("job-1"),
                release_id: some("rel-1"),
                deployment_id: some("d2"),
                ..traces()
            }),
            Self::Traces(TraceFilter {
                trigger: some("policy.updated"),
                status: some("completed"),
                ..traces()
            }),
        ]
    }

    async fn ask(&self, reads: WorkspaceReads<'_>, asked: Asked) -> Result<Page<DeploymentSpan>> {
        match self {
            Self::Release(release) => reads.of_release(release, asked).await,
            Self::Target(key) => reads.of_release_target(key, asked).await,
            Self::Job(job) => reads.of_job(job, asked).await,
            Self::Roots => reads.roots(asked).await,
            Self::Spans(filter) => reads.spans(filter.clone(), asked).await,
            Self::Traces(filter) => reads.traces(filter.clone(), asked).await,
        }
    }

    /// What the list is to give, said a second time.
    fn holds(&self, span: &DeploymentSpan) -> bool {
        let is = |asked: &Option<String>, value: &Option<String>| asked.is_none() || asked == value;
        match self {
            Self::Release(release) => span.release_id.as_deref() == Some(release),
            Self::Target(key) => span.release_target_key.as_deref() == Some(key),
            Self::Job(job) => span.job_id.as_deref() == Some(job),
            Self::Roots => span.parent_span_id.is_none(),
            Self::Spans(filter) => {
                is(&filter.phase, &span.phase)
                    && is(&filter.status, &span.status)
                    && is(&filter.node_type, &span.node_type)
                    && is(&filter.deployment_id, &span.deployment_id)
                    && filter
                        .name
                        .as_ref()
                        .is_none_or(|name| span.name.contains(name))
            }
            Self::Traces(filter) => {
                span.parent_span_id.is_none()
                    && is(&filter.deployment_id, &span.deployment_id)
                    && is(&filter.release_id, &span.release_id)
                    && is(&filter.release_target_key, &span.release_target_key)
                    && is(&filter.job_id, &span.job_id)
                    && is(&filter.trigger, &span.trigger)
                    && is(&filter.status, &span.status)
            }
        }
    }
}

async fn filled(database: &TestDatabase, count: u64) -> (Deployments, Vec<DeploymentSpan>) {
    let deployments = deployments(database).await;
    let spans = drawn(Timestamp::now(), count);
    written(&deployments, &spans).await;
    (deployments, spans)
}

fn all_of_it() -> Asked {
    Asked {
        since: Some(before(Timestamp::now(), 200 * DAY)),
        limit: Some(1_000),
        ..Asked::default()
    }
}

async fn every_list_gives_what_a_model_of_it_gives(database: TestDatabase) {
    let (deployments, spans) = filled(&database, 600).await;
    for list in List::all() {
        for asked in [Asked::default(), all_of_it()] {
            let asked = Asked {
                limit: Some(1_000),
                ..asked
            };
            let mut found = 0;
            // As often as it takes until a server keeps plans for any values.
            for workspace in [1, 2, 3, 1, 2, 3, 1] {
                let reads = deployments.workspace(id(workspace));
                let page = list.ask(reads, asked.clone()).await.unwrap();
                let expected = listed(&spans, workspace, &page, |span| list.holds(span));
                assert_eq!(page.rows, expected, "{list:?} {asked:?} {workspace}");
                assert_eq!(page.next, None);
                found += page.rows.len();
            }
            assert!(found > 0, "the model says nothing about {list:?}");
        }
    }
}

async fn pages_of_any_size_give_every_row_once(database: TestDatabase) {
    let (deployments, spans) = filled(&database, 240).await;
    let reads = deployments.workspace(id(2));
    for list in List::all() {
        let whole = list.ask(reads, all_of_it()).await.unwrap();
        let expected = listed(&spans, 2, &whole, |span| list.holds(span));
        for limit in [1, 2, 7] {
            let rows = paged(
                all_of_it(),
                limit,
                |asked| list.ask(reads, asked),
                async || {},
            )
            .await;
            assert_eq!(rows, expected, "{list:?} by {limit}");
        }
    }
}

async fn rows_that_come_while_pages_are_turned_double_nothing_and_hide_nothing(
    database: TestDatabase,
) {
    let (deployments, spans) = filled(&database, 240).await;
    let reads = deployments.workspace(id(1));
    for (n, list) in List::all().into_iter().enumerate() {
        let window = list.ask(reads, all_of_it()).await.unwrap();
        let there_before = listed(&spans, 1, &window, |span| list.holds(span));
        let model = there_before.first().unwrap().clone();
        let mut page = 0;
        let rows = paged(
            all_of_it(),
            3,
            |asked| list.ask(reads, asked),
            || {
                // In front of the first row, in the midst of all, and behind the last.
                page += 1;
                let starts = [0, 40, 150].map(|days| before(model.start_time, days * DAY - page));
                let more = starts.into_iter().enumerate().map(|(place, start)| {
                    let mut more = model.clone();
                    more.trace_id = format!("late-{n}");
                    more.span_id = format!("late-{page}-{place}");
                    began(more, start)
                });
                let more: Vec<DeploymentSpan> = more.collect();
                let deployments = &deployments;
                async move { written(deployments, &more).await }
            },
        )
        .await;
        let (late, early): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|row| row.trace_id.starts_with("late-"));
        assert_eq!(early, there_before, "{list:?}");
        let mut ids: Vec<&str> = late.iter().map(|row| &*row.span_id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{list:?}: {ids:?}");
        // Those behind the page are in later ones, where there are any.
        assert!(count > 0 || there_before.len() <= 3, "{list:?}");
        let spans: Vec<String> = late.iter().map(|row| row.trace_id.clone()).collect();
        let filter = DeploymentSpan::TRACE_ID.is_in(spans.iter().map(String::as_str));
        deployments.store().delete(filter).await.unwrap();
    }
}

async fn a_window_begins_inclusive_and_ends_exclusive(database: TestDatabase) {
    let deployments = deployments(&database).await;
    // Whole microseconds, one apart, and one nanosecond beside each.
    let base = 1_767_225_600_000_000_000;
    let at = |nanos: i64| Timestamp::from_unix_nanos(base + nanos);
    let starts = [0, 1, 999, 1_000, 1_001, 2_000, 2_999];
    let spans: Vec<_> = starts
        .iter()
        .map(|nanos| began(row(1, "t", &format!("{nanos}"), 0), at(*nanos)))
        .collect();
    written(&deployments, &spans).await;
    for list in [List::Roots, List::Target("resource-environment-deployment")] {
        let found = async |since: i64, until: i64| {
            let asked = Asked {
                since: Some(at(since)),
                until: Some(at(until)),
                ..Asked::default()
            };
            let page = list.ask(deployments.workspace(id(1)), asked).await.unwrap();
            let ids: Vec<String> = page.rows.into_iter().map(|row| row.span_id).collect();
            ids.join(" ")
        };
        assert_eq!(found(0, 1_000).await, "999 1 0");
        assert_eq!(found(1_000, 3_000).await, "2999 2000 1001 1000");
        // To the microsecond: windows that share an end neither overlap nor leave a gap.
        assert_eq!(found(0, 1_500).await, "999 1 0");
        assert_eq!(found(1_500, 3_000).await, "2999 2000 1001 1000");
        assert_eq!(found(2_000, 2_000).await, "");
    }
}

async fn what_lists_look_through_unless_asked_otherwise(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let reads = deployments.workspace(id(1));
    let filter = TraceFilter::default;
    let release = TraceFilter {
        release_id: some("r"),
        ..filter()
    };
    let job = TraceFilter {
        job_id: some("j"),
        ..filter()
    };
    for (list, days) in [
        (List::Release("r"), 90),
        (List::Target("k"), 7),
        (List::Job("j"), 90),
        (List::Spans(SpanFilter::default()), 7),
        (List::Roots, 7),
        (List::Traces(filter()), 7),
        (List::Traces(release), 90),
        (List::Traces(job), 90),
    ] {
        let earliest = before(Timestamp::now(), 1_000);
        let page = list.ask(reads, Asked::default()).await.unwrap();
        assert!(page.until >= earliest && page.until <= Timestamp::now());
        assert_eq!(before(page.until, days * DAY), page.since, "{list:?}");
        // With an end of one's own the window lies before it.
        let asked = Asked {
            until: Some(page.since),
            ..Asked::default()
        };
        let page = list.ask(reads, asked).await.unwrap();
        assert_eq!(before(page.until, days * DAY), page.since, "{list:?}");
    }
    let day = reads.failed(Asked::default()).await.unwrap();
    assert_eq!(before(day.until, DAY), day.since);
}

async fn a_page_has_100_rows_unless_asked_and_never_more_than_1000(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let now = Timestamp::now();
    let spans: Vec<_> = (0..1_005)
        .map(|n| began(row(1, "t", &format!("{n:04}"), 0), before(now, n * 1_000)))
        .collect();
    written(&deployments, &spans).await;
    let reads = deployments.workspace(id(1));
    for (limit, rows) in [
        (None, 100),
        (Some(0), 100),
        (Some(5), 5),
        (Some(u32::MAX), 1_000),
    ] {
        let asked = Asked {
            limit,
            ..Asked::default()
        };
        let page = reads.roots(asked).await.unwrap();
        assert_eq!((page.rows.len(), page.next.is_some()), (rows, true));
    }
}

async fn a_name_is_found_literally_and_with_case(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let now = Timestamp::now();
    let names = [
        "Deploy api",
        "deploy_api",
        "deploy-api",
        "100%",
        "ÄÖ é",
        "''",
    ];
    let spans = names.iter().enumerate().map(|(n, name)| {
        let mut span = row(1, "t", &format!("{n}"), 0);
        span.name = (*name).to_owned();
        began(span, before(now, (n as i64 + 1) * 1_000_000))
    });
    written(&deployments, &spans.collect::<Vec<_>>()).await;
    for (name, found) in [
        ("deploy", "deploy_api deploy-api"),
        ("Deploy", "Deploy api"),
        ("y_a", "deploy_api"),
        ("%", "100%"),
        ("Ö é", "ÄÖ é"),
        ("'", "''"),
        ("\\", ""),
        ("", "Deploy api deploy_api deploy-api 100% ÄÖ é ''"),
    ] {
        let filter = SpanFilter {
            name: some(name),
            ..SpanFilter::default()
        };
        let reads = deployments.workspace(id(1));
        let page = reads.spans(filter, Asked::default()).await.unwrap();
        let names: Vec<&str> = page.rows.iter().map(|row| &*row.name).collect();
        assert_eq!(names.join(" "), found, "{name:?}");
    }
}

async fn nothing_is_an_empty_page_and_no_error(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let reads = deployments.workspace(id(9));
    for list in List::all() {
        let page = list.ask(reads, Asked::default()).await.unwrap();
        assert_eq!((page.rows.len(), page.next), (0, None));
    }
    assert!(
        reads
            .failed(Asked::default())
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    assert!(
        reads
            .phases(None, Asked::default())
            .await
            .unwrap()
            .is_empty()
    );
    assert!(reads.children("t", "s").await.unwrap().is_empty());
    assert_eq!(reads.why_not_deployed("k").await.unwrap(), None);
    assert_eq!(reads.why_not_deployed("").await.unwrap(), None);
    // By a clock that is ahead of ours, the window begins in the future.
    let ahead = Asked {
        since: Some(before(Timestamp::now(), -DAY)),
        ..Asked::default()
    };
    assert!(reads.roots(ahead).await.unwrap().rows.is_empty());
}

async fn a_cursor_goes_on_with_its_own_list_only(database: TestDatabase) {
    let (deployments, _) = filled(&database, 900).await;
    let reads = deployments.workspace(id(1));
    let first = |limit: u32| Asked {
        limit: Some(limit),
        ..all_of_it()
    };
    let mut cursors = Vec::new();
    for list in List::all() {
        let page = list.ask(reads, first(1)).await.unwrap();
        cursors.push((list, page.next.unwrap()));
    }
    let after = |cursor: &str| Asked {
        after: some(cursor),
        ..Asked::default()
    };
    let is_refused = |result: Result<Page<DeploymentSpan>>| {
        matches!(
            result,
            Err(Error::Store(annals_store::Error::Cursor { .. }))
        )
    };
    for (place, (list, cursor)) in cursors.iter().enumerate() {
        assert!(list.ask(reads, after(cursor)).await.is_ok());
        let elsewhere = deployments.workspace(id(2));
        assert!(is_refused(list.ask(elsewhere, after(cursor)).await));
        let (other, _) = &cursors[(place + 1) % cursors.len()];
        assert!(is_refused(other.ask(reads, after(cursor)).await));
        assert!(is_refused(list.ask(reads, after("")).await));
        assert!(is_refused(list.ask(reads, after("nonsense")).await));
        assert!(is_refused(list.ask(reads, after(&cursor[2..])).await));
    }
    let error = reads.failed(after(&cursors[0].1)).await.unwrap_err();
    assert!(error.to_string().contains("another query"), "{error}");
}

async fn a_window_that_ends_before_it_begins_is_refused(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let now = Timestamp::now();
    let asked = Asked {
        since: Some(now),
        until: Some(before(now, 1)),
        ..Asked::default()
    };
    let reads = deployments.workspace(id(1));
    for list in List::all() {
        let error = list.ask(reads, asked.clone()).await.unwrap_err();
        assert!(
            matches!(error, Error::Question { field: "since", .. }),
            "{error}"
        );
    }
    assert!(reads.failed(asked.clone()).await.is_err());
    assert!(reads.phases(None, asked).await.is_err());
}

async fn texts_are_values_and_never_sql(database: TestDatabase) {
    let (deployments, _) = filled(&database, 40).await;
    let reads = deployments.workspace(id(1));
    let injected = "x' OR '1'='1";
    assert!(
        reads
            .of_job(injected, all_of_it())
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    let filter = SpanFilter {
        phase: some(injected),
        ..SpanFilter::default()
    };
    assert!(
        reads
            .spans(filter, all_of_it())
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    // A NUL is a text like any other to SQLite, and none to PostgreSQL.
    let nul = "a\0b";
    let refused = [
        reads.of_job(nul, all_of_it()).await.is_err(),
        reads.why_not_deployed(nul).await.is_err(),
        reads.phases(Some(nul), all_of_it()).await.is_err(),
        reads
            .traces(
                TraceFilter {
                    job_id: some(nul),
                    ..TraceFilter::default()
                },
                all_of_it(),
            )
            .await
            .is_err(),
    ];
    assert_eq!(refused, [database.backend != Backend::Sqlite; 4]);
    let is_no_such = matches!(reads.trace(nul).await, Err(Error::NoSuchTrace { .. }));
    assert_eq!(is_no_such, database.backend == Backend::Sqlite);
}
