//! News between servers.
//!
//! Whoever commits tells the other servers which namespace has grown, and they look for themselves. Nothing
//! depends on it but speed: tails look by themselves every now and then.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use annals_store::{
    Access, Dialect, Error as StoreError, Heard, Names, Store, Work, rusqlite, sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::Notify;

use super::{
    tail::{Shared, Tail},
    task::Task,
};
use crate::{Error, Result};

/// Where servers tell each other, and where the SQL function `write_message` tells them.
const CHANNEL: &str = "annals_events";

/// The shortest time between two notifications of this process.
///
/// NOTIFY takes a lock of the whole database until its commit, which is why no append does it.
const BETWEEN: Duration = Duration::from_millis(10);

/// Brings news from sequencers of this process, and of other servers, to tails.
#[derive(Debug)]
pub(crate) struct Exchange(Arc<Board>);

/// What the tails of one process share.
#[derive(Debug)]
pub(super) struct Board {
    store: Store,
    /// By the full name of the namespace's table.
    tails: Mutex<HashMap<String, Weak<Shared>>>,
    /// There while somebody follows something.
    hearing: Mutex<Weak<Hearing>>,
    telling: Telling,
}

/// A connection that listens; it closes with the last one who wants it.
#[derive(Debug)]
pub(super) struct Hearing {
    _task: Task,
}

#[derive(Debug, Default)]
struct Telling {
    grown: Arc<Grown>,
    task: OnceLock<Task>,
}

/// Namespaces that have grown since others were told.
#[derive(Debug, Default)]
struct Grown {
    tables: Mutex<HashSet<String>>,
    some: Notify,
}

impl Exchange {
    /// Nothing runs before something is to be told or heard.
    pub(crate) fn start(store: &Store) -> Self {
        Self(Arc::new(Board {
            store: store.clone(),
            tails: Mutex::default(),
            hearing: Mutex::default(),
            telling: Telling::default(),
        }))
    }

    /// The tail of a namespace, one and the same for all who ask.
    pub(crate) fn tail(&self, store: &Store, names: &Names, id: &str) -> Tail {
        let mut tails = lock(&self.0.tails);
        let table = names.table("messages");
        let known = tails.get(&table).and_then(Weak::upgrade);
        let shared = known.unwrap_or_else(|| {
            tails.retain(|_, tail| tail.strong_count() > 0);
            let board = Arc::clone(&self.0);
            let shared = Arc::new(Shared::new(store, names, id, board));
            tails.insert(table, Arc::downgrade(&shared));
            shared
        });
        Tail(shared)
    }
}

impl Board {
    /// Tells other servers that a namespace has grown, soon.
    pub(super) fn tell(&self, names: &Names) {
        if names.dialect() == Dialect::Sqlite {
            return;
        }
        let table = names.table("messages");
        if lock(&self.telling.grown.tables).insert(table) {
            self.telling.task.get_or_init(|| {
                let (store, grown) = (self.store.clone(), Arc::clone(&self.telling.grown));
                Task::spawn(tell(store, grown))
            });
            self.telling.grown.some.notify_one();
        }
    }

    /// Hears other servers for as long as somebody holds what this gives.
    pub(super) fn hear(self: &Arc<Self>) -> Option<Arc<Hearing>> {
        if self.store.names().dialect() == Dialect::Sqlite {
            return None;
        }
        let mut hearing = lock(&self.hearing);
        if let Some(hearing) = hearing.upgrade() {
            return Some(hearing);
        }
        let task = Task::spawn(hear(self.store.clone(), Arc::downgrade(self)));
        let begun = Arc::new(Hearing { _task: task });
        *hearing = Arc::downgrade(&begun);
        Some(begun)
    }

    fn heard(&self, heard: Heard) {
        let tails = lock(&self.tails);
        match heard {
            Heard::Notification(table) => {
                if let Some(tail) = tails.get(&table).and_then(Weak::upgrade) {
                    tail.look_soon();
                }
            }
            // Whatever was told in the meantime was missed.
            _ => {
                for tail in tails.values().filter_map(Weak::upgrade) {
                    tail.look_soon();
                }
            }
        }
    }
}

async fn hear(store: Store, board: Weak<Board>) {
    let mut listener = store.listen(CHANNEL);
    loop {
        let heard = listener.next().await;
        let Some(board) = board.upgrade() else { return };
        board.heard(heard);
    }
}

async fn tell(store: Store, grown: Arc<Grown>) {
    loop {
        grown.some.notified().await;
        let tables = mem::take(&mut *lock(&grown.tables));
        let tables: Vec<String> = tables.into_iter().collect();
        if let Err(error) = store.run(Access::Statement, Notification(tables)).await {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "other servers find out later");
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Tells which namespaces have grown.
struct Notification(Vec<String>);

impl Work for Notification {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            sqlx::query("SELECT pg_notify($1, name) FROM unnest($2::text[]) AS grown (name)")
                .bind(CHANNEL)
                .bind(self.0)
                .execute(connection)
                .await
                .map_err(StoreError::statement("telling other servers"))?;
            Ok(())
        }
        .boxed()
    }

    fn run_sqlite(self, _connection: &rusqlite::Connection, _names: &Names) -> Result<()> {
        Ok(())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
