//! Looking into the database for what a tail has not published.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    Poke, Selection,
    tail::{Course, End, Shared},
    window::{self, ANY_TIME, Page, Window},
};
use crate::Result;

/// How long a word from another server may be lost before somebody looks. On SQLite, where another process may
/// write to the same file, this is how its messages are found.
const EVERY: Duration = Duration::from_secs(1);

/// Looks when somebody says so, and every now and then.
pub(super) async fn again_and_again(shared: Arc<Shared>, course: Arc<Course>, wanted: Arc<Notify>) {
    let mut fails = false;
    loop {
        match look(&shared, &course).await {
            Ok(()) => fails = false,
            Err(error) => {
                if let Some(end) = shared.end_of(&error).await {
                    return shared.end(&course, end);
                }
                if !fails {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(
                        namespace = shared.id,
                        error,
                        "followers wait for the database"
                    );
                }
                fails = true;
            }
        }
        // Either is a reason.
        let _ = tokio::time::timeout(EVERY, wanted.notified()).await;
    }
}

/// Publishes what the database has and nobody has published.
async fn look(shared: &Arc<Shared>, course: &Arc<Course>) -> Result<()> {
    // Before the counter is read, or what is published meanwhile would be ahead of it.
    let Some(before) = shared.published(course) else {
        return Ok(());
    };
    let counter = window::counter(&shared.store, &shared.names).await?;
    if counter.global_position < before.global_position {
        shared.end(course, End::PlacesBeganAnew);
        return Ok(());
    }
    let mut since = before.since;
    let mut next = Some(before.global_position + 1);
    while let Some(from) = next {
        let window = Window {
            from,
            to: counter.global_position,
            since,
        };
        let page = Selection::All { from: 0 }
            .read::<Poke>(&shared.store, &shared.names, window)
            .await?;
        // Appends leave no place out. Messages that were imported do, and have any time.
        if since > ANY_TIME && !is_complete(&page, window) {
            since = ANY_TIME;
            continue;
        }
        next = page.next;
        shared.with_open(course, |feed| feed.publish(page.found, since));
    }
    shared.with_open(course, |feed| feed.seen(&counter));
    Ok(())
}

/// Whether no place of a window is left out up to the page's end.
fn is_complete(page: &Page<Poke>, window: Window) -> bool {
    let end = page.next.unwrap_or(window.to.saturating_add(1));
    i64::try_from(page.found.len()).is_ok_and(|count| count == end - window.from)
}
