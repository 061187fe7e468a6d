//! Log records, as an intake has them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use annals_record::Timestamp;
use annals_store::{Refusal, Store, WriterReport, Written};
use annals_telemetry::{LogRecord, Logs, LogsOptions};
use tokio::time::Instant;

use super::{Intake, Sink, writer};
use crate::{Result, config::QueueConfig, not_taken::is_away};

/// For how long a request that brings records without any time is known again. Clients give up sooner.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Such requests that are known at most.
const MOST: usize = 16_384;

/// Where log records go.
#[derive(Debug)]
pub(crate) struct LogSink {
    logs: Logs,
    came: FirstTimes,
}

impl Intake<LogSink> {
    pub(crate) async fn start(
        store: Store,
        queue: &QueueConfig,
        timeout: Duration,
    ) -> Result<Self> {
        let options = LogsOptions::default().with_writer(writer(queue));
        let sink = LogSink {
            logs: Logs::new(store, options).await?,
            came: FirstTimes::default(),
        };
        Ok(Self::new(sink, timeout))
    }

    /// The store behind it, for reading.
    pub(crate) fn logs(&self) -> &Logs {
        &self.sink().logs
    }

    /// When a request of this hash came first.
    pub(crate) fn came(&self, hash: &[u8; 32]) -> Timestamp {
        self.sink().came.of(hash, Instant::now())
    }
}

impl Sink for LogSink {
    type Record = LogRecord;

    fn check(&self, record: &LogRecord) -> Result<(), Refusal> {
        self.logs.store().check(record)
    }

    fn is_away(&self) -> bool {
        is_away(self.logs.writer())
    }

    async fn write(&self, records: Vec<LogRecord>) -> annals_telemetry::Result<Written> {
        self.logs.write(records).await
    }

    fn held(&self) -> usize {
        self.logs.writer().held()
    }

    fn report(&self) -> WriterReport {
        self.logs.writer().report()
    }

    async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.logs.shutdown(deadline).await
    }
}

/// When requests came first that bring records without any time. The time is part of a record's key, so the same
/// request again needs the same.
#[derive(Debug, Default)]
struct FirstTimes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    times: HashMap<[u8; 32], Timestamp>,
    /// In the order in which they came.
    queue: VecDeque<(Instant, [u8; 32])>,
}

impl FirstTimes {
    fn of(&self, hash: &[u8; 32], now: Instant) -> Timestamp {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((came, oldest)) = known.queue.front().copied()
            && (now.duration_since(came) > REMEMBERED || known.queue.len() >= MOST)
        {
            known.queue.pop_front();
            known.times.remove(&oldest);
        }
        if let Some(time) = known.times.get(hash) {
            return *time;
        }
        let time = Timestamp::now();
        known.times.insert(*hash, time);
        known.queue.push_back((now, *hash));
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_again_for_a_while() {
        let (times, begun) = (FirstTimes::default(), Instant::now());
        let first = times.of(&[1; 32], begun);
        let late = begun + REMEMBERED;
        assert_eq!(times.of(&[1; 32], late), first);
        assert_ne!(times.of(&[2; 32], late), first);
        assert_ne!(times.of(&[1; 32], late + Duration::from_secs(1)), first);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (times, now) = (FirstTimes::default(), Instant::now());
        for i in 0..MOST + 10 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&i.to_be_bytes());
            times.of(&hash, now);
        }
        let known = times.0.lock().unwrap();
        assert!(known.times.len() <= MOST && known.queue.len() == known.times.len());
    }
}
