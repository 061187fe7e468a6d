//! What works in psql as the decision record and Message DB's users write it.

use annals_events::{From, Place, StreamQuery};
use annals_store::{Access, Error as StoreError, Names, Work, rusqlite, sqlx};
use annals_testkit::{Backend, TestDatabase, on_every_backend};
use futures_util::future::{BoxFuture, FutureExt as _};
use uuid::Uuid;

use crate::{
    appending::{events, message, namespace},
    importing::record,
};

mod in_psql {
    use annals_testkit::on_every_server;

    use super::*;

    on_every_server!(
        a_message_written_by_sql_is_one_like_any_other,
        tables_moved_by_csv_are_finished_by_rebuilding_heads,
        the_functions_say_what_the_library_says,
    );
}

on_every_backend!(versions_go_on_when_chunks_were_dropped);

/// Statements as somebody writes them in psql, `{messages}` for the namespace's table; answers as text.
pub(crate) async fn psql(
    database: &TestDatabase,
    schema: &str,
    sql: &'static str,
) -> Result<Vec<String>, StoreError> {
    struct Run(String, &'static str);
    impl Work for Run {
        type Output = Vec<String>;
        type Error = StoreError;

        fn run_postgres<'a>(
            self,
            connection: &'a mut sqlx::PgConnection,
            names: &'a Names,
        ) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
            async move {
                sqlx::query_scalar(names.within(&self.0).statement(self.1))
                    .fetch_all(connection)
                    .await
                    .map_err(StoreError::statement("psql"))
            }
            .boxed()
        }

        fn run_sqlite(
            self,
            _: &rusqlite::Connection,
            _: &Names,
        ) -> Result<Vec<String>, StoreError> {
            unreachable!("no psql there")
        }
    }
    let store = database.store().await;
    store
        .run(Access::Statement, Run(schema.to_owned(), sql))
        .await
}

async fn a_message_written_by_sql_is_one_like_any_other(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let schema = namespace.schema().to_owned();
    namespace
        .write_message("account-1", message("{}"), None)
        .await
        .unwrap();
    let write = "SELECT {write_message}('00000000-0000-0000-0000-000000000007', 'account-1', 'Happened', '{\"n\": 1}', NULL, 0)::text";
    assert_eq!(psql(&database, &schema, write).await.unwrap(), ["1"]);
    // Again, by SQL and by the library: the first one's place.
    assert_eq!(psql(&database, &schema, write).await.unwrap(), ["1"]);
    let same = message("{\"n\":1}").with_id(Uuid::from_u128(7));
    let again = namespace
        .write_message("account-1", same, None)
        .await
        .unwrap();
    assert_eq!(
        again,
        Place {
            position: 1,
            global_position: 2
        }
    );
    let next = namespace
        .write_message("account-1", message("{}"), Some(1))
        .await
        .unwrap();
    assert_eq!(
        next,
        Place {
            position: 2,
            global_position: 3
        }
    );
    let stale = "SELECT {write_message}(gen_random_uuid()::text, 'account-1', 'Happened', '{}', NULL, 0)::text";
    let error = psql(&database, &schema, stale).await.unwrap_err();
    assert!(
        error
            .report()
            .contains("Wrong expected version: 0 (Stream: account-1, Stream Version: 2)"),
        "{}",
        error.report()
    );
    let other = "SELECT {write_message}('00000000-0000-0000-0000-000000000007', 'account-1', 'Other', '{}')::text";
    assert_eq!(
        psql(&database, &schema, other)
            .await
            .unwrap_err()
            .code()
            .unwrap(),
        "23505"
    );
    // Nothing was burned by those that failed.
    let last = namespace
        .write_message("b", message("{}"), None)
        .await
        .unwrap();
    assert_eq!(last.global_position, 4);
    assert_eq!(namespace.verify().await.unwrap().faults, [] as [&str; 0]);
}

/// The decision record's own two statements, from a plain schema to another one.
async fn tables_moved_by_csv_are_finished_by_rebuilding_heads(database: TestDatabase) {
    let (events, old) = namespace(&database).await;
    old.import(
        (1..=50)
            .map(|n| record(&format!("account-{}", n % 5), n / 5, n))
            .collect(),
    )
    .await
    .unwrap();
    events
        .create_namespace(annals_events::NewNamespace::new("moved"))
        .await
        .unwrap();
    let new = events.namespace("moved").await.unwrap();
    // By the order of columns, as written there.
    let out = format!(
        "COPY (SELECT * FROM {}.messages ORDER BY global_position) TO STDOUT CSV HEADER",
        old.schema()
    );
    let into = format!("COPY {}.messages FROM STDIN CSV HEADER", new.schema());
    let pool = sqlx::PgPool::connect(&database.url).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let csv: Vec<_> = {
        use futures_util::TryStreamExt as _;
        let stream = connection.copy_out_raw(&out).await.unwrap();
        stream.try_collect().await.unwrap()
    };
    let mut copy = connection.copy_in_raw(&into).await.unwrap();
    for part in csv {
        copy.send(part).await.unwrap();
    }
    assert_eq!(copy.finish().await.unwrap(), 50);

    let faults = new.verify().await.unwrap().faults;
    assert!(
        faults
            .iter()
            .any(|fault| fault.ends_with("run rebuild-heads")),
        "{faults:?}"
    );
    let rebuilt = new.rebuild_heads().await.unwrap();
    assert_eq!(
        (rebuilt.streams, rebuilt.ids, rebuilt.global_position),
        (5, 50, 50)
    );
    let verified = new.verify().await.unwrap();
    assert_eq!((verified.messages, verified.streams), (50, 5));
    assert_eq!(verified.faults, old.verify().await.unwrap().faults);
    let next = new
        .write_message("account-0", message("{}"), Some(10))
        .await
        .unwrap();
    assert_eq!(
        next,
        Place {
            position: 11,
            global_position: 51
        }
    );
    let again = new.rebuild_heads().await.unwrap();
    assert_eq!((again.streams, again.ids), (0, 0));
}

async fn versions_go_on_when_chunks_were_dropped(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let schema = namespace.schema().to_owned();
    // The old ones are of 2023, in chunks of their own.
    namespace
        .import((1..=10).map(|n| record("account-1", n - 1, n)).collect())
        .await
        .unwrap();
    for _ in 0..3 {
        namespace
            .write_message("account-1", message("{}"), None)
            .await
            .unwrap();
    }
    let drop_chunks = "SELECT {drop_chunks_older_than}(INTERVAL '30 days')";
    match database.backend {
        Backend::Timescale => {
            assert_eq!(
                psql(&database, &schema, drop_chunks).await.unwrap().len(),
                1
            );
            let chunks = "SELECT message_count::text FROM {get_chunks}()";
            assert_eq!(psql(&database, &schema, chunks).await.unwrap(), ["3"]);
        }
        Backend::Postgres => {
            let error = psql(&database, &schema, drop_chunks).await.unwrap_err();
            assert!(
                error.report().contains("needs TimescaleDB"),
                "{}",
                error.report()
            );
            let delete =
                "DELETE FROM {messages} WHERE time < now() - INTERVAL '30 days' RETURNING id::text";
            assert_eq!(psql(&database, &schema, delete).await.unwrap().len(), 10);
        }
        Backend::Sqlite => {
            let file = database.url.strip_prefix("sqlite:").unwrap();
            let connection = rusqlite::Connection::open(file).unwrap();
            let delete = format!("DELETE FROM {schema}_messages WHERE position < 10");
            assert_eq!(connection.execute(&delete, []).unwrap(), 10);
        }
    }
    // A server that remembers nothing, too.
    let new = events(&database).await.namespace("app").await.unwrap();
    for (namespace, version) in [(&namespace, 12), (&new, 13)] {
        assert_eq!(
            namespace.stream_version("account-1").await.unwrap(),
            Some(version)
        );
        let next = namespace
            .write_message("account-1", message("{}"), Some(version))
            .await
            .unwrap();
        assert_eq!(
            next,
            Place {
                position: version + 1,
                global_position: version + 2
            }
        );
    }
    let all = StreamQuery {
        stream: "account-1".to_owned(),
        from: From::Position(0),
        limit: None,
    };
    let kept: Vec<i64> = new
        .stream(all)
        .await
        .unwrap()
        .iter()
        .map(|message| message.place.position)
        .collect();
    assert_eq!(kept, [10, 11, 12, 13, 14]);
    // What was dropped is known by its id, and cannot be compared any more.
    let retry = message("{}").with_id(Uuid::from_u128(3));
    let place = namespace
        .write_message("account-1", retry, None)
        .await
        .unwrap();
    assert_eq!(
        place,
        Place {
            position: 2,
            global_position: 3
        }
    );
    assert_eq!(new.verify().await.unwrap().faults, [] as [&str; 0]);
    // Nor does rebuilding take anything back.
    assert_eq!(new.rebuild_heads().await.unwrap().global_position, 15);
    assert_eq!(new.stream_version("account-1").await.unwrap(), Some(14));
}

async fn the_functions_say_what_the_library_says(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let schema = namespace.schema().to_owned();
    for n in 0..20 {
        let message = message("{}").with_metadata(
            annals_record::Json::parse("{\"correlationStreamName\":\"job-7\"}").unwrap(),
        );
        namespace
            .write_message(&format!("account-{n}+x"), message, None)
            .await
            .unwrap();
    }
    let one = |sql| {
        let (database, schema) = (&database, &schema);
        async move { psql(database, schema, sql).await.unwrap() }
    };
    assert_eq!(one("SELECT {category}('account-1-2')").await, ["account"]);
    assert_eq!(one("SELECT {cardinal_id}('account-1+2')").await, ["1"]);
    assert_eq!(one("SELECT {id}('account-1+2')").await, ["1+2"]);
    assert_eq!(
        one("SELECT {hash_64}('abc')::text").await,
        ["-8070080442485551184"]
    );
    assert_eq!(
        one("SELECT {stream_version}('account-3+x')::text").await,
        ["0"]
    );
    assert_eq!(one("SELECT {stream_version}('nobody')::text").await, ["-1"]);
    assert_eq!(
        one("SELECT count(*)::text FROM {get_stream_messages}('account-3+x')").await,
        ["1"]
    );
    assert_eq!(
        one("SELECT \"type\" FROM {get_last_stream_message}('account-3+x')").await,
        ["Happened"]
    );
    assert_eq!(
        one("SELECT count(*)::text FROM {get_category_messages}('account', 1, -1, 'job')").await,
        ["20"]
    );
    assert_eq!(
        one("SELECT count(*)::text FROM {get_category_messages}('account', 5, 3)").await,
        ["3"]
    );
    let mut members = 0;
    for member in ["0", "1", "2"] {
        let sql = match member {
            "0" => "SELECT stream_name FROM {get_category_messages}('account', 1, -1, NULL, 0, 3)",
            "1" => "SELECT stream_name FROM {get_category_messages}('account', 1, -1, NULL, 1, 3)",
            _ => "SELECT stream_name FROM {get_category_messages}('account', 1, -1, NULL, 2, 3)",
        };
        let group = annals_events::ConsumerGroup::new(member.parse().unwrap(), 3).unwrap();
        let streams = one(sql).await;
        assert!(streams.iter().all(|stream| group.reads(stream)));
        members += streams.len();
    }
    assert_eq!(members, 20);
}
