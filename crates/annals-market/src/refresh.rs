//! Rolls minutes up into the stored longer bars, where `bars_changed` says that they have changed.
//!
//! # Why stored bars are never older than what readers take them for
//!
//! The promise: in every state of the database that a snapshot can show, the stored bars of a symbol's
//! hour are those of its minutes, unless an entry for them is there, in which case nobody reads them.
//!
//! A refresh is one transaction, READ COMMITTED, whose every statement sees what was committed before
//! *that statement* began. It does, in this order and in statements of their own:
//!
//! 1. It takes the lock that makes refreshes come one after the other, until its commit.
//! 2. It reads the entries that it will work off.
//! 3. It reads the minutes that they are about, a symbol's hour by one statement, and the stored bars.
//! 4. It writes what differs, and deletes exactly the entries of (2), by number.
//!
//! A writer commits minutes and their entry together. So the minutes of each entry of (2) are visible in
//! (3): none is deleted unread. Minutes that are committed between (2) and (3) may be read as well; their
//! entry is not among those of (2), stays, and brings the next refresh here: once too often, never once
//! too little. A stored bar is overwritten by an older one only if somebody who read earlier writes
//! later, and two refreshes are never at it at once: the lock is given back after the commit has become
//! visible, and step 2 of whoever takes it next is a statement that begins after that. (With one
//! snapshot for the whole transaction that would be wrong: it would be as old as the statement that
//! waited for the lock.) Readers have one snapshot for entries, minutes and stored bars (REPEATABLE READ),
//! and a snapshot that shows a refresh shows every write that the refresh has seen.
//!
//! # Minutes that are dropped meanwhile
//!
//! Retention takes no lock of ours before it drops. So dropped ranges are asked for behind (3): where there is
//! none of these hours then, nothing was gone when their minutes were read. Where there is one, it is read
//! first, then minutes and stored bars, then it is locked, and must be the row that it was, which every drop
//! replaces: what was read lies between two drops, and an hour that is reopened by this transaction has lost
//! none of its minutes before its commit. Nothing of `bars_1m` is read behind that lock, so that a drop that
//! waits for it is not waited for.
//!
//! On SQLite all of it is plain: one writes at a time.
//!
//! A refresh that fails or is killed rolls back, with its deletions.
//!
//! # Metrics
//!
//! | Name | Kind |
//! |---|---|
//! | `annals_rollup_bars_total` | counter, stored longer bars that this process made, changed or removed |
//! | `annals_rollup_entries_total` | counter, entries that this process worked off |
//! | `annals_rollup_kept_total` | counter, hours with late minutes that this process left as they are |
//! | `annals_rollup_failures_total` | counter, turns that failed |
//! | `annals_rollup_waiting` | gauge, entries that wait, those of the running hour included |

mod erase;
mod fold;
mod late;
mod mark;
mod roll_up;
mod script;
mod work_off;

use annals_record::{Timestamp, TimestampMicros};
use annals_store::{Access, Edition, Store};

pub(crate) use erase::erase;
pub use roll_up::{RollUp, keep};

use crate::{Result, changed::Change, level::hour_of, tx::scripted};

/// What one refresh did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refreshed {
    /// Entries that were worked off, in part or as a whole. None when nothing is due.
    pub entries: u64,
    /// Minutes that were read.
    pub minutes: u64,
    /// Longer bars that were made, and differ from what was stored.
    pub made: u64,
    /// Stored bars that no minute is there for any more.
    pub removed: u64,
    /// Hours of a symbol that no bars can be made of, see [`Error::Rollup`](crate::Error::Rollup). They
    /// are read from minutes, with that error, until these change.
    pub held: u64,
    /// Hours of a symbol that were left as they are, though minutes came for them: they have lost their minutes
    /// before, see [`dropped`](crate::dropped).
    pub kept: u64,
    /// Another one is at it, or drops minutes of these hours; nothing was done here.
    pub is_busy: bool,
}

/// Works off some of the entries that are due at `now`, the oldest first, in one transaction: about
/// 100,000 minutes, or an hour of every symbol. An entry is due when the hour of its last minute has
/// ended, so that a running hour is not rolled up again with each of its minutes.
///
/// # Errors
///
/// The database failed; nothing has changed, unless the answer to the commit was lost.
pub async fn refresh(store: &Store, now: Timestamp) -> Result<Refreshed> {
    let (hour, _) = hour_of(TimestampMicros::floor(now).unix_micros());
    let refresh = work_off::Refresh {
        hour,
        lock: lock_of(store),
        decompresses: store.capabilities().edition() == Edition::TimescaleCommunity,
    };
    store.run(Access::Write, refresh).await
}

/// What whoever writes longer bars locks.
fn lock_of(store: &Store) -> String {
    format!("annals {}", store.names().table("bars_changed"))
}

/// Makes minutes count as changed, of one symbol or of all, so that a refresh rolls them up: for bars
/// that were written, corrected or deleted by others than this program. Without a start or an end, from
/// the first or to the last minute that is there. Gives the range; none when there is nothing. Hours whose
/// minutes were dropped by age keep their longer bars (see [`dropped`](crate::dropped)).
///
/// # Errors
///
/// The database failed.
pub async fn mark_changed(
    store: &Store,
    symbol: Option<&str>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
) -> Result<Option<(TimestampMicros, TimestampMicros)>> {
    let mark = mark::Mark {
        symbol: symbol.map(str::to_owned),
        start: start.map(|start| TimestampMicros::floor(start).unix_micros()),
        end: end.map(|end| TimestampMicros::floor(end).unix_micros()),
        running: hour_of(TimestampMicros::floor(Timestamp::now()).unix_micros()).0,
    };
    store.run(Access::Write, mark).await
}

/// Entries that wait, due or not.
///
/// # Errors
///
/// The database failed.
pub async fn waiting(store: &Store) -> Result<u64> {
    store.run(Access::Read, mark::Waiting).await
}

scripted!(work_off::Refresh => Refreshed);
scripted!(mark::Mark => Option<(TimestampMicros, TimestampMicros)>);
scripted!(mark::Waiting => u64);

/// What is left of a change behind a time.
fn rest(change: &Change, behind: i64) -> Option<Change> {
    (behind <= change.last).then(|| Change {
        first: behind,
        ..change.clone()
    })
}

/// As the store's traits want it.
pub(crate) fn into_store_error(error: crate::Error) -> annals_store::Error {
    match error {
        crate::Error::Store(error) => error,
        other => annals_store::Error::Family(Box::new(other)),
    }
}
