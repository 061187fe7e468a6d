//! Appends: many writers of one category and of fifty, and one writer alone.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use annals_events::Namespace;

use super::{FLAVORS, TIME, WRITERS, message, namespace, peer, stream};
use crate::{
    Options,
    bed::{Bed, SETTINGS},
    measure::{Clock, Turn, Way, contest},
    report::{Report, median, two_digits, verdict},
};

/// How many times the peer's rate appends must reach, by categories.
const GOALS: [(usize, f64); 2] = [(1, 4.0), (50, 2.0)];

/// How many times the peer's latency one writer alone may have.
const ALONE: f64 = 2.5;

#[derive(Clone, Copy, Debug)]
enum How {
    Peer,
    Library,
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    report.heading("Appends of events", "events");
    report.paragraph(&format!(
        "{WRITERS} writers, each of which waits for its answer before it writes again, of messages of 140 bytes \
         to 1,000 streams of each category, for {} seconds a turn. Message DB's shape: a function with a lock \
         of the category, called by pgbench with prepared statements. The library: `write_message` of as many \
         tasks in this process. Both on the same two cores as the server. fsync on; {}.",
        TIME.as_secs(),
        SETTINGS.join(", "),
    ));
    for flavor in FLAVORS {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        report.paragraph(&format!("On {}:", bed.version().await));
        for (categories, goal) in GOALS {
            let turn = async |how| match how {
                How::Peer => {
                    bed.metered(async { peer::append(&bed, WRITERS, categories, TIME).await.turn })
                        .await
                }
                How::Library => {
                    let namespace = namespace(&bed, "bench").await;
                    bed.metered(append(&namespace, categories)).await
                }
            };
            let title = format!("appends, {categories} categories, on {flavor}");
            let ways = vec![
                Way {
                    name: "Message DB's shape, pgbench",
                    how: How::Peer,
                    goal: None,
                },
                Way {
                    name: "library",
                    how: How::Library,
                    goal: Some(goal),
                },
            ];
            let result = contest(&title, options.rounds, ways, turn).await;
            report.paragraph(&match categories {
                1 => "One category:".to_owned(),
                categories => format!("{categories} categories:"),
            });
            report.contest(&result, 0);
        }
        alone(options, report, &bed).await;
    }
}

/// Many writers for a time.
async fn append(namespace: &Namespace, categories: usize) -> Turn {
    let written = std::sync::Arc::new(AtomicUsize::new(0));
    let clock = Clock::start();
    let until = Instant::now() + TIME;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (namespace, written) = (namespace.clone(), std::sync::Arc::clone(&written));
        writers.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(writer as u64);
            while Instant::now() < until {
                let stream = stream(&mut rng, categories);
                namespace
                    .write_message(&stream, message(), None)
                    .await
                    .expect("a place");
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    writers.join_all().await;
    clock.stop(written.load(Ordering::Relaxed))
}

/// One writer and nobody else.
async fn alone(options: &Options, report: &mut Report, bed: &Bed) {
    let mut ratios = Vec::new();
    let mut rows = Vec::new();
    for round in 0..options.rounds {
        let peer = peer::append(bed, 1, 1, TIME).await.latency;
        let namespace = namespace(bed, "bench").await;
        let mut rng = fastrand::Rng::with_seed(round as u64);
        let until = Instant::now() + TIME;
        let mut appends = 0_u32;
        let began = Instant::now();
        while Instant::now() < until {
            let stream = stream(&mut rng, 1);
            namespace
                .write_message(&stream, message(), None)
                .await
                .expect("a place");
            appends += 1;
        }
        let ours = began.elapsed() / appends;
        let ratio = ours.as_secs_f64() / peer.as_secs_f64();
        eprintln!("alone: {peer:?} and {ours:?}, {ratio:.2}");
        ratios.push(ratio);
        rows.push(vec![
            format!("{}", round + 1),
            format!("{} ms", two_digits(peer.as_secs_f64() * 1e3)),
            format!("{} ms", two_digits(ours.as_secs_f64() * 1e3)),
            two_digits(ratio),
        ]);
    }
    report.paragraph(&format!(
        "One writer alone, mean time of one append; at most {ALONE} times the peer's: {}.",
        verdict(median(&ratios) <= ALONE, &two_digits(median(&ratios)))
    ));
    report.table(&["round", "Message DB's shape", "library", "ratio"], &rows);
}
