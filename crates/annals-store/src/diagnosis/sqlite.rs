//! Settings of an SQLite file.

use futures_util::future::BoxFuture;
use rusqlite::Connection;
use sqlx::PgConnection;

use super::{
    Diagnosis,
    Severity::{Advice, Fault},
    quantity::{MB, bytes},
};
use crate::{Access, Error, Names, Result, Store, Work};

const SUBJECT: &str = "settings";

/// A database as SQLite tells of it.
#[derive(Debug)]
struct File {
    journal: String,
    synchronous: i64,
    auto_vacuum: i64,
    page_size: u64,
    pages: u64,
    free_pages: u64,
}

pub(super) async fn look(store: &Store) -> Result<Vec<Diagnosis>> {
    let file = store.run(Access::Read, Ask).await?;
    Ok(file.as_ref().map(judged).unwrap_or_default())
}

fn judged(file: &File) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    // In memory there is nothing to lose, and nothing to shrink.
    if file.journal == "memory" {
        return found;
    }
    if file.synchronous < 2 {
        found.push(Diagnosis::new(
            Fault,
            SUBJECT,
            "synchronous is below FULL: what was acknowledged can be lost when the machine stops",
            "use an SQLite that takes PRAGMA synchronous = FULL",
        ));
    }
    if file.journal != "wal" {
        found.push(Diagnosis::new(
            Advice,
            SUBJECT,
            format!(
                "the file keeps its journal in mode {:?}: whoever reads waits for whoever writes",
                file.journal
            ),
            "put it on a local file system, where several processes can share memory, and write mode WAL becomes possible",
        ));
    }
    let free = file.free_pages * file.page_size;
    let all = file.pages * file.page_size;
    if file.auto_vacuum != 2 {
        found.push(Diagnosis::new(
            Advice,
            SUBJECT,
            format!(
                "the file was made without incremental vacuum, so it never shrinks: of its {}, {} are free",
                bytes(all),
                bytes(free)
            ),
            "once, while nobody uses it: PRAGMA auto_vacuum = INCREMENTAL; VACUUM;",
        ));
    } else if free > 64 * MB && free > all / 4 {
        found.push(Diagnosis::new(
            Advice,
            SUBJECT,
            format!("of the file's {}, {} are free", bytes(all), bytes(free)),
            "PRAGMA incremental_vacuum gives them back; what is written next uses them otherwise",
        ));
    }
    found
}

struct Ask;

impl Work for Ask {
    type Output = Option<File>;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        _: &'a mut PgConnection,
        _: &'a Names,
    ) -> BoxFuture<'a, Result<Option<File>>> {
        Box::pin(async { Ok(None) })
    }

    fn run_sqlite(self, connection: &Connection, _: &Names) -> Result<Option<File>> {
        let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get(0));
        let read = || -> Result<File, rusqlite::Error> {
            let count = |pragma| number(pragma).map(i64::unsigned_abs);
            Ok(File {
                journal: connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?,
                synchronous: number("synchronous")?,
                auto_vacuum: number("auto_vacuum")?,
                page_size: count("page_size")?,
                pages: count("page_count")?,
                free_pages: count("freelist_count")?,
            })
        };
        read()
            .map(Some)
            .map_err(Error::statement("reading settings of the file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        File {
            journal: "wal".into(),
            synchronous: 2,
            auto_vacuum: 2,
            page_size: 4_096,
            pages: 100_000,
            free_pages: 0,
        }
    }

    #[test]
    fn a_file_as_this_program_makes_it_is_well() {
        assert!(judged(&file()).is_empty());
        let memory = File {
            journal: "memory".into(),
            auto_vacuum: 0,
            ..file()
        };
        assert!(judged(&memory).is_empty());
    }

    #[test]
    fn a_file_that_does_not_shrink_or_is_mostly_empty_is_told() {
        let foreign = File {
            auto_vacuum: 0,
            ..file()
        };
        assert!(
            judged(&foreign)
                .iter()
                .any(|one| one.way_out.contains("VACUUM"))
        );
        let empty = File {
            free_pages: 40_000,
            ..file()
        };
        assert_eq!(judged(&empty).len(), 1);
        let unsafe_file = File {
            synchronous: 1,
            ..file()
        };
        assert!(judged(&unsafe_file).iter().any(|one| one.severity == Fault));
    }
}
