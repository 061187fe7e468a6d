//! Which faults are on. Shared by the proxy's handle and all its connections.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What happens to a COMMIT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Pass,
    Swallow,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    refusing: AtomicBool,
    stalled: watch::Sender<bool>,
    delay: Mutex<Duration>,
    /// Counts the cuts: a connection lives until the number changes.
    cuts: watch::Sender<u64>,
    cut_after: Mutex<CutAfter>,
    to_swallow: AtomicUsize,
    to_hold: AtomicUsize,
    held: watch::Sender<usize>,
    /// Counts the releases: a COMMIT is held until the number changes.
    releases: watch::Sender<u64>,
    accepted: AtomicU64,
    live: AtomicUsize,
    commits: AtomicU64,
    swallowed: AtomicU64,
}

#[derive(Debug, Default)]
struct CutAfter {
    /// Counts the calls, so that each connection knows when to count from zero.
    call: u64,
    bytes: Option<u64>,
}

/// How much one client has sent since `cut_after_client_bytes` was last called.
#[derive(Debug, Default)]
pub(super) struct Meter {
    call: u64,
    sent: u64,
}

impl Faults {
    pub(super) fn set_refusing(&self, on: bool) {
        self.refusing.store(on, SeqCst);
    }

    /// Counts a new connection and says whether it may live.
    pub(super) fn admits(&self) -> bool {
        self.accepted.fetch_add(1, SeqCst);
        !self.refusing.load(SeqCst)
    }

    pub(super) fn set_stalled(&self, on: bool) {
        self.stalled.send_replace(on);
    }

    /// Returns as soon as bytes may pass.
    pub(super) async fn flowing(&self) {
        // The sender is `self`, so the channel cannot close while we wait.
        let _ = self.stalled.subscribe().wait_for(|stalled| !stalled).await;
    }

    pub(super) fn set_delay(&self, each: Duration) {
        *self.delay.lock().unwrap_or_else(PoisonError::into_inner) = each;
    }

    pub(super) async fn delayed(&self) {
        let each = *self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        if !each.is_zero() {
            tokio::time::sleep(each).await;
        }
    }

    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub(super) fn watch_cuts(&self) -> watch::Receiver<u64> {
        self.cuts.subscribe()
    }

    pub(super) fn cut_after(&self, bytes: u64) {
        let mut cut_after = self
            .cut_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *cut_after = CutAfter {
            call: cut_after.call + 1,
            bytes: Some(bytes),
        };
    }

    /// How many more bytes of this client may pass; `None` is no limit.
    pub(super) fn allowance(&self, meter: &mut Meter) -> Option<u64> {
        let cut_after = self
            .cut_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let bytes = cut_after.bytes?;
        if meter.call != cut_after.call {
            *meter = Meter {
                call: cut_after.call,
                sent: 0,
            };
        }
        Some(bytes.saturating_sub(meter.sent))
    }

    /// Counts bytes that have passed. True for the one connection that is to be cut now.
    pub(super) fn spend(&self, meter: &mut Meter, bytes: u64) -> bool {
        let mut cut_after = self
            .cut_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if meter.call != cut_after.call {
            return false;
        }
        meter.sent += bytes;
        let spent = cut_after.bytes.is_some_and(|limit| meter.sent >= limit);
        if spent {
            cut_after.bytes = None;
        }
        spent
    }

    pub(super) fn swallow(&self, times: usize) {
        self.to_swallow.store(times, SeqCst);
    }

    pub(super) fn hold(&self, times: usize) {
        self.to_hold.store(times, SeqCst);
    }

    pub(super) fn release(&self) {
        self.releases.send_modify(|releases| *releases += 1);
    }

    /// Counts a COMMIT; when it is to be held, returns what it has to wait for.
    pub(super) fn commit_arrived(self: &Arc<Self>) -> Option<Held> {
        self.commits.fetch_add(1, SeqCst);
        take_one(&self.to_hold).then(|| {
            // Subscribe first: whoever has seen the count may release at once.
            let releases = self.releases.subscribe();
            self.held.send_modify(|held| *held += 1);
            Held {
                faults: Arc::clone(self),
                releases,
            }
        })
    }

    /// What to do with a COMMIT that goes to the server now.
    pub(super) fn commit_leaves(&self) -> Verdict {
        if take_one(&self.to_swallow) {
            Verdict::Swallow
        } else {
            Verdict::Pass
        }
    }

    pub(super) fn reply_swallowed(&self) {
        self.swallowed.fetch_add(1, SeqCst);
    }

    pub(super) async fn wait_held(&self, n: usize) {
        let _ = self.held.subscribe().wait_for(|held| *held >= n).await;
    }

    pub(super) fn heal(&self) {
        self.set_refusing(false);
        self.set_stalled(false);
        self.set_delay(Duration::ZERO);
        self.cut_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .bytes = None;
        self.swallow(0);
        self.hold(0);
        self.release();
    }

    /// Counts a live connection until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Live {
        self.live.fetch_add(1, SeqCst);
        Live(Arc::clone(self))
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(SeqCst)
    }

    pub(super) fn live(&self) -> usize {
        self.live.load(SeqCst)
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(SeqCst)
    }

    pub(super) fn held(&self) -> usize {
        *self.held.borrow()
    }

    pub(super) fn swallowed(&self) -> u64 {
        self.swallowed.load(SeqCst)
    }
}

fn take_one(counter: &AtomicUsize) -> bool {
    counter
        .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
        .is_ok()
}

/// A COMMIT that waits in the proxy.
#[derive(Debug)]
pub(super) struct Held {
    faults: Arc<Faults>,
    releases: watch::Receiver<u64>,
}

impl Held {
    pub(super) async fn released(&mut self) {
        let _ = self.releases.changed().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.faults.held.send_modify(|held| *held -= 1);
    }
}

/// A connection that the proxy is working on.
#[derive(Debug)]
pub(super) struct Live(Arc<Faults>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, SeqCst);
    }
}
