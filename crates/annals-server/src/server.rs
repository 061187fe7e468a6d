//! A server's life: its ports are taken, it serves, and it stops in order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use annals_deploy::DeploymentSpan;
use annals_events::Token;
use annals_market::{Bar, Bar1h, Bar5m, Bar15m, FeedReport};
use annals_store::{Migrations, Store, WriterReport, lifecycle::Scheduler};
use annals_telemetry::{LogRecord, Metric, MetricDataPoint, Span};
use tokio::{sync::watch, time::Instant};

use crate::{
    Error, Result, ServerConfig,
    admin::Admin,
    api,
    config::Addresses,
    events::{self, EventRoads},
    grpc,
    life::Tables,
    listener::{Listener, Serving},
    metrics, otlp_http,
    roads::Roads,
    tls,
};

/// The tables that a server needs.
pub static MIGRATIONS: [&Migrations; 3] = [
    &annals_telemetry::MIGRATIONS,
    &annals_market::MIGRATIONS,
    &annals_deploy::MIGRATIONS,
];

/// What a server is told about its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// Go on.
    #[default]
    No,
    /// Take nothing more, finish what is in progress and write what is held.
    Drain,
    /// Do not wait for any of that either.
    Now,
}

/// A server whose ports are taken and that does not serve yet.
pub struct Server {
    config: ServerConfig,
    tls: Option<tokio_rustls::TlsAcceptor>,
    http: Option<Listener>,
    otlp_grpc: Option<Listener>,
    otlp_http: Option<Listener>,
    tell: Option<events::Tell>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}

/// What became of the rows of a server's life, by road.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServeReport {
    /// OTLP by gRPC and HTTP.
    pub otlp: WriterReport,
    /// InferTrace.
    pub infertrace: WriterReport,
    /// Points of metrics.
    pub metrics: WriterReport,
    /// Log records.
    pub logs: WriterReport,
    /// Bars by HTTP.
    pub bars: WriterReport,
    /// Ticks by HTTP, and the parts of bars that they became.
    pub ticks: FeedReport,
    /// Deployment traces by HTTP.
    pub deployments: WriterReport,
}

impl ServeReport {
    /// Rows whose fate nobody knows, and parts of bars that were not written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let ticks = self.ticks.written.lost + self.ticks.lost;
        let spans = self.otlp.lost + self.infertrace.lost + self.deployments.lost;
        spans + self.metrics.lost + self.logs.lost + self.bars.lost + ticks
    }
}

impl Server {
    /// Takes the ports, so that one that is taken is known before anything else happens.
    ///
    /// # Errors
    ///
    /// A port or the certificate cannot be used, or others could reach data without a token.
    pub async fn bind(config: ServerConfig) -> Result<Self> {
        let Addresses {
            http,
            otlp_grpc,
            otlp_http,
        } = config.addresses;
        let ports = [
            ("HTTP", "HTTP_ADDR", http),
            ("OTLP/gRPC", "OTLP_GRPC_ADDR", otlp_grpc),
            ("OTLP/HTTP", "OTLP_HTTP_ADDR", otlp_http),
        ];
        if ports.iter().all(|(_, _, address)| address.is_none()) {
            return Err(Error::NothingToServe);
        }
        if config.token.is_none() && !config.insecure {
            for (_, setting, address) in ports {
                if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
                    return Err(Error::Exposed { address, setting });
                }
            }
        }
        let exposed = http.filter(|address| !address.ip().is_loopback());
        if let Some(address) = exposed
            && config.events.test_mode
            && !config.insecure
        {
            return Err(Error::ExposedTestMode { address });
        }
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let mut listeners = [const { None }; 3];
        for (listener, (service, setting, address)) in listeners.iter_mut().zip(ports) {
            if let Some(address) = address {
                *listener = Some(Listener::bind(service, setting, address).await?);
            }
        }
        let [http, otlp_grpc, otlp_http] = listeners;
        Ok(Self {
            config,
            tls,
            http,
            otlp_grpc,
            otlp_http,
            tell: None,
        })
    }

    /// Tells the token of the event store's namespace `default` where the start makes one: this once, since
    /// nobody can read it later. Without anybody to tell it to, and without a token in the settings,
    /// `default` is not made.
    #[must_use]
    pub fn telling_new_token(mut self, tell: impl FnOnce(&Token) + Send + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// Where each service listens, with ports that the system chose where it was to choose.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let address = |listener: &Option<Listener>| -> Option<SocketAddr> {
            Some(listener.as_ref()?.address())
        };
        Addresses {
            http: address(&self.http),
            otlp_grpc: address(&self.otlp_grpc),
            otlp_http: address(&self.otlp_http),
        }
    }

    /// Whether the ports speak TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves from a store until it is told to stop, and reports once everything has its end. `ready`
    /// is called when the tables are there and requests are answered.
    ///
    /// # Errors
    ///
    /// The tables are not there or cannot be made; nothing was served then.
    pub async fn serve(
        self,
        store: Store,
        stop: watch::Receiver<Stop>,
        ready: impl FnOnce(),
    ) -> Result<ServeReport> {
        metrics::handle();
        if self.config.migrate_on_start {
            store.migrator(&MIGRATIONS).up().await?;
        } else {
            store.check_table::<Span>().await?;
            store.check_table::<Bar>().await?;
            store.check_table::<Bar5m>().await?;
            store.check_table::<Bar15m>().await?;
            store.check_table::<Bar1h>().await?;
            store.check_table::<DeploymentSpan>().await?;
            store.check_table::<Metric>().await?;
            store.check_table::<MetricDataPoint>().await?;
            store.check_table::<LogRecord>().await?;
        }
        let roads = Arc::new(Roads::open(&self.config, &store).await?);
        let opened = EventRoads::open(
            &self.config,
            &store,
            Arc::clone(&roads),
            self.tell,
            stop.clone(),
        );
        let events = Arc::new(opened.await?);
        let forgetting = tokio::spawn(Arc::clone(&events).upkeep());
        let upkeep = tokio::spawn(metrics::upkeep());
        let feeding = tokio::spawn(Arc::clone(&roads.ticks).run());
        let tables =
            Tables::new(store.clone(), self.config.rollup).with_events(events.events().clone());
        let ageing = tokio::spawn(age(store.clone(), tables.clone(), self.config.looks()));
        let admin = Admin::new(store.clone(), tables, Arc::clone(&roads), stop.clone());
        let admin = Arc::new(admin);
        let half = self.config.shutdown_timeout / 2;
        let serving = |router| Serving {
            router,
            tls: self.tls.clone(),
            max_connections: self.config.max_connections,
            grace: half,
            stop: stop.clone(),
        };
        let ports = [
            (
                self.http,
                api::router(&roads, &events, &admin, &self.config),
            ),
            (self.otlp_grpc, grpc::router(&roads)),
            (self.otlp_http, otlp_http::router(&roads)),
        ];
        let ports = ports
            .into_iter()
            .filter_map(|(listener, router)| Some(tokio::spawn(listener?.serve(serving(router)))));
        let ports = futures_util::future::join_all(ports.collect::<Vec<_>>());
        ready();
        let mut told = stop.clone();
        // Whoever could tell is gone: that is as good as being told.
        let _ = told.wait_for(|stop| *stop != Stop::No).await;
        let deadline = Instant::now() + self.config.shutdown_timeout;
        // What it is at is rolled back; whoever is next does it.
        ageing.abort();
        ports.await;
        admin.end();
        // Before the feed is closed: what it was handing over is put back then, and is not forgotten.
        forgetting.abort();
        feeding.abort();
        let _ = feeding.await;
        let left = || {
            if *stop.borrow() == Stop::Now {
                Duration::ZERO
            } else {
                deadline.saturating_duration_since(Instant::now())
            }
        };
        let mut hurry = stop.clone();
        let mut drain = Box::pin(async {
            tokio::join!(
                roads.otlp.shutdown(left()),
                roads.infertrace.shutdown(left()),
                roads.metrics.shutdown(left()),
                roads.logs.shutdown(left()),
                roads.bars.shutdown(left()),
                roads.ticks.close(left()),
                roads.deployments.shutdown(left()),
            )
        });
        let drained = tokio::select! {
            reports = &mut drain => Some(reports),
            _ = hurry.wait_for(|stop| *stop == Stop::Now) => None,
        };
        drop(drain);
        let (otlp, infertrace, metrics, logs, bars, ticks, deployments) = match drained {
            Some(reports) => reports,
            None => (
                roads.otlp.report_as_lost(),
                roads.infertrace.report_as_lost(),
                roads.metrics.report_as_lost(),
                roads.logs.report_as_lost(),
                roads.bars.report_as_lost(),
                // Counts running minutes as well, which nobody has written either.
                roads.ticks.close(Duration::ZERO).await,
                roads.deployments.report_as_lost(),
            ),
        };
        upkeep.abort();
        Ok(ServeReport {
            otlp,
            infertrace,
            metrics,
            logs,
            bars,
            ticks,
            deployments,
        })
    }
}

/// Brings tables in line with their policies, and runs these from then on, as often as is said.
async fn age(store: Store, tables: Tables, every: Option<Duration>) {
    match tables.all().await {
        Ok(all) => {
            for table in all {
                let life = store.lifecycle(table);
                if let Err(error) = life.apply_policies().await {
                    let (table, error) = (life.table().label(), error.report());
                    tracing::warn!(table, error, "policies are not applied");
                }
            }
        }
        Err(error) => tracing::warn!(error = error.report(), "policies are not applied"),
    }
    if let Some(every) = every {
        Scheduler::new(store, tables).keep(every).await;
    }
}
