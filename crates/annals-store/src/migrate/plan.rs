//! What to run: pure decisions over what has run.

use uuid::Uuid;

use super::{Migration, MigrationError, MigrationStatus, Migrations};

/// A migration that has run, as the database remembers it, in the order of running.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) set: String,
    pub(crate) version: u32,
    pub(crate) checksum: Uuid,
}

/// What a step does to the memory of what has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Add,
    Remove,
}

/// Decides over what has run what is to run.
pub(crate) type Plan<'a> = dyn Fn(&[Applied]) -> Result<Vec<Step>, MigrationError> + Sync + 'a;

/// One migration to run, one way.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) set: &'static str,
    pub(crate) migration: &'static Migration,
    pub(crate) change: Change,
}

impl Step {
    pub(crate) fn status(&self) -> MigrationStatus {
        MigrationStatus {
            set: self.set.to_owned(),
            file: self.migration.file.to_owned(),
            applied: self.change == Change::Add,
        }
    }
}

/// Refuses a database that is newer than this program, or that ran other migrations.
///
/// Sets that this program does not have belong to other programs on the same database.
pub(super) fn check(
    sets: &[&'static Migrations],
    applied: &[Applied],
) -> Result<(), MigrationError> {
    for done in applied {
        let Some(set) = sets.iter().find(|set| set.set == done.set) else {
            continue;
        };
        let Some(migration) = set
            .migrations
            .iter()
            .find(|one| one.version() == done.version)
        else {
            let known = set
                .migrations
                .iter()
                .map(Migration::version)
                .max()
                .unwrap_or_default();
            return Err(MigrationError::Newer {
                set: done.set.clone(),
                version: done.version,
                known,
            });
        };
        if migration.checksum() != done.checksum {
            return Err(MigrationError::Changed {
                set: set.set,
                file: migration.file,
            });
        }
    }
    Ok(())
}

fn has_run(applied: &[Applied], set: &Migrations, migration: &Migration) -> bool {
    applied
        .iter()
        .any(|done| done.set == set.set && done.version == migration.version())
}

pub(super) fn up(
    sets: &[&'static Migrations],
    applied: &[Applied],
) -> Result<Vec<Step>, MigrationError> {
    check(sets, applied)?;
    let all = sets
        .iter()
        .flat_map(|set| set.migrations.iter().map(move |migration| (set, migration)));
    Ok(all
        .filter(|(set, migration)| !has_run(applied, set, migration))
        .map(|(set, migration)| Step {
            set: set.set,
            migration,
            change: Change::Add,
        })
        .collect())
}

pub(super) fn down(
    sets: &[&'static Migrations],
    applied: &[Applied],
    count: usize,
) -> Result<Vec<Step>, MigrationError> {
    check(sets, applied)?;
    let known = applied.iter().rev().filter_map(|done| {
        let set = sets.iter().find(|set| set.set == done.set)?;
        let migration = set
            .migrations
            .iter()
            .find(|one| one.version() == done.version)?;
        Some(Step {
            set: set.set,
            migration,
            change: Change::Remove,
        })
    });
    Ok(known.take(count).collect())
}

pub(super) fn status(sets: &[&'static Migrations], applied: &[Applied]) -> Vec<MigrationStatus> {
    let all = sets
        .iter()
        .flat_map(|set| set.migrations.iter().map(move |migration| (set, migration)));
    all.map(|(set, migration)| MigrationStatus {
        set: set.set.to_owned(),
        file: migration.file.to_owned(),
        applied: has_run(applied, set, migration),
    })
    .collect()
}
