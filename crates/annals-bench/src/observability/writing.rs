//! Writing spans by the library, as an application would: `Spans::write_batch`, so that prices are applied.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use annals_cache::Cache;
use annals_store::{Store, WriterOptions};
use annals_telemetry::{PriceList, Span, SpanStore as _, Spans, SpansOptions, TraceCache};
use futures_util::{Stream, StreamExt as _};

/// Calls that wait for their answer at once: the writer always has the next batch.
const IN_FLIGHT: usize = 6;

/// What is kept beside spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nothing; not even prices are applied.
    Nothing,
    /// Everything: the directory, usage, and costs from prices.
    All,
}

/// How spans are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Road {
    pub(super) connections: usize,
    pub(super) kept: Kept,
    /// Rows in a batch; the writer's default when not set.
    pub(super) batch_rows: Option<usize>,
}

impl Road {
    pub(super) const fn one(kept: Kept) -> Self {
        Self {
            connections: 1,
            kept,
            batch_rows: None,
        }
    }

    pub(super) async fn open(self, store: Store) -> Spans {
        self.open_with(store, None).await
    }

    /// With finished traces remembered in a cache.
    pub(super) async fn open_with(self, store: Store, cache: Option<Cache>) -> Spans {
        let mut writer = WriterOptions::default();
        writer.connections = NonZeroUsize::new(self.connections).expect("a connection");
        if let Some(rows) = self.batch_rows {
            writer.batch_rows = NonZeroUsize::new(rows).expect("a row");
            writer.batch_bytes = NonZeroUsize::new(64 << 20).expect("a byte");
        }
        let mut options = SpansOptions::default().with_writer(writer);
        match self.kept {
            Kept::Nothing => options = options.with_directory(false),
            Kept::All => options = options.with_prices(Arc::new(prices())),
        }
        if let Some(cache) = cache {
            options = options.with_cache(TraceCache::new(cache));
        }
        Spans::new(store, options).await.expect("a writer")
    }
}

/// Those that this program was made with, and none of a file.
fn prices() -> PriceList {
    PriceList::with_text("", "nothing").expect("a list")
}

/// Writes calls in their order and waits until each is committed. Gives the rows.
pub(super) async fn write(spans: &Spans, calls: impl Stream<Item = Vec<Span>>) -> usize {
    calls
        .map(|call| async {
            let rows = call.len();
            let written = spans.write_batch(call).await.expect("rows are taken");
            assert_eq!(written.committed, rows, "every row is committed");
            rows
        })
        .buffered(IN_FLIGHT)
        .fold(0, |all, rows| async move { all + rows })
        .await
}

/// Writes what is held, and closes the store.
pub(super) async fn end(spans: &Spans) {
    let report = spans.shutdown(Duration::from_secs(60)).await;
    assert_eq!((report.held, report.lost), (0, 0));
    spans.store().close().await;
}
