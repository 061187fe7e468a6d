//! What each index of `traces` costs whoever writes spans.
//!
//! Spans without attributes go into a table that has its key alone, so that most of what is measured is the directory's own.

use annals_telemetry::Span;
use futures_util::stream;

use super::{
    ingest::Load,
    place::Place,
    writing::{self, Kept, Road},
};
use crate::{
    Options,
    bed::{self, Bed},
    measure::{Clock, Contest, Turn, Way, contest},
};

/// Which indexes `traces` has beside its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indexed {
    Bare,
    /// With one of them.
    By(usize),
    All,
}

/// What was found out of an index.
#[derive(Clone, Debug)]
pub(super) struct Index {
    name: String,
    definition: String,
    /// After the writing.
    pub(super) bytes: f64,
}

#[derive(Debug)]
pub(super) struct Measured {
    pub(super) contest: Contest<Indexed>,
    pub(super) indexes: Vec<Index>,
    pub(super) traces: f64,
}

pub(super) async fn measure(options: &Options, bed: &Bed, load: &Load) -> Measured {
    let place = Place {
        url: bed::database(&bed.cluster).await,
        bed: None,
    };
    let found = "SELECT indexname::text, indexdef, tablename::text FROM pg_indexes
                  WHERE tablename IN ('traces', 'spans') AND NOT indexname LIKE '%pkey' ORDER BY indexname";
    let found: Vec<(String, String, String)> = place.rows(found).await;
    let mut indexes = Vec::new();
    for (name, definition, table) in found {
        place.run(format!("DROP INDEX {name}")).await;
        if table == "traces" {
            let bytes = 0.0;
            indexes.push(Index {
                name,
                definition,
                bytes,
            });
        }
    }
    let way = |name, how| Way {
        name,
        how,
        goal: None,
    };
    let mut ways = vec![way("its key alone", Indexed::Bare)];
    for (number, index) in indexes.iter().enumerate() {
        // Names of ways live as long as the program, which is about to end.
        let name: &'static str = Box::leak(format!("and `{}`", index.name).into_boxed_str());
        ways.push(way(name, Indexed::By(number)));
    }
    ways.push(way("all of them", Indexed::All));
    let rows = load.bare();
    let mut traces = 0.0;
    let contest = contest("indexes of traces", options.rounds, ways, async |how| {
        place.empty(&load.plan).await;
        let chosen = |number: usize| matches!(how, Indexed::All) || how == Indexed::By(number);
        for (number, index) in indexes.iter().enumerate() {
            place
                .run(format!("DROP INDEX IF EXISTS {}", index.name))
                .await;
            if chosen(number) {
                place.run(index.definition.clone()).await;
            }
        }
        let turn = bed.metered(write(&place, &rows, options.call_rows)).await;
        for (number, index) in indexes
            .iter_mut()
            .enumerate()
            .filter(|(number, _)| chosen(*number))
        {
            let _ = number;
            index.bytes = place
                .number(&format!("SELECT pg_relation_size('{}')", index.name))
                .await;
        }
        traces = place.number("SELECT count(*) FROM traces").await;
        turn
    })
    .await;
    let (_, name) = place.url.rsplit_once('/').expect("a database");
    let name = name.split('?').next().unwrap_or(name);
    bed.cluster
        .drop_database(name)
        .await
        .expect("a database less");
    Measured {
        contest,
        indexes,
        traces,
    }
}

async fn write(place: &Place, rows: &[Span], call_rows: usize) -> Turn {
    let spans = Road::one(Kept::All).open(place.store().await).await;
    let calls: Vec<Vec<Span>> = rows.chunks(call_rows).map(<[Span]>::to_vec).collect();
    let clock = Clock::start();
    let written = writing::write(&spans, stream::iter(calls)).await;
    let turn = clock.stop(rows.len());
    assert_eq!(written, rows.len(), "every row is committed");
    writing::end(&spans).await;
    turn
}
