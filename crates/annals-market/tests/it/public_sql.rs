//! The stock scanner's SQL works as its document has it.

use annals_market::BarStore;
use annals_testkit::{Backend, TestDatabase, on_every_server};

use crate::{bar, minute, open};

on_every_server!(
    the_8_columns_have_the_names_and_types_of_the_document,
    the_document_s_upsert_works,
    the_table_has_its_key_and_one_index_more,
    the_table_is_a_hypertable_where_there_is_one,
);

async fn the_8_columns_have_the_names_and_types_of_the_document(database: TestDatabase) {
    let _bars = open(&database).await;
    let columns = database
        .query(
            "SELECT column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END
               FROM information_schema.columns
              WHERE table_schema = 'public' AND table_name = 'bars_1m' ORDER BY ordinal_position LIMIT 8",
        )
        .await;
    assert_eq!(
        columns,
        [
            "symbol text not null",
            "timestamp timestamp with time zone not null",
            "open double precision not null",
            "high double precision not null",
            "low double precision not null",
            "close double precision not null",
            "volume bigint not null",
            "vwap double precision not null",
        ]
    );
}

async fn the_document_s_upsert_works(database: TestDatabase) {
    let bars = open(&database).await;
    for volume in [10, 20] {
        database
            .execute(&format!(
                "INSERT INTO bars_1m (symbol, timestamp, open, high, low, close, volume, vwap)
                 VALUES ('A', '{}', 100, 102, 98, 101, {volume}, 100.5)
                 ON CONFLICT (symbol, timestamp) DO UPDATE SET
                     open = EXCLUDED.open,
                     high = EXCLUDED.high,
                     low = EXCLUDED.low,
                     close = EXCLUDED.close,
                     volume = EXCLUDED.volume,
                     vwap = EXCLUDED.vwap;",
                minute(0)
            ))
            .await;
    }
    let mut expected = bar("A", 0);
    expected.volume = 20;
    assert_eq!(bars.get_latest_bars("A", 5).await.unwrap(), [expected]);
}

async fn the_table_has_its_key_and_one_index_more(database: TestDatabase) {
    let _bars = open(&database).await;
    let indexes = database
        .query(
            "SELECT substring(indexdef FROM '\\(.*') FROM pg_indexes
              WHERE schemaname = 'public' AND tablename = 'bars_1m' ORDER BY 1",
        )
        .await;
    assert_eq!(indexes, ["(\"timestamp\" DESC)", "(symbol, \"timestamp\")"]);
}

async fn the_table_is_a_hypertable_where_there_is_one(database: TestDatabase) {
    let _bars = open(&database).await;
    if database.backend == Backend::Timescale {
        let hypertables = database
            .query(
                "SELECT hypertable_name::text FROM timescaledb_information.hypertables ORDER BY 1",
            )
            .await;
        assert_eq!(hypertables, ["bars_15m", "bars_1h", "bars_1m", "bars_5m"]);
    }
}
