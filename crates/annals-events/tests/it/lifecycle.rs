//! Messages as they age: what goes, and what goes on.

use std::collections::BTreeSet;

use annals_events::{
    ConsumerGroup, Error, Events, EventsOptions, Namespace, NewNamespace, Place, Poke, Record,
    Selection,
};
use annals_record::{Timestamp, TimestampMicros};
use annals_store::{
    Interval, Lifecycle, LifecycleError,
    lifecycle::{Expiry, Policy, PolicyKind},
};
use annals_testkit::{Backend, TestDatabase, on_every_backend};
use uuid::Uuid;

use crate::{
    appending::message,
    importing::record,
    support::{category, global, namespace, positions, server, stream, write},
};

on_every_backend!(
    the_table_of_messages_fits_its_description,
    every_namespace_is_a_table_that_ages_and_a_look_makes_none,
    versions_ids_and_places_outlive_their_messages,
    readers_begin_with_what_is_kept,
    places_go_on_when_nothing_is_kept,
    a_subscription_in_the_backlog_passes_over_what_goes,
    no_message_goes_before_its_time_whatever_its_place,
    a_namespace_of_the_same_id_does_not_inherit_a_policy,
    ages_are_texts_and_what_is_none_changes_nothing,
);

/// A week, which is how long a chunk of a namespace is.
const WEEK: i64 = 7 * 86_400;

/// Where a week of 2023 begins, and a chunk with it.
fn week(number: i64) -> Timestamp {
    Timestamp::from_unix_seconds((2_800 + number) * WEEK).unwrap()
}

fn at(record: Record, seconds: i64) -> Record {
    let time = Timestamp::from_unix_seconds(week(0).unix_micros() / 1_000_000 + seconds).unwrap();
    Record {
        time: TimestampMicros::floor(time),
        ..record
    }
}

/// A hundred messages of four streams, ten in each of ten weeks.
pub(crate) fn ten_weeks() -> Vec<Record> {
    (0..100)
        .map(|n| {
            let record = record(&format!("account-{}", n % 4), n / 4, n + 1);
            at(record, n / 10 * WEEK + n % 10 * 3_600)
        })
        .collect()
}

async fn aged(database: &TestDatabase) -> (Events, Namespace) {
    let (events, namespace) = namespace(database).await;
    namespace.import(ten_weeks()).await.unwrap();
    (events, namespace)
}

/// The life of messages when ten weeks are over.
fn life(namespace: &Namespace) -> Lifecycle {
    namespace.lifecycle().at(week(10))
}

async fn expire(namespace: &Namespace, weeks: u16) -> Expiry {
    let older_than = Interval::days(weeks * 7);
    life(namespace)
        .expire(&older_than, false, &mut |_| {})
        .await
        .unwrap()
}

async fn faults(namespace: &Namespace) -> Vec<String> {
    namespace.verify().await.unwrap().faults
}

async fn the_table_of_messages_fits_its_description(database: TestDatabase) {
    let (events, namespace) = namespace(&database).await;
    events.store().migrator(&[]).up().await.unwrap();
    let found = events
        .store()
        .diagnose(&[namespace.aging_table()], &[], &[])
        .await
        .unwrap();
    let found: Vec<_> = found.iter().filter(|one| one.subject == "schema").collect();
    assert!(found.is_empty(), "{found:?}");
    let described = namespace.aging_table().descriptor();
    let columns: Vec<&str> = described.columns.iter().map(|column| column.name).collect();
    if database.backend != Backend::Sqlite {
        let order = format!(
            "SELECT attname::text FROM pg_attribute
              WHERE attrelid = '\"{}\".messages'::regclass AND attnum > 0 ORDER BY attnum",
            namespace.schema()
        );
        assert_eq!(database.query(&order).await, columns);
    }
}

async fn every_namespace_is_a_table_that_ages_and_a_look_makes_none(database: TestDatabase) {
    let store = database.store().await;
    let options = EventsOptions::default();
    let tables = || annals_events::life::tables(&store, &options);
    assert!(tables().await.unwrap().is_empty());
    // Nor did the look make a registry.
    assert!(tables().await.unwrap().is_empty());
    let events = server(&database).await;
    for id in ["one", "Two: \"2\""] {
        events
            .create_namespace(NewNamespace::new(id))
            .await
            .unwrap();
    }
    let labels = |tables: Vec<annals_store::AgingTable>| -> BTreeSet<String> {
        tables
            .iter()
            .map(|table| table.label().to_owned())
            .collect()
    };
    let expected = BTreeSet::from(["events:one".to_owned(), "events:Two: \"2\"".to_owned()]);
    assert_eq!(labels(tables().await.unwrap()), expected);
    assert_eq!(labels(events.aging_tables().await.unwrap()), expected);
    let one = events.namespace("one").await.unwrap();
    assert_eq!(one.aging_table().names().schema(), one.schema());
    assert_eq!(one.aging_table().descriptor().table, "messages");
}

async fn versions_ids_and_places_outlive_their_messages(database: TestDatabase) {
    let (_events, namespace) = aged(&database).await;
    let dry = life(&namespace)
        .expire(&Interval::days(35), true, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(
        namespace.info().await.unwrap().summary.message_count,
        100,
        "{dry:?}"
    );
    let expiry = expire(&namespace, 5).await;
    assert_eq!((expiry.until, expiry.left), (Some(week(5)), 0));
    assert_eq!(namespace.info().await.unwrap().summary.message_count, 50);
    let again = expire(&namespace, 5).await;
    assert_eq!((again.chunks, again.rows, again.until), (0, 0, None));

    // A server that remembers nothing, too.
    let new = server(&database).await.namespace("test").await.unwrap();
    for (version, namespace) in (24..).zip([&namespace, &new]) {
        assert_eq!(
            namespace.stream_version("account-1").await.unwrap(),
            Some(version)
        );
        let stale = namespace.write_message("account-1", message("{}"), Some(12));
        assert!(matches!(
            stale.await,
            Err(Error::VersionConflict { actual, .. }) if actual == version
        ));
        let next = namespace
            .write_message("account-1", message("{}"), Some(version))
            .await
            .unwrap();
        assert_eq!(
            next,
            Place {
                position: version + 1,
                global_position: version + 77
            }
        );
        // A repeated id of a message that is gone, and of one that is not.
        for (id, stream) in [(3_u128, "account-2"), (63, "account-2")] {
            let retry = message(&format!("{{\"n\":{id}.10}}")).with_id(Uuid::from_u128(id));
            let place = namespace.write_message(stream, retry, None).await.unwrap();
            assert_eq!(place.global_position, i64::try_from(id).unwrap());
        }
        let other = message("{}").with_id(Uuid::from_u128(63));
        let conflict = namespace.write_message("account-2", other, None).await;
        assert!(matches!(conflict, Err(Error::IdConflict { .. })));
    }
    assert_eq!(faults(&new).await, [""; 0]);
    let rebuilt = new.rebuild_heads().await.unwrap();
    assert_eq!(
        (rebuilt.streams, rebuilt.ids, rebuilt.global_position),
        (0, 0, 102)
    );
    // What is remembered of what is gone keeps its places from being taken.
    let taken = namespace.import(vec![ten_weeks().remove(2)]).await;
    assert!(matches!(taken, Err(Error::PlaceTaken { .. })), "{taken:?}");
}

async fn first_pokes(namespace: &Namespace, selection: Selection) -> Vec<Poke> {
    namespace.subscribe(selection).pokes().await.unwrap()
}

async fn readers_begin_with_what_is_kept(database: TestDatabase) {
    let (_events, namespace) = aged(&database).await;
    let checkpoint = namespace.checkpoint("reader");
    checkpoint.store(20).await.unwrap();
    expire(&namespace, 5).await;
    let kept: Vec<i64> = (51..=100).collect();
    for name in ["", "account"] {
        let read = namespace.category(category(name)).await.unwrap();
        assert_eq!(global(&read), kept);
    }
    let read = namespace.stream(stream("account-1")).await.unwrap();
    assert_eq!(positions(&read), (13..25).collect::<Vec<i64>>());
    let last = namespace.last_message("account-1", None).await.unwrap();
    assert_eq!(last.unwrap().place.position, 24);

    let of = |pokes: Vec<Poke>| -> Vec<i64> {
        pokes
            .iter()
            .map(|poke| poke.place.global_position)
            .collect()
    };
    let from = checkpoint.load().await.unwrap().unwrap();
    let everything = first_pokes(&namespace, Selection::All { from }).await;
    assert_eq!(of(everything), kept);
    let one = Selection::Stream {
        stream: "account-0".to_owned(),
        from: 0,
    };
    assert_eq!(first_pokes(&namespace, one).await[0].place.position, 13);
    let mut divided = Vec::new();
    for member in 0..3 {
        let group = ConsumerGroup::new(member, 3).unwrap();
        let mut query = category("account");
        query.group = Some(group);
        let read = global(&namespace.category(query).await.unwrap());
        if !read.is_empty() {
            let selection = Selection::Category {
                category: "account".to_owned(),
                from: 1,
                group: Some(group),
            };
            assert_eq!(of(first_pokes(&namespace, selection).await), read);
        }
        divided.extend(read);
    }
    divided.sort_unstable();
    assert_eq!(divided, kept);
    let categories = namespace.categories().await.unwrap();
    assert_eq!(categories.len(), 1);
}

async fn places_go_on_when_nothing_is_kept(database: TestDatabase) {
    let (_events, namespace) = aged(&database).await;
    let expiry = namespace
        .lifecycle()
        .at(week(20))
        .expire(&Interval::days(7), false, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(expiry.left, 0);
    assert_eq!(namespace.category(category("")).await.unwrap(), []);
    assert_eq!(
        namespace.last_message("account-1", None).await.unwrap(),
        None
    );
    assert_eq!(faults(&namespace).await, [""; 0]);
    assert_eq!(
        namespace.rebuild_heads().await.unwrap().global_position,
        100
    );
    let mut followers = [
        namespace.subscribe(Selection::All { from: 1 }),
        namespace.subscribe(Selection::Live { from: 1 }),
    ];
    for follower in &mut followers {
        follower.ready().await.unwrap();
    }
    let new = server(&database).await.namespace("test").await.unwrap();
    let place = write(&new, "account-1", 1).await;
    assert_eq!(
        place,
        Place {
            position: 25,
            global_position: 101
        }
    );
    for follower in &mut followers {
        assert_eq!(follower.pokes().await.unwrap()[0].place, place);
    }
    let info = namespace.info().await.unwrap();
    assert_eq!((info.summary.message_count, info.stream_count), (1, 4));
}

async fn a_subscription_in_the_backlog_passes_over_what_goes(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    // A thousand in each week, which is what is read at a time.
    let records: Vec<Record> = (0..5_000)
        .map(|n| at(record("account-1", n, n + 1), n / 1_000 * WEEK + n % 1_000))
        .collect();
    for part in records.chunks(1_000) {
        namespace.import(part.to_vec()).await.unwrap();
    }
    let mut follower = namespace.subscribe(Selection::All { from: 1 });
    let first = follower.pokes().await.unwrap();
    assert_eq!(first.last().unwrap().place.global_position, 1_000);
    // The first three weeks.
    let expiry = expire(&namespace, 7).await;
    assert_eq!((expiry.until, expiry.left), (Some(week(3)), 0));
    write(&namespace, "account-2", 1).await;
    let mut next = 3_001;
    while next <= 5_001 {
        for poke in follower.pokes().await.unwrap() {
            assert_eq!(poke.place.global_position, next);
            next += 1;
        }
    }
    assert_eq!(faults(&namespace).await, [""; 0]);
}

async fn no_message_goes_before_its_time_whatever_its_place(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    // Imported from somewhere whose clock went back and forth.
    let weeks = [8, 1, 9, 0, 2, 7, 1, 9, 9, 3];
    let records = weeks
        .into_iter()
        .zip(1..)
        .map(|(week, n)| at(record(&format!("account-{n}"), 0, n), week * WEEK + 3_600));
    namespace.import(records.collect()).await.unwrap();
    expire(&namespace, 5).await;
    let kept = namespace.category(category("")).await.unwrap();
    let young: Vec<i64> = weeks
        .into_iter()
        .zip(1..)
        .filter(|(week, _)| *week >= 5)
        .map(|(_, n)| n)
        .collect();
    assert_eq!(global(&kept), young);
    assert_eq!(faults(&namespace).await, [""; 0]);
}

async fn a_namespace_of_the_same_id_does_not_inherit_a_policy(database: TestDatabase) {
    let (events, namespace) = aged(&database).await;
    let policy = Policy {
        kind: PolicyKind::Retention,
        owner: None,
        interval: Some(Interval::days(35)),
    };
    namespace.lifecycle().set_policy(&policy).await.unwrap();
    let retained = async |namespace: &Namespace| {
        let policies = namespace.lifecycle().policies().await.unwrap();
        let retention = policies.iter().map(|status| status.policy.kind);
        retention
            .filter(|kind| *kind == PolicyKind::Retention)
            .count()
    };
    assert_eq!(retained(&namespace).await, 1);
    events.delete_namespace("test").await.unwrap();
    events
        .create_namespace(NewNamespace::new("test"))
        .await
        .unwrap();
    let new = events.namespace("test").await.unwrap();
    assert_eq!(retained(&new).await, 0);
    new.import(ten_weeks()).await.unwrap();
    for (_, outcome) in new.lifecycle().run_policies().await.unwrap() {
        outcome.unwrap();
    }
    assert_eq!(new.info().await.unwrap().summary.message_count, 100);
}

async fn ages_are_texts_and_what_is_none_changes_nothing(database: TestDatabase) {
    let (_events, namespace) = aged(&database).await;
    for text in ["", "soon", "0 days", "-1 year", "7"] {
        let error = namespace.drop_chunks_older_than(text).await.unwrap_err();
        let Error::Store(annals_store::Error::Lifecycle(error)) = error else {
            panic!("{error}");
        };
        assert!(matches!(*error, LifecycleError::Interval { .. }), "{error}");
    }
    assert_eq!(namespace.info().await.unwrap().summary.message_count, 100);
    if database.backend == Backend::Timescale {
        let chunks = namespace.chunks().await.unwrap();
        assert_eq!(chunks.len(), 10);
        assert_eq!(chunks[0].rows, Some(10));
        assert_eq!(chunks[0].range_start, week(0));
        // They are of 2023.
        let dropped = namespace.drop_chunks_older_than("1 year").await.unwrap();
        assert_eq!(dropped.chunks, 10);
        write(&namespace, "account-1", 1).await;
        let dropped = namespace.drop_chunks_older_than("1 year").await.unwrap();
        assert_eq!(dropped.chunks, 0);
        assert_eq!(namespace.info().await.unwrap().summary.message_count, 1);
    } else {
        let errors = [
            namespace.chunks().await.unwrap_err(),
            namespace
                .drop_chunks_older_than("1 year")
                .await
                .unwrap_err(),
            namespace
                .compress_chunks_older_than("1 year")
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("TimescaleDB"), "{error}");
        }
        assert_eq!(namespace.info().await.unwrap().summary.message_count, 100);
    }
}
