//! Import, clearing, and what came past this program.

use std::time::Duration;

use annals_events::{Error, Events, EventsOptions, From, NewNamespace, Place, Record, StreamQuery};
use annals_record::{Json, Timestamp, TimestampMicros};
use annals_testkit::{TestDatabase, on_every_backend};
use uuid::Uuid;

use crate::appending::{message, namespace};

on_every_backend!(
    what_is_imported_keeps_its_place_its_id_and_its_time,
    an_import_that_meets_a_taken_place_writes_nothing,
    after_an_import_places_and_versions_go_on,
    old_ids_are_forgotten_after_their_window,
);

pub(crate) fn record(stream: &str, position: i64, global_position: i64) -> Record {
    let seconds = 1_700_000_000 + global_position;
    Record {
        id: Uuid::from_u128(global_position.unsigned_abs().into()),
        stream: stream.to_owned(),
        kind: "Happened".to_owned(),
        place: Place {
            position,
            global_position,
        },
        data: Json::parse(&format!("{{\"n\":{global_position}.10}}")).unwrap(),
        metadata: None,
        time: TimestampMicros::floor(Timestamp::from_unix_seconds(seconds).unwrap()),
    }
}

async fn what_is_imported_keeps_its_place_its_id_and_its_time(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    // Some of what there was: places with gaps, the later first.
    let records = vec![
        record("a-1", 4, 90),
        record("a-1", 2, 17),
        record("b-1", 0, 20),
    ];
    namespace.import(records.clone()).await.unwrap();
    let query = StreamQuery {
        stream: "a-1".to_owned(),
        from: From::Position(0),
        limit: None,
    };
    let stored = namespace.stream(query).await.unwrap();
    for (message, record) in stored.iter().zip([&records[1], &records[0]]) {
        assert_eq!((message.id, message.place), (record.id, record.place));
        assert_eq!(
            (message.time, &*message.data),
            (record.time, record.data.as_str())
        );
    }
    assert_eq!(namespace.stream_version("a-1").await.unwrap(), Some(4));
    let verified = namespace.verify().await.unwrap();
    assert_eq!(
        verified.faults,
        ["stream a-1 has 2 messages at positions 2 to 4"]
    );
}

async fn an_import_that_meets_a_taken_place_writes_nothing(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    namespace.import(vec![record("a-1", 0, 5)]).await.unwrap();
    let other_id = |record: Record| Record {
        id: Uuid::from_u128(99),
        ..record
    };
    let cases = [
        (other_id(record("b-1", 0, 5)), "global position 5 is taken"),
        (record("a-1", 0, 6), "position 0 of stream a-1 is taken"),
        (
            Record {
                id: Uuid::from_u128(5),
                ..record("a-1", 1, 6)
            },
            "message id 00000000-0000-0000-0000-000000000005 is taken",
        ),
        (record("n-1", 3, 50), "global position 50 is taken"),
    ];
    for (bad, expected) in cases {
        let error = namespace
            .import(vec![record("n-1", 0, 50), bad])
            .await
            .unwrap_err();
        assert!(matches!(error, Error::PlaceTaken { .. }));
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    assert_eq!(namespace.verify().await.unwrap().messages, 1);
    namespace.clear().await.unwrap();
    assert_eq!(namespace.verify().await.unwrap().messages, 0);
    let first = namespace
        .write_message("a-1", message("{}"), Some(-1))
        .await
        .unwrap();
    assert_eq!(first.global_position, 1);
}

async fn after_an_import_places_and_versions_go_on(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    namespace
        .write_message("a-1", message("{}"), None)
        .await
        .unwrap();
    namespace
        .import(vec![record("a-1", 7, 40), record("b-1", 0, 30)])
        .await
        .unwrap();
    // A lower batch after a higher one does not take the counter back.
    namespace.import(vec![record("c-1", 0, 10)]).await.unwrap();
    let next = namespace
        .write_message("a-1", message("{}"), Some(7))
        .await
        .unwrap();
    assert_eq!(
        next,
        Place {
            position: 8,
            global_position: 41
        }
    );
    let same = message("{\"n\":30.10}").with_id(Uuid::from_u128(30));
    let again = namespace.write_message("b-1", same, None).await.unwrap();
    assert_eq!(
        again,
        Place {
            position: 0,
            global_position: 30
        }
    );
}

async fn old_ids_are_forgotten_after_their_window(database: TestDatabase) {
    let mut options = EventsOptions::default();
    options.id_window = Some(Duration::from_secs(3600));
    let events = Events::new(database.store().await, options).await.unwrap();
    events
        .create_namespace(NewNamespace::new("app"))
        .await
        .unwrap();
    let namespace = events.namespace("app").await.unwrap();
    namespace
        .import(vec![record("a-1", 0, 1), record("a-1", 1, 2)])
        .await
        .unwrap();
    namespace
        .write_message("a-1", message("{}"), None)
        .await
        .unwrap();
    assert_eq!(events.forget_ids().await.unwrap(), 2);
    assert_eq!(events.forget_ids().await.unwrap(), 0);
    let verified = namespace.verify().await.unwrap();
    assert_eq!(
        (
            verified.messages,
            verified.forgotten_ids,
            verified.faults.len()
        ),
        (3, 2, 0)
    );
}
