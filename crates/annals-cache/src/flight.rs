//! One reader for all who miss the same value at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use crate::{Version, key::Key};

type Flying = (Key, Version);

/// Reads that are under way.
#[derive(Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<Flying, Arc<Landing>>>,
}

/// Where others wait for the end of a read.
#[derive(Default)]
struct Landing {
    landed: Notify,
    is_over: AtomicBool,
}

/// A read that others wait for.
pub(crate) struct Flight<'a> {
    flights: &'a Flights,
    of: Flying,
}

impl Flights {
    /// Leave to read this, while others wait until it is dropped. None where somebody else was reading it: that has come
    /// to its end, so look again, and otherwise read beside whoever does too, so that nobody stands in a row for something
    /// that is not kept.
    pub(crate) async fn turn(&self, key: Key, version: Version) -> Option<Flight<'_>> {
        let of = (key, version);
        let landing = {
            let mut under_way = self
                .under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match under_way.entry(of) {
                Entry::Occupied(found) => Arc::clone(found.get()),
                Entry::Vacant(vacant) => {
                    vacant.insert(Arc::default());
                    return Some(Flight { flights: self, of });
                }
            }
        };
        let landed = landing.landed.notified();
        tokio::pin!(landed);
        // Before the look, so that an end between the two is not missed.
        landed.as_mut().enable();
        if !landing.is_over.load(Ordering::Acquire) {
            landed.await;
        }
        None
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut under_way = self
            .flights
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(landing) = under_way.remove(&self.of) {
            landing.is_over.store(true, Ordering::Release);
            landing.landed.notify_waiters();
        }
    }
}
