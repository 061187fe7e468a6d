//! From flags to settings, and from settings to a store.

use annals_store::{
    DatabaseConfig, Store,
    config::{SETTINGS, Sources},
};

use crate::{command::DatabaseArgs, error::CliError};

/// Every setting of this program, with what flags, environment and file say.
pub(crate) fn sources(args: &DatabaseArgs) -> Result<Sources, CliError> {
    let tables = [
        SETTINGS,
        annals_server::SETTINGS,
        annals_market::config::SETTINGS,
    ];
    let mut sources = Sources::of(&tables).with_process(&args.config)?;
    for (name, value) in [
        ("DATABASE_URL", &args.database_url),
        ("DB_TYPE", &args.db_type),
        ("DB_SCHEMA", &args.schema),
    ] {
        if let Some(value) = value {
            sources = sources.with_flag(name, value);
        }
    }
    Ok(sources)
}

/// The configuration of the database.
pub(crate) fn config(args: &DatabaseArgs) -> Result<DatabaseConfig, CliError> {
    Ok(DatabaseConfig::from_sources(&sources(args)?)?)
}

/// Connects.
pub(crate) async fn connect(args: &DatabaseArgs) -> Result<Store, CliError> {
    Ok(Store::connect(&config(args)?).await?)
}
