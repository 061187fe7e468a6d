//! Values in Redis.
//!
//! A read waits for its deadline and no longer. Failures in a row open the breaker of the connection: from then on Redis is
//! not asked by anybody who waits, until a task of its own, with a new connection, has had an answer within a reader's
//! deadline. Connections are thrown away when that happens: one to a server that hangs, or behind a firewall that has
//! forgotten it, would never find out by itself.
//!
//! Writes are nobody's to wait for, and are bounded in bytes; what does not fit is not written. A Redis that answers reads
//! and refuses writes (full, a replica, out of disk) has a breaker of its own for these.
//!
//! What Redis says is never logged: older ones quote the command that they do not understand, and that may be
//! the one with the password.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::sync::Semaphore;

use crate::{RedisOptions, breaker::Breaker, counts};

/// Bytes of values on their way at most, in units of [`UNIT`].
const ROOM: u32 = 32 << 10;

/// Bytes that one unit of room stands for.
const UNIT: usize = 1 << 10;

/// Redis, and whether it is to be asked.
pub(crate) struct Remote {
    options: RedisOptions,
    ttl: Duration,
    /// Bytes of a value that are read at most.
    most: usize,
    lanes: Box<[Mutex<Option<ConnectionManager>>]>,
    next: AtomicUsize,
    connection: Breaker,
    writes: Breaker,
    room: Arc<Semaphore>,
}

/// What Redis has under a name.
pub(crate) enum Found {
    /// Some bytes.
    Bytes(Vec<u8>),
    /// Nothing.
    Nothing,
    /// It failed, or was late.
    Failed,
    /// It is left alone.
    Away,
}

impl Remote {
    pub(crate) fn new(options: RedisOptions, ttl: Duration, most: usize) -> Self {
        if options.is_tls() && rustls::crypto::CryptoProvider::get_default().is_none() {
            // Without one connecting would panic where two are compiled in. It fails where somebody else was faster.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Self {
            lanes: (0..options.connections.get())
                .map(|_| Mutex::default())
                .collect(),
            next: AtomicUsize::new(0),
            connection: Breaker::new(options.failures, options.pause),
            writes: Breaker::new(1, options.pause * 8),
            room: Arc::new(Semaphore::new(ROOM as usize)),
            options,
            ttl,
            most,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.connection.is_closed()
    }

    pub(crate) async fn get(self: &Arc<Self>, name: &str) -> Found {
        if !self.is_up() {
            return Found::Away;
        }
        let Ok((place, mut lane)) = self.lane() else {
            self.failed("no connection can be made");
            return Found::Failed;
        };
        let mut command = redis::cmd("GETRANGE");
        // Whoever wrote there may have written far more, which nobody has to read to know that it is not ours.
        command.arg(name).arg(0).arg(self.most);
        let answer = command.query_async::<Vec<u8>>(&mut lane);
        match tokio::time::timeout(self.options.read_timeout, answer).await {
            Ok(Ok(bytes)) => {
                self.connection.succeeded();
                if bytes.is_empty() {
                    Found::Nothing
                } else {
                    Found::Bytes(bytes)
                }
            }
            Ok(Err(error)) if error.code() == Some("WRONGTYPE") => {
                self.connection.succeeded();
                Found::Failed
            }
            Ok(Err(error)) => {
                self.leave(place);
                self.failed(&problem(&error));
                Found::Failed
            }
            Err(_) => {
                self.failed("it does not answer in time");
                Found::Failed
            }
        }
    }

    /// Writes a value in the background. `weight` is about how many bytes it has, and `make` makes them, on a thread
    /// that nobody waits for.
    pub(crate) fn put(
        self: &Arc<Self>,
        name: String,
        weight: usize,
        make: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
    ) {
        if !self.is_up() || !self.writes.may_try() {
            counts::write_dropped();
            return;
        }
        let units = u32::try_from(weight / UNIT)
            .unwrap_or(ROOM)
            .saturating_add(1);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(units) else {
            counts::write_dropped();
            return;
        };
        let remote = Arc::clone(self);
        tokio::spawn(async move {
            let _room = room;
            if let Ok(Some(bytes)) = tokio::task::spawn_blocking(make).await
                && bytes.len() <= remote.most
            {
                remote.write(&name, &bytes).await;
            }
        });
    }

    /// Waits until nothing is on its way any more.
    pub(crate) async fn settled(&self) {
        let _ = self.room.acquire_many(ROOM).await;
    }

    async fn write(self: &Arc<Self>, name: &str, bytes: &[u8]) {
        let Ok((place, mut lane)) = self.lane() else {
            return self.failed("no connection can be made");
        };
        let ttl = u64::try_from(self.ttl.as_millis())
            .unwrap_or(u64::MAX)
            .clamp(1, 1 << 45);
        let mut command = redis::cmd("SET");
        command.arg(name).arg(bytes).arg("PX").arg(ttl);
        let answer = command.query_async::<()>(&mut lane);
        match tokio::time::timeout(self.options.timeout, answer).await {
            Ok(Ok(())) => {
                if self.writes.succeeded().is_some_and(|changed| changed.tell) {
                    let redis = self.options.address();
                    tracing::info!(redis, "Redis takes values again");
                }
            }
            Ok(Err(error)) if is_refusal(&error) => {
                counts::write_dropped();
                if self.writes.failed().is_some_and(|changed| changed.tell) {
                    let (redis, problem) = (self.options.address(), problem(&error));
                    tracing::warn!(
                        redis,
                        problem,
                        "Redis takes no values; answers are read from the database and from what it has"
                    );
                }
            }
            Ok(Err(error)) => {
                self.leave(place);
                self.failed(&problem(&error));
            }
            Err(_) => self.failed("it does not answer in time"),
        }
    }

    /// One of the connections, each in turn. One that is not there yet connects when it is used first.
    fn lane(&self) -> Result<(usize, ConnectionManager), RedisError> {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        let Some(lane) = self.lanes.get(place) else {
            return Err((redis::ErrorKind::Client, "no such connection").into());
        };
        let mut lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manager) = &*lane {
            return Ok((place, manager.clone()));
        }
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(self.options.timeout))
            .set_response_timeout(Some(self.options.timeout));
        let manager = ConnectionManager::new_lazy_with_config(self.options.client.clone(), config)?;
        *lane = Some(manager.clone());
        // Connecting goes on while somebody waits for it, and a reader may not wait long enough.
        let mut first = manager.clone();
        tokio::spawn(async move {
            let _ = redis::cmd("PING").query_async::<()>(&mut first).await;
        });
        Ok((place, manager))
    }

    /// Throws a connection away.
    fn leave(&self, place: usize) {
        if let Some(lane) = self.lanes.get(place) {
            lane.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    fn failed(self: &Arc<Self>, problem: &str) {
        let Some(changed) = self.connection.failed() else {
            return;
        };
        counts::redis_up(false);
        if changed.tell {
            let redis = self.options.address();
            tracing::warn!(
                redis,
                problem,
                "Redis is away; answers are read from the database until it is back"
            );
        }
        for place in 0..self.lanes.len() {
            self.leave(place);
        }
        tokio::spawn(look_for(Arc::downgrade(self)));
    }

    /// Whether it answers on a new connection, as fast as readers need.
    async fn answers(&self) -> bool {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.timeout))
            .set_response_timeout(Some(self.options.timeout));
        let client = &self.options.client;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let Ok(Ok(mut connection)) = tokio::time::timeout(self.options.timeout, connecting).await
        else {
            return false;
        };
        let answer = redis::cmd("PING");
        let answer = answer.query_async::<String>(&mut connection);
        let answer = tokio::time::timeout(self.options.read_timeout, answer).await;
        matches!(answer, Ok(Ok(pong)) if pong == "PONG")
    }
}

/// Tries until Redis answers, or nobody uses it any more.
async fn look_for(remote: Weak<Remote>) {
    loop {
        let Some(pause) = remote.upgrade().map(|remote| remote.connection.pause()) else {
            return;
        };
        tokio::time::sleep(pause).await;
        let Some(remote) = remote.upgrade() else {
            return;
        };
        if !remote.answers().await {
            remote.connection.failed();
            continue;
        }
        if remote
            .connection
            .succeeded()
            .is_some_and(|changed| changed.tell)
        {
            let redis = remote.options.address();
            tracing::info!(redis, "Redis is back");
        }
        counts::redis_up(true);
        return;
    }
}

/// Whether Redis answered, and said no.
fn is_refusal(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        redis::ErrorKind::Server(_) | redis::ErrorKind::Extension
    )
}

/// What went wrong, in words of our own.
fn problem(error: &RedisError) -> String {
    let is_code = |code: &&str| {
        code.len() <= 20
            && code
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    match error.code().filter(is_code) {
        Some(code) => format!("it answers {code}"),
        None if error.is_connection_refusal() => "it refuses the connection".to_owned(),
        None if error.is_timeout() => "it does not answer in time".to_owned(),
        None if error.is_connection_dropped() => "the connection is gone".to_owned(),
        None => error.category().to_owned(),
    }
}
