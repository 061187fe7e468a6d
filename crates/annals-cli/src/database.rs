//! From flags to a store.

use annals_store::{DatabaseConfig, Store, config::Sources};

use crate::{command::DatabaseArgs, error::CliError};

/// The configuration that flags, environment and file make.
pub(crate) fn config(args: &DatabaseArgs) -> Result<DatabaseConfig, CliError> {
    let mut sources = Sources::empty().with_process(&args.config)?;
    for (name, value) in [
        ("DATABASE_URL", &args.database_url),
        ("DB_TYPE", &args.db_type),
        ("DB_SCHEMA", &args.schema),
    ] {
        if let Some(value) = value {
            sources = sources.with_flag(name, value);
        }
    }
    Ok(DatabaseConfig::from_sources(&sources)?)
}

/// Connects.
pub(crate) async fn connect(args: &DatabaseArgs) -> Result<Store, CliError> {
    Ok(Store::connect(&config(args)?).await?)
}
