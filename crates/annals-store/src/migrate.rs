//! Numbered, reversible migrations that ship inside the program.
//!
//! Each crate that owns tables has a directory `migrations/` with one folder for each dialect and a
//! pair of files for each number, `0001_spans.up.sql` and `0001_spans.down.sql`; a third,
//! `timescale/0001_spans.up.sql`, runs after the first where the extension is. Files for PostgreSQL
//! name tables without a schema: they run with the store's schema as search path. Files for SQLite
//! write `{spans}`, which becomes the name with the store's prefix.

mod plan;

use uuid::Uuid;

use crate::{Error, Result, backend::Backend};

pub(crate) use plan::{Applied, Change, Plan, Step};

/// One migration in every dialect.
#[derive(Debug)]
pub struct Migration {
    /// Number and name: `0001_spans`.
    pub file: &'static str,
    /// PostgreSQL, forwards.
    pub postgres_up: &'static str,
    /// PostgreSQL, back.
    pub postgres_down: &'static str,
    /// Runs after `postgres_up` where TimescaleDB is.
    pub timescale_up: &'static str,
    /// SQLite, forwards.
    pub sqlite_up: &'static str,
    /// SQLite, back.
    pub sqlite_down: &'static str,
}

/// The migrations of one owner of tables.
#[derive(Debug)]
pub struct Migrations {
    /// Whose they are: `kernel`, `telemetry`.
    pub set: &'static str,
    /// In the order of their numbers.
    pub migrations: &'static [Migration],
}

/// Embeds the files of `migrations/` of the calling crate: `migrations!("telemetry", "0001_spans")`.
#[macro_export]
macro_rules! migrations {
    ($set:literal $(, $file:literal)+ $(,)?) => {
        $crate::migrate::Migrations {
            set: $set,
            migrations: &[$($crate::migrate::Migration {
                file: $file,
                postgres_up: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/", $file, ".up.sql")),
                postgres_down: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/", $file, ".down.sql")),
                timescale_up: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/timescale/", $file, ".up.sql")),
                sqlite_up: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/", $file, ".up.sql")),
                sqlite_down: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/", $file, ".down.sql")),
            }),+],
        }
    };
}

/// Ledger and dead letters, which every other table's writer needs, and what the lifecycle keeps.
pub static KERNEL: Migrations = migrations!("kernel", "0001_kernel", "0002_lifecycle");

/// Why migrating failed, or was not begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// A newer program has migrated this database.
    #[error(
        "the database has migration {set}/{version:04}, and this program knows {set} up to {known:04}: use the program that made it, or a newer one"
    )]
    Newer {
        /// Whose migrations.
        set: String,
        /// The newest in the database.
        version: u32,
        /// The newest that is known.
        known: u32,
    },
    /// A migration was changed after it ran.
    #[error(
        "migration {set}/{file} is not the one that ran in this database; migrations are never edited, add a new one"
    )]
    Changed {
        /// Whose migration.
        set: &'static str,
        /// Which.
        file: &'static str,
    },
    /// A migration's statements failed; it was rolled back, those before it stay.
    #[error("migration {set}/{file} failed and was rolled back")]
    Failed {
        /// Whose migration.
        set: &'static str,
        /// Which.
        file: &'static str,
        /// What the database said.
        source: Box<Error>,
    },
}

/// A migration and whether it has run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// Whose it is.
    pub set: String,
    /// Number and name.
    pub file: String,
    /// Whether it has run in this database.
    pub applied: bool,
}

impl Migration {
    /// The number in the file's name.
    pub(crate) fn version(&self) -> u32 {
        let digits = self.file.split('_').next().unwrap_or_default();
        digits.parse().unwrap_or_default()
    }

    /// Changes when any of the files changes.
    pub(crate) fn checksum(&self) -> Uuid {
        let texts = [
            self.postgres_up,
            self.postgres_down,
            self.timescale_up,
            self.sqlite_up,
            self.sqlite_down,
        ];
        Uuid::new_v5(&Uuid::NAMESPACE_OID, texts.join("\0").as_bytes())
    }
}

/// Moves a database's tables forwards and back.
#[derive(Debug)]
pub struct Migrator<'a> {
    backend: &'a Backend,
    sets: Vec<&'static Migrations>,
}

impl<'a> Migrator<'a> {
    pub(crate) fn new(backend: &'a Backend, families: &[&'static Migrations]) -> Self {
        Self {
            backend,
            sets: std::iter::once(&KERNEL)
                .chain(families.iter().copied())
                .collect(),
        }
    }

    /// Runs every migration that has not run. Gives those that ran, in order.
    ///
    /// # Errors
    ///
    /// The database is newer than this program, or a migration failed.
    pub async fn up(&self) -> Result<Vec<MigrationStatus>> {
        self.backend
            .migrate(&|applied| plan::up(&self.sets, applied))
            .await
    }

    /// Undoes the last `count` migrations, the last one first. Gives those that were undone.
    ///
    /// Tables are dropped with what is in them.
    ///
    /// # Errors
    ///
    /// The database is newer than this program, or a migration failed.
    pub async fn down(&self, count: usize) -> Result<Vec<MigrationStatus>> {
        self.backend
            .migrate(&|applied| plan::down(&self.sets, applied, count))
            .await
    }

    /// Every migration that is known, and whether it has run.
    ///
    /// # Errors
    ///
    /// The database could not be asked, or is newer than this program.
    pub async fn status(&self) -> Result<Vec<MigrationStatus>> {
        let applied = self.backend.applied_migrations().await?;
        plan::check(&self.sets, &applied)?;
        Ok(plan::status(&self.sets, &applied))
    }
}
