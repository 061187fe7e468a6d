//! The end of a store of bars.

use std::time::Duration;

use annals_market::{BarStore, Error};
use annals_store::{Error as StoreError, WriteError};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::{bar, open};

on_every_backend!(
    closing_writes_what_is_held_and_reports,
    writing_after_the_close_is_an_error,
    closing_twice_or_without_a_write_ends,
    a_write_beside_the_close_is_committed_or_refused,
);

const LONG: Duration = Duration::from_secs(60);

async fn closing_writes_what_is_held_and_reports(database: TestDatabase) {
    let bars = open(&database).await;
    for n in 0..50 {
        let enqueued = bars.enqueue_bars(vec![bar("A", n)]).await.unwrap();
        drop(enqueued.ticket);
    }
    let report = bars.close(LONG).await;
    assert_eq!(
        (report.accepted, report.committed, report.lost),
        (50, 50, 0)
    );
    assert_eq!(bars.get_latest_bars("A", 100).await.unwrap().len(), 50);
}

async fn writing_after_the_close_is_an_error(database: TestDatabase) {
    let bars = open(&database).await;
    bars.close(LONG).await;
    let is_closed =
        |error: &Error| matches!(error, Error::Store(StoreError::Write(WriteError::Closed)));
    let error = bars.write_bars(vec![bar("A", 0)]).await.unwrap_err();
    assert!(is_closed(&error), "{error}");
    let error = bars.enqueue_bars(vec![bar("A", 0)]).await.unwrap_err();
    assert!(is_closed(&error), "{error}");
    assert_eq!(bars.get_latest_bars("A", 1).await.unwrap(), []);
}

async fn closing_twice_or_without_a_write_ends(database: TestDatabase) {
    let bars = open(&database).await;
    for _ in 0..3 {
        assert_eq!(bars.close(LONG).await.accepted, 0);
    }
}

async fn a_write_beside_the_close_is_committed_or_refused(database: TestDatabase) {
    let bars = open(&database).await;
    let writes = (0..40).map(|n| {
        let bars = &bars;
        async move {
            if n % 4 == 3 {
                tokio::task::yield_now().await;
            }
            bars.write_bars(vec![bar("A", n)]).await.is_ok()
        }
    });
    let (written, _) =
        futures_util::future::join(futures_util::future::join_all(writes), bars.close(LONG)).await;
    let committed = written.into_iter().filter(|ok| *ok).count();
    let stored = bars.get_latest_bars("A", 100).await.unwrap().len();
    assert_eq!(stored, committed);
}
