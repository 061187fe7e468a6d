//! Records as they come, each once and none left out.
//!
//! What tells them apart is neither their time nor their order but which transactions could be seen (see
//! [`ArrivalCursor`]), so late records, records of the same time and writers that overlap are no trouble.

use std::time::Duration;

use annals_record::Filter;
use annals_store::{ArrivalCursor, Store};
use futures_util::{Stream, stream};
use tokio::sync::watch;

use crate::{LogRecord, Result};

/// Records of one answer at most.
const MOST: u64 = 500;

/// How soon is looked again after something came.
const SOON: Duration = Duration::from_millis(50);

/// How soon is looked again after nothing came for long: what others write is seen no later.
const LATE: Duration = Duration::from_secs(1);

/// How often a page is asked for again from which a row went by age while it was read.
const RETRIES: u32 = 5;

/// Somebody who follows. Dropping it ends that.
#[derive(Debug)]
pub struct LogFollower {
    store: Store,
    filter: Filter<LogRecord>,
    cursor: ArrivalCursor,
    written: watch::Receiver<()>,
    most: u64,
    pause: Duration,
    /// Whether nothing is known to be there: then the next look waits.
    is_caught_up: bool,
}

/// Records that have come.
#[derive(Clone, Debug)]
pub struct NewLogs {
    /// The records, in the order in which they were committed.
    pub rows: Vec<LogRecord>,
    /// From where to go on.
    pub cursor: ArrivalCursor,
}

impl LogFollower {
    pub(super) fn new(
        store: Store,
        filter: Filter<LogRecord>,
        cursor: ArrivalCursor,
        mut written: watch::Receiver<()>,
    ) -> Result<Self> {
        written.mark_unchanged();
        Ok(Self {
            store,
            filter,
            cursor,
            written,
            most: MOST,
            pause: SOON,
            is_caught_up: false,
        })
    }

    /// With answers of at most so many records, and at least of one.
    #[must_use]
    pub fn with_most(mut self, most: u64) -> Self {
        self.most = most.clamp(1, MOST);
        self
    }

    /// From where to go on.
    #[must_use]
    pub fn cursor(&self) -> &ArrivalCursor {
        &self.cursor
    }

    /// Waits for records and gives them. A future that is dropped loses none.
    ///
    /// # Errors
    ///
    /// The database failed, and can be asked again; or the cursor is of another database or another filter.
    pub async fn next(&mut self) -> Result<NewLogs> {
        loop {
            if self.is_caught_up {
                let woken = tokio::time::timeout(self.pause, self.written.changed()).await;
                match woken {
                    Ok(Ok(())) => self.pause = SOON,
                    // The store was dropped: nothing comes from this process any more.
                    Ok(Err(_)) => tokio::time::sleep(self.pause).await,
                    Err(_) => {}
                }
                self.is_caught_up = false;
            }
            let rows = self.look().await?;
            if !rows.is_empty() {
                self.pause = SOON;
                let cursor = self.cursor.clone();
                return Ok(NewLogs { rows, cursor });
            }
            self.pause = (self.pause * 2).min(LATE);
        }
    }

    /// What is there now.
    ///
    /// # Errors
    ///
    /// As [`LogFollower::next`].
    pub async fn look(&mut self) -> Result<Vec<LogRecord>> {
        let mut tries = 0;
        loop {
            let (filter, most) = (self.filter.clone(), self.most);
            match self.store.arrivals(filter, &self.cursor, most).await {
                Ok(arrived) => {
                    self.cursor = arrived.cursor;
                    self.is_caught_up = arrived.is_all;
                    return Ok(arrived.rows);
                }
                Err(annals_store::Error::Cursor { .. }) if tries < RETRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The same as a stream, which ends behind an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<NewLogs>> + Send {
        stream::unfold(Some(self), async |follower| {
            let mut follower = follower?;
            match follower.next().await {
                Ok(new) => Some((Ok(new), Some(follower))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}
