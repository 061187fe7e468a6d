//! What was found out, as tables.

use super::{
    filled::Filled,
    inserts::{How, Load},
    ours::Sizes,
    reads::{Asking, Timed, Times},
    recording::{RUNS, Recorded, SPANS},
};
use crate::{
    measure::{Contest, Turn},
    report::{Report, median, spread, thousands, two_digits, verdict},
};

/// How many times faster pages of lists shall be.
const FASTER: f64 = 10.0;

/// No read shall take more than so many times as long, or more than so many milliseconds longer.
const SLOWER: f64 = 2.0;
const SLOWER_MILLIS: f64 = 1.0;

/// What recording may take, in milliseconds.
const OWN_TIME: f64 = 1.0;

/// Reads of ours somewhere, against those of the predecessor in the same run.
pub(super) fn reads(
    report: &mut Report,
    place: &str,
    askings: &[Asking],
    times: &[Times],
    peer: &[Times],
) {
    report.paragraph(&format!("**Reads**, {place}:"));
    let mut lists = Tally::default();
    let mut all = Tally::default();
    let rows: Vec<Vec<String>> = (askings.iter().zip(times).zip(peer))
        .map(|((asking, times), peer)| {
            let fair = times.over_all.or(times.by_default);
            let both = peer.peer.zip(fair);
            let faster = both.filter(|_| asking.question.is_list());
            let faster = faster.map(|(peer, ours)| peer.millis / ours.millis >= FASTER);
            let slower = both.map(|(peer, ours)| {
                ours.millis <= peer.millis * SLOWER || ours.millis <= peer.millis + SLOWER_MILLIS
            });
            lists.add(faster);
            all.add(slower);
            let told = |met: Option<bool>, goal: &str| {
                met.map_or_else(String::new, |met| verdict(met, goal))
            };
            vec![
                asking.name(),
                rows_of(peer.peer, fair),
                millis(peer.peer),
                millis(times.by_default),
                millis(times.over_all),
                both.map_or_else(String::new, |(peer, ours)| {
                    two_digits(peer.millis / ours.millis)
                }),
                told(faster, &format!("≥ {FASTER}")),
                told(slower, "not slower"),
            ]
        })
        .collect();
    let head = [
        "read, workspace",
        "rows",
        "predecessor, ms",
        "ours by default, ms",
        "ours over 90 days, ms",
        "times faster",
        "goal",
        "other goal",
    ];
    report.table(&head, &rows);
    report.paragraph(&format!(
        "Of {} pages of lists {} are {FASTER} times as fast; of {} reads {} are no slower than they may be.",
        lists.all, lists.met, all.all, all.met,
    ));
}

#[derive(Debug, Default)]
struct Tally {
    all: usize,
    met: usize,
}

impl Tally {
    fn add(&mut self, met: Option<bool>) {
        self.all += usize::from(met.is_some());
        self.met += usize::from(met == Some(true));
    }
}

fn millis(timed: Option<Timed>) -> String {
    timed.map_or_else(String::new, |timed| two_digits(timed.millis))
}

/// Rows of both where they differ: a window or a tree may have others.
fn rows_of(peer: Option<Timed>, ours: Option<Timed>) -> String {
    match (peer, ours) {
        (Some(peer), Some(ours)) if peer.rows != ours.rows => {
            format!("{}; ours {}", thousands(peer.rows), thousands(ours.rows))
        }
        (Some(timed), _) | (None, Some(timed)) => thousands(timed.rows),
        (None, None) => String::new(),
    }
}

/// A table somewhere, and how it was filled.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) filled: Filled,
    pub(super) rows: f64,
    pub(super) indexes: f64,
    pub(super) directory: f64,
}

impl Place {
    pub(super) fn ours(name: String, filled: Filled, sizes: Sizes) -> Self {
        Self {
            name,
            filled,
            rows: sizes.rows,
            indexes: sizes.indexes,
            directory: sizes.directory,
        }
    }
}

pub(super) fn sizes(report: &mut Report, places: &[Place]) {
    report.paragraph(
        "**Sizes.** Bytes a span after the fill and VACUUM, with every index; indexes of compressed chunks are counted with their \
         rows where the server does so. The directory (`deployment_trace`) is ours alone. Filled: spans a second of the fill, \
         which for the predecessor is COPY on two connections, that it never used, and for ours `write_each` by two tasks.",
    );
    let base = places.first().map_or(1.0, total);
    let rows: Vec<Vec<String>> = places
        .iter()
        .map(|place| {
            let of = |bytes: f64| two_digits(bytes / place.filled.rows as f64);
            vec![
                place.name.clone(),
                of(place.rows),
                of(place.indexes),
                of(place.directory),
                of(total(place)),
                two_digits(total(place) / base),
                thousands(place.filled.rate()),
            ]
        })
        .collect();
    let head = [
        "where",
        "rows",
        "indexes",
        "directory",
        "all",
        "share of the predecessor's",
        "filled, spans/s",
    ];
    report.table(&head, &rows);
}

fn total(place: &Place) -> f64 {
    place.rows + place.indexes + place.directory
}

/// What was written of each way, by server; ours is held against the predecessor wherever that took part.
pub(super) fn inserts(report: &mut Report, contests: &[(String, Contest<How>)]) {
    report.paragraph(
        "**Writing** into the filled tables, spans a second. The predecessor as its driver did it: BEGIN, one INSERT … ON CONFLICT \
         (trace_id, span_id) DO NOTHING for each span, prepared once and sent together, COMMIT (by tokio-postgres, which pipelines; \
         each statement is followed by a Sync, where pgx has one behind all). Ours: `Deployments::write` of a trace, and \
         `write_each` in bulk; workspaces are looked at, and the directory and the ledger are kept.",
    );
    let peer = contests.iter().find_map(|(_, contest)| {
        let has_peer = contest
            .ways
            .iter()
            .any(|way| matches!(way.how, How::Peer(_)));
        has_peer.then_some(contest)
    });
    let mut rows = Vec::new();
    for (server, contest) in contests {
        for (way, turns) in contest.ways.iter().zip(&contest.turns) {
            let (who, load) = match way.how {
                How::Peer(load) => ("predecessor", load),
                How::Ours(load) => ("ours", load),
            };
            let rate = |turns: &[Turn]| median(&turns.iter().map(Turn::rate).collect::<Vec<_>>());
            let base = peer.and_then(|peer| turns_of(peer, load)).map(rate);
            let times = match way.how {
                How::Peer(_) => "1".to_owned(),
                How::Ours(_) => {
                    base.map_or_else(String::new, |base| two_digits(rate(turns) / base))
                }
            };
            let server_cpu = turns
                .iter()
                .map(Turn::server_per_row)
                .collect::<Option<Vec<f64>>>();
            rows.push(vec![
                server.clone(),
                load.name(),
                who.to_owned(),
                spread(turns.iter().map(Turn::rate), thousands),
                times,
                spread(turns.iter().map(Turn::cpu_per_row), two_digits),
                server_cpu.map_or_else(String::new, |cpu| spread(cpu, two_digits)),
            ]);
        }
    }
    let head = [
        "server",
        "load",
        "who",
        "spans/s",
        "times the predecessor on PostgreSQL",
        "client CPU, µs a span",
        "server CPU, µs a span",
    ];
    report.table(&head, &rows);
}

fn turns_of(contest: &Contest<How>, load: Load) -> Option<&[Turn]> {
    let place = contest
        .ways
        .iter()
        .position(|way| way.how == How::Peer(load))?;
    contest.turns.get(place).map(Vec::as_slice)
}

pub(super) fn recording(report: &mut Report, recorded: &[(&str, Recorded)]) {
    report.paragraph(&format!(
        "**Recording** {SPANS} spans with metadata and results, {} times on a thread of its own: milliseconds of that thread's \
         processor, and of the clock. Nothing in it is awaited; persisting is a task of the runtime, into memory.",
        thousands(RUNS as f64),
    ));
    let rows: Vec<Vec<String>> = recorded
        .iter()
        .map(|(name, recorded)| {
            let own = sorted(&recorded.own);
            let wall = sorted(&recorded.wall);
            vec![
                (*name).to_owned(),
                three_digits(at(&own, 50)),
                three_digits(at(&own, 99)),
                three_digits(at(&own, 100)),
                three_digits(at(&wall, 50)),
                three_digits(at(&wall, 99)),
                three_digits(at(&wall, 100)),
                verdict(
                    at(&own, 99) < OWN_TIME,
                    &format!("own, 99 of 100 < {OWN_TIME} ms"),
                ),
            ]
        })
        .collect();
    let head = [
        "how",
        "own, median",
        "99 of 100",
        "most",
        "wall, median",
        "99 of 100",
        "most",
        "goal",
    ];
    report.table(&head, &rows);
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// By the nearest-rank rule.
fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}

fn three_digits(value: f64) -> String {
    format!("{value:.3}")
}
