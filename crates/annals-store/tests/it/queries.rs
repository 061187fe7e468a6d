//! Filters, orders and cursors mean the same on every backend.

use annals_record::{Filter, Json, Record, Timestamp};
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
    a_member_of_an_object_is_found_by_name_and_value,
    text_is_found_whatever_its_case_and_taken_literally,
    a_narrower_record_reads_the_same_rows_and_pages,
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

/// A page of a book.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "pages", key("number"))]
struct Leaf {
    number: i64,
    title: Option<String>,
    tags: Option<Json>,
    body: String,
}

/// What a table of contents has of it.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "pages", key("number"))]
struct Heading {
    title: Option<String>,
    number: i64,
}

async fn written(database: &TestDatabase, leaves: &[(Option<&str>, Option<&str>)]) -> Store {
    let store = database.store().await;
    store.create_table::<Leaf>().await.unwrap();
    let leaves = leaves.iter().enumerate().map(|(n, (title, tags))| Leaf {
        number: n as i64,
        title: title.map(str::to_owned),
        tags: tags.map(|tags| Json::parse(tags).unwrap()),
        body: "…".repeat(n),
    });
    let writer = store.writer().await.unwrap();
    let written = writer.write(leaves.collect()).await.unwrap();
    assert_eq!(written.parked, 0);
    store
}

async fn numbers(store: &Store, filter: Filter<Leaf>) -> Vec<i64> {
    let query = store.query::<Leaf>().filter(filter).planned();
    let rows = query.order(Leaf::NUMBER.asc()).fetch().await.unwrap().rows;
    rows.into_iter().map(|leaf| leaf.number).collect()
}

async fn a_member_of_an_object_is_found_by_name_and_value(database: TestDatabase) {
    let tags = [
        Some(r#"{"a":"x","n":1,"t":true,"none":null,"we\"ird.$[0]":"ö"}"#),
        Some(r#"{"a":"1","n":1.0,"t":false,"deep":{"a":"x"}}"#),
        Some(r#"{"a":["x"],"n":"1","t":"true","big":9007199254740993}"#),
        Some(r#"["a","x"]"#),
        None,
    ];
    let store = written(&database, &tags.map(|tags| (None, tags))).await;
    let has = |name: &str, value: serde_json::Value| numbers(&store, Leaf::TAGS.has(name, value));
    assert_eq!(has("a", "x".into()).await, [0]);
    assert_eq!(has("a", "1".into()).await, [1]);
    assert_eq!(has("n", 1.into()).await, [0, 1]);
    assert_eq!(has("n", 1.0.into()).await, [0, 1]);
    assert_eq!(has("n", "1".into()).await, [2]);
    assert_eq!(has("t", true.into()).await, [0]);
    assert_eq!(has("t", "true".into()).await, [2]);
    assert_eq!(has("none", serde_json::Value::Null).await, [0]);
    assert_eq!(has("big", 9_007_199_254_740_993_i64.into()).await, [2]);
    assert_eq!(has("we\"ird.$[0]", "ö".into()).await, [0]);
    assert_eq!(has("deep", serde_json::json!({ "a": "x" })).await, [0; 0]);
    assert_eq!(
        numbers(&store, !Leaf::TAGS.has("a", "x")).await,
        [1, 2, 3, 4]
    );
}

async fn text_is_found_whatever_its_case_and_taken_literally(database: TestDatabase) {
    let titles = ["Chat GPT", "50% OFF", "a_b\\c", "axb", "nothing"];
    let mut leaves = titles.map(|title| (Some(title), None)).to_vec();
    leaves.push((None, None));
    let store = written(&database, &leaves).await;
    let find = |text: &str| numbers(&store, Leaf::TITLE.contains_ignoring_case(text));
    assert_eq!(find("gpt").await, [0]);
    assert_eq!(find("0% o").await, [1]);
    assert_eq!(find("A_B\\C").await, [2]);
    assert_eq!(find("A_B").await, [2]);
    assert_eq!(find("%").await, [1]);
    assert_eq!(find("").await, [0, 1, 2, 3, 4]);
    assert_eq!(numbers(&store, Leaf::TITLE.contains("gpt")).await, [0; 0]);
}

async fn a_narrower_record_reads_the_same_rows_and_pages(database: TestDatabase) {
    let titles = [
        Some("b"),
        None,
        Some("a"),
        Some("b"),
        Some("c"),
        None,
        Some("a"),
    ];
    let store = written(&database, &titles.map(|title| (title, None))).await;
    let query = || store.query::<Leaf>().order(Leaf::TITLE.desc()).limit(2);
    let (mut wide, mut narrow) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    loop {
        let asked = |after: &Option<String>| match after {
            Some(cursor) => query().after(cursor),
            None => query(),
        };
        let page = asked(&after).fetch().await.unwrap();
        let slim = asked(&after).fetch_as::<Heading>().await.unwrap();
        assert_eq!(
            page.next, slim.next,
            "either goes on with the other's cursor"
        );
        wide.extend(page.rows.into_iter().map(|leaf| (leaf.number, leaf.title)));
        narrow.extend(slim.rows.into_iter().map(|leaf| (leaf.number, leaf.title)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(wide, narrow);
    assert_eq!(wide.len(), titles.len());
    let refused = query().order(Leaf::BODY.asc()).fetch_as::<Heading>().await;
    assert!(
        matches!(refused, Err(Error::TableMismatch { .. })),
        "{refused:?}"
    );
    let refused = query().fetch_as::<Reading>().await;
    assert!(
        matches!(refused, Err(Error::TableMismatch { .. })),
        "{refused:?}"
    );
}
