//! Databases of their own for tests, on any server.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use super::{Flavor, ServerError};

/// Makes an empty database with a name nobody else has on the server of `url` and returns its URL,
/// which is `url` with the database exchanged. For [`Flavor::Timescale`] the extension is in it.
///
/// `url` names a database that exists, and its user may create more.
pub async fn create_database_at(url: &str, flavor: Flavor) -> Result<String, ServerError> {
    // template1 may be in use, or have things in it on a server that is not ours.
    let created = with_database(url, &copy_database(url, "template0").await?)?;
    if flavor == Flavor::Timescale {
        execute(&created, "CREATE EXTENSION timescaledb").await?;
    }
    Ok(created)
}

/// Drops the database that `url` names, and with it every connection to it.
pub async fn drop_database_at(url: &str) -> Result<(), ServerError> {
    let (_, name, _) = split(url)?;
    let quoted = name.replace('"', "\"\"");
    let admin = with_database(url, "postgres")?;
    execute(
        &admin,
        &format!("DROP DATABASE IF EXISTS \"{quoted}\" WITH (FORCE)"),
    )
    .await
}

/// Makes a copy of the database `template` with a name nobody else has, and returns that.
pub(super) async fn copy_database(url: &str, template: &str) -> Result<String, ServerError> {
    // The time comes first in it, so `\l` shows leftovers in order.
    let name = format!("annals_test_{}", Uuid::now_v7().simple());
    execute(
        url,
        &format!("CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'"),
    )
    .await?;
    Ok(name)
}

fn with_database(url: &str, name: &str) -> Result<String, ServerError> {
    let (server, _, query) = split(url)?;
    Ok(format!("{server}/{name}{query}"))
}

/// `postgres://user@host:port`, database name, and `?query` with its mark or nothing.
fn split(url: &str) -> Result<(&str, &str, &str), ServerError> {
    let (main, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    main.split_once("://")
        .and_then(|(scheme, rest)| {
            let (server, name) = rest.split_once('/')?;
            let server = main.get(..scheme.len() + 3 + server.len())?;
            (!name.is_empty()).then_some((server, name, query))
        })
        .ok_or_else(|| {
            let reason = "expected postgres://user@host:port/database";
            ServerError::Database {
                doing: format!("read {url}"),
                reason: reason.to_owned(),
            }
        })
}

async fn execute(url: &str, sql: &str) -> Result<(), ServerError> {
    let failed = |error: sqlx::Error| ServerError::database(format!("{sql} at {url}"), error);
    let options: PgConnectOptions = url.parse().map_err(failed)?;
    let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)
}
