//! `annals serve`.

mod plan;
mod welcome;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use annals_market::FeedReport;
use annals_record::Timestamp;
use annals_server::{ServeReport, Server, Stop, config::Addresses};
use annals_store::{
    Store, WriterReport,
    config::{SqliteTarget, Target},
};
use annals_telemetry::{PriceList, SpanStore as _, Spans, SpansOptions};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    command::{DatabaseArgs, ServeArgs},
    database::connect_to,
    demo::Traffic,
    error::CliError,
    output::{print_json, print_line},
};
use plan::Plan;
use welcome::Welcome;

/// How far back the demo's past reaches: the longest window that the questions below look at, and a bit.
const DEMO_PAST: Duration = Duration::from_secs(36 * 60);

/// How long ago the demo's slow deployment was: all of the default window of regressions.
const DEMO_DEPLOYED: Duration = Duration::from_secs(295);

/// Traffic of the past, so little that it is there within a second.
const DEMO_PAST_RATE: f64 = 0.02;

/// How often the demo sends what happened since.
const DEMO_TICK: Duration = Duration::from_millis(250);

/// How long the connections may take to end.
const CLOSING: Duration = Duration::from_secs(5);

pub(crate) async fn run(
    database: &DatabaseArgs,
    args: &ServeArgs,
    is_asked: bool,
    json: bool,
) -> Result<ExitCode, CliError> {
    let started = Instant::now();
    if !(args.demo_rate > 0.0 && args.demo_rate <= 100.0) {
        return Err(CliError::DemoRate(args.demo_rate));
    }
    let plan = Plan::of(database, args, is_asked)?;
    let new_token = Arc::new(OnceLock::new());
    let server = Server::bind(plan.server).await?.telling_new_token({
        let new_token = Arc::clone(&new_token);
        move |token| {
            let _ = new_token.set(token.clone());
        }
    });
    let store = connect_to(&plan.database, &plan.sources).await?;
    let (stop, told) = watch::channel(Stop::No);
    let mut hurry = told.clone();
    tokio::spawn(listen_for_signals(stop)?);

    let demo = args.demo.then(|| Demo {
        store: store.clone(),
        file: match &plan.database.target {
            Target::Sqlite(SqliteTarget::File(path)) => Some(path.clone()),
            _ => None,
        },
        rate: args.demo_rate,
        addresses: server.addresses(),
        scheme: if server.is_tls() { "https" } else { "http" },
    });
    let welcome = Welcome {
        database: plan.database.target.to_string(),
        addresses: server.addresses(),
        tls: server.is_tls(),
        started,
        new_token,
    };
    let mut demonstration = None;
    let report = {
        let demonstration = &mut demonstration;
        let told_too = told.clone();
        let ready = move || {
            // Whoever started it and does not read on is no reason to end it.
            let _ = welcome.print(json);
            *demonstration = demo.map(|demo| tokio::spawn(demo.run(told_too, json)));
        };
        server.serve(store.clone(), told, ready).await?
    };
    if let Some(demonstration) = demonstration {
        let _ = demonstration.await;
    }
    print_report(&report, json)?;
    // A connection that still waits for the database is not worth waiting for: the report is made.
    tokio::select! {
        _ = tokio::time::timeout(CLOSING, store.close()) => {}
        _ = hurry.wait_for(|stop| *stop == Stop::Now) => {}
    }
    Ok(if report.lost() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Tells the server of the first signal that it should stop, and of the second that it should not wait.
fn listen_for_signals(
    stop: watch::Sender<Stop>,
) -> Result<impl Future<Output = ()> + Send, CliError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let mut next = async move || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        eprintln!("annals: stopping: no new requests; a second signal does not wait");
        let _ = stop.send(Stop::Drain);
        next().await;
        let _ = stop.send(Stop::Now);
        // The server may be waiting for this to be seen.
        stop.closed().await;
    })
}

/// Traffic to look at.
struct Demo {
    store: Store,
    /// Its database, where that is a file.
    file: Option<PathBuf>,
    rate: f64,
    addresses: Addresses,
    scheme: &'static str,
}

impl Demo {
    async fn run(self, mut told: watch::Receiver<Stop>, json: bool) {
        if let Err(error) = self.traffic(&mut told, json).await {
            eprintln!("annals: the demo ended: {}", error.report());
        }
    }

    async fn traffic(&self, told: &mut watch::Receiver<Stop>, json: bool) -> Result<(), CliError> {
        let options = SpansOptions::default().with_prices(Arc::new(PriceList::shipped().clone()));
        let spans = Spans::new(self.store.clone(), options).await?;
        let mut until = Timestamp::now();
        let mut traffic = Traffic::new(until.unix_nanos().unsigned_abs());
        traffic.deploy_at = until - DEMO_DEPLOYED;
        let past = traffic.between(until - DEMO_PAST, until, DEMO_PAST_RATE);
        let written = spans.write_batch(past).await?;
        if !json {
            let _ = self.explain(written.committed);
        }
        let mut tick = tokio::time::interval(DEMO_TICK);
        while *told.borrow() == Stop::No {
            tokio::select! {
                _ = tick.tick() => {}
                _ = told.changed() => break,
            }
            let now = Timestamp::now();
            let fresh = traffic.between(until, now, self.rate);
            until = now;
            tokio::select! {
                written = spans.write_batch(fresh) => { let _ = written?; }
                _ = told.changed() => break,
            }
        }
        spans.shutdown(Duration::from_secs(2)).await;
        Ok(())
    }

    /// What to open, and what to type next.
    fn explain(&self, committed: usize) -> Result<(), CliError> {
        print_line(&format!(
            "\nThe demo has {committed} spans of the last 36 minutes, and makes more: gpt-4, llama-70b and clip-vit\n\
             answer requests. llama-70b was deployed anew 5 minutes ago, and is slower since."
        ))?;
        let Some(http) = self.addresses.http else {
            return Ok(());
        };
        let base = format!("{}://{http}", self.scheme);
        print_line(&format!(
            "\nOpen in a browser\n\
             \x20 {base}/models\n\
             \x20 {base}/models/gpt-4/latency?window=5m\n\
             \x20 {base}/models/llama-70b/regression     the alert\n\
             \x20 {base}/models/gpt-4/analysis           spikes and idle GPUs\n\
             \x20 {base}/traces?errors=true&limit=3\n\
             \x20 {base}/costs?by=model                 what gpt-4 cost; the others have no public price\n\
             \x20 {base}/spans?model=gpt-4&limit=3"
        ))?;
        if let Some(file) = &self.file {
            // As this one was called: it need not be installed.
            let program = std::env::args().next();
            let program = program.as_deref().unwrap_or("annals");
            print_line(&format!(
                "\nAsk from another terminal, in this directory\n\
                 \x20 export DATABASE_URL=sqlite:{}\n\
                 \x20 {program} traces search --errors --limit 3\n\
                 \x20 {program} costs --by model",
                file.display()
            ))?;
        }
        if let Some(otlp) = self.addresses.otlp_http {
            print_line(&format!(
                "\nSend a span of your own from another terminal, and read it back\n\
                 \x20 now=$(date +%s)000000000\n\
                 \x20 curl {scheme}://{otlp}/v1/traces -H 'Content-Type: application/json' -d '{{\"resourceSpans\":[{{\"scopeSpans\":[{{\"spans\":[\n\
                 \x20   {{\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"spanId\":\"00f067aa0ba902b7\",\"name\":\"hello\",\n\
                 \x20    \"startTimeUnixNano\":\"'$now'\",\"endTimeUnixNano\":\"'$now'\"}}]}}]}}]}}'\n\
                 \x20 curl {base}/traces/4bf92f3577b34da6a3ce929d0e0e4736",
                scheme = self.scheme,
            ))?;
        }
        Ok(())
    }
}

fn print_report(report: &ServeReport, json: bool) -> Result<(), CliError> {
    let FeedReport {
        ticks,
        written,
        lost,
        ..
    } = report.ticks;
    // Parts of bars that the writer was not given any more are as lost as those that it was.
    let mut parts = written;
    parts.lost += lost;
    let roads = [
        ("otlp", report.otlp),
        ("infertrace", report.infertrace),
        ("metrics", report.metrics),
        ("logs", report.logs),
        ("bars", report.bars),
        ("ticks", parts),
        ("deployments", report.deployments),
    ];
    if json {
        let shown = |report: WriterReport| {
            serde_json::json!({
                "accepted": report.accepted, "committed": report.committed,
                "parked": report.parked, "returned": report.returned,
                "refused": report.refused, "lost": report.lost,
            })
        };
        let roads = roads.map(|(name, report)| (name.to_owned(), shown(report)));
        return print_json(&serde_json::json!({
            "stopped": true, "roads": serde_json::Map::from_iter(roads),
            "ticks": {
                "trades": ticks.trades, "late_trades": ticks.late_trades,
                "quotes": ticks.quotes, "refused": ticks.refused,
            },
        }));
    }
    for (name, report) in roads {
        let mut line = format!(
            "{name}: {} accepted, {} committed, {} parked, {} given back, {} refused",
            report.accepted, report.committed, report.parked, report.returned, report.refused
        );
        if report.lost > 0 {
            line += &format!(
                ", {} LOST: nobody was told that they were kept, and some may be",
                report.lost
            );
        }
        print_line(&line)?;
    }
    if ticks.trades > 0 {
        print_line(&format!(
            "ticks: these were parts of bars, of {} trades",
            ticks.trades
        ))?;
    }
    Ok(())
}
