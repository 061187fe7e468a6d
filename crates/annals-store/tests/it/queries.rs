//! Filters, orders and cursors mean the same on every backend.

use annals_record::{Filter, Record, Timestamp};
use annals_store::{Error, Store};
use annals_testkit::{TestDatabase, on_every_backend};

on_every_backend!(
    filters_mean_the_same_everywhere,
    pages_by_cursor_give_every_row_once,
    a_cursor_of_another_query_is_refused,
    nanoseconds_order_and_bound,
    a_bound_anywhere_in_a_microsecond_is_exact,
    counts_ignore_limits,
    two_schemas_in_one_database_do_not_see_each_other,
);

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "readings",
    time = "at",
    key("sensor", "at"),
    index("at desc")
)]
struct Reading {
    sensor: String,
    at: Timestamp,
    celsius: Option<f64>,
    serial: u64,
    note: Option<String>,
}

fn reading(n: i64) -> Reading {
    Reading {
        sensor: format!("s{}", n % 7),
        at: Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + n),
        celsius: (n % 5 != 0).then_some(n as f64 / 2.0),
        serial: u64::MAX - (n.unsigned_abs() << 47),
        note: (n % 3 == 0).then(|| format!("note 100% {n}")),
    }
}

/// Hundred readings a microsecond apart, plus some in one microsecond.
async fn filled(database: &TestDatabase) -> Store {
    let store = database.store().await;
    store.create_table::<Reading>().await.unwrap();
    let writer = store.writer().await.unwrap();
    let readings = (0..100).map(|n| reading(n * 1_000 + n % 10)).collect();
    assert_eq!(writer.write(readings).await.unwrap().committed, 100);
    store
}

async fn count(store: &Store, filter: Filter<Reading>) -> u64 {
    store.query().filter(filter).count().await.unwrap()
}

async fn filters_mean_the_same_everywhere(database: TestDatabase) {
    let store = filled(&database).await;
    let all = store.query::<Reading>().fetch().await.unwrap().rows;
    let expect = |keep: &dyn Fn(&Reading) -> bool| all.iter().filter(|r| keep(r)).count() as u64;
    let half = u64::MAX / 2;
    assert_eq!(
        count(&store, Reading::SENSOR.eq("s3")).await,
        expect(&|r| r.sensor == "s3")
    );
    assert_eq!(
        count(&store, Reading::SENSOR.ne("s3")).await,
        expect(&|r| r.sensor != "s3")
    );
    assert_eq!(
        count(&store, Reading::SENSOR.is_in(["s1", "s2"])).await,
        expect(&|r| r.sensor == "s1" || r.sensor == "s2")
    );
    assert_eq!(
        count(&store, Reading::SENSOR.is_in(Vec::<String>::new())).await,
        0
    );
    assert_eq!(
        count(&store, Reading::CELSIUS.is_null()).await,
        expect(&|r| r.celsius.is_none())
    );
    assert_eq!(
        count(&store, !Reading::CELSIUS.is_null()).await,
        expect(&|r| r.celsius.is_some())
    );
    // What is absent is neither above nor not above, so the negation holds for it.
    assert_eq!(
        count(&store, !Reading::CELSIUS.gt(10_000.0)).await,
        expect(&|r| !r.celsius.is_some_and(|c| c > 10_000.0))
    );
    assert_eq!(
        count(&store, Reading::SERIAL.at_least(half)).await,
        expect(&|r| r.serial >= half)
    );
    assert_eq!(
        count(&store, Reading::SERIAL.lt(half)).await,
        expect(&|r| r.serial < half)
    );
    assert_eq!(
        count(&store, Reading::NOTE.contains("100% ")).await,
        expect(&|r| r.note.is_some())
    );
    assert_eq!(count(&store, Reading::NOTE.starts_with("%")).await, 0);
    assert_eq!(count(&store, Filter::all([])).await, 100);
    assert_eq!(count(&store, Filter::any([])).await, 0);
    let both = Reading::SENSOR.eq("s1").and(Reading::CELSIUS.is_null());
    assert_eq!(
        count(&store, both).await,
        expect(&|r| r.sensor == "s1" && r.celsius.is_none())
    );
}

async fn pages_by_cursor_give_every_row_once(database: TestDatabase) {
    let store = filled(&database).await;
    // Uniform, mixed directions, a column with absent values: three ways to make the condition.
    let orders = [
        vec![Reading::AT.desc()],
        vec![Reading::SENSOR.asc(), Reading::AT.desc()],
        vec![Reading::CELSIUS.desc(), Reading::NOTE.asc()],
        vec![Reading::SERIAL.asc()],
    ];
    for order in orders {
        let query = || {
            order
                .iter()
                .fold(store.query::<Reading>(), |query, part| query.order(*part))
        };
        let whole = query().fetch().await.unwrap().rows;
        let mut paged = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let query = query().limit(7);
            let query = match cursor.take() {
                Some(cursor) => query.after(cursor),
                None => query,
            };
            let page = query.fetch().await.unwrap();
            assert!(page.rows.len() <= 7);
            paged.extend(page.rows);
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(paged, whole, "{order:?}");
        assert_eq!(whole.len(), 100);
        let skipped = query().offset(90).fetch().await.unwrap().rows;
        assert_eq!(skipped, whole[90..]);
    }
}

async fn a_cursor_of_another_query_is_refused(database: TestDatabase) {
    let store = filled(&database).await;
    let page = store
        .query::<Reading>()
        .order(Reading::AT.asc())
        .limit(5)
        .fetch()
        .await
        .unwrap();
    let cursor = page.next.unwrap();
    let other = store
        .query::<Reading>()
        .order(Reading::AT.desc())
        .after(cursor.clone())
        .fetch()
        .await;
    assert!(matches!(other, Err(Error::Cursor { problem }) if problem.contains("another query")));
    for broken in ["", "zz", "00", &cursor[..cursor.len() - 2], "é"] {
        let query = store.query::<Reading>().order(Reading::AT.asc()).limit(5);
        assert!(
            matches!(query.after(broken).fetch().await, Err(Error::Cursor { .. })),
            "{broken:?}"
        );
    }
}

async fn nanoseconds_order_and_bound(database: TestDatabase) {
    let store = database.store().await;
    store.create_table::<Reading>().await.unwrap();
    let writer = store.writer().await.unwrap();
    // One microsecond, one key each.
    let readings: Vec<_> = (0..10)
        .map(|n| Reading {
            sensor: format!("s{}", (n * 7) % 10),
            at: reading(n).at,
            ..reading(0)
        })
        .collect();
    assert_eq!(writer.write(readings.clone()).await.unwrap().committed, 10);
    let rows = store
        .query()
        .order(Reading::AT.asc())
        .fetch()
        .await
        .unwrap()
        .rows;
    assert_eq!(rows, readings);
    let from = Reading::AT
        .at_least(readings[3].at)
        .and(Reading::AT.at_most(readings[6].at));
    assert_eq!(
        store
            .query()
            .filter(from)
            .order(Reading::AT.asc())
            .fetch()
            .await
            .unwrap()
            .rows,
        readings[3..=6]
    );
    assert_eq!(count(&store, Reading::AT.gt(readings[3].at)).await, 6);
    assert_eq!(count(&store, Reading::AT.lt(readings[3].at)).await, 3);
    assert_eq!(count(&store, Reading::AT.eq(readings[3].at)).await, 1);
}

async fn counts_ignore_limits(database: TestDatabase) {
    let store = filled(&database).await;
    assert_eq!(
        store
            .query::<Reading>()
            .limit(3)
            .offset(50)
            .count()
            .await
            .unwrap(),
        100
    );
}

async fn two_schemas_in_one_database_do_not_see_each_other(database: TestDatabase) {
    for tenant in ["tenant_a", "tenant_b"] {
        let store = database.store_in(tenant).await;
        store.create_table::<Reading>().await.unwrap();
        let writer = store.writer().await.unwrap();
        assert_eq!(writer.write(vec![reading(0)]).await.unwrap().committed, 1);
        assert_eq!(store.query::<Reading>().count().await.unwrap(), 1);
        store.close().await;
    }
}

async fn a_bound_anywhere_in_a_microsecond_is_exact(database: TestDatabase) {
    let store = database.store().await;
    store.create_table::<Reading>().await.unwrap();
    let writer = store.writer().await.unwrap();
    let nanos = [0, 1, 499, 998, 999];
    let at = |micro: i64, nano: i64| Timestamp::from_unix_nanos((micro + 7) * 1_000 + nano);
    let mut readings = Vec::new();
    for micro in [-9, -8, -7, 0, 1] {
        for nano in nanos {
            // A key has microseconds alone.
            let sensor = format!("s{nano}");
            let at = at(micro, nano);
            readings.push(Reading {
                sensor,
                at,
                ..reading(0)
            });
        }
    }
    let _ = writer.write(readings.clone()).await.unwrap();
    let expect = |keep: &dyn Fn(Timestamp) -> bool| {
        readings.iter().filter(|reading| keep(reading.at)).count() as u64
    };
    for (micro, nano) in [-9, -8, -7, 0]
        .into_iter()
        .flat_map(|m| nanos.map(|n| (m, n)))
    {
        let bound = at(micro, nano);
        let found = [
            count(&store, Reading::AT.lt(bound)).await,
            count(&store, Reading::AT.at_most(bound)).await,
            count(&store, Reading::AT.gt(bound)).await,
            count(&store, Reading::AT.at_least(bound)).await,
        ];
        let expected = [
            expect(&|at| at < bound),
            expect(&|at| at <= bound),
            expect(&|at| at > bound),
            expect(&|at| at >= bound),
        ];
        assert_eq!(found, expected, "{bound}");
    }
}
