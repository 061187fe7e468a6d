//! Versions, known faults, the licence, and an extension that is not used.

use sqlx::{PgConnection, Row as _};

use super::{
    Asked, Diagnosis,
    Severity::{Advice, Fault, Note},
};
use crate::{
    Capabilities, Edition, Error, Result,
    capabilities::{NEWEST_KNOWN, OLDEST_SUPPORTED, Support},
};

const SUBJECT: &str = "version";

/// The oldest PostgreSQL that is tested.
const OLDEST_POSTGRES: u32 = 15;

/// What the server has of TimescaleDB, used or not.
#[derive(Debug, Default)]
struct Presence {
    /// The extension's version in this database.
    created: Option<String>,
    /// The version that the server's files are of.
    installed: Option<String>,
    /// Whether the server starts with its library.
    is_preloaded: bool,
}

pub(super) async fn look(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
) -> Result<Vec<Diagnosis>> {
    let mut found = of_versions(asked.capabilities);
    found.extend(of_extension(
        asked.capabilities,
        &presence(connection).await?,
    ));
    Ok(found)
}

async fn presence(connection: &mut PgConnection) -> Result<Presence> {
    // The setting is the loader's, which is there as soon as the library is preloaded.
    let sql = "SELECT extension.extversion, available.default_version,
                      current_setting('timescaledb.disable_load', true) IS NOT NULL
                 FROM (SELECT 1) AS one
                 LEFT JOIN pg_extension AS extension ON extension.extname = 'timescaledb'
                 LEFT JOIN pg_available_extensions AS available ON available.name = 'timescaledb'";
    let doing = "looking for TimescaleDB";
    let row = sqlx::query(sql).fetch_one(connection).await;
    let row = row.map_err(Error::statement(doing))?;
    let read = || -> Result<Presence, sqlx::Error> {
        Ok(Presence {
            created: row.try_get(0)?,
            installed: row.try_get(1)?,
            is_preloaded: row.try_get(2)?,
        })
    };
    read().map_err(Error::statement(doing))
}

/// What follows from the versions alone.
fn of_versions(capabilities: &Capabilities) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    let major = capabilities.server_major;
    if major < OLDEST_POSTGRES {
        found.push(Diagnosis::new(
            Advice,
            SUBJECT,
            format!("PostgreSQL {major} is older than any with which Annals is tested"),
            format!("plan an upgrade to PostgreSQL {OLDEST_POSTGRES} or newer"),
        ));
    }
    let Some(extension) = &capabilities.timescale else {
        return found;
    };
    let version = extension.version;
    match capabilities.support() {
        Support::TooOld => found.push(Diagnosis::new(
            Fault,
            SUBJECT,
            format!("TimescaleDB {version} is older than {OLDEST_SUPPORTED}, the oldest that Annals works with"),
            "install a newer one, and run ALTER EXTENSION timescaledb UPDATE in this database",
        )),
        Support::Newer => found.push(Diagnosis::new(
            Note,
            SUBJECT,
            format!("TimescaleDB {version} is newer than {NEWEST_KNOWN}, the newest that this program knows: it should work, and its faults are not known here"),
            "look for a newer Annals",
        )),
        Support::Known => {}
    }
    let findings = capabilities.findings();
    let mended = findings.iter().map(|finding| finding.fixed_in).max();
    let way_out = mended.map_or_else(String::new, |mended| {
        // Newer ones of TimescaleDB are not made for an older PostgreSQL.
        let first = match major {
            ..=15 => "upgrade to PostgreSQL 16 or newer, ",
            _ => "",
        };
        format!("{first}install TimescaleDB {mended} or newer, and run ALTER EXTENSION timescaledb UPDATE in this database")
    });
    for finding in &findings {
        let severity = if finding.hits_annals { Fault } else { Advice };
        found.push(Diagnosis::new(
            severity,
            SUBJECT,
            format!("{} (fixed in {})", finding.what, finding.fixed_in),
            way_out.clone(),
        ));
    }
    if capabilities.edition() == Edition::TimescaleApache {
        found.push(Diagnosis::new(
            Note,
            SUBJECT,
            "TimescaleDB runs under the Apache licence: chunks are dropped by age, and are not compressed",
            "where rows should take less room: install TimescaleDB's Community edition, with timescaledb.license = 'timescale'",
        ));
    }
    found
}

/// What follows from what is there and not used.
fn of_extension(capabilities: &Capabilities, presence: &Presence) -> Vec<Diagnosis> {
    match (presence, &capabilities.timescale) {
        (
            Presence {
                created: Some(created),
                installed: Some(installed),
                ..
            },
            Some(_),
        ) if created != installed => vec![Diagnosis::new(
            Note,
            SUBJECT,
            format!(
                "TimescaleDB {installed} is installed, and this database is still at {created}"
            ),
            "run ALTER EXTENSION timescaledb UPDATE in this database, first thing in a session of its own (psql -X)",
        )],
        (
            Presence {
                created: Some(version),
                ..
            },
            None,
        ) => vec![Diagnosis::new(
            Note,
            SUBJECT,
            format!("TimescaleDB {version} is in this database and not used: DB_TYPE is postgres"),
            "leave DB_TYPE at auto, unless that is what you want",
        )],
        (
            Presence {
                created: None,
                is_preloaded: true,
                ..
            },
            None,
        ) => vec![Diagnosis::new(
            Note,
            SUBJECT,
            "the server has TimescaleDB loaded, and this database has no extension: tables are ordinary ones",
            "CREATE EXTENSION timescaledb before the first `annals migrate up` makes them hypertables",
        )],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capabilities::{Extension, ExtensionVersion};

    fn timescale(version: &str, community: bool) -> Capabilities {
        let extension = Extension {
            version: ExtensionVersion::parse(version).unwrap(),
            schema: "public".into(),
            community,
        };
        Capabilities::postgres("17.2".into(), 17, Some(extension))
    }

    fn worst(capabilities: &Capabilities) -> Option<super::super::Severity> {
        of_versions(capabilities)
            .into_iter()
            .map(|one| one.severity)
            .max()
    }

    #[test]
    fn a_version_that_is_too_old_or_damages_what_is_ours_is_a_fault() {
        assert_eq!(worst(&timescale("2.17.2", false)), Some(Fault));
        assert_eq!(worst(&timescale("2.19.3", true)), Some(Fault));
        // What it does wrong, it does to others' SQL.
        assert_eq!(worst(&timescale("2.19.3", false)), Some(Advice));
        assert_eq!(worst(&timescale("2.29.2", true)), None);
        assert_eq!(worst(&timescale("2.31.0", true)), Some(Note));
    }

    #[test]
    fn a_too_old_extension_is_told_with_what_to_do() {
        let found = of_versions(&timescale("2.11.0", false));
        let first = found.first().unwrap();
        assert!(first.what.contains("2.11.0") && first.what.contains("2.18.0"));
        assert!(first.way_out.contains("ALTER EXTENSION timescaledb UPDATE"));
    }

    #[test]
    fn an_old_server_is_worth_an_upgrade() {
        let old = Capabilities::postgres("13.4".into(), 13, None);
        assert_eq!(worst(&old), Some(Advice));
        let new = Capabilities::postgres("18.0".into(), 18, None);
        assert_eq!(worst(&new), None);
    }

    #[test]
    fn an_extension_that_is_there_and_not_used_is_told() {
        let plain = Capabilities::postgres("17.2".into(), 17, None);
        let none = Presence::default();
        assert!(of_extension(&plain, &none).is_empty());
        let preloaded = Presence {
            is_preloaded: true,
            ..Presence::default()
        };
        assert_eq!(of_extension(&plain, &preloaded).len(), 1);
        let behind = Presence {
            created: Some("2.28.0".into()),
            installed: Some("2.29.2".into()),
            is_preloaded: true,
        };
        assert_eq!(of_extension(&timescale("2.28.0", true), &behind).len(), 1);
        assert_eq!(of_extension(&plain, &behind).len(), 1);
    }
}
