//! The library against prepared INSERTs of the bare driver, on SQLite, in equal transactions.

use std::path::Path;

use annals_store::{Store, WriterOptions};
use annals_telemetry::{MIGRATIONS, Span};
use rusqlite::{Connection, TransactionBehavior};

use crate::{
    Options,
    bare::{ForSqlite, insert_sql},
    data::Plan,
    library::{self, Road},
    measure::{Clock, Turn, Way, contest},
    report::{Report, thousands},
};

#[derive(Clone, Copy, Debug)]
enum How {
    Bare,
    Library(Road),
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    let rows: Vec<Span> = Plan::one_day(options.rows).spans().collect();
    let transaction = WriterOptions::default().batch_rows.get();
    report.server(format!("SQLite {}", rusqlite::version()));
    report.heading("SQLite against the bare driver", "sqlite");
    report.paragraph(&format!(
        "The bare driver is rusqlite with one prepared INSERT, bound and run for each row, {} rows a \
         transaction, as many as the library puts into one; schema, indexes and pragmas are the \
         library's (WAL, synchronous=FULL, 64 MiB cache). A new file for every turn.",
        thousands(transaction as f64),
    ));
    let ways = vec![
        Way {
            name: "rusqlite, prepared INSERT",
            how: How::Bare,
            goal: None,
        },
        Way {
            name: "library, ledger and directory off",
            how: How::Library(Road::BARE),
            goal: Some(0.6),
        },
        Way {
            name: "library, ledger and directory on",
            how: How::Library(Road::KEPT),
            goal: Some(0.6),
        },
    ];
    let turn = async |how| -> Turn {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("bench.db");
        let store = Store::open(&format!("sqlite:{}", file.display()))
            .await
            .expect("a store");
        store
            .migrator(&[&MIGRATIONS])
            .up()
            .await
            .expect("migrations");
        let turn = match how {
            How::Bare => {
                store.close().await;
                bare(&file, &rows, transaction)
            }
            How::Library(road) => library::write(store, road, &rows, transaction).await,
        };
        let connection = Connection::open(&file).expect("a connection");
        let found: i64 = connection
            .query_row("SELECT count(*) FROM spans", [], |row| row.get(0))
            .expect("a count");
        assert_eq!(usize::try_from(found), Ok(rows.len()), "every row is there");
        turn
    };
    let result = contest("sqlite", options.rounds, ways, turn).await;
    report.contest(&result, 0);
}

fn bare(file: &Path, rows: &[Span], transaction_rows: usize) -> Turn {
    let mut connection = Connection::open(file).expect("a connection");
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                   PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;";
    connection.execute_batch(pragmas).expect("pragmas");
    let sql = insert_sql(|number| format!("?{number}"));
    let clock = Clock::start();
    for rows in rows.chunks(transaction_rows) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.expect("a transaction");
        {
            let mut statement = transaction.prepare_cached(&sql).expect("a statement");
            for row in rows {
                ForSqlite::bind(&mut statement, row);
                statement.raw_execute().expect("a row");
            }
        }
        transaction.commit().expect("a commit");
    }
    clock.stop(rows.len())
}
