//! A connection that is kept between works.

use std::sync::Arc;

use sqlx::pool::PoolConnection;

use crate::{Access, Result, Work, backend::Backend};

/// A connection that is kept between works, for whoever has many small ones: taking a connection from the pool
/// and giving it back cost more than a small statement.
///
/// While it is kept nobody else has it, so whoever keeps one gives it back when there is nothing to do, or
/// when [others want it](Self::is_wanted).
#[derive(Debug)]
pub struct Session {
    backend: Arc<Backend>,
    /// None on SQLite, where connections are not given out.
    connection: Option<PoolConnection<sqlx::Postgres>>,
}

impl Session {
    pub(crate) async fn open(backend: Arc<Backend>) -> Result<Self> {
        let connection = match &*backend {
            Backend::Postgres(postgres) => Some(postgres.acquire().await?),
            Backend::Sqlite(_) => None,
        };
        Ok(Self {
            backend,
            connection,
        })
    }

    /// Runs a family's own statements; see [`Store::run`](crate::Store::run). A session whose work failed is not
    /// to be used again.
    ///
    /// # Errors
    ///
    /// The work's own, or the database failed.
    pub async fn run<W: Work>(&mut self, access: Access, work: W) -> Result<W::Output, W::Error> {
        match (&*self.backend, &mut self.connection) {
            (Backend::Postgres(postgres), Some(connection)) => {
                postgres.run_on(connection, access, work).await
            }
            (backend, _) => backend.run(access, work).await,
        }
    }

    /// Whether so much of the pool is in use that a connection should not be kept for later.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let (open, idle, max) = self.backend.pool_size();
        let used = (open as usize).saturating_sub(idle);
        used * 2 > max as usize
    }
}
