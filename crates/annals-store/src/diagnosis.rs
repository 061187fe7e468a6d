//! What is wrong with a database, or could be better, and what to do about it.
//!
//! | Module | What it looks at |
//! |---|---|
//! | `version` | versions, known faults, the licence, an extension that is not used |
//! | `connection` | encryption, room for connections, whose the tables are |
//! | `settings` | settings of the server: durability, memory, workers, locks |
//! | `sqlite` | the same of an SQLite file |
//! | `schema` | migrations, and tables against their descriptors |
//! | `chunks` | the range of chunks against what they hold |
//! | `indexes` | indexes that nobody reads |
//! | `policies` | policies that failed, or that nobody runs |
//! | `ledger` | the ledger, and dead letters |
//!
//! Each looks by itself, and one that may not look says so. Nothing here changes anything.

mod chunks;
mod connection;
mod indexes;
mod ledger;
mod policies;
mod quantity;
mod schema;
mod settings;
mod shape;
mod sqlite;
mod version;

use std::fmt;

use annals_record::Descriptor;
use futures_util::future::BoxFuture;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    AgingTable, Capabilities, Error, Migrations, Names, Result, Store, backend::Backend,
    sql::Dialect,
};

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Good to know; nothing has to change.
    Note,
    /// Works, and would be better otherwise.
    Advice,
    /// Wrong: something fails, or can lose data.
    Fault,
}

impl Severity {
    /// In lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Advice => "advice",
            Self::Fault => "fault",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about: `settings`, `dead letters`.
    pub subject: &'static str,
    /// What is so.
    pub what: String,
    /// What to do about it.
    pub way_out: String,
}

impl Diagnosis {
    fn new(
        severity: Severity,
        subject: &'static str,
        what: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            subject,
            what: what.into(),
            way_out: way_out.into(),
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    store: &'a Store,
    names: &'a Names,
    capabilities: &'a Capabilities,
    /// Tables that are there, as far as migrations can tell.
    tables: &'a [AgingTable],
}

type Looked<'a> = BoxFuture<'a, Result<Vec<Diagnosis>>>;

/// A look at a server, in a transaction of its own that may only read.
type Look = for<'a> fn(&'a mut PgConnection, &'a Asked<'a>) -> Looked<'a>;

const LOOKS: [(&str, Look); 5] = [
    ("version", |connection, asked| {
        Box::pin(version::look(connection, asked))
    }),
    ("connection", |connection, asked| {
        Box::pin(connection::look(connection, asked))
    }),
    ("settings", |connection, asked| {
        Box::pin(settings::look(connection, asked))
    }),
    ("indexes", |connection, asked| {
        Box::pin(indexes::look(connection, asked))
    }),
    ("policies", |connection, asked| {
        Box::pin(policies::look_at_jobs(connection, asked))
    }),
];

/// A look must not wait for somebody's lock, nor keep a server busy.
const BOUNDS: &str = "SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '60s'";

impl Store {
    /// Looks for what is wrong or could be better: with the database, with tables that age, with tables of
    /// `others`, and with the migrations of the kernel and of these families. Faults come first.
    ///
    /// # Errors
    ///
    /// The database does not answer. What it does not tell is a note.
    pub async fn diagnose(
        &self,
        tables: &[AgingTable],
        others: &[&'static Descriptor],
        migrations: &[&'static Migrations],
    ) -> Result<Vec<Diagnosis>> {
        let mut found = Findings(Vec::new());
        let migrated = schema::look_at_migrations(self, migrations).await;
        let is_migrated = matches!(&migrated, Ok(found) if found.is_empty());
        found.settle("schema", migrated)?;
        // Of tables that are not there yet there is nothing more to say.
        let tables = if is_migrated { tables } else { &[] };
        let asked = Asked {
            store: self,
            names: self.names(),
            capabilities: self.capabilities(),
            tables,
        };
        match self.backend() {
            Backend::Postgres(postgres) => {
                let mut connection = postgres.acquire().await?;
                for (subject, look) in LOOKS {
                    found.settle(subject, within(&mut connection, look, &asked).await)?;
                }
            }
            Backend::Sqlite(_) => found.settle("settings", sqlite::look(self).await)?,
        }
        if is_migrated {
            found.settle("schema", schema::look(&asked, others).await)?;
            found.settle("chunks", chunks::look(&asked).await)?;
            found.settle("policies", policies::look(&asked).await)?;
            found.settle("ledger", ledger::look(&asked).await)?;
        }
        let mut found = found.0;
        found.sort_by_key(|one| std::cmp::Reverse(one.severity));
        Ok(found)
    }
}

async fn within(
    connection: &mut PgConnection,
    look: Look,
    asked: &Asked<'_>,
) -> Result<Vec<Diagnosis>> {
    let doing = "looking at the server";
    let mut transaction = connection
        .begin_with("BEGIN READ ONLY")
        .await
        .map_err(Error::statement(doing))?;
    transaction
        .execute(sqlx::raw_sql(BOUNDS))
        .await
        .map_err(Error::statement(doing))?;
    let looked = look(&mut transaction, asked).await;
    transaction
        .rollback()
        .await
        .map_err(Error::statement(doing))?;
    looked
}

/// What was found so far.
struct Findings(Vec<Diagnosis>);

impl Findings {
    /// Takes what a look found; what it was not told is a note, and a database that is gone is an error.
    fn settle(&mut self, subject: &'static str, looked: Result<Vec<Diagnosis>>) -> Result<()> {
        match looked {
            Ok(found) => self.0.extend(found),
            Err(error) if error.is_absence() => return Err(error),
            Err(error) => self.0.push(not_told(subject, &error)),
        }
        Ok(())
    }
}

fn not_told(subject: &'static str, error: &Error) -> Diagnosis {
    let way_out = match error.code().as_deref() {
        Some("42501") => "grant that privilege to this user, or look as the tables' owner",
        Some("55P03" | "57014") => "look again when the database has less to do",
        _ => "look again; if it stays so, somebody changed what this program needs",
    };
    Diagnosis::new(
        Severity::Note,
        subject,
        format!("this could not be looked at: {}", error.report()),
        way_out,
    )
}

/// A table's name for people: without the schema that everybody looks in.
fn shown(names: &Names, table: &str) -> String {
    match names.dialect() {
        Dialect::Sqlite => format!("{}{table}", names.prefix()),
        Dialect::Postgres if names.schema() == "public" => table.to_owned(),
        Dialect::Postgres => format!("{}.{table}", names.schema()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_looked_at_is_a_note_and_what_is_gone_an_error() {
        let mut found = Findings(Vec::new());
        let denied = Error::TableMissing {
            table: "spans".into(),
        };
        found.settle("schema", Err(denied)).unwrap();
        assert_eq!(found.0.len(), 1);
        assert_eq!(found.0.first().unwrap().severity, Severity::Note);
        let gone = Error::TimedOut { doing: "looking" };
        assert!(found.settle("schema", Err(gone)).is_err());
    }

    #[test]
    fn faults_are_more_than_advice_and_advice_more_than_notes() {
        assert!(Severity::Fault > Severity::Advice && Severity::Advice > Severity::Note);
    }
}
