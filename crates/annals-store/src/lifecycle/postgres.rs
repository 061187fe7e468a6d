//! What every operation on PostgreSQL begins with.

use sqlx::{PgConnection, Row as _, pool::PoolConnection};

use super::{Lifecycle, LifecycleError};
use crate::{
    Error, Result,
    backend::Backend,
    capabilities::{Capabilities, Edition, ExtensionVersion},
    sql::{Sql, quoted},
};

/// The first version of TimescaleDB with the columnstore's names.
pub(super) const COLUMNSTORE_SINCE: ExtensionVersion = ExtensionVersion {
    major: 2,
    minor: 18,
    patch: 0,
};

/// The first version in which sparse indexes can be chosen.
pub(super) const SPARSE_INDEXES_SINCE: ExtensionVersion = ExtensionVersion {
    major: 2,
    minor: 22,
    patch: 0,
};

impl Lifecycle {
    /// A connection to PostgreSQL; none on SQLite.
    pub(super) async fn postgres(&self) -> Result<Option<PoolConnection<sqlx::Postgres>>> {
        match self.store.backend() {
            Backend::Postgres(postgres) => Ok(Some(postgres.acquire().await?)),
            Backend::Sqlite(_) => Ok(None),
        }
    }

    /// A connection to a server on which the table is a hypertable.
    pub(super) async fn hypertable(
        &self,
        feature: &'static str,
    ) -> Result<PoolConnection<sqlx::Postgres>> {
        let unsupported = |needs, way_out| LifecycleError::Unsupported {
            feature,
            needs,
            edition: self.store.capabilities().edition(),
            way_out,
        };
        let Some(mut connection) = self.postgres().await? else {
            return Err(unsupported(
                "chunks, which TimescaleDB has",
                "what is old goes by `annals policy set retention`, here in bounded steps",
            )
            .into());
        };
        self.check_postgres(&mut connection).await?;
        if !self.store.capabilities().hypertables() {
            return Err(unsupported(
                "TimescaleDB's chunks",
                "what is old goes by `annals policy set retention`, here in bounded steps; or install the extension and run CREATE EXTENSION timescaledb before the first migration",
            )
            .into());
        }
        if !self.is_hypertable(&mut connection).await? {
            return Err(LifecycleError::NoHypertable {
                table: self.table.full_name(),
                time: self.table.time(),
            }
            .into());
        }
        Ok(connection)
    }

    /// A connection to a server that can compress the table.
    pub(super) async fn columnstore(
        &self,
        feature: &'static str,
    ) -> Result<PoolConnection<sqlx::Postgres>> {
        let capabilities = self.store.capabilities();
        if !capabilities.columnstore() {
            let way_out = match capabilities.edition() {
                Edition::Sqlite | Edition::Postgres => {
                    "use a PostgreSQL server with TimescaleDB's Community edition"
                }
                _ => {
                    "install the Community edition and set timescaledb.license = 'timescale'; chunks can be dropped by age meanwhile"
                }
            };
            return Err(LifecycleError::Unsupported {
                feature,
                needs: "the columnstore of TimescaleDB's Community edition",
                edition: capabilities.edition(),
                way_out,
            }
            .into());
        }
        check_version(feature, capabilities)?;
        self.hypertable(feature).await
    }

    /// Fails when there is no such table.
    pub(super) async fn check_postgres(&self, connection: &mut PgConnection) -> Result<()> {
        let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(self.table.full_name())
            .fetch_one(connection)
            .await
            .map_err(Error::statement("looking for the table"))?;
        if exists {
            return Ok(());
        }
        Err(Error::TableMissing {
            table: self.table.label().to_owned(),
        })
    }

    /// Fails unless the user may change the table: that takes its owner's rights.
    pub(super) async fn check_owner(&self, connection: &mut PgConnection) -> Result<()> {
        self.check_right(connection, "pg_has_role(current_user, relowner, 'USAGE')")
            .await
    }

    /// Fails unless the user may delete rows.
    pub(super) async fn check_delete(&self, connection: &mut PgConnection) -> Result<()> {
        self.check_right(
            connection,
            "has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'DELETE')",
        )
        .await
    }

    async fn check_right(&self, connection: &mut PgConnection, right: &'static str) -> Result<()> {
        let sql = Sql::vouched(format!(
            "SELECT {right}, current_user::text, relowner::regrole::text FROM pg_class WHERE oid = to_regclass($1)"
        ));
        let doing = || Error::statement("asking whose table it is");
        let row = sqlx::query(sql)
            .bind(self.table.full_name())
            .fetch_optional(connection)
            .await
            .map_err(doing())?;
        let Some(row) = row else {
            return Err(Error::TableMissing {
                table: self.table.label().to_owned(),
            });
        };
        let read = || -> Result<(bool, String, String), sqlx::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        };
        let (may, user, owner) = read().map_err(doing())?;
        if may {
            return Ok(());
        }
        Err(LifecycleError::NotOwner {
            table: self.table.label().to_owned(),
            user,
            owner,
        }
        .into())
    }

    pub(super) async fn is_hypertable(&self, connection: &mut PgConnection) -> Result<bool> {
        if !self.store.capabilities().hypertables() {
            return Ok(false);
        }
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM timescaledb_information.hypertables
                             WHERE hypertable_schema = $1 AND hypertable_name = $2)",
        )
        .bind(self.table.names().schema())
        .bind(self.table.descriptor().table)
        .fetch_one(connection)
        .await
        .map_err(Error::statement("asking whether the table is a hypertable"))
    }

    /// A statement in which `{timescale}` is the extension's schema, and the rest is as
    /// [`AgingTable::statement`](super::AgingTable) has it.
    pub(super) fn statement(&self, template: &'static str) -> Sql {
        let extension = self.store.capabilities().timescale.as_ref();
        let schema = extension.map_or("public", |extension| extension.schema.as_str());
        self.table
            .statement(&template.replace("{timescale}", &quoted(schema)))
    }
}

/// Fails for an extension of before the columnstore's names.
fn check_version(feature: &'static str, capabilities: &Capabilities) -> Result<(), LifecycleError> {
    match &capabilities.timescale {
        Some(extension) if extension.version < COLUMNSTORE_SINCE => Err(LifecycleError::TooOld {
            feature,
            needs: COLUMNSTORE_SINCE,
            found: extension.version,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capabilities::Extension;

    #[test]
    fn an_extension_that_is_too_old_is_told_with_the_way_out() {
        let with = |version| {
            let extension = Extension {
                version: ExtensionVersion::parse(version).unwrap(),
                schema: "public".to_owned(),
                community: true,
            };
            let capabilities = Capabilities::postgres("15.2".to_owned(), 15, Some(extension));
            check_version("compression", &capabilities)
        };
        let error = with("2.17.2").unwrap_err().to_string();
        assert_eq!(
            error,
            "compression needs TimescaleDB 2.18.0 or newer, and this is 2.17.2; update it with ALTER EXTENSION timescaledb UPDATE"
        );
        assert!(with("2.18.0").is_ok() && with("2.29.2").is_ok());
    }
}
