//! `annals doctor`: which database this is, what it can do, what is wrong with it, and what would be better.

use std::process::ExitCode;

use annals_deploy::{DeploymentTrace, Workspace};
use annals_record::{Descriptor, Record as _};
use annals_server::{MIGRATIONS, life::Tables};
use annals_store::{
    AgingTable, Capabilities, DatabaseConfig, Diagnosis, Edition, Severity, Store, config::Sources,
};
use annals_telemetry::Trace;
use clap::Args;
use serde_json::json;

use crate::{
    command::DatabaseArgs,
    database::{connect_to, sources},
    error::CliError,
    output::{print_json, print_line, printable},
};

/// Flags of `annals doctor`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DoctorArgs {
    /// End with 1 when there is advice, too
    #[arg(long)]
    strict: bool,
}

/// Tables beside those that age.
const OTHERS: [&Descriptor; 3] = [
    Trace::DESCRIPTOR,
    DeploymentTrace::DESCRIPTOR,
    Workspace::DESCRIPTOR,
];

pub(crate) async fn run(
    args: &DatabaseArgs,
    doctor: DoctorArgs,
    json: bool,
) -> Result<ExitCode, CliError> {
    let sources = sources(args)?;
    let config = DatabaseConfig::from_sources(&sources)?;
    let store = connect_to(&config, &sources).await?;
    let health = store.health().await?;
    // A database that another program migrated is a finding.
    let migrations = store.migrator(&MIGRATIONS).status().await.ok();
    let pending = migrations
        .as_ref()
        .map(|all| all.iter().filter(|one| !one.applied).count());
    let (tables, untold) = match pending {
        Some(0) => tables(&store, &sources).await?,
        _ => (Vec::new(), None),
    };
    let diagnosis = store.diagnose(&tables, &OTHERS, &MIGRATIONS).await?;
    let capabilities = store.capabilities();
    let extension = capabilities.timescale.as_ref();
    let code = code(&diagnosis, doctor.strict);
    if json {
        print_json(&json!({
            "database": config.target.to_string(),
            "edition": capabilities.edition().to_string(),
            "server_version": capabilities.server_version,
            "timescaledb_version": extension.map(|extension| extension.version.to_string()),
            "schema": store.names().schema(),
            "latency_us": health.latency.as_micros() as u64,
            "pool": { "open": health.open, "idle": health.idle, "max": health.max },
            "migrations": migrations.as_ref().map(|all| json!({ "known": all.len(), "pending": pending })),
            "features": features(capabilities)
                .map(|(name, has, means)| json!({ "name": name, "available": has, "means": means })),
            "findings": capabilities.findings().iter()
                .map(|finding| json!({ "fixed_in": finding.fixed_in.to_string(), "what": finding.what }))
                .collect::<Vec<_>>(),
            "diagnosis": diagnosis.iter()
                .map(|one| json!({
                    "severity": one.severity.as_str(),
                    "subject": one.subject,
                    "what": one.what,
                    "way_out": one.way_out,
                }))
                .collect::<Vec<_>>(),
            "namespaces_error": untold,
        }))?;
        return Ok(code);
    }
    print_line(&format!("database    {}", config.target))?;
    print_line(&format!("server      {}", server(capabilities)))?;
    print_line(&format!("edition     {}", capabilities.edition()))?;
    print_line(&format!("schema      {}", store.names().schema()))?;
    print_line(&format!(
        "answers in  {:.2} ms",
        health.latency.as_secs_f64() * 1e3
    ))?;
    print_line(&format!(
        "pool        {} open, {} idle, {} at most",
        health.open, health.idle, health.max
    ))?;
    print_line(&format!(
        "tables      {}",
        match pending {
            Some(0) => "every migration has run".to_owned(),
            Some(count) => format!("{count} migrations have not run"),
            None => "another program's".to_owned(),
        }
    ))?;
    print_line("")?;
    for (name, has, means) in features(capabilities) {
        print_line(&format!(
            "{} {name}: {means}",
            if has { "yes" } else { "no " }
        ))?;
    }
    print_diagnosis(&diagnosis, untold.as_deref())?;
    Ok(code)
}

/// Every table that ages; those of families alone, with the reason, when namespaces cannot be listed.
async fn tables(
    store: &Store,
    sources: &Sources,
) -> Result<(Vec<AgingTable>, Option<String>), CliError> {
    let tables = Tables::from_sources(store.clone(), sources)?;
    match tables.all().await {
        Ok(all) => Ok((all, None)),
        Err(error) if error.is_absence() => Err(error.into()),
        Err(error) => {
            let mut families = annals_telemetry::tables(store.names());
            families.extend(annals_market::tables(store.names(), None));
            families.extend(annals_deploy::tables(store.names()));
            Ok((families, Some(error.report())))
        }
    }
}

fn code(diagnosis: &[Diagnosis], strict: bool) -> ExitCode {
    let least = if strict {
        Severity::Advice
    } else {
        Severity::Fault
    };
    match diagnosis.iter().any(|one| one.severity >= least) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn print_diagnosis(diagnosis: &[Diagnosis], untold: Option<&str>) -> Result<(), CliError> {
    for (severity, title) in [
        (Severity::Fault, "Faults: these must change"),
        (Severity::Advice, "Advice: these should change"),
        (Severity::Note, "Notes: these are good to know"),
    ] {
        let of_severity: Vec<_> = diagnosis
            .iter()
            .filter(|one| one.severity == severity)
            .collect();
        if !of_severity.is_empty() {
            print_line(&format!("\n{title}"))?;
        }
        // What has one way out is told together.
        for together in of_severity.chunk_by(|one, next| one.way_out == next.way_out) {
            for one in together {
                print_line(&format!("  {}: {}", one.subject, printable(&one.what)))?;
            }
            if let Some(one) = together.first() {
                print_line(&format!("    {}", printable(&one.way_out)))?;
            }
        }
    }
    if let Some(untold) = untold {
        print_line(&format!(
            "\nThe event store's namespaces could not be listed, so they were not looked at: {}",
            printable(untold)
        ))?;
    }
    if !diagnosis.iter().any(|one| one.severity > Severity::Note) {
        print_line("\nNothing has to change.")?;
    }
    Ok(())
}

fn server(capabilities: &Capabilities) -> String {
    match (&capabilities.timescale, capabilities.edition()) {
        (Some(extension), _) => format!(
            "PostgreSQL {}, TimescaleDB {}",
            capabilities.server_version, extension.version
        ),
        (None, Edition::Sqlite) => format!("SQLite {}", capabilities.server_version),
        (None, _) => format!("PostgreSQL {}", capabilities.server_version),
    }
}

/// What the database can or cannot do, and what that means here.
fn features(capabilities: &Capabilities) -> [(&'static str, bool, &'static str); 4] {
    let edition = capabilities.edition();
    let means = |has, yes, no| if has { yes } else { no };
    let hypertables = capabilities.hypertables();
    let columnstore = capabilities.columnstore();
    let policies = capabilities.policies();
    let direct_compress = capabilities.direct_compress();
    [
        (
            "hypertables",
            hypertables,
            match edition {
                _ if hypertables => "what is old is dropped by whole chunks",
                Edition::Sqlite => {
                    "tables are ordinary ones, and what is old is deleted in small steps; hypertables need a PostgreSQL server with TimescaleDB"
                }
                _ => {
                    "tables are ordinary ones, and what is old is deleted in small steps; CREATE EXTENSION timescaledb before the first migration makes them hypertables"
                }
            },
        ),
        (
            "columnstore",
            columnstore,
            means(
                columnstore,
                "old chunks are compressed, and can still be read and written",
                "chunks are not compressed; that needs TimescaleDB's Community edition",
            ),
        ),
        (
            "policies and continuous aggregates",
            policies,
            means(
                policies,
                "the database compresses by itself; `annals serve` sees to retention and longer bars",
                "the database runs none of its own, which needs TimescaleDB's Community edition; `annals serve` sees to retention and longer bars",
            ),
        ),
        (
            "direct compress",
            direct_compress,
            match edition {
                _ if direct_compress => {
                    "possible for tables without a key; Annals writes rows, which are compressed when they are old"
                }
                Edition::TimescaleCommunity => {
                    "rows are written uncompressed first; that needs TimescaleDB 2.21"
                }
                _ => {
                    "rows are written uncompressed; that needs TimescaleDB's Community edition, 2.21 or newer"
                }
            },
        ),
    ]
}
