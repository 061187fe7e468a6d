//! The way in: namespaces in a database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use annals_record::Timestamp;
use annals_store::{AgingTable, Names, Store};

use crate::{
    Append, CategoryEntry, CategoryQuery, Checkpoint, Error, Message, NamespaceInfo,
    NamespaceSummary, NewMessage, NewNamespace, Place, Rebuilt, Record, Result, Selection,
    StreamEntry, StreamList, StreamQuery, Subscription, Token, Verified, life,
    message::check_text,
    namespace::{self, Entry},
    read,
    sequencer::{Seat, Sequencer},
    subscribe::{Exchange, Tail},
    transfer, upkeep,
};

/// How long a namespace's row is believed before it is read again.
const BELIEVED: Duration = Duration::from_secs(1);

/// How an event store works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventsOptions {
    /// Time range of a chunk of a new namespace, where there are hypertables.
    pub chunk_interval: Duration,
    /// Age at which chunks are compressed unless a policy says otherwise, where the server can; never when absent.
    pub compress_after: Option<Duration>,
    /// How long a message id is remembered, so that a retry is known; for ever when absent.
    pub id_window: Option<Duration>,
    /// How long an append is tried while the database is away.
    pub patience: Duration,
}

impl Default for EventsOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            chunk_interval: 7 * DAY,
            compress_after: Some(7 * DAY),
            id_window: None,
            patience: Duration::from_secs(30),
        }
    }
}

/// An event store in any database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    options: EventsOptions,
    exchange: Exchange,
    open: Mutex<HashMap<String, Believed>>,
}

#[derive(Debug)]
struct Believed {
    namespace: Namespace,
    since: Instant,
}

/// One namespace. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Namespace {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) entry: Entry,
    pub(crate) store: Store,
    pub(crate) names: Names,
    pub(crate) tail: Tail,
    pub(crate) aging: AgingTable,
    sequencer: Sequencer,
}

impl Events {
    /// Connects with default options. `url` is `sqlite::memory:`, `sqlite:PATH` or `postgres://…`.
    ///
    /// # Errors
    ///
    /// The database does not answer.
    pub async fn open(url: &str) -> Result<Self> {
        let store = Store::open(url).await?;
        Self::new(store, EventsOptions::default()).await
    }

    /// An event store in a connected database; makes the registry where there is none.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn new(store: Store, options: EventsOptions) -> Result<Self> {
        namespace::create_registry(&store).await?;
        let exchange = Exchange::start(&store);
        let shared = Shared {
            store,
            options,
            exchange,
            open: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(crate) fn options(&self) -> &EventsOptions {
        &self.shared.options
    }

    /// Makes a namespace and gives the token by which it is reached: nobody can read it later.
    ///
    /// # Errors
    ///
    /// There is one of that id, the token is another namespace's, or the database failed.
    pub async fn create_namespace(&self, new: NewNamespace) -> Result<(NamespaceSummary, Token)> {
        let NewNamespace {
            id,
            description,
            token,
        } = new;
        check_text("the namespace id", &id)?;
        if description.contains('\0') {
            check_text("the description", &description)?;
        }
        let token = token.unwrap_or_else(|| Token::random(&id));
        if token.namespace() != id {
            return Err(Error::TokenRefused {
                id,
                reason: "it names another one",
            });
        }
        let hypertables = self.store().capabilities().hypertables();
        let entry = Entry {
            token_hash: token.digest(),
            schema: namespace::schema_name(&id, hypertables),
            created_at: Timestamp::now().unix_nanos() / 1_000_000_000,
            description,
            id,
        };
        namespace::create(self.store(), entry.clone(), self.options().chunk_interval).await?;
        self.age(&entry).await;
        Ok((entry.summary(0), token))
    }

    /// Gives a namespace a new token, for one that was lost or seen by others, and gives it out: nobody can read
    /// it later. The old one opens nothing any more, here at once and on other servers after a second.
    ///
    /// # Errors
    ///
    /// There is no such namespace, or the database failed.
    pub async fn renew_token(&self, id: &str) -> Result<Token> {
        let token = Token::random(id);
        let renewed = namespace::renew_token(self.store(), id, token.digest()).await?;
        self.forget(id);
        if renewed {
            Ok(token)
        } else {
            Err(Error::NamespaceNotFound { id: id.to_owned() })
        }
    }

    /// Deletes a namespace and everything in it; gives the number of its messages.
    ///
    /// # Errors
    ///
    /// There is none of that id, or the database failed.
    pub async fn delete_namespace(&self, id: &str) -> Result<i64> {
        let entry = namespace::find(self.store(), id).await?;
        let deleted = namespace::delete(self.store(), id).await;
        let known = self.forget(id);
        if let (Ok(_), Some(namespace)) = (&deleted, known) {
            namespace.inner.tail.gone();
        }
        if let (Ok(_), Some(entry)) = (&deleted, entry) {
            self.forget_age(&entry).await;
        }
        deleted
    }

    /// All namespaces, the newest first.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn namespaces(&self) -> Result<Vec<NamespaceSummary>> {
        let mut summaries = Vec::new();
        for entry in namespace::list(self.store()).await? {
            let names = self.store().names().within(&entry.schema);
            match read::count(self.store(), &names).await {
                Ok(messages) => summaries.push(entry.summary(messages)),
                // Deleted since it was listed.
                Err(_) if namespace::find(self.store(), &entry.id).await?.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(summaries)
    }

    /// The namespace of an id.
    ///
    /// What another server did to it is known after a second.
    ///
    /// # Errors
    ///
    /// There is none, or the database failed.
    pub async fn namespace(&self, id: &str) -> Result<Namespace> {
        let known = self.known(id);
        if let Some((namespace, true)) = known {
            return Ok(namespace);
        }
        let Some(entry) = namespace::find(self.store(), id).await? else {
            self.forget(id);
            return Err(Error::NamespaceNotFound { id: id.to_owned() });
        };
        let mut open = self.lock();
        // Whoever was here first while this one asked has started what there is to start.
        let namespace = match open.get(id) {
            Some(believed) if believed.namespace.inner.entry == entry => believed.namespace.clone(),
            _ => self.start(entry),
        };
        let believed = Believed {
            namespace: namespace.clone(),
            since: Instant::now(),
        };
        open.insert(id.to_owned(), believed);
        Ok(namespace)
    }

    /// Forgets message ids that are older than the window, if there is one; gives their number.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn forget_ids(&self) -> Result<u64> {
        let Some(window) = self.shared.options.id_window else {
            return Ok(0);
        };
        let mut forgotten = 0;
        for entry in namespace::list(self.store()).await? {
            let names = self.store().names().within(&entry.schema);
            forgotten += upkeep::forget_ids(self.store(), &names, window).await?;
        }
        Ok(forgotten)
    }

    fn start(&self, entry: Entry) -> Namespace {
        let store = self.store().clone();
        let names = store.names().within(&entry.schema);
        let tail = self.shared.exchange.tail(&store, &names, &entry.id);
        let sequencer = Sequencer::start(Seat {
            store: store.clone(),
            names: names.clone(),
            id: entry.id.clone(),
            tail: tail.clone(),
            patience: self.shared.options.patience,
        });
        let aging = life::aging_table(&store, &entry, self.options());
        Namespace {
            inner: Arc::new(Inner {
                aging,
                entry,
                store,
                names,
                tail,
                sequencer,
            }),
        }
    }

    /// The namespace as it is known, and whether that may be believed.
    fn known(&self, id: &str) -> Option<(Namespace, bool)> {
        let open = self.lock();
        let believed = open.get(id)?;
        Some((
            believed.namespace.clone(),
            believed.since.elapsed() < BELIEVED,
        ))
    }

    fn forget(&self, id: &str) -> Option<Namespace> {
        let believed = self.lock().remove(id);
        believed.map(|believed| believed.namespace)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Believed>> {
        self.shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Namespace {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.entry.id
    }

    /// The schema that keeps its tables.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.inner.entry.schema
    }

    /// Whether a token is the one by which it is reached.
    #[must_use]
    pub fn admits(&self, token: &Token) -> bool {
        // Digests of what is sent are compared, so that the time it takes tells nothing of the token.
        token.namespace() == self.id() && token.digest() == self.inner.entry.token_hash
    }

    /// Appends one message; see [`write_messages`](Self::write_messages).
    ///
    /// # Errors
    ///
    /// See there.
    pub async fn write_message(
        &self,
        stream: &str,
        message: NewMessage,
        expected_version: Option<i64>,
    ) -> Result<Place> {
        let append = Append {
            stream: stream.to_owned(),
            expected_version,
            messages: vec![message],
        };
        let places = self.write_messages(vec![append]).await?;
        places.first().copied().ok_or(Error::Closed)
    }

    /// Appends messages to one stream or to several, all or nothing, and gives their places in the order of
    /// the call once they are committed.
    ///
    /// A message whose id is there already is not written again: the answer is the first one's place.
    ///
    /// # Errors
    ///
    /// A stream is at another version than expected, an id is another message's, a rule is broken, or the
    /// database failed. [`Error::OutcomeUnknown`] when it did not answer in time.
    pub async fn write_messages(&self, appends: Vec<Append>) -> Result<Vec<Place>> {
        appends.iter().try_for_each(Append::check)?;
        if appends.is_empty() {
            return Ok(Vec::new());
        }
        self.inner.sequencer.append(appends).await
    }

    /// Messages of a stream, in its order.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn stream(&self, query: StreamQuery) -> Result<Vec<Message>> {
        read::stream(&self.inner.store, &self.inner.names, query).await
    }

    /// Messages of a category, or of all, in the order of commits.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn category(&self, query: CategoryQuery) -> Result<Vec<Message>> {
        read::category(&self.inner.store, &self.inner.names, query).await
    }

    /// The last message of a stream that is kept, of one type if one is given.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn last_message(&self, stream: &str, kind: Option<&str>) -> Result<Option<Message>> {
        read::last(&self.inner.store, &self.inner.names, stream, kind).await
    }

    /// The position of the last message that a stream ever had; `None` for no stream.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn stream_version(&self, stream: &str) -> Result<Option<i64>> {
        read::version(&self.inner.store, &self.inner.names, stream).await
    }

    /// Streams, by name.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn streams(&self, list: StreamList) -> Result<Vec<StreamEntry>> {
        read::streams(&self.inner.store, &self.inner.names, list).await
    }

    /// Categories, by name.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn categories(&self) -> Result<Vec<CategoryEntry>> {
        read::categories(&self.inner.store, &self.inner.names).await
    }

    /// What is in it.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn info(&self) -> Result<NamespaceInfo> {
        let counts = read::counts(&self.inner.store, &self.inner.names).await?;
        Ok(NamespaceInfo {
            summary: self.inner.entry.summary(counts.messages),
            stream_count: counts.streams,
            last_activity: counts.last_activity,
        })
    }

    /// Follows a stream, a category or everything, from a position on.
    #[must_use]
    pub fn subscribe(&self, selection: Selection) -> Subscription {
        Subscription::new(&self.inner, selection)
    }

    /// A position that is kept under a name; see there.
    #[must_use]
    pub fn checkpoint(&self, name: &str) -> Checkpoint {
        Checkpoint::new(&self.inner.store, &self.inner.names, name)
    }

    /// Takes messages with their places, ids and times, all or nothing.
    ///
    /// # Errors
    ///
    /// A place or an id is taken ([`Error::PlaceTaken`]), a rule is broken, or the database failed.
    pub async fn import(&self, records: Vec<Record>) -> Result<()> {
        transfer::import(&self.inner.store, &self.inner.names, records).await
    }

    /// Deletes every message; places begin at 1 again.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn clear(&self) -> Result<()> {
        transfer::clear(&self.inner.store, &self.inner.names).await?;
        self.inner.tail.began_anew();
        Ok(())
    }

    /// Makes heads, ids and the counter true for messages that came past this program.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn rebuild_heads(&self) -> Result<Rebuilt> {
        upkeep::rebuild_heads(&self.inner.store, &self.inner.names).await
    }

    /// Looks for what cannot be: gaps, doubles, heads that lag.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn verify(&self) -> Result<Verified> {
        upkeep::verify(&self.inner.store, &self.inner.names).await
    }
}
