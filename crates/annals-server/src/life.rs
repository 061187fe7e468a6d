//! Every table of this program that ages, for whoever looks after them: a scheduler, a command, a request.

use std::time::Duration;

use annals_events::{Events, EventsOptions};
use annals_market::BarsOptions;
use annals_store::{
    AgingTable, ConfigError, Error, Interval, LifecycleError, Result, Store, config::Sources,
    lifecycle::schedule,
};
use futures_util::future::BoxFuture;

/// What the labels of namespaces begin with.
const EVENTS: &str = "events:";

/// Labels that are told to whoever asks for another one.
const TOLD: usize = 10;

/// Every table that ages: of spans, of bars, of deployment traces, and of each namespace of the event store. Migrations must have
/// run. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tables {
    store: Store,
    options: EventsOptions,
    events: Option<Events>,
    refresh_every: Option<Interval>,
}

impl Tables {
    /// Those of a store; `refresh_every` is how often longer bars are stored unless a policy says otherwise.
    #[must_use]
    pub fn new(store: Store, refresh_every: Option<Duration>) -> Self {
        Self {
            store,
            options: EventsOptions::default(),
            events: None,
            refresh_every: refresh_every.and_then(Interval::from_duration),
        }
    }

    /// Those of a store, as settings say how they age.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used.
    pub fn from_sources(store: Store, sources: &Sources) -> Result<Self, ConfigError> {
        let mut tables = Self::new(store, BarsOptions::rollup_from_sources(sources)?);
        tables.options.compress_after = match sources.get("EVENTS_COMPRESS_AFTER") {
            Some(("off", _)) | None => None,
            Some(_) => Some(sources.duration("EVENTS_COMPRESS_AFTER")?),
        };
        Ok(tables)
    }

    /// With namespaces that age as an open event store says.
    #[must_use]
    pub fn with_events(mut self, events: Events) -> Self {
        self.events = Some(events);
        self
    }

    /// Every table: spans, bars, deployment traces, then namespaces.
    ///
    /// # Errors
    ///
    /// The database could not tell its namespaces.
    pub async fn all(&self) -> Result<Vec<AgingTable>> {
        let mut tables = self.of_families();
        tables.extend(self.of_namespaces().await?);
        Ok(tables)
    }

    /// A table by what people call it: `spans`, `bars_1m`, `events:orders`.
    ///
    /// # Errors
    ///
    /// There is none of that name, and those that there are are told; or the database failed.
    pub async fn find(&self, label: &str) -> Result<AgingTable> {
        let families = self.of_families();
        // Whoever asks for spans needs no list of namespaces.
        if let Some(found) = labelled(&families, label) {
            return Ok(found);
        }
        let namespaces = self.of_namespaces().await?;
        if let Some(found) = labelled(&namespaces, label) {
            return Ok(found);
        }
        // Those that are nearest to what was meant come first.
        let (first, then) = if label.starts_with(EVENTS) {
            (&namespaces, &families)
        } else {
            (&families, &namespaces)
        };
        let known: Vec<&str> = first.iter().chain(then).map(AgingTable::label).collect();
        let more = if known.len() > TOLD { ", …" } else { "" };
        let known = known.get(..TOLD).unwrap_or(&known).join(", ") + more;
        Err(LifecycleError::NoTable {
            name: label.to_owned(),
            known,
        }
        .into())
    }

    fn of_families(&self) -> Vec<AgingTable> {
        let names = self.store.names();
        let mut tables = annals_telemetry::tables(names);
        tables.extend(annals_market::tables(names, self.refresh_every.clone()));
        tables.extend(annals_deploy::tables(names));
        tables
    }

    async fn of_namespaces(&self) -> Result<Vec<AgingTable>> {
        let listed = match &self.events {
            Some(events) => events.aging_tables().await,
            None => annals_events::life::tables(&self.store, &self.options).await,
        };
        listed.map_err(|error| match error {
            annals_events::Error::Store(error) => error,
            other => Error::Family(Box::new(other)),
        })
    }
}

impl schedule::Tables for Tables {
    fn tables(&self) -> BoxFuture<'_, Result<Vec<AgingTable>>> {
        Box::pin(self.all())
    }
}

fn labelled(tables: &[AgingTable], label: &str) -> Option<AgingTable> {
    tables.iter().find(|table| table.label() == label).cloned()
}
