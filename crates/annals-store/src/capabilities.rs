//! What the server at hand can do: read once at connect, asked by everything.

use std::fmt;

/// Which kind of database this is, as far as features go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Edition {
    /// Embedded SQLite.
    Sqlite,
    /// PostgreSQL without TimescaleDB.
    Postgres,
    /// TimescaleDB under the Apache licence: hypertables, and no columnstore, policies or
    /// continuous aggregates.
    TimescaleApache,
    /// TimescaleDB Community.
    TimescaleCommunity,
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL without TimescaleDB",
            Self::TimescaleApache => "TimescaleDB's Apache edition",
            Self::TimescaleCommunity => "TimescaleDB's Community edition",
        })
    }
}

/// A version of TimescaleDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtensionVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl ExtensionVersion {
    /// Reads `2.19.3`, `2.29.2-dev` and the like.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split('-').next()?;
        let mut parts = numbers.split('.').map(|part| part.parse::<u32>().ok());
        Some(Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next().flatten().unwrap_or(0),
        })
    }

    /// Versions of one line differ in what was mended alone.
    const fn line(&self) -> (u32, u32) {
        (self.major, self.minor)
    }
}

impl fmt::Display for ExtensionVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The TimescaleDB extension, as found in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its version.
    pub version: ExtensionVersion,
    /// The schema in which its functions are.
    pub schema: String,
    /// Whether its licence is the Community one.
    pub community: bool,
}

/// What the server at hand can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The server's version as it writes it.
    pub server_version: String,
    /// The server's major version; for SQLite always 3.
    pub server_major: u32,
    /// TimescaleDB, where there is one and it is used.
    pub timescale: Option<Extension>,
    sqlite: bool,
}

impl Capabilities {
    pub(crate) fn sqlite(version: &str) -> Self {
        Self {
            server_version: version.to_owned(),
            server_major: 3,
            timescale: None,
            sqlite: true,
        }
    }

    pub(crate) fn postgres(version: String, major: u32, timescale: Option<Extension>) -> Self {
        Self {
            server_version: version,
            server_major: major,
            timescale,
            sqlite: false,
        }
    }

    /// Which kind of database this is.
    #[must_use]
    pub fn edition(&self) -> Edition {
        match &self.timescale {
            _ if self.sqlite => Edition::Sqlite,
            None => Edition::Postgres,
            Some(extension) if extension.community => Edition::TimescaleCommunity,
            Some(_) => Edition::TimescaleApache,
        }
    }

    /// Whether tables with a time column are hypertables, expired by dropping chunks.
    #[must_use]
    pub fn hypertables(&self) -> bool {
        self.timescale.is_some()
    }

    /// Whether chunks can be compressed into the columnstore.
    #[must_use]
    pub fn columnstore(&self) -> bool {
        self.edition() == Edition::TimescaleCommunity
    }

    /// Whether the database runs policies and continuous aggregates itself.
    #[must_use]
    pub fn policies(&self) -> bool {
        self.columnstore()
    }

    /// Whether COPY can write compressed rows directly.
    #[must_use]
    pub fn direct_compress(&self) -> bool {
        self.columnstore() && self.extension_at_least(2, 21, 0)
    }

    fn extension_at_least(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.timescale.as_ref().is_some_and(|found| {
            found.version
                >= ExtensionVersion {
                    major,
                    minor,
                    patch,
                }
        })
    }

    /// Whether this program knows the version of TimescaleDB at hand. `Known` where there is none.
    #[must_use]
    pub fn support(&self) -> Support {
        match &self.timescale {
            Some(extension) if extension.version < OLDEST_SUPPORTED => Support::TooOld,
            Some(extension) if extension.version.line() > NEWEST_KNOWN.line() => Support::Newer,
            _ => Support::Known,
        }
    }

    /// Whether what needs TimescaleDB works with the version at hand. True where there is none.
    #[must_use]
    pub fn supported(&self) -> bool {
        self.support() != Support::TooOld
    }

    /// Faults of the versions at hand that lose or hide data, and what to do.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let Some(extension) = &self.timescale else {
            return Vec::new();
        };
        let mut findings: Vec<Finding> = KNOWN_DAMAGE
            .iter()
            .filter(|damage| {
                extension.version < damage.fixed_in
                    && (extension.community || damage.whom == Whom::Everybody)
            })
            .map(|damage| Finding {
                fixed_in: damage.fixed_in,
                what: damage.what,
                hits_annals: damage.whom == Whom::Annals,
            })
            .collect();
        if self.server_major == 15 {
            findings.push(Finding {
                fixed_in: version(2, 29, 1),
                what: "PostgreSQL 15 ends at TimescaleDB 2.28 and gets no later security fixes: plan an upgrade of PostgreSQL",
                hits_annals: false,
            });
        }
        findings
    }
}

/// The oldest TimescaleDB with which everything here works that its edition can do.
pub const OLDEST_SUPPORTED: ExtensionVersion = version(2, 18, 0);

/// The newest TimescaleDB whose names and faults are known here.
pub const NEWEST_KNOWN: ExtensionVersion = version(2, 29, 2);

/// Whether a version of TimescaleDB is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Support {
    /// Older than [`OLDEST_SUPPORTED`].
    TooOld,
    /// Known.
    Known,
    /// Of a later line than [`NEWEST_KNOWN`]: it should work, and nobody has tried.
    Newer,
}

/// A known fault of the version at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The first version without it.
    pub fixed_in: ExtensionVersion,
    /// What it does, and to whom.
    pub what: &'static str,
    /// Whether it can hit what this program itself reads and writes, rather than what others do with the
    /// same tables.
    pub hits_annals: bool,
}

/// A fault that a version of TimescaleDB mended.
struct Damage {
    fixed_in: ExtensionVersion,
    whom: Whom,
    what: &'static str,
}

/// Who meets a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// Whoever works with the Apache edition or the Community edition by SQL of their own.
    Everybody,
    /// Whoever uses a feature of the Community edition that this program does not use by itself.
    Community,
    /// This program, on the Community edition.
    Annals,
}

const fn version(major: u32, minor: u32, patch: u32) -> ExtensionVersion {
    ExtensionVersion {
        major,
        minor,
        patch,
    }
}

/// From TimescaleDB's changelog: faults that lose, hide or damage rows.
const KNOWN_DAMAGE: &[Damage] = &[
    Damage {
        fixed_in: version(2, 19, 0),
        whom: Whom::Annals,
        what: "vectorised aggregates over compressed chunks can be wrong, and a compressed NULL can read as a default",
    },
    Damage {
        fixed_in: version(2, 25, 2),
        whom: Whom::Annals,
        what: "generated columns read as NULL in compressed chunks, and uniqueness checks there can miss NULLs and defaults",
    },
    Damage {
        fixed_in: version(2, 26, 0),
        whom: Whom::Community,
        what: "client-sorted direct-compress INSERT ... SELECT out of a compressed hypertable can lose rows",
    },
    Damage {
        fixed_in: version(2, 26, 2),
        whom: Whom::Everybody,
        what: "chunks can be excluded wrongly when a condition is not constant, such as now() - interval",
    },
    Damage {
        fixed_in: version(2, 26, 3),
        whom: Whom::Community,
        what: "overlapping refreshes of a continuous aggregate can duplicate rows",
    },
    Damage {
        fixed_in: version(2, 26, 4),
        whom: Whom::Community,
        what: "merging chunks with unlike settings can damage them",
    },
    Damage {
        fixed_in: version(2, 27, 0),
        whom: Whom::Community,
        what: "a bloom index on a smallint column can hide matching rows; an upgrade asks for a repair first",
    },
    Damage {
        fixed_in: version(2, 29, 0),
        whom: Whom::Community,
        what: "an incremental refresh can leave out the newest bucket, and row counts of direct-compress inserts are wrong",
    },
    Damage {
        fixed_in: version(2, 29, 1),
        whom: Whom::Everybody,
        what: "internal chunk functions miss permission checks, and damaged compressed data can crash the server (GHSA-hcfx-29v5-2rcw)",
    },
    Damage {
        fixed_in: version(2, 29, 2),
        whom: Whom::Community,
        what: "SELECT DISTINCT by SkipScan can leave out rows that are not yet compressed",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn timescale(version: &str, community: bool) -> Capabilities {
        let version = ExtensionVersion::parse(version).unwrap();
        let extension = Extension {
            version,
            schema: "public".into(),
            community,
        };
        Capabilities::postgres("17.2".into(), 17, Some(extension))
    }

    #[test]
    fn an_edition_follows_from_extension_and_licence() {
        assert_eq!(Capabilities::sqlite("3.51.3").edition(), Edition::Sqlite);
        assert_eq!(
            Capabilities::postgres("15".into(), 15, None).edition(),
            Edition::Postgres
        );
        assert_eq!(
            timescale("2.19.3", false).edition(),
            Edition::TimescaleApache
        );
        assert_eq!(
            timescale("2.29.2", true).edition(),
            Edition::TimescaleCommunity
        );
    }

    #[test]
    fn the_columnstore_is_a_community_feature_and_direct_compress_a_newer_one() {
        assert!(!timescale("2.29.2", false).columnstore());
        assert!(timescale("2.20.0", true).columnstore());
        assert!(!timescale("2.20.0", true).direct_compress());
        assert!(timescale("2.21.0", true).direct_compress());
    }

    #[test]
    fn findings_end_where_the_changelog_says_that_they_are_fixed() {
        assert!(timescale("2.29.2", true).findings().is_empty());
        assert_eq!(timescale("2.29.1", true).findings().len(), 1);
        assert!(timescale("2.18.0", true).findings().len() > 8);
        assert_eq!(ExtensionVersion::parse("2.29.2-dev").unwrap().patch, 2);
    }

    #[test]
    fn a_version_is_too_old_known_or_newer_than_this_program() {
        assert_eq!(timescale("2.17.2", true).support(), Support::TooOld);
        assert!(!timescale("2.17.2", false).supported());
        for known in ["2.18.0", "2.19.3", "2.29.2", "2.29.9"] {
            assert_eq!(timescale(known, true).support(), Support::Known, "{known}");
        }
        assert_eq!(timescale("2.30.0", true).support(), Support::Newer);
        assert_eq!(timescale("3.0.0", false).support(), Support::Newer);
        assert!(timescale("3.0.0", false).supported());
        assert!(Capabilities::sqlite("3.51.3").supported());
        assert!(Capabilities::postgres("17".into(), 17, None).supported());
    }

    #[test]
    fn a_fault_of_the_columnstore_does_not_concern_who_has_none() {
        let apache = timescale("2.19.3", false).findings();
        assert!(!apache.is_empty() && apache.iter().all(|finding| !finding.hits_annals));
        let community = timescale("2.19.3", true).findings();
        assert!(community.iter().any(|finding| finding.hits_annals));
        assert!(
            !timescale("2.25.2", true)
                .findings()
                .iter()
                .any(|finding| finding.hits_annals)
        );
    }
}
