//! What only TimescaleDB's Community edition does: messages of compressed chunks.

use annals_events::{Place, Selection};
use annals_record::{Timestamp, TimestampMicros};
use annals_store::lifecycle::{ChunkState, Conversion};
use annals_testkit::on_community;
use uuid::Uuid;

use crate::{
    appending::message,
    importing::record,
    lifecycle::ten_weeks,
    public_sql::psql,
    support::{category, namespace, positions, stream},
};

/// Months of a stream each week, so that chunks are many.
fn history() -> Vec<annals_events::Record> {
    (1..=200)
        .map(|n| {
            let record = record(&format!("account-{}", n % 4), (n - 1) / 4, n);
            let time = Timestamp::from_unix_seconds(1_700_000_000 + n * 86_400).unwrap();
            annals_events::Record {
                time: TimestampMicros::floor(time),
                ..record
            }
        })
        .collect()
}

#[test]
fn messages_of_compressed_chunks_are_read_found_and_added_to() {
    on_community(|database| async move {
        let (events, namespace) = namespace(&database).await;
        let schema = namespace.schema().to_owned();
        namespace.import(history()).await.unwrap();
        let all = || namespace.category(category(""));
        let before = all().await.unwrap();
        let compress = "SELECT chunk_name FROM {compress_chunks_older_than}(INTERVAL '1 day')";
        let compressed = psql(&database, &schema, compress).await.unwrap();
        assert!(compressed.len() > 20, "{compressed:?}");
        assert_eq!(psql(&database, &schema, compress).await.unwrap().len(), 0);
        let chunks = "SELECT count(*)::text FROM {get_chunks}() WHERE is_compressed AND message_count > 0 AND size_bytes > 0";
        assert_eq!(
            psql(&database, &schema, chunks).await.unwrap(),
            [compressed.len().to_string()]
        );

        assert_eq!(all().await.unwrap(), before);
        let read = namespace.stream(stream("account-1")).await.unwrap();
        assert_eq!(positions(&read), (0..50).collect::<Vec<i64>>());
        let last = namespace.last_message("account-2", None).await.unwrap();
        assert_eq!(last.unwrap().place.position, 49);
        let mut subscription = namespace.subscribe(Selection::All { from: 1 });
        assert_eq!(
            subscription.pokes().await.unwrap()[0].place.global_position,
            1
        );

        // A retry is compared with what is compressed.
        let same = message("{\"n\":9.10}").with_id(Uuid::from_u128(9));
        let place = namespace
            .write_message("account-1", same, None)
            .await
            .unwrap();
        assert_eq!(place, before[8].place);
        let other = message("{\"n\":9}").with_id(Uuid::from_u128(9));
        let error = namespace.write_message("account-1", other, None).await;
        assert!(matches!(
            error,
            Err(annals_events::Error::IdConflict { .. })
        ));

        // More of the past, into a chunk that is compressed.
        let late = annals_events::Record {
            time: before[20].time,
            ..record("late-1", 0, 500)
        };
        namespace.import(vec![late.clone()]).await.unwrap();
        let taken = namespace.import(vec![late]).await.unwrap_err();
        assert!(matches!(taken, annals_events::Error::PlaceTaken { .. }));
        assert_eq!(all().await.unwrap().len(), 201);
        let next = namespace
            .write_message("account-1", message("{}"), Some(49))
            .await
            .unwrap();
        assert_eq!(
            next,
            Place {
                position: 50,
                global_position: 501
            }
        );

        let drop = "SELECT {drop_chunks_older_than}(INTERVAL '30 days')";
        // Several chunks in one statement may meet a reader the other way round; psql's user tries again.
        let mut dropped = psql(&database, &schema, drop).await;
        while let Err(annals_store::Error::Statement { source, .. }) = &dropped
            && source.code().as_deref() == Some("40P01")
        {
            dropped = psql(&database, &schema, drop).await;
        }
        assert!(!dropped.unwrap().is_empty());
        assert_eq!(all().await.unwrap().len(), 1);
        assert_eq!(
            namespace.stream_version("account-2").await.unwrap(),
            Some(49)
        );
        assert_eq!(namespace.verify().await.unwrap().faults, [] as [&str; 0]);
        assert_eq!(events.delete_namespace("test").await.unwrap(), 1);
    });
}

#[test]
fn a_new_namespace_is_compressed_after_a_week_by_category() {
    on_community(|database| async move {
        let (_events, namespace) = namespace(&database).await;
        let policy = "SELECT (config ->> 'compress_after') FROM timescaledb_information.jobs
                       WHERE hypertable_name = 'messages' AND config ? 'compress_after'";
        let policy = psql(&database, namespace.schema(), policy).await.unwrap();
        assert_eq!(policy.len(), 1);
        assert!(["7 days", "168:00:00"].contains(&&*policy[0]), "{policy:?}");
        let segments = "SELECT attname::text FROM timescaledb_information.compression_settings
                         WHERE hypertable_name = 'messages' AND segmentby_column_index IS NOT NULL";
        assert_eq!(
            psql(&database, namespace.schema(), segments).await.unwrap(),
            ["category"]
        );
    });
}

#[test]
fn compressed_messages_are_appended_to_imported_beside_and_dropped() {
    on_community(|database| async move {
        let (_events, namespace) = namespace(&database).await;
        namespace.import(ten_weeks()).await.unwrap();
        let all = || namespace.category(category(""));
        let before = all().await.unwrap();
        let compressed = namespace
            .compress_chunks_older_than("1 week")
            .await
            .unwrap();
        assert_eq!(compressed.len(), 10);
        assert!(
            compressed
                .iter()
                .all(|one| matches!(one.conversion, Conversion::Done { .. }))
        );
        assert_eq!(all().await.unwrap(), before);
        // Into a chunk that is compressed, and behind all of them.
        let late = annals_events::Record {
            time: before[14].time,
            ..record("late-1", 0, 200)
        };
        namespace.import(vec![late]).await.unwrap();
        let next = namespace
            .write_message("account-1", message("{}"), Some(24))
            .await
            .unwrap();
        assert_eq!(next.global_position, 201);
        let states: Vec<ChunkState> = namespace
            .chunks()
            .await
            .unwrap()
            .iter()
            .map(|chunk| chunk.state)
            .collect();
        assert_eq!(states[0], ChunkState::Compressed);
        assert_eq!(states[1], ChunkState::PartlyCompressed);
        assert_eq!(states[10], ChunkState::Hot);
        // What came since is compressed too, and the rest is left alone.
        let again = namespace
            .compress_chunks_older_than("1 week")
            .await
            .unwrap();
        assert_eq!(again.len(), 1);
        assert_eq!(all().await.unwrap().len(), 102);

        let dropped = namespace.drop_chunks_older_than("1 year").await.unwrap();
        assert_eq!((dropped.chunks, dropped.left), (10, 0));
        let kept = all().await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].place, next);
        let retry = message("{\"n\":9.10}").with_id(Uuid::from_u128(9));
        let place = namespace.write_message("account-0", retry, None).await;
        assert_eq!(place.unwrap(), before[8].place);
        assert_eq!(
            namespace.stream_version("account-3").await.unwrap(),
            Some(24)
        );
        let mut subscription = namespace.subscribe(Selection::All { from: 1 });
        assert_eq!(subscription.pokes().await.unwrap()[0].place, next);
        assert_eq!(namespace.verify().await.unwrap().faults, [] as [&str; 0]);
    });
}

#[test]
fn the_function_that_compresses_says_when_it_cannot() {
    on_community(|database| async move {
        let (_events, namespace) = namespace(&database).await;
        let schema = namespace.schema().to_owned();
        namespace.import(ten_weeks()).await.unwrap();
        // A namespace of before, or one whose policies were never applied.
        for off in [
            "SELECT remove_compression_policy('{messages}', TRUE)::text",
            "ALTER TABLE {messages} SET (timescaledb.compress = FALSE)",
        ] {
            psql(&database, &schema, off).await.unwrap();
        }
        let compress = "SELECT chunk_name FROM {compress_chunks_older_than}(INTERVAL '1 day')";
        let error = psql(&database, &schema, compress).await.unwrap_err();
        assert!(
            error.report().contains("annals policy set compression"),
            "{}",
            error.report()
        );
        namespace.lifecycle().apply_policies().await.unwrap();
        let compressed = psql(&database, &schema, compress).await.unwrap();
        assert_eq!(compressed.len(), 10);
        assert_eq!(psql(&database, &schema, compress).await.unwrap().len(), 0);
    });
}
