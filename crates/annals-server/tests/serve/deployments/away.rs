//! The database goes away and comes back: whoever sends spans hears in time, and what is sent again is there once.

use annals_testkit::{TestDatabase, on_every_server};

use super::{SECRET, WORKSPACE, found, span, token, write, write_under, written};
use crate::{client::get, serving};

on_every_server!(
    spans_are_refused_for_now_and_questions_too,
    an_answer_of_the_database_that_is_lost_doubles_nothing,
);

const SETTINGS: [(&str, &str); 3] = [
    ("INGEST_TIMEOUT", "1s"),
    ("TRACE_TOKEN_SECRET", SECRET),
    ("LIFECYCLE_INTERVAL", "off"),
];

async fn spans_are_refused_for_now_and_questions_too(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let served = serving::on(&behind, &SETTINGS).await;
    written(&served, WORKSPACE, &[span("before", "a", 10)]).await;
    // Nobody asks the database for one.
    let under = token(&served, WORKSPACE, "before", "a", "").await;
    proxy.refuse();
    proxy.cut();
    let sent = [span("t", "a", 10), span("t", "b", 10)];
    for answer in [
        write(&served, WORKSPACE, &sent).await,
        write_under(&served, &under, &sent).await,
        get(served.http, &format!("/workspaces/{WORKSPACE}/spans")).await,
    ] {
        answer.refusal(503);
        assert_ne!(answer.header("retry-after"), "");
    }
    // What is wrong with a token is told all the same.
    write_under(&served, "x.y", &sent).await.refusal(401);
    proxy.heal();
    serving::eventually("they are taken", async || {
        write(&served, WORKSPACE, &sent).await.status == 200
    })
    .await;
    let read = found(&served, WORKSPACE, "/traces/t").await;
    assert_eq!(read.as_array().unwrap().len(), 2);
}

async fn an_answer_of_the_database_that_is_lost_doubles_nothing(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let served = serving::on(&behind, &SETTINGS).await;
    written(&served, WORKSPACE, &[span("before", "a", 10)]).await;
    let sent = [span("t", "a", 10), span("t", "b", 10)];
    proxy.swallow_commit_reply(1);
    serving::eventually("they are taken", async || {
        write(&served, WORKSPACE, &sent).await.status == 200
    })
    .await;
    assert_eq!(proxy.replies_swallowed(), 1);
    assert_eq!(super::stored(&database).await, 3);
}
