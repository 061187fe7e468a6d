//! `annals chunks`, `annals policy`, `annals stats` and `annals delete`: the life of data.

mod chunks;
pub(crate) mod command;
mod delete;
mod due;
mod export;
mod lines;
mod list;
mod policy;
mod run;
mod set;
mod shown;
mod stats;

use annals_server::life::Tables;
use annals_store::{Lifecycle, Store};

pub(crate) use chunks::run as chunks;
pub(crate) use delete::run as delete;
pub(crate) use policy::run as policy;
pub(crate) use stats::run as stats;

use crate::{
    command::DatabaseArgs,
    database::{connect, sources},
    error::CliError,
    output::printable,
};

/// A database, and what ages in it.
struct Place {
    store: Store,
    tables: Tables,
}

impl Place {
    async fn of(args: &DatabaseArgs) -> Result<Self, CliError> {
        Self::with(args, connect(args).await?)
    }

    fn with(args: &DatabaseArgs, store: Store) -> Result<Self, CliError> {
        let tables = Tables::from_sources(store.clone(), &sources(args)?)?;
        Ok(Self { store, tables })
    }

    /// The life of one table.
    async fn table(&self, label: &str) -> Result<Lifecycle, CliError> {
        Ok(self.store.lifecycle(self.tables.find(label).await?))
    }

    /// The life of one table, or of every one.
    async fn some(&self, label: Option<&str>) -> Result<Vec<Lifecycle>, CliError> {
        if let Some(label) = label {
            return Ok(vec![self.table(label).await?]);
        }
        let tables = self.tables.all().await?;
        let lives = tables.into_iter().map(|table| self.store.lifecycle(table));
        Ok(lives.collect())
    }
}

/// What people call a table, as a terminal may see it: a namespace may have any name.
fn label(life: &Lifecycle) -> String {
    printable(life.table().label())
}

/// Brings the database in line with every table's policies, after its tables were made. What that fails at is
/// told, and fails nothing else.
pub(crate) async fn apply_policies(args: &DatabaseArgs, store: Store) {
    let warn = |of: &str, error: CliError| {
        eprintln!(
            "annals: warning: the policies{of} are not applied: {}",
            error.report()
        );
    };
    let lives = match Place::with(args, store) {
        Ok(place) => place.some(None).await,
        Err(error) => Err(error),
    };
    match lives {
        Err(error) => warn("", error),
        Ok(lives) => {
            for life in lives {
                if let Err(error) = life.apply_policies().await {
                    warn(&format!(" of {}", label(&life)), error.into());
                }
            }
        }
    }
}
