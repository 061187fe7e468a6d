//! Deployment traces: the predecessor's table and ours, filled with the same spans, in one run.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`plan`], [`traces`] | 90 days of traces as an engine leaves them |
//! | [`peer`], [`wire`] | the predecessor's table, and its driver's way of writing |
//! | [`ours`] | `Deployments` on some server |
//! | [`filled`] | that both have the same rows |
//! | [`question`], [`reads`] | the reads, asked of both in turns |
//! | [`inserts`] | a trace at a time, and many at once |
//! | [`recording`] | what recording costs the program that is recorded |
//! | [`told`] | all of it as tables |
//!
//! The plan ends now, since windows without an end do.

mod filled;
mod inserts;
mod ours;
mod peer;
mod plan;
mod question;
mod reads;
mod recording;
mod told;
mod traces;
mod wire;

use std::time::Duration;

use annals_record::Timestamp;
use annals_testkit::server::{Flavor, create_database_at, drop_database_at};
use sqlx::{Connection as _, PgConnection};

use crate::{
    Options,
    bed::{Bed, SETTINGS, execute},
    measure::Contest,
    report::{Report, thousands},
};
use inserts::How;
use ours::Ours;
use peer::Peer;
use plan::{DAYS, DEPLOYMENTS, Plan, SPANS_PER_TRACE, TARGETS, WORKSPACES};
use reads::{Asking, Times};
use told::Place;

const DAY: Duration = Duration::from_secs(86_400);

/// Chunks that are older than this are compressed unless a policy says otherwise.
const HOT_DAYS: u32 = 7;

/// What is known of every place, in the order in which they were measured.
struct Found {
    askings: Vec<Asking>,
    /// With the predecessor's times.
    of_peer: Vec<Times>,
    places: Vec<Place>,
    contests: Vec<(String, Contest<How>)>,
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    let plan = Plan {
        rows: options.deployment_rows,
        end: Timestamp::now(),
    };
    introduce(report, &plan);
    let mut recorded = Vec::new();
    for (name, setup) in recording::SETUPS {
        recorded.push((name, recording::measure(setup).await));
    }
    let mut found = beside_the_predecessor(options, report, plan).await;
    on_timescale(options, report, plan, &mut found).await;
    match &options.community_url {
        Some(url) => on_community(report, plan, url, &mut found).await,
        None => report.paragraph(
            "No Community server (ANNALS_BENCH_COMMUNITY_URL), so nothing here is compressed.",
        ),
    }
    told::sizes(report, &found.places);
    told::inserts(report, &found.contests);
    told::recording(report, &recorded);
}

fn introduce(report: &mut Report, plan: &Plan) {
    report.heading("Deployment traces against the predecessor", "deployments");
    report.paragraph(&format!(
        "About {} spans over {DAYS} days, the same in every table, ids included: {} traces of some {SPANS_PER_TRACE} spans as a \
         whole reconciliation leaves them, evenly over the time, of {} release targets of {DEPLOYMENTS} deployments in {WORKSPACES} \
         workspaces, of which one has half of all; one trace of twenty is blocked, one of fifty is continued by an external \
         system. The predecessor is its own table on plain PostgreSQL with its thirteen indexes, asked in its own SQL with \
         OFFSET, by the bare driver (sqlx), rows not even decoded, each statement planned for its values. Ours is asked by \
         `WorkspaceReads`, rows as structs, cursors instead of OFFSET. Each read is the median of up to 20 parameters, each asked \
         twice, of which the second counts; both in turns where they are on one server. The predecessor always looks through \
         everything: the fair comparison is ours over 90 days, and the other column is what a caller gets who says nothing. Goals: \
         pages of lists 10 times as fast; no read more than twice as slow or 1 ms slower. Servers: fsync on; {}.",
        thousands(plan.rows as f64),
        thousands(plan.traces() as f64),
        thousands(TARGETS as f64),
        SETTINGS.join(", "),
    ));
}

/// Both on one server of plain PostgreSQL.
async fn beside_the_predecessor(options: &Options, report: &mut Report, plan: Plan) -> Found {
    let bed = Bed::start(Flavor::Postgres, true).await;
    let version = bed.version().await;
    report.server(version.clone());
    let peer = Peer::make(&bed).await;
    let peer_filled = peer.fill(plan).await;
    eprintln!("predecessor: {} rows/s", thousands(peer_filled.rate()));
    let ours = Ours::make(fresh(&bed).await).await;
    let filled = ours.fill(plan).await;
    eprintln!("ours on {version}: {} rows/s", thousands(filled.rate()));
    filled.assert_same(&peer_filled);

    let mut connection = peer.connect().await;
    let askings = reads::askings(&plan, &mut connection).await;
    let mut times = Vec::new();
    for asking in &askings {
        let both = asking.time(&plan, Some(&mut connection), &ours.deployments);
        times.push(both.await);
    }
    connection.close().await.expect("a goodbye");
    let place = format!("ours on {version}, the server of the predecessor");
    told::reads(report, &place, &askings, &times, &times);

    let [rows, indexes] = peer.sizes().await;
    let places = vec![
        Place {
            name: format!("predecessor, {version}"),
            filled: peer_filled,
            rows,
            indexes,
            directory: 0.0,
        },
        Place::ours(format!("ours, {version}"), filled, ours.sizes().await),
    ];
    let contest = inserts::measure(options, &bed, plan, Some(&peer), &ours).await;
    ours.end().await;
    Found {
        askings,
        of_peer: times,
        places,
        contests: vec![(version, contest)],
    }
}

/// Ours on a TimescaleDB server of our own.
async fn on_timescale(options: &Options, report: &mut Report, plan: Plan, found: &mut Found) {
    let bed = Bed::start(Flavor::Timescale, true).await;
    let version = bed.version().await;
    report.server(version.clone());
    let ours = Ours::make(fresh(&bed).await).await;
    let filled = ours.fill(plan).await;
    eprintln!("ours on {version}: {} rows/s", thousands(filled.rate()));
    filled.assert_same(&found.places[0].filled);
    read_there(report, &format!("ours on {version}"), plan, &ours, found).await;
    let sizes = ours.sizes().await;
    let place = Place::ours(format!("ours, {version}"), filled, sizes);
    found.places.push(place);
    let contest = inserts::measure(options, &bed, plan, None, &ours).await;
    found.contests.push((version, contest));
    ours.end().await;
}

/// Ours on somebody's Community server: hot, as after a week, and with everything compressed.
async fn on_community(report: &mut Report, plan: Plan, url: &str, found: &mut Found) {
    let url = create_database_at(url, Flavor::Timescale)
        .await
        .unwrap_or_else(|error| panic!("no database: {error}"));
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    // As on servers of our own.
    let jit =
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET jit = off', current_database()); END $$";
    execute(&mut connection, jit.to_owned()).await;
    let version =
        "SELECT format('PostgreSQL %s with TimescaleDB %s Community (fsync %s, shared_buffers %s)',
                                 split_part(current_setting('server_version'), ' ', 1), extversion,
                                 current_setting('fsync'), current_setting('shared_buffers'))
                     FROM pg_extension WHERE extname = 'timescaledb'";
    let version: String = sqlx::query_scalar(version)
        .fetch_one(&mut connection)
        .await
        .expect("a version");
    connection.close().await.expect("a goodbye");
    report.server(version.clone());

    let ours = Ours::make(url.clone()).await;
    let filled = ours.fill(plan).await;
    eprintln!("ours on {version}: {} rows/s", thousands(filled.rate()));
    filled.assert_same(&found.places[0].filled);
    read_there(
        report,
        &format!("ours on {version}, hot"),
        plan,
        &ours,
        found,
    )
    .await;
    let place = |name: String, sizes| Place::ours(name, filled, sizes);
    let sizes = ours.sizes().await;
    found
        .places
        .push(place(format!("ours, {version}, hot"), sizes));

    for (state, before) in [
        (
            "what is older than a week compressed",
            plan.end - DAY * HOT_DAYS,
        ),
        ("every chunk compressed", plan.end + DAY * 2 * HOT_DAYS),
    ] {
        let took = ours.compress(before).await;
        let sizes = ours.sizes().await;
        let state = format!(
            "{state} ({} of {} chunks)",
            sizes.compressed_chunks, sizes.chunks
        );
        eprintln!("{state} in {took:.1?}: {} bytes", thousands(sizes.total()));
        let name = format!("ours on {version}, {state}");
        read_there(report, &name, plan, &ours, found).await;
        found
            .places
            .push(place(format!("ours, {version}, {state}"), sizes));
    }
    ours.end().await;
    drop_database_at(&url).await.expect("a database less");
}

/// Asks ours alone, and tells it beside what the predecessor took.
async fn read_there(report: &mut Report, place: &str, plan: Plan, ours: &Ours, found: &Found) {
    let mut times = Vec::new();
    for asking in &found.askings {
        times.push(asking.time(&plan, None, &ours.deployments).await);
    }
    told::reads(report, place, &found.askings, &times, &found.of_peer);
}

/// An empty database of a server of our own.
async fn fresh(bed: &Bed) -> String {
    let name = bed
        .cluster
        .create_database()
        .await
        .unwrap_or_else(|error| panic!("no database: {error}"));
    bed.cluster.url(&name)
}
