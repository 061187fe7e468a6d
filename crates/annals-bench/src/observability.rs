//! LLM observability: a month of agents' spans with directory, usage and costs, what asking of it takes, and what keeping
//! all of it costs a writer.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`plan`], [`agents`], [`bodies`] | a month of traces of agents |
//! | [`place`] | where it is measured |
//! | [`writing`], [`fill`] | writing by the library, and filling a database |
//! | [`ingest`] | everything switched on against `\copy` of the same tables |
//! | [`indexes`] | what each index of `traces` costs |
//! | [`mapping`] | from OTLP to spans |
//! | [`questions`], [`reads`] | what is asked, and what it took |
//! | [`told`] | all of it as tables |
//!
//! The plan ends now, since windows that nobody has said end now.

mod agents;
mod bodies;
mod fill;
mod indexes;
mod ingest;
mod mapping;
mod place;
mod plan;
mod questions;
mod reads;
mod told;
mod writing;

use std::sync::Arc;

use annals_cache::{Cache, CacheOptions};
use annals_record::Timestamp;
use annals_testkit::server::Flavor;

use crate::{Options, report::Report};
use ingest::Load;
use place::Place;
use plan::{DAYS, Plan};
use writing::{Kept, Road};

pub(crate) async fn run(options: &Options, report: &mut Report) {
    let plan = Plan {
        spans: options.observability_spans,
        traces: options.observability_traces as u64,
        end: Timestamp::now(),
        days: DAYS,
    };
    told::introduce(report, &plan);
    told::mapping(report, &mapping::measure(plan));
    let mut load = Load::new(options.rows, plan.end);
    let has = |list: &[String], name: &str| list.iter().any(|known| known == name);
    let measures = |part| has(&options.observability_parts, part);
    for (flavor, name) in [
        (Flavor::Postgres, "postgres"),
        (Flavor::Timescale, "timescale"),
    ] {
        if !has(&options.observability_servers, name) {
            continue;
        }
        let place = Place::own(flavor).await;
        let version = place.version().await;
        report.server(version.clone());
        if measures("ingest") {
            let contest = ingest::measure(options, &place, &mut load).await;
            told::ingest(report, options, &version, &contest);
        }
        // `traces` is an ordinary table on every server.
        if let Some(bed) = place
            .bed
            .as_ref()
            .filter(|_| flavor == Flavor::Postgres && measures("indexes"))
        {
            let measured = indexes::measure(options, bed, &load).await;
            told::indexes(report, options, &version, &measured);
        }
        if measures("month") {
            month(report, &version, &place, plan).await;
        }
        place.end().await;
    }
    match &options.community_url {
        Some(url) if measures("month") => {
            let place = Place::community(url).await;
            let version = place.version().await;
            report.server(version.clone());
            month(report, &version, &place, plan).await;
            place.end().await;
        }
        Some(_) => {}
        None => report.paragraph(
            "No Community server (ANNALS_BENCH_COMMUNITY_URL), so there was none of its edition.",
        ),
    }
}

/// Fills a place with a month, and asks.
async fn month(report: &mut Report, version: &str, place: &Place, plan: Plan) {
    let (spans, filled) = fill::fill(place, plan).await;
    told::filled(report, version, &filled);
    let spans = Arc::new(spans);
    let times = reads::time(&spans, plan, questions::all()).await;
    told::reads(report, version, &times);
    writing::end(&spans).await;
    // Traces are finished some seconds after their last span was stored.
    let road = Road::one(Kept::All);
    let spans = Arc::new(
        road.open_with(
            place.store().await,
            Some(Cache::new(CacheOptions::default())),
        )
        .await,
    );
    let times = reads::time(&spans, plan, questions::remembered()).await;
    told::reads(
        report,
        &format!("{version}, with the cache of finished traces in process"),
        &times,
    );
    writing::end(&spans).await;
}
