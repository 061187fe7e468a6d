//! More than the server may hold: clients are told to come again, in words that they understand, and when
//! they do, everything is there once.

use annals_testkit::{TestDatabase, on_every_backend};
use tonic::Code;

use crate::{
    exports::{ROADS, Refused, Road, Taken, span, trace_id},
    serving::{self, Served, eventually, within},
};

on_every_backend!(
    a_full_queue_tells_clients_to_come_again,
    too_many_requests_at_once_are_told_to_come_again,
    what_was_not_committed_in_time_is_there_once_when_it_comes_again,
);

/// Sends two requests at once while nothing can be written and only one of them fits; gives what the
/// other one hears, and which it was.
async fn crowd_out(
    served: &Served,
    database: &TestDatabase,
    road: Road,
) -> (Refused, u8, Result<Taken, Refused>) {
    let lock = database.lock_table("spans").await;
    let requests = [[span(1, 1), span(1, 2)], [span(2, 1), span(2, 2)]];
    let mut first = Box::pin(road.export(served, &requests[0]));
    let mut second = Box::pin(road.export(served, &requests[1]));
    let (refused, which, waiting) = within(async {
        tokio::select! {
            first = &mut first => (first, 1, second),
            second = &mut second => (second, 2, first),
        }
    })
    .await;
    lock.release().await;
    let waiting = within(waiting).await;
    (refused.unwrap_err(), which, waiting)
}

async fn assert_crowded_out(database: &TestDatabase, served: &Served, setting: Option<&str>) {
    for road in ROADS {
        let (refused, which, waiting) = crowd_out(served, database, road).await;
        refused.assert_retriable(429, Code::ResourceExhausted);
        if let Some(setting) = setting {
            assert!(refused.message.contains(setting), "{refused:?}");
        }
        assert_eq!(waiting.unwrap().rejected, 0, "{road:?}");
        assert!(served.trace(&trace_id(which)).await.is_empty(), "{road:?}");
        let again = [span(which, 1), span(which, 2)];
        assert_eq!(road.export(served, &again).await.unwrap().rejected, 0);
        for trace in [1, 2] {
            assert_eq!(served.trace(&trace_id(trace)).await.len(), 2, "{road:?}");
        }
        database.execute("DELETE FROM spans").await;
        database.execute("DELETE FROM traces").await;
    }
}

async fn a_full_queue_tells_clients_to_come_again(database: TestDatabase) {
    let settings = [("INGEST_QUEUE_SIZE", "3"), ("INGEST_TIMEOUT", "60s")];
    let served = serving::on(&database, &settings).await;
    assert_crowded_out(&database, &served, None).await;
}

async fn too_many_requests_at_once_are_told_to_come_again(database: TestDatabase) {
    let settings = [("MAX_CONCURRENT_REQUESTS", "1"), ("INGEST_TIMEOUT", "60s")];
    let served = serving::on(&database, &settings).await;
    let setting = Some("MAX_CONCURRENT_REQUESTS");
    assert_crowded_out(&database, &served, setting).await;
}

async fn what_was_not_committed_in_time_is_there_once_when_it_comes_again(database: TestDatabase) {
    let served = serving::on(&database, &[("INGEST_TIMEOUT", "1s")]).await;
    let lock = database.lock_table("spans").await;
    let sent = ROADS.map(|road| [span(road as u8 + 1, 1), span(road as u8 + 1, 2)]);
    for (road, spans) in ROADS.into_iter().zip(&sent) {
        let refused = road.export(&served, spans).await.unwrap_err();
        refused.assert_retriable(503, Code::Unavailable);
    }
    lock.release().await;
    for (road, spans) in ROADS.into_iter().zip(&sent) {
        eventually("it is taken", async || {
            road.export(&served, spans).await.is_ok()
        })
        .await;
    }
    assert_eq!(served.count().await, 6);
}

#[tokio::test]
async fn a_request_that_never_fits_is_told_to_come_in_parts() {
    let served = serving::in_memory(&[("INGEST_QUEUE_SIZE", "3")]).await;
    for road in ROADS {
        let spans: Vec<_> = (1..=4).map(|id| span(1, id)).collect();
        let refused = road.export(&served, &spans).await.unwrap_err();
        assert!(refused.http.is_none_or(|http| http == 413), "{refused:?}");
        assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
        assert_eq!(refused.retry, None, "again would not help");
        assert!(road.export(&served, &spans[..3]).await.is_ok());
    }
}
