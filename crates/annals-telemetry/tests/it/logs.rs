//! What a store of logs promises.

mod follow;

use std::time::Duration;

use annals_record::{Json, Timestamp, Uuid};
use annals_telemetry::{
    Error, LogCounts, LogFilter, LogLevel, LogOrder, LogRecord, Logs, LogsOptions, MIGRATIONS,
};
use annals_testkit::{Backend, TestDatabase, generate, on_every_backend};
use proptest::{
    collection::hash_map,
    option,
    prelude::*,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

on_every_backend!(
    every_field_survives_and_the_same_again_changes_nothing,
    records_of_one_time_and_body_are_as_many_as_were_said,
    each_condition_is_one,
    pages_give_each_record_once_in_either_order,
    a_window_that_nobody_gave_is_told_and_stays_from_page_to_page,
    errors_begin_at_seventeen,
    what_cannot_be_is_refused_before_anything_is_written,
    counts_go_by_service_level_and_slice,
    records_of_a_service_are_deleted_alone,
);

pub(crate) const T0: i64 = 1_735_689_600_000_000_000;

pub(crate) fn at(nanos: i64) -> Timestamp {
    Timestamp::from_unix_nanos(T0 + nanos)
}

pub(crate) fn said(service: &str, body: &str, nanos: i64) -> LogRecord {
    LogRecord::new(service, at(nanos), 9, body).unwrap()
}

pub(crate) async fn open(database: &TestDatabase) -> Logs {
    let store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    Logs::new(store, LogsOptions::default()).await.unwrap()
}

fn object() -> impl Strategy<Value = Json> {
    hash_map(generate::text(), generate::json(), 0..4).prop_map(|members| {
        let members = members.into_iter();
        let object = members
            .map(|(name, value)| (name, value.to_value()))
            .collect();
        Json::try_from(&serde_json::Value::Object(object)).unwrap()
    })
}

fn id(digits: usize) -> impl Strategy<Value = String> {
    any::<u128>().prop_map(move |id| format!("{:032x}", id | 1)[32 - digits..].to_owned())
}

fn record() -> impl Strategy<Value = LogRecord> {
    let said = (
        generate::recent(),
        option::of(generate::timestamp()),
        0..=24,
        option::of(generate::text()),
        option::of(generate::text()),
        option::of(generate::json()),
        option::of(generate::text()),
        option::of(id(32)),
        option::of(id(16)),
        any::<u32>(),
    );
    let around = (
        "[a-z]{1,3}",
        object(),
        object(),
        any::<[u32; 3]>(),
        option::of(generate::text()),
        option::of(generate::text()),
        option::of(generate::text()),
        option::of(object()),
        option::of(generate::text()),
    );
    (any::<u128>(), said, around).prop_map(|(id, said, around)| LogRecord {
        id: Uuid::from_u128(id),
        timestamp: said.0,
        observed_timestamp: said.1,
        severity_number: said.2,
        severity_text: said.3,
        body: said.4,
        body_json: said.5,
        event_name: said.6,
        trace_id: said.7,
        span_id: said.8,
        trace_flags: said.9,
        service_name: around.0,
        attributes: around.1,
        resource_attributes: around.2,
        dropped_attributes_count: around.3[0],
        resource_dropped_attributes_count: around.3[1],
        scope_dropped_attributes_count: around.3[2],
        resource_schema_url: around.4,
        scope_name: around.5,
        scope_version: around.6,
        scope_attributes: around.7,
        scope_schema_url: around.8,
    })
}

async fn every_field_survives_and_the_same_again_changes_nothing(database: TestDatabase) {
    let logs = open(&database).await;
    let mut runner = TestRunner::default();
    let drawn: Vec<LogRecord> = (0..60)
        .map(|_| record().new_tree(&mut runner).unwrap().current())
        .collect();
    // Few rows and many go different ways into the table.
    let _ = logs.write(drawn[..5].to_vec()).await.unwrap();
    for _ in 0..2 {
        let written = logs.insert_logs(drawn.clone()).await.unwrap();
        assert_eq!((written.committed, written.parked), (60, 0));
    }
    assert_eq!(database.number("SELECT count(*) FROM logs").await, 60);
    for written in &drawn {
        let read = logs.get(written.timestamp, written.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(written));
    }
    assert_eq!(
        logs.get(drawn[0].timestamp, Uuid::nil()).await.unwrap(),
        None
    );
}

async fn records_of_one_time_and_body_are_as_many_as_were_said(database: TestDatabase) {
    let logs = open(&database).await;
    let same: Vec<_> = (0..300).map(|_| said("api", "again", 0)).collect();
    let _ = logs.write(same[..100].to_vec()).await.unwrap();
    let _ = logs.write(same).await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM logs").await, 300);
}

async fn bodies(logs: &Logs, filter: LogFilter) -> Vec<String> {
    let found = logs.search(filter).await.unwrap();
    let rows = found.rows.into_iter();
    rows.map(|record| record.body.unwrap()).collect()
}

async fn each_condition_is_one(database: TestDatabase) {
    let logs = open(&database).await;
    let mut records = vec![
        said("api", "the Cache is 100% full_\\", 0),
        said("db", "slow query", 1_000_000_000),
        said("db", "lost: 100 full", 2_000_000_000),
    ];
    records[0].attributes = Json::parse(r#"{"user.id":7,"ok":true,"name":"7"}"#).unwrap();
    records[1].severity_number = 13;
    records[1] = records[1].clone().in_span("a".repeat(32), "b".repeat(16));
    records[1].event_name = Some("db.slow".to_owned());
    records[1].attributes = Json::parse(r#"{"user.id":"7"}"#).unwrap();
    records[2].severity_number = 17;
    records[2].scope_name = Some("pool".to_owned());
    let _ = logs.write(records).await.unwrap();
    let all = || LogFilter {
        since: Some(at(0)),
        order: LogOrder::OldestFirst,
        ..LogFilter::default()
    };
    let text = |text: &str| Some(text.to_owned());
    let attribute = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let (first, second, third) = ("the Cache is 100% full_\\", "slow query", "lost: 100 full");
    for (filter, expected) in [
        (all(), vec![first, second, third]),
        (
            LogFilter {
                service_name: text("db"),
                ..all()
            },
            vec![second, third],
        ),
        (
            LogFilter {
                severity: Some(13),
                ..all()
            },
            vec![second, third],
        ),
        (
            LogFilter {
                severity: Some(14),
                ..all()
            },
            vec![third],
        ),
        (
            LogFilter {
                until: Some(at(1_000_000_000)),
                ..all()
            },
            vec![first, second],
        ),
        (
            LogFilter {
                since: Some(at(1_000_000_000)),
                ..all()
            },
            vec![second, third],
        ),
        (
            LogFilter {
                trace_id: Some("a".repeat(32)),
                ..all()
            },
            vec![second],
        ),
        (
            LogFilter {
                span_id: Some("b".repeat(16)),
                ..all()
            },
            vec![second],
        ),
        (
            LogFilter {
                text: text("CACHE IS"),
                ..all()
            },
            vec![first],
        ),
        (
            LogFilter {
                text: text("0% full_\\"),
                ..all()
            },
            vec![first],
        ),
        (
            LogFilter {
                text: text("100_full"),
                ..all()
            },
            vec![],
        ),
        (
            LogFilter {
                event_name: text("db.slow"),
                ..all()
            },
            vec![second],
        ),
        (
            LogFilter {
                scope_name: text("pool"),
                ..all()
            },
            vec![third],
        ),
        (
            LogFilter {
                attributes: attribute("user.id", "7"),
                ..all()
            },
            vec![first, second],
        ),
        (
            LogFilter {
                attributes: attribute("ok", "true"),
                ..all()
            },
            vec![first],
        ),
        (
            LogFilter {
                attributes: attribute("ok", "false"),
                ..all()
            },
            vec![],
        ),
        (
            LogFilter {
                attributes: [attribute("name", "7"), attribute("user.id", "7")].concat(),
                ..all()
            },
            vec![first],
        ),
    ] {
        let shown = format!("{filter:?}");
        assert_eq!(bodies(&logs, filter).await, expected, "{shown}");
    }
    let of_trace = logs.get_by_trace(&"a".repeat(32)).await.unwrap();
    assert_eq!(of_trace.rows.len(), 1);
}

async fn pages_give_each_record_once_in_either_order(database: TestDatabase) {
    let logs = open(&database).await;
    // Ten of each microsecond, and some of the same nanosecond.
    let records = (0..100).map(|n| said("api", &n.to_string(), (n / 10) * 1_000 + n % 3));
    let _ = logs.write(records.collect()).await.unwrap();
    for order in [LogOrder::NewestFirst, LogOrder::OldestFirst] {
        let mut filter = LogFilter {
            order,
            limit: Some(7),
            ..LogFilter::default()
        };
        let mut rows = Vec::new();
        loop {
            let page = logs.search(filter.clone()).await.unwrap();
            assert_eq!(page.defaulted, None);
            rows.extend(page.rows);
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        assert_eq!(rows.len(), 100);
        let times: Vec<_> = rows.iter().map(|record| record.timestamp).collect();
        match order {
            LogOrder::NewestFirst => assert!(times.is_sorted_by(|a, b| a >= b)),
            LogOrder::OldestFirst => assert!(times.is_sorted()),
        }
        let mut ids: Vec<_> = rows.iter().map(|record| record.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 100);
    }
}

async fn a_window_that_nobody_gave_is_told_and_stays_from_page_to_page(database: TestDatabase) {
    let logs = open(&database).await;
    let now = Timestamp::now().unix_nanos();
    let ago = |seconds: i64| Timestamp::from_unix_nanos(now - seconds * 1_000_000_000);
    let records = [3_600, 7_200, 10_800, 100_000, 200_000];
    let records = records.map(|seconds| LogRecord::new("api", ago(seconds), 9, "late").unwrap());
    let _ = logs.write(records.to_vec()).await.unwrap();
    let mut filter = LogFilter {
        text: Some("LATE".to_owned()),
        limit: Some(2),
        ..LogFilter::default()
    };
    let first = logs.search(filter.clone()).await.unwrap();
    assert_eq!(first.rows.len(), 2);
    let (since, until) = first.defaulted.unwrap();
    assert_eq!(until.unix_nanos() - since.unix_nanos(), 86_400_000_000_000);
    filter.after = first.next;
    let second = logs.search(filter.clone()).await.unwrap();
    assert_eq!(second.rows.len(), 1);
    assert_eq!((second.defaulted, second.next), (first.defaulted, None));
    filter.after = None;
    filter.limit = None;
    filter.since = Some(ago(300_000));
    let all = logs.search(filter).await.unwrap();
    assert_eq!((all.rows.len(), all.defaulted), (5, None));
}

async fn errors_begin_at_seventeen(database: TestDatabase) {
    let logs = open(&database).await;
    let records = (0..=24).map(|severity| {
        LogRecord::new(
            "api",
            at(i64::from(severity)),
            severity,
            severity.to_string(),
        )
        .unwrap()
    });
    let _ = logs.write(records.collect()).await.unwrap();
    let oldest = LogFilter {
        order: LogOrder::OldestFirst,
        ..LogFilter::default()
    };
    let found = logs.errors(oldest.clone()).await.unwrap();
    let found: Vec<_> = found.rows.iter().map(|row| row.severity_number).collect();
    assert_eq!(found, (17..=24).collect::<Vec<_>>());
    let graver = LogFilter {
        severity: Some(21),
        ..oldest
    };
    assert_eq!(logs.errors(graver).await.unwrap().rows.len(), 4);
}

async fn what_cannot_be_is_refused_before_anything_is_written(database: TestDatabase) {
    let logs = open(&database).await;
    let change = |change: fn(&mut LogRecord)| {
        let mut record = said("api", "x", 0);
        change(&mut record);
        record
    };
    for (record, field) in [
        (
            change(|record| record.severity_number = 25),
            "severity_number",
        ),
        (
            change(|record| record.severity_number = -1),
            "severity_number",
        ),
        (change(|record| record.service_name.clear()), "service_name"),
        (
            change(|record| record.trace_id = Some("x".repeat(32))),
            "trace_id",
        ),
        (
            change(|record| record.span_id = Some("0".repeat(16))),
            "span_id",
        ),
        (
            change(|record| record.attributes = Json::parse("[1]").unwrap()),
            "attributes",
        ),
        (
            change(|record| record.resource_attributes = Json::parse("1").unwrap()),
            "resource_attributes",
        ),
    ] {
        let refused = logs.write(vec![said("api", "fine", 0), record]).await;
        assert!(
            matches!(&refused, Err(Error::Log(error)) if error.field == field),
            "{field}: {refused:?}"
        );
    }
    for filter in [
        LogFilter {
            severity: Some(0),
            ..LogFilter::default()
        },
        LogFilter {
            since: Some(at(1)),
            until: Some(at(0)),
            ..LogFilter::default()
        },
    ] {
        assert!(matches!(logs.search(filter).await, Err(Error::Log(_))));
    }
    if database.backend != Backend::Sqlite {
        let refused = logs.store().check(&said("api", "a\0b", 0)).unwrap_err();
        assert_eq!(refused.column, "body");
    }
    assert_eq!(database.number("SELECT count(*) FROM logs").await, 0);
}

async fn counts_go_by_service_level_and_slice(database: TestDatabase) {
    let logs = open(&database).await;
    let minute = 60_000_000_000;
    let mut records = vec![
        said("api", "a", 0),
        said("api", "b", minute - 1),
        said("api", "Some text_", minute),
        said("db", "d", minute),
        said("db", "e", 3 * minute),
    ];
    records[0].severity_number = 10;
    records[4].severity_number = 21;
    records.push(LogRecord::new("db", at(3 * minute + 1), 0, "f").unwrap());
    let _ = logs.write(records).await.unwrap();
    let asked = LogCounts {
        from: at(0),
        to: at(3 * minute + 1_000),
        bucket: Duration::from_secs(60),
        service_name: None,
        severity: None,
        text: None,
    };
    let counts = |asked: LogCounts| async {
        let counts = logs.counts(asked).await.unwrap().into_iter();
        let counts = counts.map(|count| {
            let minutes = (count.start.unix_nanos() - T0) / minute;
            (minutes, count.service_name, count.level, count.count)
        });
        counts.collect::<Vec<_>>()
    };
    let row = |minutes, service: &str, level, count| (minutes, service.to_owned(), level, count);
    let (info, fatal) = (Some(LogLevel::Info), Some(LogLevel::Fatal));
    let all = vec![
        row(0, "api", info, 2),
        row(1, "api", info, 1),
        row(1, "db", info, 1),
        row(3, "db", None, 1),
        row(3, "db", fatal, 1),
    ];
    assert_eq!(counts(asked.clone()).await, all);
    let grave = LogCounts {
        severity: Some(17),
        service_name: Some("db".to_owned()),
        ..asked.clone()
    };
    assert_eq!(counts(grave).await, [row(3, "db", fatal, 1)]);
    let text = LogCounts {
        text: Some("TEXT_".to_owned()),
        ..asked.clone()
    };
    assert_eq!(counts(text).await, [row(1, "api", info, 1)]);
    let wrong = [
        LogCounts {
            bucket: Duration::ZERO,
            ..asked.clone()
        },
        LogCounts {
            bucket: Duration::from_micros(1),
            ..asked.clone()
        },
        LogCounts {
            to: at(0),
            ..asked.clone()
        },
    ];
    for wrong in wrong {
        assert!(matches!(logs.counts(wrong).await, Err(Error::Log(_))));
    }
    // Before 1970 as well: slices begin at or before what is in them.
    let early = Timestamp::from_unix_nanos(-1_000);
    let record = LogRecord::new("api", early, 9, "early").unwrap();
    let _ = logs.write(vec![record]).await.unwrap();
    let asked = LogCounts {
        from: Timestamp::from_unix_nanos(-minute),
        to: Timestamp::from_unix_nanos(minute),
        ..asked
    };
    let counted = logs.counts(asked).await.unwrap();
    assert_eq!(counted[0].start.unix_nanos(), -minute);
}

async fn records_of_a_service_are_deleted_alone(database: TestDatabase) {
    let logs = open(&database).await;
    let _ = logs
        .write(vec![said("api", "a", 0), said("db", "b", 0)])
        .await
        .unwrap();
    logs.lifecycle()
        .delete_of("api", None, false, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(bodies(&logs, LogFilter::default()).await, ["b"]);
}
