//! The one table from what a database said to what a writer does about it.
//!
//! Codes come before classes. TimescaleDB uses several codes in a meaning of its own (a
//! decompression limit is 53400, a frozen chunk 0A000), which is why the table goes by code first.

/// What a writer does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// The same batch again, later; it can succeed with nothing changed.
    Retry,
    /// A row is at fault: find it, park it, commit the others.
    Isolate,
    /// The batch is too much at once: halve it.
    Split,
    /// The rows' chunk is frozen for now: keep them and let others pass.
    Hold,
    /// Nothing can be written until somebody changes something.
    Stop,
    /// Not known: retry a few times, then treat it as [`Isolate`](Self::Isolate).
    Unknown,
}

impl Action {
    /// The action as a label of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Isolate => "isolate",
            Self::Split => "split",
            Self::Hold => "hold",
            Self::Stop => "stop",
            Self::Unknown => "unknown",
        }
    }

    /// What a writer does about a SQLSTATE.
    #[must_use]
    pub fn for_sqlstate(code: &str) -> Self {
        if let Some((_, action)) = BY_CODE.iter().find(|(known, _)| *known == code) {
            return *action;
        }
        BY_CLASS
            .iter()
            .find(|(class, _)| code.starts_with(class))
            .map_or(Self::Unknown, |(_, action)| *action)
    }
}

const BY_CODE: &[(&str, Action)] = &[
    // feature not supported: a write to a frozen or tiered chunk
    ("0A000", Action::Hold),
    ("3D000", Action::Stop),
    // read-only transaction: a failover left us on a replica
    ("25006", Action::Retry),
    // idle in transaction for too long
    ("25P03", Action::Retry),
    ("40003", Action::Retry),
    // out of memory: about 1,440 chunks in one COPY exhaust the lock table, for ever if retried whole
    ("53200", Action::Split),
    // the limit of tuples that one statement may decompress
    ("53400", Action::Split),
    // lock not available: chunk catalogue row busy
    ("55P03", Action::Retry),
    // object not in prerequisite state: a chunk that is just being changed
    ("55000", Action::Retry),
    // statement timeout
    ("57014", Action::Split),
    ("57P01", Action::Retry),
    ("57P02", Action::Retry),
    ("57P03", Action::Retry),
    // database dropped
    ("57P04", Action::Stop),
    ("57P05", Action::Retry),
    // undefined table, column, function, object; insufficient privilege: every row would fail alike
    ("42P01", Action::Stop),
    ("42703", Action::Stop),
    ("42883", Action::Stop),
    ("42704", Action::Stop),
    ("42501", Action::Stop),
    ("42P10", Action::Stop),
    ("3F000", Action::Stop),
    // raised by a trigger
    ("P0001", Action::Isolate),
    // TimescaleDB: two chunks collided while being made
    ("TS503", Action::Retry),
];

const BY_CLASS: &[(&str, Action)] = &[
    ("08", Action::Retry),
    ("22", Action::Isolate),
    ("23", Action::Isolate),
    ("28", Action::Stop),
    ("40", Action::Retry),
    ("42", Action::Isolate),
    ("44", Action::Isolate),
    ("53", Action::Retry),
    ("54", Action::Isolate),
    ("58", Action::Stop),
    ("TS", Action::Stop),
    ("XX", Action::Stop),
];

pub(super) fn for_postgres(error: &sqlx::Error) -> Action {
    match error {
        sqlx::Error::Database(error) => {
            let routine = error
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .and_then(sqlx::postgres::PgDatabaseError::routine);
            // A plan of before a column was added; a chunk that was dropped after the plan was made.
            if let Some("RevalidateCachedQuery" | "relation_open") = routine {
                return Action::Retry;
            }
            error
                .code()
                .map_or(Action::Unknown, |code| Action::for_sqlstate(&code))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Action::Retry,
        sqlx::Error::Encode(_) => Action::Isolate,
        _ => Action::Stop,
    }
}

pub(super) fn for_sqlite(error: &rusqlite::Error) -> Action {
    use rusqlite::ErrorCode;
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted => Action::Retry,
            ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => {
                Action::Isolate
            }
            _ => Action::Stop,
        },
        rusqlite::Error::ToSqlConversionFailure(_) => Action::Isolate,
        _ => Action::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_before_their_classes() {
        for (code, action) in [
            ("08006", Action::Retry),
            ("0A000", Action::Hold),
            ("22021", Action::Isolate),
            ("22P05", Action::Isolate),
            ("23502", Action::Isolate),
            ("23505", Action::Isolate),
            ("23514", Action::Isolate),
            ("25006", Action::Retry),
            ("28P01", Action::Stop),
            ("40001", Action::Retry),
            ("40P01", Action::Retry),
            ("42P01", Action::Stop),
            ("42804", Action::Isolate),
            ("53100", Action::Retry),
            ("53200", Action::Split),
            ("53300", Action::Retry),
            ("53400", Action::Split),
            ("54000", Action::Isolate),
            ("55P03", Action::Retry),
            ("57014", Action::Split),
            ("57P01", Action::Retry),
            ("58030", Action::Stop),
            ("P0001", Action::Isolate),
            ("TS001", Action::Stop),
            ("TS503", Action::Retry),
            ("XX001", Action::Stop),
            ("ZZ999", Action::Unknown),
        ] {
            assert_eq!(Action::for_sqlstate(code), action, "{code}");
        }
    }

    #[test]
    fn a_lost_connection_is_retried_and_a_closed_pool_is_not() {
        let io = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(for_postgres(&io), Action::Retry);
        assert_eq!(for_postgres(&sqlx::Error::PoolTimedOut), Action::Retry);
        assert_eq!(for_postgres(&sqlx::Error::PoolClosed), Action::Stop);
    }

    #[test]
    fn sqlite_codes_have_actions_too() {
        let failure = |code: i32| {
            for_sqlite(&rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(code),
                None,
            ))
        };
        assert_eq!(failure(rusqlite::ffi::SQLITE_BUSY), Action::Retry);
        assert_eq!(failure(rusqlite::ffi::SQLITE_FULL), Action::Retry);
        assert_eq!(
            failure(rusqlite::ffi::SQLITE_CONSTRAINT_NOTNULL),
            Action::Isolate
        );
        assert_eq!(failure(rusqlite::ffi::SQLITE_TOOBIG), Action::Isolate);
        assert_eq!(failure(rusqlite::ffi::SQLITE_CORRUPT), Action::Stop);
    }
}
