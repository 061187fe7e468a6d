//! What an error says: its code, whether trying again helps, and every cause.

use std::error::Error as _;

use annals_store::{DriverError, Error, WriteError};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

use super::*;

on_every_backend!(
    a_failed_statement_keeps_its_code_and_its_causes,
    a_closed_store_says_so,
);

#[test]
fn a_full_queue_may_be_tried_again_and_a_closed_one_not() {
    let full = Error::from(WriteError::QueueFull {
        held_rows: 1,
        limit_rows: 1,
    });
    assert!(full.is_transient() && full.code().is_none());
    assert!(!Error::from(WriteError::Closed).is_transient());
    assert!(Error::TimedOut { doing: "writing" }.is_transient());
}

#[test]
fn a_report_names_every_cause_once() {
    let io = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the cable was cut");
    let source = DriverError::from(annals_store::sqlx::Error::from(io));
    let error = Error::Statement {
        doing: "copying rows",
        source,
    };
    let report = error.report();
    assert!(report.starts_with("copying rows failed: "), "{report}");
    assert_eq!(report.matches("the cable was cut").count(), 1, "{report}");
    assert!(error.is_transient() && error.code().is_none());
}

async fn a_failed_statement_keeps_its_code_and_its_causes(database: TestDatabase) {
    let store = database.store().await;
    let error = store.query::<Note>().fetch().await.unwrap_err();
    let code = if database.backend == Backend::Sqlite {
        "SQLITE_1"
    } else {
        "42P01"
    };
    assert_eq!(error.code().as_deref(), Some(code));
    assert!(!error.is_transient());
    let driver = error
        .source()
        .unwrap()
        .downcast_ref::<DriverError>()
        .unwrap();
    assert_eq!(driver.code(), error.code());
    let report = error.report();
    assert!(
        report.starts_with("reading failed: ") && report.contains("notes"),
        "{report}"
    );
    // The same error through a writer.
    store.migrator(&[]).up().await.unwrap();
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    let error = Error::from(within(writer.write(numbered(0..2))).await.unwrap_err());
    assert!(!error.is_transient());
    assert!(error.report().contains("notes"), "{}", error.report());
    let mut cause = error.source();
    while let Some(inner) = cause.filter(|cause| !cause.is::<DriverError>()) {
        cause = inner.source();
    }
    assert!(cause.is_some(), "{error:?}");
}

async fn a_closed_store_says_so(database: TestDatabase) {
    let store = store_of::<Note>(&database).await;
    store.close().await;
    let error = store.query::<Note>().fetch().await.unwrap_err();
    assert!(error.report().contains("closed"), "{}", error.report());
    assert!(!error.is_transient());
}
