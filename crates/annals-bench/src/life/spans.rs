//! Spans and the directory of traces.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use annals_record::Timestamp;
use annals_store::Ticket;
use annals_telemetry::{SpanFilter, SpanStore as _, Spans};
use fastrand::Rng;

use super::{
    BEGIN, LENGTH, TENTH,
    family::{Asked, Beside, Family, Layout, Question, Read},
    ground::Ground,
};
use crate::{
    data::{Plan, SPANS_PER_TRACE, trace_id},
    library::Road,
};

const SERVICES: [&str; 4] = ["chat-gateway", "support-agent", "retrieval", "order-tools"];

const MODELS: [&str; 3] = [
    "gpt-4o-2024-08-06",
    "claude-sonnet-4-20250514",
    "mistral-large-2411",
];

/// Traces whose time ranges are known to those who ask in SQL.
const KNOWN: usize = 2_000;

const BLOOM: &str = "bloom(trace_id), bloom(service_name), bloom(model_name)";

const LAYOUTS: [Layout; 11] = [
    Layout::new("service_name", "start_time DESC").pglz(),
    Layout::new("service_name", "start_time DESC"),
    Layout::new("service_name", "start_time DESC").sparse("bloom(trace_id), bloom(model_name)"),
    Layout::new("service_name", "trace_id, start_time").sparse("bloom(model_name)"),
    Layout::new("model_name", "start_time DESC").sparse("bloom(trace_id), bloom(service_name)"),
    Layout::new("", "start_time DESC").pglz(),
    Layout::new("", "start_time DESC"),
    Layout::new("", "start_time DESC").sparse(BLOOM).pglz(),
    Layout::new("", "trace_id, start_time").sparse("bloom(service_name), bloom(model_name)"),
    Layout::new("bucket", "start_time DESC")
        .sparse(BLOOM)
        .bucket("abs(hashtext(trace_id)) % 16"),
    Layout::new("", "start_time DESC").sparse(BLOOM).wins(),
];

/// Writes spans by the library, so that the directory is filled too.
pub(super) async fn load(ground: &Ground, rows: usize) -> Family {
    let began = Instant::now();
    let plan = Plan {
        rows,
        begin: Timestamp::from_unix_nanos(BEGIN * 1_000_000_000),
        // The last trace must not reach behind the seventh day.
        length: LENGTH - Duration::from_secs(120),
    };
    let road = Road {
        connections: 2,
        kept: true,
        batch_rows: None,
    };
    let spans = Spans::new(ground.store().await, road.options())
        .await
        .expect("a writer");
    let mut all = plan.spans();
    let mut tickets: Vec<Ticket> = Vec::new();
    loop {
        let call: Vec<_> = all.by_ref().take(10_000).collect();
        if call.is_empty() {
            break;
        }
        tickets.push(spans.writer().enqueue(call).await.expect("rows are taken"));
    }
    for ticket in tickets {
        assert_eq!(ticket.await.expect("rows are committed").parked, 0);
    }
    ground.run("VACUUM ANALYZE spans").await;
    ground.run("VACUUM ANALYZE traces").await;
    ground.run("CHECKPOINT").await;
    eprintln!("spans loaded in {:.0?}", began.elapsed());
    let traces = Beside {
        expired: Some(format!("start_time < '{TENTH}' AND end_time < '{TENTH}'")),
        ..Beside::lasting("traces")
    };
    Family {
        name: "spans",
        table: "spans".to_owned(),
        time: "start_time",
        rows,
        beside: vec![traces],
        layouts: LAYOUTS.to_vec(),
        questions: questions(ground).await,
        reads: reads(Arc::new(spans), plan),
    }
}

/// A second of the seven days, with an hour of data before it.
fn moment(rng: &mut Rng) -> i64 {
    BEGIN + 3_600 + rng.i64(0..LENGTH.as_secs().cast_signed() - 3_600)
}

/// The library's statements.
async fn questions(ground: &Ground) -> Vec<Question> {
    const ORDER: &str =
        "ORDER BY start_time DESC, start_time_nanos DESC, trace_id DESC, span_id DESC LIMIT 100";
    let known: Vec<(String, String, String)> = ground
        .rows(&format!(
            "SELECT trace_id, start_time::text, end_time::text FROM traces ORDER BY md5(trace_id) LIMIT {KNOWN}"
        ))
        .await;
    let of_trace = move |rng: &mut Rng, asked: &Asked<'_>| {
        let (id, from, to) = &known[rng.usize(..known.len())];
        format!(
            "SELECT * FROM {} WHERE trace_id = '{id}' AND start_time >= '{from}' AND start_time <= '{to}'{}
              ORDER BY start_time, start_time_nanos, span_id, trace_id",
            asked.table,
            asked.bucket_of("trace_id", id),
        )
    };
    let of_service = |rng: &mut Rng, asked: &Asked<'_>| {
        let end = moment(rng);
        format!(
            "SELECT * FROM {} WHERE service_name = '{}' AND start_time >= to_timestamp({}) \
             AND start_time <= to_timestamp({end}) {ORDER}",
            asked.table,
            SERVICES[rng.usize(..SERVICES.len())],
            end - 3_600,
        )
    };
    let newest = |_: &mut Rng, asked: &Asked<'_>| format!("SELECT * FROM {} {ORDER}", asked.table);
    let latency = |rng: &mut Rng, asked: &Asked<'_>| {
        let end = moment(rng);
        format!(
            "SELECT count(*), max(duration_nanos) FILTER (WHERE place = (95 * total + 99) / 100)
               FROM (SELECT duration_nanos, row_number() OVER (ORDER BY duration_nanos) AS place,
                            count(*) OVER () AS total
                       FROM {} WHERE model_name = '{}' AND start_time >= to_timestamp({})
                        AND start_time < to_timestamp({end}) AND duration_nanos >= 0) AS ranked",
            asked.table,
            MODELS[rng.usize(..MODELS.len())],
            end - 3_600,
        )
    };
    vec![
        Question {
            name: "a trace, with its times",
            sql: Box::new(of_trace),
        },
        Question {
            name: "newest 100 of a service in an hour",
            sql: Box::new(of_service),
        },
        Question {
            name: "newest 100",
            sql: Box::new(newest),
        },
        Question {
            name: "latency of a model in an hour",
            sql: Box::new(latency),
        },
    ]
}

fn reads(spans: Arc<Spans>, plan: Plan) -> Vec<Read> {
    let at = |seconds: i64| Timestamp::from_unix_nanos(seconds * 1_000_000_000);
    // The last trace may be cut short.
    let whole = (plan.rows / SPANS_PER_TRACE).max(1) as u64;
    let (by_id, of_service, newest, latency) = (
        Arc::clone(&spans),
        Arc::clone(&spans),
        Arc::clone(&spans),
        spans,
    );
    let list = |spans: Arc<Spans>, filter: SpanFilter| async move {
        spans.list_spans(filter).await.expect("a page").rows.len()
    };
    vec![
        Read {
            name: "get_trace",
            ask: Box::new(move |rng| {
                let (spans, id) = (Arc::clone(&by_id), trace_id(rng.u64(..whole)));
                Box::pin(async move { spans.get_trace(&id).await.expect("a trace").len() })
            }),
        },
        Read {
            name: "list_spans, newest 100 of a service in an hour",
            ask: Box::new(move |rng| {
                let end = moment(rng);
                let filter = SpanFilter {
                    service_name: Some(SERVICES[rng.usize(..SERVICES.len())].to_owned()),
                    since: Some(at(end - 3_600)),
                    until: Some(at(end)),
                    ..SpanFilter::default()
                };
                Box::pin(list(Arc::clone(&of_service), filter))
            }),
        },
        Read {
            name: "list_spans, newest 100",
            ask: Box::new(move |_| Box::pin(list(Arc::clone(&newest), SpanFilter::default()))),
        },
        Read {
            name: "latency of a model in an hour",
            ask: Box::new(move |rng| {
                let (spans, end) = (Arc::clone(&latency), moment(rng));
                let model = MODELS[rng.usize(..MODELS.len())];
                Box::pin(async move {
                    let latency = spans.latency(model, at(end - 3_600), at(end)).await;
                    usize::try_from(latency.expect("a latency").sample_count).unwrap_or_default()
                })
            }),
        },
    ]
}
