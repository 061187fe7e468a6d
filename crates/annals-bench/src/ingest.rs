//! The library against psql's binary `\copy` of the same rows into the same table.

use annals_telemetry::Span;
use annals_testkit::server::Flavor;

use crate::{
    Options,
    bed::{Bed, SETTINGS},
    data::Plan,
    library::{self, Road},
    measure::{Turn, Way, contest},
    report::Report,
};

#[derive(Clone, Copy, Debug)]
enum How {
    Psql,
    Library(Road),
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    let plan = Plan::one_day(options.rows);
    let rows: Vec<Span> = plan.spans().collect();
    let files = tempfile::tempdir().expect("a temporary directory");
    let file = files.path().join("spans.copy");
    report.heading("Ingest against the ceiling", "ingest");
    report.paragraph(&format!(
        "Ceiling: `psql \\copy … (format binary)` of a file of the same rows, over the same loopback, into \
         the same table with the same indexes, all in one COPY and one transaction; its clock is psql's \
         own `\\timing`. The library has one connection and is handed {} rows a call by one task; its \
         clock runs until the last row is acknowledged. fsync on; {}.",
        options.call_rows,
        SETTINGS.join(", "),
    ));
    for flavor in [Flavor::Postgres, Flavor::Timescale] {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        // A turn that does not count: it fills caches and makes WAL files. On plain PostgreSQL its
        // rows are the ceiling's file, in the order in which the library sends them.
        bed.empty(&plan).await;
        library::write(bed.store().await, Road::BARE, &rows, options.call_rows).await;
        if flavor == Flavor::Postgres {
            bed.export(&file).await;
        }
        let ways = vec![
            Way {
                name: "psql \\copy, binary",
                how: How::Psql,
                goal: None,
            },
            Way {
                name: "library, ledger and directory off",
                how: How::Library(Road::BARE),
                goal: Some(0.95),
            },
            Way {
                name: "library, ledger and directory on",
                how: How::Library(Road::KEPT),
                goal: Some(0.85),
            },
            Way {
                name: "library, both on, batches of 30,000",
                how: How::Library(Road::LARGE),
                goal: None,
            },
        ];
        let turn = async |how| -> Turn {
            bed.empty(&plan).await;
            let turn = match how {
                How::Psql => bed.metered(bed.import(&file, rows.len())).await,
                How::Library(road) => {
                    let store = bed.store().await;
                    bed.metered(library::write(store, road, &rows, options.call_rows))
                        .await
                }
            };
            check(&bed, how, rows.len()).await;
            turn
        };
        let result = contest(&format!("ingest on {flavor}"), options.rounds, ways, turn).await;
        report.paragraph(&format!("On {}:", bed.version().await));
        report.contest(&result, 0);
    }
}

async fn check(bed: &Bed, how: How, rows: usize) {
    bed.expect_rows("SELECT count(*) FROM spans", rows).await;
    if matches!(how, How::Library(Road { kept: true, .. })) {
        bed.expect_rows("SELECT sum(span_count) FROM traces", rows)
            .await;
        bed.expect_rows("SELECT sum(row_count) FROM annals_ledger", rows)
            .await;
    }
}
