//! The ledger of batches, and rows that their table refused.

use futures_util::future::BoxFuture;
use rusqlite::Connection;
use sqlx::{PgConnection, Row as _};

use super::{
    Asked, Diagnosis,
    Severity::Advice,
    quantity::{DAY, bytes, counted, length, since},
};
use crate::{Access, Error, Names, Result, Work};

/// What the ledger holds, times in microseconds.
#[derive(Debug, Default)]
struct Ledger {
    entries: i64,
    oldest: Option<i64>,
    newest: Option<i64>,
    /// On disk; not known of SQLite's tables.
    bytes: Option<i64>,
}

/// What one table refused, times in microseconds.
#[derive(Debug)]
struct Letters {
    table: String,
    count: i64,
    oldest: i64,
    bytes: i64,
}

pub(super) async fn look(asked: &Asked<'_>) -> Result<Vec<Diagnosis>> {
    let now = asked.store.backend().now().await?.unix_micros();
    let (ledger, letters) = asked.store.run(Access::Read, Count).await?;
    let mut found: Vec<_> = of_ledger(&ledger).into_iter().collect();
    found.extend(letters.iter().map(|letters| of_letters(letters, now)));
    Ok(found)
}

/// A writer forgets what is a day old as long as it lives, so only a ledger that is written to and keeps
/// what is older is one that nobody shortens.
fn of_ledger(ledger: &Ledger) -> Option<Diagnosis> {
    let spans = since(ledger.oldest?, ledger.newest?);
    (spans > DAY * 2).then(|| {
        let size = ledger.bytes.and_then(|size| u64::try_from(size).ok());
        let size = size.map_or_else(String::new, |size| format!(" in {}", bytes(size)));
        Diagnosis::new(
            Advice,
            "ledger",
            format!(
                "the ledger has {} of batches{size}, over {}: nobody forgets those that nobody will ask for",
                match ledger.entries {
                    1 => "1 entry".to_owned(),
                    many => format!("{many} entries"),
                },
                length(spans)
            ),
            "a running `annals serve` forgets them; a program of your own does while one of its writers lives for minutes",
        )
    })
}

fn of_letters(letters: &Letters, now: i64) -> Diagnosis {
    let (them, are) = match letters.count {
        1 => ("it", "is"),
        _ => ("them", "are"),
    };
    Diagnosis::new(
        Advice,
        "dead letters",
        format!(
            "{} of {} {are} parked, with {} of content, the oldest for {}",
            counted(letters.count.unsigned_abs(), "row"),
            letters.table,
            bytes(letters.bytes.unsigned_abs()),
            length(since(letters.oldest, now))
        ),
        format!(
            "annals dead-letters list --table {} tells why; then replay {them}, or purge {them}",
            letters.table
        ),
    )
}

struct Count;

const DOING: &str = "counting the ledger and dead letters";

impl Work for Count {
    type Output = (Ledger, Vec<Letters>);
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Self::Output>> {
        Box::pin(async move {
            postgres(connection, names)
                .await
                .map_err(Error::statement(DOING))
        })
    }

    fn run_sqlite(self, connection: &Connection, names: &Names) -> Result<Self::Output> {
        sqlite(connection, names).map_err(Error::statement(DOING))
    }
}

async fn postgres(
    connection: &mut PgConnection,
    names: &Names,
) -> Result<(Ledger, Vec<Letters>), sqlx::Error> {
    let ledger = names.statement(
        "SELECT count(*), (extract(epoch FROM min(committed_at)) * 1000000)::bigint,
                (extract(epoch FROM max(committed_at)) * 1000000)::bigint,
                pg_total_relation_size('{annals_ledger}'::regclass)
           FROM {annals_ledger}",
    );
    let row = sqlx::query(ledger).fetch_one(&mut *connection).await?;
    let ledger = Ledger {
        entries: row.try_get(0)?,
        oldest: row.try_get(1)?,
        newest: row.try_get(2)?,
        bytes: row.try_get(3)?,
    };
    let letters = names.statement(
        "SELECT table_name, count(*), (extract(epoch FROM min(parked_at)) * 1000000)::bigint,
                sum(octet_length(payload))::bigint
           FROM {annals_dead_letters}
          GROUP BY table_name
          ORDER BY table_name",
    );
    let rows = sqlx::query(letters).fetch_all(&mut *connection).await?;
    let letters = rows.iter().map(|row| {
        Ok(Letters {
            table: row.try_get(0)?,
            count: row.try_get(1)?,
            oldest: row.try_get(2)?,
            bytes: row.try_get(3)?,
        })
    });
    Ok((ledger, letters.collect::<Result<_, sqlx::Error>>()?))
}

fn sqlite(
    connection: &Connection,
    names: &Names,
) -> Result<(Ledger, Vec<Letters>), rusqlite::Error> {
    let ledger = names
        .statement("SELECT count(*), min(committed_at), max(committed_at) FROM {annals_ledger}");
    let ledger = connection.query_row(ledger.as_str(), [], |row| {
        Ok(Ledger {
            entries: row.get(0)?,
            oldest: row.get(1)?,
            newest: row.get(2)?,
            bytes: None,
        })
    })?;
    let letters = names.statement(
        "SELECT table_name, count(*), min(parked_at), sum(length(payload))
           FROM {annals_dead_letters}
          GROUP BY table_name
          ORDER BY table_name",
    );
    let mut statement = connection.prepare(letters.as_str())?;
    let letters = statement.query_map([], |row| {
        Ok(Letters {
            table: row.get(0)?,
            count: row.get(1)?,
            oldest: row.get(2)?,
            bytes: row.get(3)?,
        })
    })?;
    Ok((ledger, letters.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_nobody_shortens_is_told_and_one_that_rests_is_not() {
        let day = 86_400_000_000;
        let ledger = |oldest, newest| Ledger {
            entries: 12,
            oldest: Some(oldest),
            newest: Some(newest),
            bytes: Some(8_192),
        };
        assert!(of_ledger(&Ledger::default()).is_none());
        // However long ago both were.
        assert!(of_ledger(&ledger(0, day)).is_none());
        let told = of_ledger(&ledger(0, 9 * day)).unwrap();
        assert!(
            told.what
                .contains("12 entries of batches in 8 kB, over 9 days"),
            "{told:?}"
        );
    }

    #[test]
    fn dead_letters_are_told_by_table_with_their_age() {
        let letters = Letters {
            table: "spans".into(),
            count: 1,
            oldest: 0,
            bytes: 300,
        };
        let told = of_letters(&letters, 3 * 86_400_000_000);
        assert!(
            told.what.starts_with("1 row of spans is parked"),
            "{told:?}"
        );
        assert!(told.what.ends_with("for 3 days"), "{told:?}");
    }
}
