//! The timed part of every write through the library.

use std::{num::NonZeroUsize, time::Duration};

use annals_store::{Store, Ticket, WriterOptions};
use annals_telemetry::{Span, Spans, SpansOptions};

use crate::measure::{Clock, Turn};

/// How the library is told to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Road {
    pub(crate) connections: usize,
    /// Whether ledger and trace directory are kept.
    pub(crate) kept: bool,
    /// Rows in a batch; the writer's default when not set.
    pub(crate) batch_rows: Option<usize>,
}

impl Road {
    pub(crate) const BARE: Self = Self {
        connections: 1,
        kept: false,
        batch_rows: None,
    };
    pub(crate) const KEPT: Self = Self {
        connections: 1,
        kept: true,
        batch_rows: None,
    };
    /// Batches three times as large: fewer commits, and fewer pauses between them.
    pub(crate) const LARGE: Self = Self {
        batch_rows: Some(30_000),
        ..Self::KEPT
    };

    pub(crate) fn options(self) -> SpansOptions {
        let mut writer = WriterOptions::default();
        writer.connections = NonZeroUsize::new(self.connections).expect("a connection");
        writer.ledger = self.kept;
        if let Some(rows) = self.batch_rows {
            writer.batch_rows = NonZeroUsize::new(rows).expect("a row");
            writer.batch_bytes = NonZeroUsize::new(64 << 20).expect("a byte");
        }
        SpansOptions::default()
            .with_writer(writer)
            .with_directory(self.kept)
    }
}

/// Writes copies of `rows`, handed over `call_rows` at a time by one task, and waits until each is
/// acknowledged. Copies are made and the writer is started before the clock.
pub(crate) async fn write(store: Store, road: Road, rows: &[Span], call_rows: usize) -> Turn {
    let spans = Spans::new(store, road.options()).await.expect("a writer");
    let calls: Vec<Vec<Span>> = rows.chunks(call_rows).map(<[Span]>::to_vec).collect();
    let clock = Clock::start();
    let mut tickets: Vec<Ticket> = Vec::with_capacity(calls.len());
    for call in calls {
        tickets.push(spans.writer().enqueue(call).await.expect("rows are taken"));
    }
    let mut committed = 0;
    for ticket in tickets {
        committed += ticket.await.expect("rows are committed").committed;
    }
    let turn = clock.stop(rows.len());
    assert_eq!(committed, rows.len(), "every row is committed");
    spans.shutdown(Duration::from_secs(60)).await;
    turn
}
