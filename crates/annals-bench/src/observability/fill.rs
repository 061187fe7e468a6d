//! Filling a database with a month of agents' work, and what it takes then.

use std::{
    thread,
    time::{Duration, Instant},
};

use annals_telemetry::{Span, Spans};
use futures_util::stream;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;

use super::{
    agents::Agents,
    place::{Place, TABLES},
    plan::Plan,
    writing::{self, Kept, Road},
};
use crate::report::thousands;

/// Connections that write: as many as the writer has by default.
const CONNECTIONS: usize = 2;

const CALL_ROWS: usize = 10_000;

/// How a fill went.
#[derive(Clone, Debug)]
pub(super) struct Filled {
    pub(super) spans: usize,
    pub(super) wall: Duration,
    /// Processor time of the thread that made the spans.
    pub(super) generating: Duration,
    /// VACUUM ANALYZE and CHECKPOINT behind it.
    pub(super) settled: Duration,
    /// Of all of it, by table.
    pub(super) sizes: Vec<Size>,
    /// Rows of `traces`, `usage_hourly` and `usage_daily`.
    pub(super) beside: [f64; 3],
}

/// Bytes of a table.
#[derive(Clone, Debug)]
pub(super) struct Size {
    pub(super) table: String,
    pub(super) rows: f64,
    pub(super) indexes: f64,
}

impl Filled {
    pub(super) fn rate(&self) -> f64 {
        self.spans as f64 / self.wall.as_secs_f64()
    }

    pub(super) fn bytes(&self) -> f64 {
        self.sizes.iter().map(|size| size.rows + size.indexes).sum()
    }
}

/// Writes all of a plan, everything switched on, and leaves the store open for reading.
pub(super) async fn fill(place: &Place, plan: Plan) -> (Spans, Filled) {
    place.empty(&plan).await;
    let road = Road {
        connections: CONNECTIONS,
        kept: Kept::All,
        batch_rows: None,
    };
    let spans = road.open(place.store().await).await;
    let (sender, receiver) = mpsc::channel(4);
    let generator = thread::spawn(move || {
        for call in Agents::new(plan).calls(CALL_ROWS) {
            // Who has no receiver any more has failed, and says so itself.
            if sender.blocking_send(call).is_err() {
                break;
            }
        }
        clock_gettime(ClockId::ThreadCPUTime)
    });
    let began = Instant::now();
    let calls = stream::unfold(
        (receiver, 0, began),
        |(mut receiver, sent, told)| async move {
            let call: Vec<Span> = receiver.recv().await?;
            let sent = sent + call.len();
            let is_time = told.elapsed() > Duration::from_secs(30);
            if is_time {
                eprintln!("filling: {} spans", thousands(sent as f64));
            }
            Some((
                call,
                (receiver, sent, if is_time { Instant::now() } else { told }),
            ))
        },
    );
    let rows = writing::write(&spans, calls).await;
    let wall = began.elapsed();
    let generating = generator.join().expect("a generator that ends");
    let settling = Instant::now();
    place.settle().await;
    let settled = settling.elapsed();
    let filled = Filled {
        spans: rows,
        wall,
        generating: generating.try_into().expect("a time after the start"),
        settled,
        sizes: sizes(place, &spans).await,
        beside: [
            place.number("SELECT count(*) FROM traces").await,
            place.number("SELECT count(*) FROM usage_hourly").await,
            place.number("SELECT count(*) FROM usage_daily").await,
        ],
    };
    let counted = place.number("SELECT sum(span_count) FROM traces").await;
    assert_eq!(counted as usize, rows, "the directory knows every span");
    eprintln!(
        "filled: {} spans in {:.0?} ({} spans/s), settled in {:.0?}, {} MB",
        thousands(rows as f64),
        wall,
        thousands(filled.rate()),
        settled,
        thousands(filled.bytes() / 1e6),
    );
    (spans, filled)
}

pub(super) async fn sizes(place: &Place, spans: &Spans) -> Vec<Size> {
    let of_spans = spans.lifecycle().table_size().await.expect("a size");
    let mut sizes = vec![Size {
        table: "spans".to_owned(),
        rows: (of_spans.total_bytes - of_spans.index_bytes) as f64,
        indexes: of_spans.index_bytes as f64,
    }];
    for table in TABLES.into_iter().skip(1) {
        sizes.push(Size {
            table: table.to_owned(),
            rows: place
                .number(&format!("SELECT pg_table_size('{table}')"))
                .await,
            indexes: place
                .number(&format!("SELECT pg_indexes_size('{table}')"))
                .await,
        });
    }
    sizes
}
