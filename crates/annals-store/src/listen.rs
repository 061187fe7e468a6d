//! Hearing of what others do: PostgreSQL's LISTEN, on a connection of its own.

use std::time::Duration;

use sqlx::{
    Executor as _, PgPool,
    postgres::{PgListener, PgPoolOptions},
};

use crate::backend::Backend;

/// How long silence is trusted before the connection is asked whether it lives: one that was cut
/// without a word would be silent for ever.
const SILENCE: Duration = Duration::from_secs(30);

/// How long it has for the answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Pauses between attempts to connect.
const PAUSES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(2);

/// What a [`Listener`] hears.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// Somebody notified the channel, with this payload.
    Notification(String),
    /// The listener has just begun to listen, for the first time or again after its connection was
    /// lost. What was notified before was missed: whoever depends on it looks for itself now.
    Begun,
}

/// Hears what is notified on a channel. See [`Store::listen`](crate::Store::listen).
#[derive(Debug)]
pub struct Listener {
    channel: &'static str,
    /// Absent where there are no notifications.
    server: Option<PgPool>,
    connection: Option<PgListener>,
    pause: Duration,
}

impl Listener {
    pub(crate) fn new(backend: &Backend, channel: &'static str) -> Self {
        let server = match backend {
            Backend::Sqlite(_) => None,
            Backend::Postgres(postgres) => Some(postgres.pool().clone()),
        };
        Self {
            channel,
            server,
            connection: None,
            pause: Duration::ZERO,
        }
    }

    /// The next that is heard. Never fails: a connection that is lost is made again, for as long as it
    /// takes, and then [`Heard::Begun`] says so. Waits for ever once the store is closed, and on SQLite.
    ///
    /// Dropping the future loses nothing but time.
    pub async fn next(&mut self) -> Heard {
        let Some(server) = self.server.clone() else {
            return std::future::pending().await;
        };
        loop {
            if server.is_closed() {
                self.connection = None;
                return std::future::pending().await;
            }
            let Some(connection) = &mut self.connection else {
                tokio::time::sleep(self.pause).await;
                match connect(&server, self.channel).await {
                    Ok(connection) => {
                        self.connection = Some(connection);
                        self.pause = *PAUSES.start();
                        return Heard::Begun;
                    }
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::debug!(channel = self.channel, error, "cannot listen yet");
                        self.pause = (self.pause * 2).clamp(*PAUSES.start(), *PAUSES.end());
                    }
                }
                continue;
            };
            let mut closing = server.close_event();
            let heard =
                tokio::time::timeout(SILENCE, closing.do_until(connection.try_recv())).await;
            match heard {
                Ok(Ok(Ok(Some(notification)))) => {
                    return Heard::Notification(notification.payload().to_owned());
                }
                // Silence, and the connection lives.
                Err(_) if lives(connection).await => {}
                // The store closes, or the connection is gone.
                _ => self.connection = None,
            }
        }
    }
}

/// Begins to listen on a connection that is none of the pool's, which others wait for.
async fn connect(server: &PgPool, channel: &str) -> Result<PgListener, sqlx::Error> {
    let options = (*server.connect_options()).clone();
    let own = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(ANSWER)
        .connect_lazy_with(options);
    let mut connection = PgListener::connect_with(&own).await?;
    // Ours to tell that something was missed.
    connection.eager_reconnect(false);
    connection.listen(channel).await?;
    Ok(connection)
}

async fn lives(connection: &mut PgListener) -> bool {
    let asked = connection.execute("SELECT 1");
    matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok(_)))
}
