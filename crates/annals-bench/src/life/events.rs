//! Messages of a namespace, its heads and its ids.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use annals_events::{
    CategoryQuery, Events, EventsOptions, From, Namespace, NewNamespace, StreamQuery,
};
use fastrand::Rng;

use super::{
    BEGIN, LENGTH,
    family::{Asked, Beside, Family, Layout, Question, Read},
    ground::Ground,
};

/// Messages of a stream, on the average of many.
const OF_STREAM: usize = 18;

/// Names and ids that readers know.
const KNOWN: usize = 2_000;

/// The largest category.
const CATEGORY: &str = "order";

const BLOOM: &str = "bloom(stream_name), bloom(id)";

const LAYOUTS: [Layout; 10] = [
    Layout::new("category", "stream_name, position").pglz(),
    Layout::new("category", "stream_name, position"),
    Layout::new("category", "stream_name, position").sparse("bloom(id), minmax(global_position)"),
    Layout::new("category", "global_position")
        .sparse(BLOOM)
        .pglz(),
    Layout::new("category", "global_position"),
    Layout::new("stream_name", "position").pglz(),
    Layout::new("stream_name", "position").sparse("bloom(id), minmax(global_position)"),
    Layout::new("", "global_position").sparse("bloom(stream_name), bloom(category), bloom(id)"),
    Layout::new("bucket", "global_position")
        .sparse("bloom(stream_name), bloom(category), bloom(id)")
        .bucket("abs(hashtext(stream_name)) % 32"),
    Layout::new("category", "global_position")
        .sparse(BLOOM)
        .wins(),
];

/// About as many messages as half the spans.
pub(super) const fn messages(life_rows: usize) -> usize {
    life_rows / 2
}

/// Fills a namespace in the server.
pub(super) async fn load(ground: &Ground, life_rows: usize) -> Family {
    let began = Instant::now();
    let mut options = EventsOptions::default();
    options.chunk_interval = Duration::from_secs(86_400);
    // No policy shall compress while we measure.
    options.compress_after = None;
    let events = Events::new(ground.store().await, options)
        .await
        .expect("an event store");
    let made = events.create_namespace(NewNamespace::new("life")).await;
    made.expect("a namespace");
    let namespace = events.namespace("life").await.expect("a namespace");
    let schema = namespace.schema().to_owned();
    // One of 1,500 streams has 2,000 messages, which is a little more than one more for each.
    let streams = messages(life_rows) / OF_STREAM;
    let fill = include_str!("events.sql")
        .replace("{schema}", &schema)
        .replace("{streams}", &streams.max(1_500).to_string())
        .replace("{begin}", &BEGIN.to_string())
        .replace("{seconds}", &LENGTH.as_secs().to_string());
    ground.run(fill).await;
    namespace.rebuild_heads().await.expect("heads");
    let beside: Vec<Beside> = ["stream_heads", "message_ids", "message_counter"]
        .map(|table| Beside::lasting(format!("{schema}.{table}")))
        .into();
    let table = format!("{schema}.messages");
    for table in beside.iter().map(|beside| &beside.table).chain([&table]) {
        ground.run(format!("VACUUM ANALYZE {table}")).await;
    }
    ground.run("CHECKPOINT").await;
    let rows = ground
        .number(&format!("SELECT count(*) FROM {table}"))
        .await as usize;
    eprintln!("{rows} messages loaded in {:.0?}", began.elapsed());
    let known = Arc::new(Known::of(ground, &schema, rows).await);
    Family {
        name: "events",
        table,
        time: "time",
        rows,
        beside,
        layouts: LAYOUTS.to_vec(),
        questions: questions(&known, &schema),
        reads: reads(&known, &namespace),
    }
}

/// What readers ask for.
struct Known {
    streams: Vec<String>,
    ids: Vec<String>,
    /// Messages of the namespace.
    last: i64,
}

impl Known {
    async fn of(ground: &Ground, schema: &str, rows: usize) -> Self {
        let texts = async |sql: String| -> Vec<String> {
            let rows: Vec<(String,)> = ground.rows(&sql).await;
            rows.into_iter().map(|row| row.0).collect()
        };
        Self {
            streams: texts(format!(
                "SELECT stream_name FROM {schema}.stream_heads ORDER BY md5(stream_name) LIMIT {KNOWN}"
            ))
            .await,
            ids: texts(format!(
                "SELECT id::text FROM {schema}.message_ids ORDER BY md5(id::text) LIMIT {KNOWN}"
            ))
            .await,
            last: i64::try_from(rows).unwrap_or_default(),
        }
    }

    fn stream(&self, rng: &mut Rng) -> &str {
        &self.streams[rng.usize(..self.streams.len())]
    }

    /// A position with thousands of messages behind it.
    fn position(&self, rng: &mut Rng) -> i64 {
        rng.i64(1..self.last * 9 / 10)
    }
}

/// The library's statements, and two that it does not have.
fn questions(known: &Arc<Known>, schema: &str) -> Vec<Question> {
    const WHAT: &str = r#"SELECT id, stream_name, "type", "position", global_position, CAST(data AS TEXT),
                                 CAST(metadata AS TEXT), "time""#;
    let of_stream = {
        let known = Arc::clone(known);
        move |rng: &mut Rng, asked: &Asked<'_>| {
            let stream = known.stream(rng);
            format!(
                r#"{WHAT} FROM {} WHERE stream_name = (SELECT CAST('{stream}' AS TEXT))
                   AND "position" >= (SELECT CAST(0 AS BIGINT)){} ORDER BY "position" LIMIT (SELECT CAST(100 AS BIGINT))"#,
                asked.table,
                asked.bucket_of("stream_name", stream),
            )
        }
    };
    let of_category = {
        let known = Arc::clone(known);
        move |rng: &mut Rng, asked: &Asked<'_>| {
            format!(
                "{WHAT} FROM {} WHERE global_position >= (SELECT CAST({} AS BIGINT))
                    AND category = (SELECT CAST('{CATEGORY}' AS TEXT))
                  ORDER BY global_position LIMIT (SELECT CAST(1000 AS BIGINT))",
                asked.table,
                known.position(rng),
            )
        }
    };
    let of_all = {
        let known = Arc::clone(known);
        move |rng: &mut Rng, asked: &Asked<'_>| {
            format!(
                "{WHAT} FROM {} WHERE global_position >= (SELECT CAST({} AS BIGINT))
                  ORDER BY global_position LIMIT (SELECT CAST(1000 AS BIGINT))",
                asked.table,
                known.position(rng),
            )
        }
    };
    let window = {
        let known = Arc::clone(known);
        move |rng: &mut Rng, asked: &Asked<'_>| {
            let first = known.position(rng);
            format!(
                "{WHAT} FROM {} WHERE global_position BETWEEN {first} AND {} ORDER BY global_position LIMIT 1000",
                asked.table,
                first + 999,
            )
        }
    };
    let by_id = {
        let (known, schema) = (Arc::clone(known), schema.to_owned());
        move |rng: &mut Rng, asked: &Asked<'_>| {
            let id = &known.ids[rng.usize(..known.ids.len())];
            let place = |column: &str| {
                format!("(SELECT {column} FROM {schema}.message_ids WHERE id = '{id}')")
            };
            format!(
                "{WHAT} FROM {} WHERE \"time\" = {} AND global_position = {}",
                asked.table,
                place("\"time\""),
                place("global_position"),
            )
        }
    };
    vec![
        Question {
            name: "100 of a stream",
            sql: Box::new(of_stream),
        },
        Question {
            name: "1,000 of a category",
            sql: Box::new(of_category),
        },
        Question {
            name: "1,000 of everything",
            sql: Box::new(of_all),
        },
        Question {
            name: "a window of 1,000 places",
            sql: Box::new(window),
        },
        Question {
            name: "one by its id",
            sql: Box::new(by_id),
        },
    ]
}

fn reads(known: &Arc<Known>, namespace: &Namespace) -> Vec<Read> {
    let of_category = |name, category: &'static str| Read {
        name,
        ask: {
            let (known, namespace) = (Arc::clone(known), namespace.clone());
            Box::new(move |rng| {
                let namespace = namespace.clone();
                let query = CategoryQuery {
                    category: category.to_owned(),
                    from: known.position(rng),
                    limit: Some(1_000),
                    correlation: None,
                    group: None,
                };
                Box::pin(async move { namespace.category(query).await.expect("messages").len() })
            })
        },
    };
    let of_stream = {
        let (known, namespace) = (Arc::clone(known), namespace.clone());
        move |rng: &mut Rng| {
            let query = StreamQuery {
                stream: known.stream(rng).to_owned(),
                from: From::Position(0),
                limit: Some(100),
            };
            (namespace.clone(), query)
        }
    };
    vec![
        Read {
            name: "stream, up to 100 messages",
            ask: Box::new(move |rng| {
                let (namespace, query) = of_stream(rng);
                Box::pin(async move { namespace.stream(query).await.expect("messages").len() })
            }),
        },
        of_category("category, 1,000 messages", CATEGORY),
        of_category("everything, 1,000 messages", ""),
    ]
}
