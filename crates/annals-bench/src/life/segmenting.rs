//! Layouts of compressed chunks against each other: bytes a row, and what reads cost.

use std::time::Instant;

use sqlx::Connection as _;

use super::{
    family::{Asked, Family, Layout, Timed},
    ground::Ground,
};
use crate::bed::execute;

/// The copy of a table that has a column `bucket` beside its others.
const COPY: &str = "life_copy";

/// What came of one layout.
pub(super) struct Measured {
    pub(super) layout: Layout,
    pub(super) bytes: f64,
    /// Seconds that it took to compress.
    pub(super) seconds: f64,
    pub(super) reads: Vec<Timed>,
}

/// Compresses the same rows by each layout.
pub(super) async fn measure(ground: &Ground, family: &Family, rounds: usize) -> Vec<Measured> {
    let mut measured = Vec::new();
    for layout in &family.layouts {
        if let Some(bucket) = layout.bucket {
            copy(ground, family, bucket).await;
        }
        let table = layout.bucket.map_or(family.table.as_str(), |_| COPY);
        let began = Instant::now();
        compress(ground, table, layout).await;
        let seconds = began.elapsed().as_secs_f64();
        let bytes = ground
            .number(&format!("SELECT hypertable_size('{table}')"))
            .await;
        let asked = Asked {
            table,
            bucket: layout.bucket,
        };
        let mut connection = ground.connect().await;
        let reads = family.time_questions(&mut connection, &asked, rounds).await;
        connection.close().await.expect("a goodbye");
        let bytes = bytes / family.rows as f64;
        eprintln!(
            "{}, by {:?}, order {}: {bytes:.1} bytes a row in {seconds:.1} s",
            family.name, layout.segment_by, layout.order_by,
        );
        measured.push(Measured {
            layout: layout.clone(),
            bytes,
            seconds,
            reads,
        });
        match layout.bucket {
            Some(_) => ground.run(format!("DROP TABLE {COPY}")).await,
            None => decompress(ground, table).await,
        }
    }
    measured
}

/// Compresses everything of a family by the layout that won.
pub(super) async fn settle(ground: &Ground, family: &Family) {
    compress(ground, &family.table, family.layout()).await;
    for beside in &family.beside {
        if let Some(layout) = &beside.layout {
            compress(ground, &beside.table, layout).await;
        }
    }
}

/// Compresses every chunk that is not.
pub(super) async fn compress(ground: &Ground, table: &str, layout: &Layout) {
    let mut options = format!(
        "timescaledb.enable_columnstore, timescaledb.segmentby = '{}', timescaledb.orderby = '{}'",
        layout.segment_by, layout.order_by
    );
    if let Some(sparse) = layout.sparse {
        options += &format!(", timescaledb.sparse_index = '{sparse}'");
    }
    ground
        .run(format!("ALTER TABLE {table} SET ({options})"))
        .await;
    convert(ground, table, layout).await;
    ground.run(format!("VACUUM ANALYZE {table}")).await;
    ground.run("CHECKPOINT").await;
}

/// Compresses every chunk that is not, by the options that its table has.
pub(super) async fn convert(ground: &Ground, table: &str, layout: &Layout) {
    let toast = if layout.lz4 { "lz4" } else { "pglz" };
    let mut connection = ground.connect().await;
    execute(
        &mut connection,
        format!("SET default_toast_compression = '{toast}'"),
    )
    .await;
    for chunk in chunks(ground, table, false).await {
        execute(
            &mut connection,
            format!("CALL convert_to_columnstore('{chunk}')"),
        )
        .await;
    }
    connection.close().await.expect("a goodbye");
}

async fn decompress(ground: &Ground, table: &str) {
    for chunk in chunks(ground, table, true).await {
        ground
            .run(format!("CALL convert_to_rowstore('{chunk}')"))
            .await;
    }
    // The next one's options stand alone.
    ground
        .run(format!(
            "ALTER TABLE {table} SET (timescaledb.enable_columnstore = false)"
        ))
        .await;
}

async fn chunks(ground: &Ground, table: &str, compressed: bool) -> Vec<String> {
    let sql = format!(
        "SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
          WHERE format('%I.%I', hypertable_schema, hypertable_name)::regclass = '{table}'::regclass
            AND is_compressed = {compressed}
          ORDER BY range_start"
    );
    let rows: Vec<(String,)> = ground.rows(&sql).await;
    rows.into_iter().map(|row| row.0).collect()
}

/// Makes a copy with the same chunks and indexes and a column more.
async fn copy(ground: &Ground, family: &Family, bucket: &str) {
    let Family { table, time, .. } = family;
    ground
        .run(format!(
            "CREATE TABLE {COPY} (LIKE {table} INCLUDING ALL, bucket INT NOT NULL);
             SELECT create_hypertable('{COPY}', '{time}', chunk_time_interval => INTERVAL '1 day',
                                      create_default_indexes => FALSE);
             INSERT INTO {COPY} SELECT *, {bucket} FROM {table};"
        ))
        .await;
}
