//! What only TimescaleDB's Community edition does: compressed chunks, and its own policies.

use annals_store::lifecycle::{ChunkState, Conversion, Converted};
use annals_testkit::on_community;

use super::*;

async fn compress(life: &Lifecycle, older: &str) -> Vec<Converted> {
    life.compress_chunks(&age(older), false, &mut |_| {})
        .await
        .unwrap()
}

async fn states(life: &Lifecycle) -> Vec<ChunkState> {
    let chunks = life.chunks(false).await.unwrap();
    chunks.into_iter().map(|chunk| chunk.state).collect()
}

#[test]
fn chunks_are_compressed_once_and_again_when_rows_came_since() {
    on_community(|database| async move {
        let store = ten_days(&database).await;
        let life = life(&store);
        let would = life
            .compress_chunks(&age("4 days"), true, &mut |_| {})
            .await
            .unwrap();
        assert_eq!(would.len(), 5);
        assert!(
            states(&life)
                .await
                .iter()
                .all(|state| *state == ChunkState::Hot)
        );

        let mut told = 0;
        let done = life
            .compress_chunks(&age("4 days"), false, &mut |_| told += 1)
            .await
            .unwrap();
        assert_eq!((done.len(), told), (5, 5));
        assert!(
            done.iter()
                .all(|one| matches!(one.conversion, Conversion::Done { bytes } if bytes > 0))
        );
        let expected = [[ChunkState::Compressed; 5], [ChunkState::Hot; 5]].concat();
        assert_eq!(states(&life).await, expected);
        assert_eq!(compress(&life, "4 days").await, []);
        let stats = life.compression_stats().await.unwrap();
        assert_eq!((stats.total_chunks, stats.compressed_chunks), (10, 5));
        assert!(stats.ratio().is_some());

        // A late row, a correction and a repetition.
        write(
            &store,
            vec![
                reading("late", 7, 1),
                Reading {
                    number: -1,
                    ..reading("a", 7, 2)
                },
                reading("a", 7, 3),
            ],
        )
        .await;
        assert_eq!(rows(&store).await, 2_001);
        assert_eq!(states(&life).await[2], ChunkState::PartlyCompressed);
        assert_eq!(compress(&life, "4 days").await.len(), 1);
        assert_eq!(states(&life).await, expected);
        assert_eq!(rows(&store).await, 2_001);

        let undone = life
            .decompress_chunks(
                Some(days_ago(7, 0)),
                Some(days_ago(6, 0)),
                false,
                &mut |_| {},
            )
            .await
            .unwrap();
        // Two days touch that range, the newer one first.
        assert_eq!(undone.len(), 2);
        assert!(undone[0].chunk.range_start > undone[1].chunk.range_start);
        assert_eq!(
            states(&life)
                .await
                .iter()
                .filter(|state| **state == ChunkState::Hot)
                .count(),
            7
        );
        assert_eq!(rows(&store).await, 2_001);
    });
}

#[test]
fn a_chunk_has_the_same_export_hot_and_compressed() {
    on_community(|database| async move {
        let store = ten_days(&database).await;
        let life = life(&store);
        let chunk = life.chunks(false).await.unwrap().remove(1);
        let mut hot = Vec::new();
        let exported = life.export_chunk(&chunk.name, &mut hot).await.unwrap();
        assert_eq!((exported.rows, exported.bytes), (200, hot.len() as u64));
        compress(&life, "4 days").await;
        let mut compressed = Vec::new();
        let again = life
            .export_chunk(&chunk.name, &mut compressed)
            .await
            .unwrap();
        assert_eq!((again, compressed), (exported, hot.clone()));
        let text = String::from_utf8(hot).unwrap();
        assert_eq!(text.lines().next(), Some("sensor,at,at_nanos,number"));
        assert_eq!(text.lines().count(), 201);
        let error = life
            .export_chunk("_hyper_0_0_chunk", &mut Vec::new())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no chunk"), "{error}");
    });
}

#[test]
fn compressed_chunks_expire_and_frozen_ones_are_left_and_told() {
    on_community(|database| async move {
        let store = ten_days(&database).await;
        let life = life(&store);
        compress(&life, "2 days").await;
        let frozen = life.chunks(false).await.unwrap().remove(1);
        let name = format!("{}.{}", frozen.schema, frozen.name);
        database
            .execute(&format!(
                "SELECT _timescaledb_functions.freeze_chunk('{name}')"
            ))
            .await;
        let mut left = Vec::new();
        let done = life
            .expire(&age("4 days"), false, &mut |step: &Expired| {
                if let Expired::Frozen(chunk) = step {
                    left.push(chunk.name.clone());
                }
            })
            .await
            .unwrap();
        assert_eq!((done.chunks, done.left), (4, 1));
        assert_eq!(left, std::slice::from_ref(&frozen.name));
        assert_eq!(rows(&store).await, 6 * 200);
        database
            .execute(&format!(
                "SELECT _timescaledb_functions.unfreeze_chunk('{name}')"
            ))
            .await;
        assert_eq!(expire(&life, "4 days").await.chunks, 1);
    });
}

#[test]
fn a_chunk_that_somebody_reads_is_left_for_the_next_time() {
    on_community(|database| async move {
        use annals_store::sqlx::{Connection as _, PgConnection, raw_sql};
        let store = ten_days(&database).await;
        let life = life(&store);
        let chunk = life.chunks(false).await.unwrap().remove(0);
        let mut reader = PgConnection::connect(&database.url).await.unwrap();
        let sql = format!(
            "BEGIN; SELECT count(*) FROM {}.{}",
            chunk.schema, chunk.name
        );
        raw_sql(annals_store::sqlx::AssertSqlSafe(sql))
            .execute(&mut reader)
            .await
            .unwrap();
        let mut in_use = 0;
        let done = life
            .expire(&age("4 days"), false, &mut |step: &Expired| {
                in_use += u64::from(matches!(step, Expired::InUse(_)));
            })
            .await
            .unwrap();
        assert_eq!((done.chunks, done.left, in_use), (4, 1, 1));
        raw_sql("COMMIT").execute(&mut reader).await.unwrap();
        assert_eq!(expire(&life, "4 days").await.chunks, 1);
    });
}

#[test]
fn an_owner_s_rows_leave_compressed_chunks_and_more_than_the_limit_are_divided() {
    on_community(|database| async move {
        for limit in [100_000, 500] {
            let store = ten_days(&database).await;
            let life = life(&store);
            // Sensors of one segment each, and one that has more rows than may be decompressed at once.
            let many = (0..6_000).map(|second| reading("many", 6, second));
            write(&store, many.collect()).await;
            compress(&life, "2 days").await;
            let name = database.url.rsplit('/').next().unwrap().to_owned();
            database
                .execute(&format!(
                    "ALTER DATABASE {name} SET timescaledb.max_tuples_decompressed_per_dml_transaction = {limit}"
                ))
                .await;
            let store = database.store().await;
            let life = super::life(&store);
            assert_eq!(
                life.delete_of("many", None, false, &mut |_| {})
                    .await
                    .unwrap(),
                6_000
            );
            assert_eq!(rows(&store).await, 2_000);
            assert_eq!(
                life.delete_of("a", Some(&age("4 days")), false, &mut |_| {})
                    .await
                    .unwrap(),
                500
            );
            assert_eq!(rows(&store).await, 1_500);
            database.execute("DROP TABLE readings").await;
        }
    });
}

#[test]
fn compression_is_a_policy_of_the_database_and_follows_ours() {
    on_community(|database| async move {
        let store = ten_days(&database).await;
        let with_default = || {
            let table =
                AgingTable::of::<Reading>(store.names()).compressed_after(Some(age("7 days")));
            store.lifecycle(table).at(now())
        };
        let native = "SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name = 'readings'
                       AND proc_name = 'policy_compression' AND (config ->> 'compress_after')::interval = ";
        let has =
            async |age: &str| database.number(&format!("{native} INTERVAL '{age}'")).await == 1;
        with_default().apply_policies().await.unwrap();
        assert!(has("7 days").await);
        let status = with_default().policies().await.unwrap();
        assert_eq!(
            (status[0].is_set, status[0].runner),
            (false, Some("the database"))
        );
        let policy = |text| Policy {
            kind: PolicyKind::Compression,
            owner: None,
            interval: Some(age(text)),
        };
        with_default().set_policy(&policy("1 month")).await.unwrap();
        assert!(has("1 month").await);
        // Done again it changes nothing, and the default does not come back.
        with_default().apply_policies().await.unwrap();
        assert!(has("1 month").await);
        // The table is dropped and made again: the policy is in force again.
        database.execute("DROP TABLE readings").await;
        store.create_table::<Reading>().await.unwrap();
        assert!(!has("1 month").await);
        with_default().apply_policies().await.unwrap();
        assert!(has("1 month").await);
        assert!(
            with_default()
                .remove_policy(PolicyKind::Compression, None)
                .await
                .unwrap()
        );
        assert!(!has("1 month").await && !has("7 days").await);
        with_default().apply_policies().await.unwrap();
        assert!(!has("7 days").await);
        assert_eq!(
            with_default().policies().await.unwrap()[0].policy.interval,
            None
        );
    });
}

#[test]
fn a_policy_of_the_database_that_somebody_made_by_sql_wins_over_a_default() {
    on_community(|database| async move {
        let store = ten_days(&database).await;
        database
            .execute(
                "ALTER TABLE readings SET (timescaledb.enable_columnstore);
                 CALL add_columnstore_policy('readings', after => INTERVAL '3 days')",
            )
            .await;
        let table = AgingTable::of::<Reading>(store.names()).compressed_after(Some(age("7 days")));
        store.lifecycle(table).apply_policies().await.unwrap();
        let sql = "SELECT count(*) FROM timescaledb_information.jobs
                    WHERE proc_name = 'policy_compression' AND (config ->> 'compress_after')::interval = INTERVAL '3 days'";
        assert_eq!(database.number(sql).await, 1);
    });
}

#[test]
fn policies_that_are_run_by_hand_compress_too() {
    on_community(|database| async move {
        let store = ten_days(&database).await;
        let table = AgingTable::of::<Reading>(store.names()).compressed_after(Some(age("4 days")));
        let life = store.lifecycle(table).at(now());
        life.set_policy(&retention("8 days")).await.unwrap();
        let done = life.run_policies().await.unwrap();
        let told: Vec<(PolicyKind, String)> = done
            .into_iter()
            .map(|(policy, outcome)| (policy.kind, outcome.unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                (PolicyKind::Retention, "dropped 1 chunks".to_owned()),
                (PolicyKind::Compression, "compressed 4 chunks".to_owned()),
            ]
        );
    });
}
