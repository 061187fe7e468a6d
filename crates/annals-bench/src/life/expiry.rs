//! The end of a tenth of the rows: by dropping their chunk, and by DELETE.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

use super::{TENTH, family::Family, ground::Ground, segmenting};
use crate::{Options, bed::execute};

/// Where rows are kept that are to come back.
const KEPT: &str = "life_kept";

/// How the chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Hot,
    Compressed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Drop,
    Delete,
}

/// What the end cost, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Rows of the family.
    pub(super) rows: f64,
    /// Rows of tables beside it.
    pub(super) beside: f64,
    pub(super) commit: f64,
    /// What gives the space back; nothing after a drop.
    pub(super) vacuum: f64,
}

impl Cost {
    /// Without what is beside.
    pub(super) fn alone(&self) -> f64 {
        self.rows + self.commit
    }
}

pub(super) struct Expiry {
    pub(super) family: &'static str,
    pub(super) state: State,
    pub(super) rows: f64,
    pub(super) has_beside: bool,
    pub(super) drops: Vec<Cost>,
    pub(super) deletes: Vec<Cost>,
}

/// Lets the first tenth go, both ways in turns, and brings it back each time.
pub(super) async fn measure(
    ground: &Ground,
    options: &Options,
    family: &Family,
    state: State,
) -> Expiry {
    let rows = keep(ground, family).await;
    let mut expiry = Expiry {
        family: family.name,
        state,
        rows,
        has_beside: family.beside.iter().any(|beside| beside.expired.is_some()),
        drops: Vec::new(),
        deletes: Vec::new(),
    };
    for round in 0..options.rounds {
        let mut ways = [How::Drop, How::Delete];
        ways.rotate_left(round % 2);
        for how in ways {
            restore(ground, family, state).await;
            let mut connection = ground.connect().await;
            let cost = end(&mut connection, family, how).await;
            connection.close().await.expect("a goodbye");
            eprintln!("{}, {state:?}, {how:?}: {cost:.1?}", family.name);
            match how {
                How::Drop => expiry.drops.push(cost),
                How::Delete => expiry.deletes.push(cost),
            }
        }
    }
    restore(ground, family, state).await;
    let mut kept = format!("DROP TABLE IF EXISTS {KEPT}");
    for number in 0..family.beside.len() {
        kept += &format!(", {KEPT}_{number}");
    }
    ground.run(kept).await;
    expiry
}

/// One transaction, and then what gives the space back.
async fn end(connection: &mut PgConnection, family: &Family, how: How) -> Cost {
    // What a server does once for a session is none of it.
    execute(
        connection,
        format!("SELECT show_chunks('{}')", family.table),
    )
    .await;
    let chunk = chunk(connection, family).await;
    execute(connection, "BEGIN".to_owned()).await;
    let rows = match how {
        How::Drop => drop_chunks(connection, family).await,
        How::Delete => {
            let (table, time) = (&family.table, family.time);
            timed(
                connection,
                format!("DELETE FROM {table} WHERE \"{time}\" < '{TENTH}'"),
            )
            .await
        }
    };
    let mut cost = Cost {
        rows,
        beside: 0.0,
        commit: 0.0,
        vacuum: 0.0,
    };
    for beside in &family.beside {
        if let Some(expired) = &beside.expired {
            let delete = format!("DELETE FROM {} WHERE {expired}", beside.table);
            cost.beside += timed(connection, delete).await;
        }
    }
    cost.commit = timed(connection, "COMMIT".to_owned()).await;
    if how == How::Delete {
        cost.vacuum = timed(connection, format!("VACUUM {chunk}")).await;
    }
    cost
}

/// The drop, in SQL of this bench.
async fn drop_chunks(connection: &mut PgConnection, family: &Family) -> f64 {
    let sql = format!(
        "SELECT drop_chunks('{}', older_than => TIMESTAMPTZ '{TENTH}')",
        family.table
    );
    timed(connection, sql).await
}

async fn chunk(connection: &mut PgConnection, family: &Family) -> String {
    let sql = format!(
        "SELECT chunk::text FROM show_chunks('{}', older_than => TIMESTAMPTZ '{TENTH}') AS chunk",
        family.table
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .expect("a chunk")
}

async fn timed(connection: &mut PgConnection, sql: String) -> f64 {
    let began = Instant::now();
    execute(connection, sql).await;
    milliseconds(began.elapsed())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Keeps what will go; gives its number of rows.
async fn keep(ground: &Ground, family: &Family) -> f64 {
    let (table, time) = (&family.table, family.time);
    ground
        .run(format!(
            "CREATE UNLOGGED TABLE {KEPT} AS SELECT * FROM {table} WHERE \"{time}\" < '{TENTH}' ORDER BY \"{time}\""
        ))
        .await;
    for (number, beside) in family.beside.iter().enumerate() {
        if let Some(expired) = &beside.expired {
            let table = &beside.table;
            ground
                .run(format!(
                    "CREATE UNLOGGED TABLE {KEPT}_{number} AS SELECT * FROM {table} WHERE {expired}"
                ))
                .await;
        }
    }
    ground.number(&format!("SELECT count(*) FROM {KEPT}")).await
}

/// Brings back what was kept, as it was: in a chunk of its own.
async fn restore(ground: &Ground, family: &Family, state: State) {
    let mut connection = ground.connect().await;
    drop_chunks(&mut connection, family).await;
    connection.close().await.expect("a goodbye");
    let mut restored = vec![(family.table.clone(), KEPT.to_owned())];
    for (number, beside) in family.beside.iter().enumerate() {
        if let Some(expired) = &beside.expired {
            ground
                .run(format!("DELETE FROM {} WHERE {expired}", beside.table))
                .await;
            ground.run(format!("VACUUM {}", beside.table)).await;
            restored.push((beside.table.clone(), format!("{KEPT}_{number}")));
        }
    }
    for (table, kept) in &restored {
        ground
            .run(format!("INSERT INTO {table} SELECT * FROM {kept}"))
            .await;
    }
    if state == State::Compressed {
        segmenting::convert(ground, &family.table, family.layout()).await;
    }
    for (table, _) in &restored {
        ground.run(format!("VACUUM ANALYZE {table}")).await;
    }
    ground.run("CHECKPOINT").await;
}
