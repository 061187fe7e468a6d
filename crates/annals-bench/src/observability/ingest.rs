//! Writing with everything switched on, against psql's binary `\copy` of what is in the tables then.

use std::path::{Path, PathBuf};

use annals_telemetry::Span;
use futures_util::stream;

use super::{
    agents::Agents,
    place::{Place, TABLES},
    plan::Plan,
    writing::{self, Kept, Road},
};
use crate::{
    Options,
    measure::{Clock, Contest, Turn, Way, contest},
};

/// Of `\copy`, with everything switched on and one connection.
const GOAL: f64 = 0.9;

/// What a turn does.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// `\copy` of every table, one after the other.
    Copy,
    /// `\copy` of `spans` alone.
    CopySpans,
    Library(Road),
    /// The same, and no span is a call of a model: usage and prices have nothing to do.
    WithoutCalls(Road),
}

/// Rows to write, and files of what is in the tables when they are written.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) plan: Plan,
    rows: Vec<Span>,
    files: tempfile::TempDir,
    is_exported: bool,
}

impl Load {
    /// So many spans of two days, ten a trace.
    pub(super) fn new(spans: usize, end: annals_record::Timestamp) -> Self {
        let plan = Plan {
            spans,
            traces: (spans as u64 / 10).max(1),
            end,
            days: 2,
        };
        Self {
            plan,
            rows: Agents::new(plan).calls(spans).flatten().collect(),
            files: tempfile::tempdir().expect("a temporary directory"),
            is_exported: false,
        }
    }

    /// The rows without what may be large.
    pub(super) fn bare(&self) -> Vec<Span> {
        let mut rows = self.rows.clone();
        for span in &mut rows {
            span.tags = None;
            span.resource = None;
            span.events = None;
            // Nor are they calls, so that usage has nothing to do.
            span.gen_ai_operation = span.gen_ai_operation.take().map(|_| "chain".to_owned());
        }
        rows
    }

    fn file(&self, table: &str) -> PathBuf {
        self.files.path().join(format!("{table}.copy"))
    }

    /// A turn that does not count: it fills caches and makes WAL files. The first leaves its rows as files, in the
    /// order in which the library sends them; a hypertable would give them chunk by chunk.
    async fn warm_up(&mut self, place: &Place, call_rows: usize) {
        self.turn(place, How::Library(Road::one(Kept::All)), call_rows)
            .await;
        if self.is_exported {
            return;
        }
        for table in TABLES {
            copy(place, "to", table, &self.file(table));
        }
        self.is_exported = true;
    }

    async fn turn(&self, place: &Place, how: How, call_rows: usize) -> Turn {
        place.empty(&self.plan).await;
        let bed = place.bed.as_ref().expect("a server of our own");
        let turn = match how {
            How::Copy => bed.metered(self.copy(place, &TABLES)).await,
            How::CopySpans => bed.metered(self.copy(place, &TABLES[..1])).await,
            How::Library(road) => bed.metered(self.write(place, road, call_rows, false)).await,
            How::WithoutCalls(road) => bed.metered(self.write(place, road, call_rows, true)).await,
        };
        self.check(place, how).await;
        turn
    }

    async fn copy(&self, place: &Place, tables: &[&str]) -> Turn {
        let clock = Clock::start();
        let walls = tables
            .iter()
            .map(|table| copy(place, "from", table, &self.file(table)));
        let wall = walls.sum();
        clock.stop_children(self.rows.len(), wall)
    }

    /// By one task, some calls in flight. Copies are made and the writer is started before the clock.
    async fn write(&self, place: &Place, road: Road, call_rows: usize, is_chained: bool) -> Turn {
        let spans = road.open(place.store().await).await;
        let mut calls: Vec<Vec<Span>> = self.rows.chunks(call_rows).map(<[Span]>::to_vec).collect();
        if is_chained {
            let spans = calls.iter_mut().flatten();
            let of_models = spans.filter(|span| span.gen_ai_operation.as_deref() == Some("chat"));
            of_models.for_each(|span| span.gen_ai_operation = Some("chain".to_owned()));
        }
        let clock = Clock::start();
        let written = writing::write(&spans, stream::iter(calls)).await;
        let turn = clock.stop(self.rows.len());
        assert_eq!(written, self.rows.len(), "every row is committed");
        writing::end(&spans).await;
        turn
    }

    async fn check(&self, place: &Place, how: How) {
        let rows = self.rows.len() as f64;
        assert_eq!(place.number("SELECT count(*) FROM spans").await, rows);
        if matches!(
            how,
            How::Copy
                | How::WithoutCalls(_)
                | How::Library(Road {
                    kept: Kept::All,
                    ..
                })
        ) {
            let known = place.number("SELECT sum(span_count) FROM traces").await;
            assert_eq!(known, rows, "the directory knows every span");
        }
    }
}

/// Copies a table to or from a file, and gives psql's own time of it.
fn copy(place: &Place, way: &str, table: &str, file: &Path) -> std::time::Duration {
    let bed = place.bed.as_ref().expect("a server of our own");
    bed.psql(&format!(
        "\\copy {table} {way} '{}' with (format binary)",
        file.display()
    ))
}

pub(super) async fn measure(options: &Options, place: &Place, load: &mut Load) -> Contest<How> {
    load.warm_up(place, options.call_rows).await;
    let library = |name, road, goal| Way {
        name,
        how: How::Library(road),
        goal,
    };
    let ways = vec![
        Way {
            name: "psql \\copy, binary, of every table",
            how: How::Copy,
            goal: None,
        },
        Way {
            name: "psql \\copy, binary, of spans alone",
            how: How::CopySpans,
            goal: None,
        },
        library("library, everything on", Road::one(Kept::All), Some(GOAL)),
        Way {
            name: "library, everything on, but no span is a call: no usage, no prices",
            how: How::WithoutCalls(Road::one(Kept::All)),
            goal: None,
        },
        library(
            "library, directory and usage off",
            Road::one(Kept::Nothing),
            None,
        ),
        library(
            "library, everything on, batches of 30,000",
            Road {
                batch_rows: Some(30_000),
                ..Road::one(Kept::All)
            },
            None,
        ),
        library(
            "library, everything on, 2 connections",
            Road {
                connections: 2,
                ..Road::one(Kept::All)
            },
            None,
        ),
    ];
    let load = &*load;
    contest("everything on", options.rounds, ways, async |how| {
        load.turn(place, how, options.call_rows).await
    })
    .await
}
