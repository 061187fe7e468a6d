//! LLM observability: a month of agents' spans with directory, usage and costs, what asking of it takes, and what keeping
//! all of it costs a writer.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`plan`], [`agents`], [`bodies`] | a month of traces of agents |
//! | [`place`] | where it is measured |
//! | [`writing`], [`fill`] | writing by the library, and filling a database |
//! | [`ingest`] | everything switched on against `\copy` of the same tables |
//! | [`told`] | all of it as tables |
//!
//! The plan ends now, since windows that nobody has said end now.

mod agents;
mod bodies;
mod fill;
mod ingest;
mod place;
mod plan;
mod told;
mod writing;

use annals_record::Timestamp;
use annals_testkit::server::Flavor;

use crate::{Options, report::Report};
use ingest::Load;
use place::Place;
use plan::{DAYS, Plan};

pub(crate) async fn run(options: &Options, report: &mut Report) {
    let plan = Plan {
        spans: options.observability_spans,
        traces: options.observability_traces as u64,
        end: Timestamp::now(),
        days: DAYS,
    };
    told::introduce(report, &plan);
    let mut load = Load::new(options.rows, plan.end);
    for flavor in [Flavor::Postgres, Flavor::Timescale] {
        let place = Place::own(flavor).await;
        let version = place.version().await;
        report.server(version.clone());
        let contest = ingest::measure(options, &place, &mut load).await;
        told::ingest(report, options, &version, &contest);
        month(report, &version, &place, plan).await;
        place.end().await;
    }
    match &options.community_url {
        Some(url) => {
            let place = Place::community(url).await;
            let version = place.version().await;
            report.server(version.clone());
            month(report, &version, &place, plan).await;
            place.end().await;
        }
        None => report.paragraph(
            "No Community server (ANNALS_BENCH_COMMUNITY_URL), so there was none of its edition.",
        ),
    }
}

/// Fills a place with a month, and asks.
async fn month(report: &mut Report, version: &str, place: &Place, plan: Plan) {
    let (spans, filled) = fill::fill(place, plan).await;
    told::filled(report, version, &filled);
    writing::end(&spans).await;
}
