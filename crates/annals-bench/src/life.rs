//! The life of data: how large it is hot and compressed, what reads of it cost then, and what its end costs.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`ground`] | a database on the Community server that one was told of, or on an Apache server of our own |
//! | [`family`] | what the benches want to know of a family |
//! | [`spans`], [`bars`], [`events`] | seven days of each, its layouts and its reads |
//! | [`segmenting`] | the layouts against each other |
//! | [`sizes`] | bytes a row, hot and compressed, and what they are made of |
//! | [`expiry`] | the end of a tenth, by dropping a chunk and by DELETE |
//! | [`told`] | all of it as tables |
//!
//! Seven days begin at 07:12 UTC, so that the first of the chunks of a day has a tenth of the rows.

mod bars;
mod events;
mod expiry;
mod family;
mod ground;
mod segmenting;
mod sizes;
mod spans;
mod told;

use std::time::Duration;

use crate::{
    Options,
    report::{Report, thousands},
};
use expiry::{Expiry, State};
use family::{Family, Timed};
use ground::Ground;
use segmenting::Measured;
use sizes::Sizes;

/// 2026-03-03T07:12:00Z.
const BEGIN: i64 = 1_772_521_920;

/// Where the second chunk begins: what is older is a tenth.
const TENTH: &str = "2026-03-04 00:00:00+00";

/// How long all of it lasts.
const LENGTH: Duration = Duration::from_secs(7 * 86_400);

/// Everything that is found out about a family on the Community server.
struct Life {
    family: Family,
    hot: Sizes,
    compressed: Sizes,
    layouts: Vec<Measured>,
    reads_hot: Vec<Timed>,
    reads_compressed: Vec<Timed>,
    ends: Vec<Expiry>,
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    report.heading("The life of data", "life");
    report.paragraph(&format!(
        "Seven days of each family: {} spans (8 a trace), the minutes of {} symbols that are traded day and night, and \
         {} messages in streams of which most are of 5 to 40 messages over some hours. Chunks of a day; the first has a \
         tenth of the rows.",
        thousands(options.life_rows as f64),
        thousands(bars::symbols(options.life_rows) as f64),
        thousands(events::messages(options.life_rows) as f64),
    ));
    let mut ends = Vec::new();
    match &options.community_url {
        Some(url) => {
            let ground = Ground::community(url).await;
            report.server(ground.version().await);
            let families = [
                spans::load(&ground, options.life_rows).await,
                bars::load(&ground, options.life_rows).await,
                events::load(&ground, options.life_rows).await,
            ];
            let mut lives = Vec::new();
            for family in families {
                lives.push(live(&ground, options, family).await);
            }
            told::segmenting(report, &ground.version().await, &lives);
            told::sizes(report, &lives);
            told::reads(report, &lives);
            for life in lives {
                ends.extend(life.ends.into_iter().map(|end| (ground.edition(), end)));
            }
            ground.end().await;
        }
        None => report.paragraph(
            "No Community server (ANNALS_BENCH_COMMUNITY_URL), so nothing here is compressed: only the end of data was \
             measured.",
        ),
    }
    let ground = Ground::apache().await;
    report.server(ground.version().await);
    for family in [
        spans::load(&ground, options.life_rows).await,
        bars::load(&ground, options.life_rows).await,
        events::load(&ground, options.life_rows).await,
    ] {
        let end = expiry::measure(&ground, options, &family, State::Hot).await;
        ends.push((ground.edition(), end));
    }
    ground.end().await;
    told::ends(report, &ends);
}

async fn live(ground: &Ground, options: &Options, family: Family) -> Life {
    let rounds = options.rounds;
    let hot = sizes::of(ground, &family).await;
    let reads_hot = family.time_reads(rounds).await;
    let mut ends = vec![expiry::measure(ground, options, &family, State::Hot).await];
    let layouts = segmenting::measure(ground, &family, rounds).await;
    segmenting::settle(ground, &family).await;
    let compressed = sizes::of(ground, &family).await;
    let reads_compressed = family.time_reads(rounds).await;
    ends.push(expiry::measure(ground, options, &family, State::Compressed).await);
    Life {
        family,
        hot,
        compressed,
        layouts,
        reads_hot,
        reads_compressed,
        ends,
    }
}
