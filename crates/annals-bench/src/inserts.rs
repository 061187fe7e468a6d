//! The library against prepared INSERTs of single rows by the bare driver.

use annals_telemetry::Span;
use annals_testkit::server::Flavor;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqlSafeStr as _};

use crate::{
    Options,
    bare::{ForPostgres, insert_sql},
    bed::{Bed, execute},
    data::Plan,
    library::{self, Road},
    measure::{Clock, Turn, Way, contest},
    report::{Report, thousands},
};

#[derive(Clone, Copy, Debug)]
enum How {
    Autocommit,
    OneTransaction,
    Library(Road),
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    let plan = Plan::one_day(options.rows.div_ceil(10));
    let rows: Vec<Span> = plan.spans().collect();
    // One fsync a row: a hundredth says as much, and does not take all night.
    let few = &rows[..rows.len().div_ceil(10)];
    let bed = Bed::start(Flavor::Postgres, true).await;
    report.server(bed.version().await);
    report.heading("COPY against INSERTs of single rows", "inserts");
    report.paragraph(&format!(
        "The bare driver is sqlx with one prepared INSERT for each row on one connection, same table and \
         server as above. {} rows, {} where each is a transaction. The predecessor claimed 10 to 50 times.",
        thousands(rows.len() as f64),
        thousands(few.len() as f64),
    ));
    let ways = vec![
        Way {
            name: "INSERT, each a transaction",
            how: How::Autocommit,
            goal: None,
        },
        Way {
            name: "INSERT, one transaction",
            how: How::OneTransaction,
            goal: None,
        },
        Way {
            name: "library, ledger and directory off",
            how: How::Library(Road::BARE),
            goal: None,
        },
        Way {
            name: "library, ledger and directory on",
            how: How::Library(Road::KEPT),
            goal: None,
        },
    ];
    bed.empty(&plan).await;
    library::write(bed.store().await, Road::BARE, &rows, options.call_rows).await;
    let turn = async |how| -> Turn {
        bed.empty(&plan).await;
        let mut connection = bed.connect().await;
        let turn = match how {
            How::Autocommit => bed.metered(insert(&mut connection, few, false)).await,
            How::OneTransaction => bed.metered(insert(&mut connection, &rows, true)).await,
            How::Library(road) => {
                let store = bed.store().await;
                bed.metered(library::write(store, road, &rows, options.call_rows))
                    .await
            }
        };
        bed.expect_rows("SELECT count(*) FROM spans", turn.rows)
            .await;
        connection.close().await.expect("a goodbye");
        turn
    };
    let result = contest("inserts", options.rounds, ways, turn).await;
    report.paragraph("Against an INSERT for each row, each a transaction:");
    report.contest(&result, 0);
    report.paragraph("The same rounds against an INSERT for each row, all in one transaction:");
    report.contest(&result, 1);
}

async fn insert(connection: &mut PgConnection, rows: &[Span], one_transaction: bool) -> Turn {
    let sql = AssertSqlSafe(insert_sql(|number| format!("${number}"))).into_sql_str();
    let clock = Clock::start();
    if one_transaction {
        execute(connection, "BEGIN".to_owned()).await;
    }
    for row in rows {
        let done = sqlx::query_with(sql.clone(), ForPostgres::of(row))
            .execute(&mut *connection)
            .await;
        done.expect("a row");
    }
    if one_transaction {
        execute(connection, "COMMIT".to_owned()).await;
    }
    clock.stop(rows.len())
}
