//! Events: appends against a function of Message DB's shape, what they cost as a namespace grows, and reads.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`peer`] | the function of that shape, driven by pgbench on the same server |
//! | [`appends`] | many writers, and one alone |
//! | [`http`] | the same writes to the program, from outside |
//! | [`apart`] | two namespaces |
//! | [`growth`] | appends to a large namespace, and reads of a stream |

mod apart;
mod appends;
mod growth;
mod http;
mod peer;

use std::time::Duration;

use annals_events::{Events, EventsOptions, Namespace, NewMessage, NewNamespace};
use annals_record::Json;
use annals_testkit::server::Flavor;

use crate::{Options, bed::Bed, report::Report};

const FLAVORS: [Flavor; 2] = [Flavor::Postgres, Flavor::Timescale];

/// Writers at once.
const WRITERS: usize = 32;

/// How long one turn takes.
const TIME: Duration = Duration::from_secs(4);

/// Streams of each category.
const STREAMS: usize = 1_000;

/// What every message says.
const DATA: &str = r#"{"account": "8f14e45f-ceea-467f-a0e6-1a2b3c4d5e6f", "amount": 1250.75, "currency": "EUR", "reference": "INV-2026-000451", "tags": ["a", "b"]}"#;

pub(crate) async fn run(options: &Options, report: &mut Report) {
    appends::run(options, report).await;
    http::run(options, report).await;
    apart::run(options, report).await;
    growth::run(options, report).await;
}

/// An event store on the bed's server with a fresh namespace.
async fn namespace(bed: &Bed, id: &str) -> Namespace {
    let events = Events::new(bed.store().await, EventsOptions::default())
        .await
        .expect("an event store");
    if events.namespace(id).await.is_ok() {
        events.delete_namespace(id).await.expect("a namespace less");
    }
    events
        .create_namespace(NewNamespace::new(id))
        .await
        .expect("a namespace");
    events.namespace(id).await.expect("a namespace")
}

fn message() -> NewMessage {
    NewMessage::new("Deposited", Json::parse(DATA).expect("JSON"))
}

/// A stream of one of so many categories.
fn stream(rng: &mut fastrand::Rng, categories: usize) -> String {
    format!(
        "account{}-{}",
        rng.usize(0..categories),
        rng.usize(0..STREAMS)
    )
}
