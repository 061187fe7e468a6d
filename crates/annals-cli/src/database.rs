//! From flags to settings, and from settings to a store.

use annals_store::{
    DatabaseConfig, Store,
    config::{SETTINGS, Setting, Sources, SqliteTarget, Target},
};

use crate::{command::DatabaseArgs, error::CliError, settings};

/// The tables of every setting of this program, with their titles.
pub(crate) const TABLES: [(&str, &[Setting]); 4] = [
    ("Database", SETTINGS),
    ("Server", annals_server::SETTINGS),
    ("Bars", annals_market::config::SETTINGS),
    ("Program", settings::SETTINGS),
];

/// Every setting of this program, with what flags, environment and file say.
pub(crate) fn sources(args: &DatabaseArgs) -> Result<Sources, CliError> {
    let tables = TABLES.map(|(_, table)| table);
    let mut sources = Sources::of(&tables).with_process(&args.config)?;
    for (name, value) in [
        ("DATABASE_URL", &args.database_url),
        ("DB_TYPE", &args.db_type),
        ("DB_DATA_DIR", &args.data_dir),
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
    let sources = sources(args)?;
    connect_to(&DatabaseConfig::from_sources(&sources)?, &sources).await
}

/// Connects; makes the directory for data, if there is to be one.
pub(crate) async fn connect_to(
    config: &DatabaseConfig,
    sources: &Sources,
) -> Result<Store, CliError> {
    if let Target::Sqlite(SqliteTarget::File(path)) = &config.target
        && let Some(directory) = path.parent()
        && sources.is_set("DB_DATA_DIR")
    {
        std::fs::create_dir_all(directory).map_err(|source| CliError::Write {
            path: directory.to_owned(),
            source,
        })?;
    }
    Ok(Store::connect(config).await?)
}
