//! Connecting: pool, TLS modes, session settings and the first look at the server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{
    Connection as _, Executor as _, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};
use tokio::{sync::Notify, task::JoinHandle};

use super::Postgres;
use crate::{
    DatabaseConfig, Error, Result,
    capabilities::{Capabilities, Edition, Extension, ExtensionVersion},
    config::DatabaseType,
    sql::{Dialect, Names},
};

/// Session settings that the promises rest on.
///
/// An acknowledged commit must be on disk, so a server default of `off` is not taken over. A
/// connection that was cut while a transaction was open must not keep its locks for ever: the retry
/// of its batch waits for them.
const SESSION: &str = "\
    SELECT set_config('synchronous_commit', 'on', false)
     WHERE current_setting('synchronous_commit') = 'off';
    SET idle_in_transaction_session_timeout = '60s';
    SET client_min_messages = 'warning'";

/// How long a connection that is too much may stay idle: long enough for the next of a burst to
/// take it.
const IDLE_GRACE: Duration = Duration::from_millis(500);

/// How long a connection is taken to live without being asked.
const FRESH: Duration = Duration::from_secs(1);

/// Closes idle connections of a pool beyond a limit, which the driver has no setting for. Ends with
/// the value.
///
/// A callback of the driver cannot do it: when it is asked about one connection, others are on their
/// way back and not counted yet.
#[derive(Debug)]
pub(super) struct IdleLimit(JoinHandle<()>);

impl IdleLimit {
    fn start(pool: PgPool, released: Arc<Notify>, max_idle: usize) -> Self {
        Self(tokio::spawn(async move {
            loop {
                released.notified().await;
                // As long as there are more than may stay: one that was given back may still be on its way.
                while pool.size() as usize > max_idle {
                    tokio::time::sleep(IDLE_GRACE).await;
                    while pool.num_idle() > max_idle
                        && let Some(connection) = pool.try_acquire()
                    {
                        // A connection that cannot say goodbye is gone all the same.
                        let _ = connection.close().await;
                    }
                }
            }
        }))
    }
}

impl Drop for IdleLimit {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Postgres {
    pub(crate) async fn connect(
        config: &DatabaseConfig,
        options: &PgConnectOptions,
    ) -> Result<Self> {
        let connect_error = |source: sqlx::Error| Error::Connect {
            target: config.target.to_string(),
            source: source.into(),
        };
        let tried = tokio::time::timeout(config.pool.connect_timeout, try_once(options)).await;
        let options = tried
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(connect_error)?;
        let released = Arc::new(Notify::new());
        let pool = pool_options(config, Arc::clone(&released))
            .connect_with(options)
            .await
            .map_err(connect_error)?;
        let capabilities = probe(&pool, config).await?;
        let max_idle = config.pool.max_idle.max(config.pool.min_connections);
        let idle_limit = IdleLimit::start(pool.clone(), released, max_idle as usize);
        Ok(Self {
            pool,
            names: Names::new(Dialect::Postgres, &config.schema),
            capabilities,
            statements: Mutex::default(),
            _idle_limit: idle_limit,
            attempt_timeout: config.pool.attempt_timeout,
        })
    }
}

fn pool_options(config: &DatabaseConfig, released: Arc<Notify>) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(config.pool.max_connections.get())
        .min_connections(config.pool.min_connections)
        .max_lifetime(config.pool.max_lifetime)
        .acquire_timeout(config.pool.connect_timeout)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(sqlx::raw_sql(SESSION)).await.map(|_| ()) })
        })
        // A connection was asked whether it lives when it came back, and is asked again only when that is
        // a while ago: a question each time doubles the time of a small statement.
        .test_before_acquire(false)
        .before_acquire(|connection, its| {
            Box::pin(async move { Ok(its.idle_for < FRESH || connection.ping().await.is_ok()) })
        })
        .after_release(move |_, _| {
            released.notify_one();
            Box::pin(async { Ok(true) })
        })
}

/// Connects once and hangs up, for the reason why it fails: a pool only says that it timed out.
///
/// It also settles the TLS mode `allow`, which means without TLS first, and with it when the server
/// insists. The driver knows only the first half.
async fn try_once(options: &PgConnectOptions) -> Result<PgConnectOptions, sqlx::Error> {
    let allow = matches!(options.get_ssl_mode(), PgSslMode::Allow);
    let first = match allow {
        true => options.clone().ssl_mode(PgSslMode::Disable),
        false => options.clone(),
    };
    let (connection, settled) = match sqlx::PgConnection::connect_with(&first).await {
        Ok(connection) => (connection, first),
        // "no pg_hba.conf entry", which names the encryption among its reasons.
        Err(sqlx::Error::Database(error)) if allow && error.code().as_deref() == Some("28000") => {
            let encrypted = options.clone().ssl_mode(PgSslMode::Require);
            (
                sqlx::PgConnection::connect_with(&encrypted).await?,
                encrypted,
            )
        }
        Err(error) => return Err(error),
    };
    // A connection that cannot say goodbye is gone all the same.
    let _ = connection.close().await;
    Ok(settled)
}

/// Reads once what the server can do.
async fn probe(pool: &PgPool, config: &DatabaseConfig) -> Result<Capabilities> {
    let row = sqlx::query(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,
                extension.extversion, namespace.nspname::text,
                COALESCE(current_setting('timescaledb.license', true), '')
           FROM (SELECT 1) AS one
           LEFT JOIN pg_extension AS extension ON extension.extname = 'timescaledb'
           LEFT JOIN pg_namespace AS namespace ON namespace.oid = extension.extnamespace",
    )
    .fetch_one(pool)
    .await
    .map_err(Error::statement("reading the server's capabilities"))?;
    let get = Error::statement("reading the server's capabilities");
    let read = || -> Result<_, sqlx::Error> {
        let version: Option<String> = row.try_get(2)?;
        let schema: Option<String> = row.try_get(3)?;
        let license: String = row.try_get(4)?;
        let extension = version
            .as_deref()
            .and_then(ExtensionVersion::parse)
            .zip(schema)
            .map(|(version, schema)| Extension {
                version,
                schema,
                community: license == "timescale",
            });
        Ok((
            row.try_get::<String, _>(0)?,
            row.try_get::<i32, _>(1)?,
            extension,
        ))
    };
    let (version, major, extension) = read().map_err(get)?;
    let extension = match config.database_type {
        DatabaseType::Postgres => None,
        _ => extension,
    };
    let capabilities =
        Capabilities::postgres(version, u32::try_from(major).unwrap_or_default(), extension);
    if config.database_type == DatabaseType::Timescale && !capabilities.hypertables() {
        return Err(Error::Unsupported {
            feature: "DB_TYPE timescale",
            needs: "the timescaledb extension in this database",
            edition: Edition::Postgres,
            way_out: "run CREATE EXTENSION timescaledb in it, or set DB_TYPE to auto",
        });
    }
    Ok(capabilities)
}
