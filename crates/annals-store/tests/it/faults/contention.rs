//! Writers that get in each other's way, and tables that change under them.

use annals_record::Record;
use annals_testkit::{TestDatabase, on_every_server};

use super::*;

on_every_server!(
    stores_that_upsert_the_same_keys_in_opposite_orders_all_succeed,
    a_column_added_between_two_writes_and_reads_disturbs_nobody,
    a_key_column_changed_between_two_writes_disturbs_nobody,
    rows_behind_a_lock_outlast_every_statement_timeout,
);

async fn stores_that_upsert_the_same_keys_in_opposite_orders_all_succeed(database: TestDatabase) {
    const KEYS: i64 = 300;
    store_of::<Gauge>(&database).await;
    let mut tasks = Vec::new();
    for task in 0..2 {
        let store = database.store_with(hasty).await;
        tasks.push(tokio::spawn(async move {
            let writer = hasty_writer::<Gauge>(&store, |options| options.connections = size(2));
            let writer = writer.await;
            for round in 0..10 {
                let mut gauges: Vec<Gauge> = numbered(round * KEYS..(round + 1) * KEYS);
                gauges.iter_mut().for_each(|gauge| gauge.number = task);
                if task == 1 {
                    gauges.reverse();
                }
                let written = writer.write(gauges).await.unwrap();
                assert_eq!((written.committed, written.parked), (KEYS as usize, 0));
            }
            writer.shutdown(PATIENCE).await
        }));
    }
    for task in tasks {
        let report = within(task).await.unwrap();
        assert_eq!(
            (report.committed, report.parked, report.lost),
            (10 * KEYS as u64, 0, 0)
        );
    }
    let store = database.store().await;
    let rows = store.query::<Gauge>().fetch().await.unwrap().rows;
    assert_eq!(rows.len() as i64, 10 * KEYS);
    // Each batch is one transaction: of a round, one writer was last for all rows.
    for round in 0..10 {
        let of_round = |gauge: &&Gauge| {
            let key: i64 = gauge.sensor[1..].parse().unwrap();
            key / KEYS == round
        };
        let winners: Vec<i64> = rows
            .iter()
            .filter(of_round)
            .map(|gauge| gauge.number)
            .collect();
        assert_eq!(winners.len() as i64, KEYS);
        assert!(
            winners.iter().all(|winner| *winner == winners[0]),
            "{winners:?}"
        );
    }
}

/// One pooled connection, so that the next statement meets the plans of the last.
async fn one_connection(database: &TestDatabase) -> Store {
    let store = database
        .store_with(|config| config.pool.max_connections = std::num::NonZeroU32::MIN)
        .await;
    store.create_table::<Gauge>().await.unwrap();
    store
}

async fn a_column_added_between_two_writes_and_reads_disturbs_nobody(database: TestDatabase) {
    let store = one_connection(&database).await;
    let writer = hasty_writer::<Gauge>(&store, |_| {}).await;
    for (n, column) in ["a", "b", "c"].into_iter().enumerate() {
        let n = n as i64 * 10;
        // Several of each road, so that the server has its plans.
        for i in 0..3 {
            assert_eq!(
                within(writer.write(numbered([n + i])))
                    .await
                    .unwrap()
                    .committed,
                1
            );
            assert_eq!(
                within(writer.write(numbered(n..n + 9)))
                    .await
                    .unwrap()
                    .committed,
                9
            );
            assert_eq!(stored::<Gauge>(&store).await.len(), n as usize / 10 * 9 + 9);
        }
        database
            .execute(&format!("ALTER TABLE gauges ADD COLUMN {column} text"))
            .await;
    }
    assert_eq!(
        within(writer.write(numbered([5]))).await.unwrap().committed,
        1
    );
    assert_eq!(stored::<Gauge>(&store).await.len(), 27);
    assert_eq!(writer.report().parked, 0);
}

/// A companion, so that the staged rows' keys are read back by a prepared statement.
struct Nothing;

impl annals_store::Companion<Gauge> for Nothing {
    fn apply_postgres<'a>(
        &'a self,
        _: &'a mut annals_store::sqlx::PgConnection,
        _: &'a annals_store::Names,
        _: Vec<&'a Gauge>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), annals_store::sqlx::Error>> + Send + 'a>>
    {
        Box::pin(async { Ok(()) })
    }

    fn apply_sqlite(
        &self,
        _: &annals_store::rusqlite::Connection,
        _: &annals_store::Names,
        _: Vec<&Gauge>,
    ) -> Result<(), annals_store::rusqlite::Error> {
        Ok(())
    }
}

async fn a_key_column_changed_between_two_writes_disturbs_nobody(database: TestDatabase) {
    let store = one_connection(&database).await;
    let mut options = WriterOptions::default();
    options.retry_delay = Duration::from_millis(20);
    options.connections = size(1);
    let writer = store
        .writer_with(options, Some(std::sync::Arc::new(Nothing)))
        .await
        .unwrap();
    // The second time keys are there already: the careful road, which asks for them back.
    for _ in 0..3 {
        assert_eq!(
            within(writer.write(numbered::<Gauge>(0..9)))
                .await
                .unwrap()
                .committed,
            9
        );
    }
    assert_eq!(stored::<Gauge>(&store).await.len(), 9);
    let table = store.names().table(Gauge::DESCRIPTOR.table);
    database
        .execute(&format!(
            "ALTER TABLE {table} ALTER COLUMN sensor TYPE varchar(80)"
        ))
        .await;
    assert_eq!(
        within(writer.write(numbered::<Gauge>(5..15)))
            .await
            .unwrap()
            .committed,
        10
    );
    assert_eq!(stored::<Gauge>(&store).await.len(), 15);
    assert_eq!(writer.report().parked, 0);
}

/// A statement timeout is nobody's fault: rows are not parked for it, however often it comes.
async fn rows_behind_a_lock_outlast_every_statement_timeout(database: TestDatabase) {
    store_of::<Note>(&database).await;
    database
        .execute(
            "DO $$ BEGIN
                 EXECUTE format('ALTER DATABASE %I SET statement_timeout = 50', current_database());
             END $$",
        )
        .await;
    let store = database.store_with(hasty).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    let lock = database.lock_table("notes").await;
    let one = writer.enqueue(numbered([0])).await.unwrap();
    let many = writer.enqueue(numbered(1..5)).await.unwrap();
    pause(1_500).await;
    assert_eq!(writer.report().held, 5);
    lock.release().await;
    assert_eq!(within(one).await.unwrap().committed, 1);
    assert_eq!(within(many).await.unwrap().committed, 4);
    assert_eq!(stored::<Note>(&store).await, [0, 1, 2, 3, 4]);
}
