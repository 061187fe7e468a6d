//! The names of this crate's metrics, and where each is counted.
//!
//! | Name | Kind | Labels |
//! |---|---|---|
//! | `timescale_write_total` | counter, rows | `table`, `status`: success, parked, returned, dropped |
//! | `timescale_write_errors_total` | counter, attempts | `table`, `error_type`: an [`Action`], or queue_full |
//! | `timescale_write_latency_seconds` | histogram, from leaving the queue to the last commit | `table`, `operation` |
//! | `timescale_write_queue_depth` | gauge, rows held by all writers of the table, in flight included | `table` |
//! | `timescale_write_batch_size` | histogram, rows | `table`, `operation` |
//! | `annals_pool_connections` | gauge | `state`: open, idle, max |
//! | `annals_dead_letters_total` | counter, rows parked | `table` |
//! | `annals_ledger_hits_total` | counter, batches whose commit was known only by the ledger | `table` |
//! | `annals_ledger_forgotten_total` | counter, batches | |

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::error::Action;

/// Handles of one writer, looked up once.
pub(crate) struct WriterMetrics {
    table: &'static str,
    success: Counter,
    parked: Counter,
    dead_letters: Counter,
    latency: Histogram,
    depth: Gauge,
    /// What this writer has added to the gauge, which writers of one table share.
    depth_added: AtomicU64,
    batch_size: Histogram,
}

impl WriterMetrics {
    pub(crate) fn new(table: &'static str) -> Self {
        Self {
            table,
            success: counter!("timescale_write_total", "table" => table, "status" => "success"),
            parked: counter!("timescale_write_total", "table" => table, "status" => "parked"),
            dead_letters: counter!("annals_dead_letters_total", "table" => table),
            latency: histogram!("timescale_write_latency_seconds", "table" => table, "operation" => "write"),
            depth: gauge!("timescale_write_queue_depth", "table" => table),
            depth_added: AtomicU64::new(0),
            batch_size: histogram!("timescale_write_batch_size", "table" => table, "operation" => "write"),
        }
    }

    pub(crate) fn committed(&self, rows: usize, repeated: bool) {
        self.batch_size.record(rows as f64);
        if repeated {
            counter!("annals_ledger_hits_total", "table" => self.table).increment(1);
        }
    }

    pub(crate) fn settled(&self, committed: usize, parked: usize) {
        self.success.increment(committed as u64);
        self.parked.increment(parked as u64);
        self.dead_letters.increment(parked as u64);
    }

    pub(crate) fn returned(&self, rows: usize) {
        counter!("timescale_write_total", "table" => self.table, "status" => "returned")
            .increment(rows as u64);
    }

    pub(crate) fn dropped(&self, rows: usize) {
        counter!("timescale_write_total", "table" => self.table, "status" => "dropped")
            .increment(rows as u64);
    }

    pub(crate) fn failed(&self, action: Action) {
        counter!("timescale_write_errors_total", "table" => self.table, "error_type" => action.as_str())
            .increment(1);
    }

    pub(crate) fn queue_full(&self) {
        counter!("timescale_write_errors_total", "table" => self.table, "error_type" => "queue_full").increment(1);
    }

    pub(crate) fn finished(&self, elapsed: Duration, held: usize) {
        self.latency.record(elapsed.as_secs_f64());
        self.depth(held);
    }

    pub(crate) fn depth(&self, rows: usize) {
        let before = self.depth_added.swap(rows as u64, Ordering::Relaxed);
        self.depth.increment(rows as f64 - before as f64);
    }
}

impl Drop for WriterMetrics {
    fn drop(&mut self) {
        self.depth(0);
    }
}

/// Sets the gauges of a pool.
pub(crate) fn pool(open: u32, idle: usize, max: u32) {
    gauge!("annals_pool_connections", "state" => "open").set(open);
    gauge!("annals_pool_connections", "state" => "idle").set(idle as f64);
    gauge!("annals_pool_connections", "state" => "max").set(max);
}

pub(crate) fn ledger_forgotten(batches: u64) {
    counter!("annals_ledger_forgotten_total").increment(batches);
}
