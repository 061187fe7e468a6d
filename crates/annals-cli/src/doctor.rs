//! `annals doctor`: which database this is, what it can do, and what follows from that.

use annals_server::MIGRATIONS;
use annals_store::{Capabilities, Edition};

use crate::{
    command::DatabaseArgs,
    database::{config, connect},
    error::CliError,
    output::{print_json, print_line},
};

pub(crate) async fn run(args: &DatabaseArgs, json: bool) -> Result<(), CliError> {
    let config = config(args)?;
    let store = connect(args).await?;
    let capabilities = store.capabilities();
    let health = store.health().await?;
    let migrations = store.migrator(&MIGRATIONS).status().await?;
    let pending = migrations.iter().filter(|one| !one.applied).count();
    let extension = capabilities.timescale.as_ref();
    if json {
        return print_json(&serde_json::json!({
            "database": config.target.to_string(),
            "edition": capabilities.edition().to_string(),
            "server_version": capabilities.server_version,
            "timescaledb_version": extension.map(|extension| extension.version.to_string()),
            "schema": store.names().schema(),
            "latency_us": health.latency.as_micros() as u64,
            "pool": { "open": health.open, "idle": health.idle, "max": health.max },
            "migrations": { "known": migrations.len(), "pending": pending },
            "features": features(capabilities).map(|(name, has, _)| serde_json::json!({ "name": name, "available": has })),
            "findings": capabilities.findings().iter()
                .map(|finding| serde_json::json!({ "fixed_in": finding.fixed_in.to_string(), "what": finding.what }))
                .collect::<Vec<_>>(),
        }));
    }
    print_line(&format!("database    {}", config.target))?;
    let version = match extension {
        Some(extension) => format!(
            "PostgreSQL {}, TimescaleDB {}",
            capabilities.server_version, extension.version
        ),
        None if capabilities.edition() == Edition::Sqlite => {
            format!("SQLite {}", capabilities.server_version)
        }
        None => format!("PostgreSQL {}", capabilities.server_version),
    };
    print_line(&format!("server      {version}"))?;
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
    let tables = match pending {
        0 => "as this program needs them".to_owned(),
        count => format!(
            "{count} of {} migrations have not run: annals migrate up",
            migrations.len()
        ),
    };
    print_line(&format!("tables      {tables}"))?;
    print_line("")?;
    for (name, has, otherwise) in features(capabilities) {
        let line = if has {
            format!("yes  {name}")
        } else {
            format!("no   {name}: {otherwise}")
        };
        print_line(&line)?;
    }
    let findings = capabilities.findings();
    if !findings.is_empty() {
        print_line("\nKnown faults of this version:")?;
    }
    for finding in findings {
        print_line(&format!(
            "  {} (fixed in TimescaleDB {})",
            finding.what, finding.fixed_in
        ))?;
    }
    Ok(())
}

/// What the database can do, and what it means where it cannot.
fn features(capabilities: &Capabilities) -> [(&'static str, bool, &'static str); 4] {
    let edition = capabilities.edition();
    let no_hypertables = match edition {
        Edition::Sqlite => {
            "tables are ordinary ones; hypertables need a PostgreSQL server with TimescaleDB"
        }
        _ => {
            "tables are ordinary ones; CREATE EXTENSION timescaledb before the first migration makes them hypertables"
        }
    };
    let no_direct_compress = match edition {
        Edition::TimescaleCommunity => {
            "rows are written uncompressed first; that needs TimescaleDB 2.21"
        }
        _ => {
            "rows are written uncompressed; that needs TimescaleDB's Community edition, 2.21 or newer"
        }
    };
    [
        ("hypertables", capabilities.hypertables(), no_hypertables),
        (
            "columnstore",
            capabilities.columnstore(),
            "chunks are not compressed; that needs TimescaleDB's Community edition",
        ),
        (
            "policies and continuous aggregates",
            capabilities.policies(),
            "the database runs none of its own; that needs TimescaleDB's Community edition",
        ),
        (
            "direct compress",
            capabilities.direct_compress(),
            no_direct_compress,
        ),
    ]
}
