//! Two connections against one.

use annals_telemetry::Span;
use annals_testkit::server::Flavor;

use crate::{
    Options,
    bed::Bed,
    data::Plan,
    library::{self, Road},
    measure::{Turn, Way, contest},
    report::Report,
};

pub(crate) async fn run(options: &Options, report: &mut Report) {
    let plan = Plan::one_day(options.rows);
    let rows: Vec<Span> = plan.spans().collect();
    report.heading("Two connections against one", "connections");
    report.paragraph("The library on a server as above. A share is against one connection, ledger and directory on.");
    for flavor in [Flavor::Postgres, Flavor::Timescale] {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        bed.empty(&plan).await;
        library::write(bed.store().await, Road::BARE, &rows, options.call_rows).await;
        let way = |name, connections, kept| Way {
            name,
            how: Road {
                connections,
                kept,
                batch_rows: None,
            },
            goal: None,
        };
        let ways = vec![
            way("1 connection, ledger and directory on", 1, true),
            way("2 connections, ledger and directory on", 2, true),
            way("1 connection, ledger and directory off", 1, false),
            way("2 connections, ledger and directory off", 2, false),
        ];
        let turn = async |road: Road| -> Turn {
            bed.empty(&plan).await;
            let store = bed.store().await;
            let turn = bed
                .metered(library::write(store, road, &rows, options.call_rows))
                .await;
            bed.expect_rows("SELECT count(*) FROM spans", rows.len())
                .await;
            turn
        };
        let result = contest(
            &format!("connections on {flavor}"),
            options.rounds,
            ways,
            turn,
        )
        .await;
        report.paragraph(&format!("On {}:", bed.version().await));
        report.contest(&result, 0);
    }
}
