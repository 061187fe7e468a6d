//! Rows of one key that become one, by the table itself.

use annals_record::{OnConflict, Record, TimestampMicros};
use annals_store::{Store, Writer, WriterOptions};
use annals_testkit::{TestDatabase, on_every_backend};

on_every_backend!(
    parts_become_the_same_row_in_any_order_and_division,
    a_part_that_comes_again_touches_nothing,
    a_part_that_comes_again_counts_where_each_does,
    an_absent_value_gives_way_to_one_that_is_there,
    a_part_that_is_refused_harms_no_other,
    a_writer_may_have_another_policy_than_its_record,
);

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "parts",
    key("name"),
    on_conflict = "merge"
)]
struct Part {
    name: String,
    #[record(merge = "first by start")]
    open: f64,
    #[record(merge = "last by stop")]
    close: f64,
    #[record(merge = "max")]
    high: f64,
    #[record(merge = "mean by volume")]
    mean: f64,
    #[record(merge = "sum")]
    volume: i64,
    #[record(merge = "sum")]
    count: Option<i32>,
    #[record(merge = "min")]
    start: Option<TimestampMicros>,
    #[record(merge = "max")]
    stop: Option<TimestampMicros>,
}

/// Part `n` of eight, each a second long.
fn part(n: u32) -> Part {
    let second = |n: u32| TimestampMicros::from_unix_micros(i64::from(n) * 1_000_000).unwrap();
    Part {
        name: "a".to_owned(),
        open: f64::from(n),
        close: f64::from(n) + 0.5,
        high: f64::from((n * 5) % 8),
        mean: f64::from(2_u32.pow(n)),
        volume: 8,
        count: Some(1),
        start: Some(second(n)),
        stop: Some(second(n + 1)),
    }
}

fn whole() -> Part {
    Part {
        open: 0.0,
        close: 7.5,
        high: 7.0,
        mean: 255.0 / 8.0,
        volume: 64,
        count: Some(8),
        start: part(0).start,
        stop: part(7).stop,
        ..part(0)
    }
}

async fn store(database: &TestDatabase) -> Store {
    let store = database.store().await;
    store.create_table::<Part>().await.unwrap();
    store
}

async fn writer(store: &Store, on_conflict: Option<OnConflict>) -> Writer<Part> {
    let mut options = WriterOptions::default();
    options.on_conflict = on_conflict;
    store.writer_with(options, None).await.unwrap()
}

/// Writes parts that no table refuses.
async fn write(writer: &Writer<Part>, parts: Vec<Part>) {
    let rows = parts.len();
    let written = writer.write(parts).await.unwrap();
    assert_eq!((written.committed, written.parked), (rows, 0));
}

async fn stored(store: &Store) -> Vec<Part> {
    store.query::<Part>().fetch().await.unwrap().rows
}

async fn parts_become_the_same_row_in_any_order_and_division(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, None).await;
    // An order is 0 to 7 times an odd number, and then some.
    for (round, factor) in [1, 3, 5, 7].into_iter().enumerate() {
        for division in [1, 2, 3, 8] {
            let name = format!("{round} {division}");
            let parts: Vec<Part> = (0..8)
                .map(|n| Part {
                    name: name.clone(),
                    ..part((n * factor + 3) % 8)
                })
                .collect();
            for batch in parts.chunks(division) {
                write(&writer, batch.to_vec()).await;
            }
        }
    }
    let rows = stored(&store).await;
    assert_eq!(rows.len(), 16);
    for row in rows {
        let (name, mean) = (row.name.clone(), row.mean);
        // A mean of means is rounded at every step.
        assert!((mean / whole().mean - 1.0).abs() < 1e-14, "{row:?}");
        let expected = Part {
            name,
            mean,
            ..whole()
        };
        assert_eq!(row, expected);
    }
}

async fn a_part_that_comes_again_touches_nothing(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, None).await;
    for parts in [vec![part(1)], vec![part(1)], vec![part(1), part(1)]] {
        write(&writer, parts).await;
        assert_eq!(stored(&store).await, [part(1)]);
    }
}

async fn a_part_that_comes_again_counts_where_each_does(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, Some(OnConflict::MergeEach)).await;
    for (parts, volume) in [
        (vec![part(1)], 8),
        (vec![part(1)], 16),
        (vec![part(1); 3], 40),
    ] {
        write(&writer, parts).await;
        let expected = Part {
            volume,
            count: Some(i32::try_from(volume / 8).unwrap()),
            ..part(1)
        };
        assert_eq!(stored(&store).await, [expected]);
    }
}

async fn an_absent_value_gives_way_to_one_that_is_there(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, None).await;
    let bare = Part {
        count: None,
        start: None,
        stop: None,
        ..part(2)
    };
    for (name, parts) in [("x", [part(5), bare.clone()]), ("y", [bare, part(5)])] {
        for part in parts {
            let name = name.to_owned();
            write(&writer, vec![Part { name, ..part }]).await;
        }
    }
    let rows = stored(&store).await;
    for row in &rows {
        assert_eq!(
            (row.count, row.start, row.stop),
            (Some(1), part(5).start, part(5).stop)
        );
        assert_eq!((row.volume, row.high), (16, 2.0));
    }
    // Which came first nothing tells but the order in which they came.
    let ends: Vec<(f64, f64)> = rows.iter().map(|row| (row.open, row.close)).collect();
    assert_eq!(ends, [(5.0, 2.5), (2.0, 5.5)]);
}

async fn a_part_that_is_refused_harms_no_other(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, None).await;
    let mut parts: Vec<Part> = (0..8).map(part).collect();
    // More than the sum of the others leaves room for.
    parts[3].volume = i64::MAX;
    let written = writer.write(parts).await.unwrap();
    assert_eq!((written.committed, written.parked), (7, 1));
    let rows = stored(&store).await;
    assert_eq!((rows[0].volume, rows[0].count), (56, Some(7)));
    let letters = store.dead_letters().list().fetch().await.unwrap().rows;
    let letter = letters[0].content().unwrap().to_record::<Part>().unwrap();
    assert_eq!(letter.volume, i64::MAX);
}

async fn a_writer_may_have_another_policy_than_its_record(database: TestDatabase) {
    let store = store(&database).await;
    let merging = writer(&store, None).await;
    let ignoring = writer(&store, Some(OnConflict::Ignore)).await;
    let updating = writer(&store, Some(OnConflict::Update)).await;
    write(&ignoring, vec![part(1), part(2)]).await;
    assert_eq!(stored(&store).await, [part(1)]);
    write(&updating, vec![part(2), part(3)]).await;
    assert_eq!(stored(&store).await, [part(3)]);
    write(&merging, vec![part(4)]).await;
    let rows = stored(&store).await;
    assert_eq!(
        (rows[0].open, rows[0].close, rows[0].volume),
        (3.0, 4.5, 16)
    );
    write(&ignoring, vec![part(5)]).await;
    assert_eq!(stored(&store).await, rows);
}
