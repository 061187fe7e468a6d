//! The database goes away and comes back: what is sent again is there once.

use annals_testkit::{TestDatabase, on_every_server};
use prost::Message as _;

use super::{export, read, request, said};
use crate::{
    client::post,
    serving::{self, eventually},
};

on_every_server!(
    clients_are_told_to_come_again_while_the_database_is_away,
    an_answer_of_the_database_that_is_lost_doubles_nothing,
);

async fn clients_are_told_to_come_again_while_the_database_is_away(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let served = serving::on(&behind, &[("INGEST_TIMEOUT", "1s")]).await;
    proxy.refuse();
    proxy.cut();
    let sent = request(vec![said("a"), said("a")]);
    let send = async || {
        let headers = [("content-type", "application/x-protobuf")];
        post(served.otlp, "/v1/logs", &headers, sent.encode_to_vec()).await
    };
    let answer = send().await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!answer.header("retry-after").is_empty());
    proxy.heal();
    eventually("it is taken", async || send().await.status == 200).await;
    assert_eq!(read(&served, "/logs").await.len(), 2);
}

async fn an_answer_of_the_database_that_is_lost_doubles_nothing(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let served = serving::on(&behind, &[]).await;
    proxy.swallow_commit_reply(1);
    let sent = request(vec![said("a"), said("a")]);
    for _ in 0..2 {
        assert_eq!(export(&served, &sent).await.0, 0);
    }
    assert_eq!(proxy.replies_swallowed(), 1);
    assert_eq!(database.number("SELECT count(*) FROM logs").await, 2);
}
