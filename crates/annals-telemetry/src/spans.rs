//! The store of spans: its contract, and the one implementation for every backend.

use std::{sync::Arc, time::Duration};

use annals_record::{Filter, Timestamp};
use annals_store::{Lifecycle, Query, Store, Writer, WriterOptions, WriterReport, Written};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    Analysis, Error, Latency, MIGRATIONS, Model, PriceList, Regression, RegressionRule, Result,
    Span, Trace, TraceCache, analysis, directory, latency, life, models, regression,
    remembered::{self, Remembered},
};

/// Rows of a listing when nobody says how many.
const DEFAULT_LIMIT: u32 = 100;

/// Rows of a listing at most.
const MAX_LIMIT: u32 = 10_000;

/// Keeps spans and finds them again. A trait, so that an application can put a double in its place.
pub trait SpanStore: Send + Sync {
    /// Writes one span; answers once it is committed.
    ///
    /// A span that its table cannot hold is an error that names the field, and nothing is kept.
    fn write(&self, span: Span) -> BoxFuture<'_, Result<()>>;

    /// Writes spans; answers once each is committed or parked, and tells both counts.
    fn write_batch(&self, spans: Vec<Span>) -> BoxFuture<'_, Result<Written>>;

    /// Every span of a trace, by start to the nanosecond, then by id. An unknown trace is
    /// [`Error::TraceNotFound`].
    fn get_trace<'a>(&'a self, trace_id: &'a str) -> BoxFuture<'a, Result<Vec<Span>>>;

    /// The spans that match.
    fn list_spans(&self, filter: SpanFilter) -> BoxFuture<'_, Result<SpanPage>>;

    /// Latency of a model's spans that began at `from` or later and before `to`.
    fn latency<'a>(
        &'a self,
        model: &'a str,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Latency>>;
}

/// Which spans to list. Only what is set is a condition.
#[derive(Clone, Debug, Default)]
pub struct SpanFilter {
    /// Only spans of this service.
    pub service_name: Option<String>,
    /// Only spans of this model.
    pub model_name: Option<String>,
    /// Only spans that began then or later.
    pub since: Option<Timestamp>,
    /// Only spans that began then or earlier.
    pub until: Option<Timestamp>,
    /// At most so many; 100 when not set or zero, and never more than 10,000.
    pub limit: Option<u32>,
    /// Which come first.
    pub order: SpanOrder,
    /// The cursor of the page before.
    pub after: Option<String>,
}

/// Which spans come first in a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanOrder {
    /// Those that began last.
    #[default]
    NewestFirst,
    /// Those that began first.
    OldestFirst,
}

/// Some spans of a listing.
pub type SpanPage = annals_store::Page<Span>;

/// How spans are written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpansOptions {
    /// The writer.
    pub writer: WriterOptions,
    /// Whether the directory `traces` is kept, and what models were used for is summed up. Without it a trace by id looks
    /// into every chunk, listings of traces do not know it, and its cost is in no summary.
    pub directory: bool,
    /// How finished traces and summaries of usage are remembered; `None` for not at all.
    pub cache: Option<TraceCache>,
    /// What models cost; `None` leaves spans with the cost that their source has told.
    pub prices: Option<Arc<PriceList>>,
}

impl Default for SpansOptions {
    fn default() -> Self {
        Self {
            writer: WriterOptions::default(),
            directory: true,
            cache: None,
            prices: None,
        }
    }
}

impl SpansOptions {
    /// With another writer.
    #[must_use]
    pub fn with_writer(mut self, writer: WriterOptions) -> Self {
        self.writer = writer;
        self
    }

    /// With prices.
    #[must_use]
    pub fn with_prices(mut self, prices: Arc<PriceList>) -> Self {
        self.prices = Some(prices);
        self
    }

    /// With a cache of finished traces, for [`SpanStore::get_trace`], and of summaries, for [`Spans::usage`].
    #[must_use]
    pub fn with_cache(mut self, cache: TraceCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// With the directory, or without it.
    #[must_use]
    pub fn with_directory(mut self, directory: bool) -> Self {
        self.directory = directory;
        self
    }
}

/// Spans in any database.
#[derive(Debug)]
pub struct Spans {
    store: Store,
    writer: Writer<Span>,
    prices: Option<Arc<PriceList>>,
    remembered: Option<Remembered>,
}

impl Spans {
    /// Connects, makes or migrates the tables, and starts a writer. `url` is `sqlite::memory:`,
    /// `sqlite:PATH` or `postgres://…`; nothing else differs.
    ///
    /// # Errors
    ///
    /// The database does not answer, or is newer than this program.
    pub async fn open(url: &str) -> Result<Self> {
        let store = Store::open(url).await?;
        store.migrator(&[&MIGRATIONS]).up().await?;
        Self::new(store, SpansOptions::default()).await
    }

    /// Starts a writer on a store whose tables are there.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn new(store: Store, options: SpansOptions) -> Result<Self> {
        let companion = options
            .directory
            .then(|| Arc::new(directory::Directory) as Arc<dyn annals_store::Companion<Span>>);
        let writer = store.writer_with(options.writer, companion).await?;
        Ok(Self {
            store,
            writer,
            prices: options.prices,
            remembered: options
                .cache
                .filter(|options| !options.cache.is_off())
                .map(Remembered::new),
        })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What becomes of spans as they age: chunks, compression, retention.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        self.store.lifecycle(life::spans(self.store.names()))
    }

    /// The writer, for tickets, replay and counts.
    #[must_use]
    pub fn writer(&self) -> &Writer<Span> {
        &self.writer
    }

    /// A trace's row in the directory; `None` for an unknown trace.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn trace(&self, trace_id: &str) -> Result<Option<Trace>> {
        directory::find(&self.store, trace_id).await
    }

    /// Latency of the spans of a model, of one version of it or of all, that began at `from` or later
    /// and before `to`, both to the microsecond.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn latency_of_version(
        &self,
        model: &str,
        version: Option<&str>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Latency> {
        latency::of_model(&self.store, model, version, from, to).await
    }

    /// The models whose spans began at `from` or later and before `to`, both to the microsecond:
    /// those with the most spans first, then by name, and at most 1,000. Spans without a model are
    /// left out.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn models(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Model>> {
        models::between(&self.store, from, to).await
    }

    /// Compares a model, or one version of it, with what it was before: its spans of the rule's
    /// `window` up to `now` with those of the rule's `baseline` before that, which never contains
    /// the window; or with the spans of another version (see [`RegressionRule::baseline_version`]).
    ///
    /// # Errors
    ///
    /// The rule is out of bounds ([`Error::Rule`]), or the database failed.
    pub async fn regression(
        &self,
        model: &str,
        version: Option<&str>,
        rule: &RegressionRule,
        now: Timestamp,
    ) -> Result<Regression> {
        regression::of_model(&self.store, model, version, rule, now).await
    }

    /// What was unusual in the spans of a model that began at `from` or later and before `to`, both
    /// to the microsecond. Counts everything, and gives the newest `limit` anomalies.
    ///
    /// Queue depth and batch fill ratio are read from a span's tags, as a number or the text of one:
    /// `queue_depth` and `batch_fill_ratio`, each under the first of the names with `annals.`, with
    /// `infertrace.`, with nothing and with `inference.` before it that has such a value.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn analysis(
        &self,
        model: &str,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Analysis> {
        analysis::of_model(&self.store, model, from, to, limit).await
    }

    /// Writes what is held, and reports; see [`Writer::shutdown`]. The store stays open for whoever
    /// shares it.
    pub async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.writer.shutdown(deadline).await
    }

    /// What models cost, where it is known.
    #[must_use]
    pub fn prices(&self) -> Option<&PriceList> {
        self.prices.as_deref()
    }

    pub(crate) fn remembered(&self) -> Option<&Remembered> {
        self.remembered.as_ref()
    }

    fn price(&self, span: &mut Span) {
        if let Some(prices) = &self.prices {
            prices.apply(span);
        }
    }

    async fn write_one(&self, mut span: Span) -> Result<()> {
        self.store.check(&span)?;
        self.price(&mut span);
        let written = self.writer.write(vec![span]).await?;
        if written.parked > 0 {
            return Err(Error::Parked {
                reason: "its table holds no such row".to_owned(),
            });
        }
        Ok(())
    }

    async fn read_trace(&self, trace_id: &str) -> Result<Vec<Span>> {
        let spans = match &self.remembered {
            Some(remembered) => remembered.spans(&self.store, trace_id).await?,
            None => {
                let filter = directory::spans_of(&self.store, trace_id).await?;
                remembered::read(&self.store, filter).await?
            }
        };
        if spans.is_empty() {
            Err(directory::not_found(trace_id))
        } else {
            Ok(spans)
        }
    }

    /// A listing, of whatever is then read of it.
    pub(crate) fn query_of(&self, filter: SpanFilter) -> Query<'_, Span> {
        let conditions = [
            filter
                .service_name
                .map(|service| Span::SERVICE_NAME.eq(service)),
            filter.model_name.map(|model| Span::MODEL_NAME.eq(model)),
            filter.since.map(|since| Span::START_TIME.at_least(since)),
            filter.until.map(|until| Span::START_TIME.at_most(until)),
        ];
        let order = match filter.order {
            SpanOrder::NewestFirst => Span::START_TIME.desc(),
            SpanOrder::OldestFirst => Span::START_TIME.asc(),
        };
        let limit = filter
            .limit
            .filter(|limit| *limit > 0)
            .unwrap_or(DEFAULT_LIMIT)
            .min(MAX_LIMIT);
        let query = self
            .store
            .query()
            .filter(Filter::all(conditions.into_iter().flatten()))
            .order(order)
            .limit(limit.into());
        let query = query.planned();
        match filter.after {
            Some(cursor) => query.after(cursor),
            None => query,
        }
    }

    async fn list(&self, filter: SpanFilter) -> Result<SpanPage> {
        Ok(self.query_of(filter).fetch().await?)
    }
}

impl SpanStore for Spans {
    fn write(&self, span: Span) -> BoxFuture<'_, Result<()>> {
        self.write_one(span).boxed()
    }

    fn write_batch(&self, mut spans: Vec<Span>) -> BoxFuture<'_, Result<Written>> {
        async move {
            spans.iter_mut().for_each(|span| self.price(span));
            Ok(self.writer.write(spans).await?)
        }
        .boxed()
    }

    fn get_trace<'a>(&'a self, trace_id: &'a str) -> BoxFuture<'a, Result<Vec<Span>>> {
        self.read_trace(trace_id).boxed()
    }

    fn list_spans(&self, filter: SpanFilter) -> BoxFuture<'_, Result<SpanPage>> {
        self.list(filter).boxed()
    }

    fn latency<'a>(
        &'a self,
        model: &'a str,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Latency>> {
        latency::of_model(&self.store, model, None, from, to).boxed()
    }
}
