//! Whose traces are together: ids of workspaces, and their making and deletion.

use std::{fmt, str::FromStr};

use annals_record::{Timestamp, Uuid};
use annals_store::{
    Access, Names, Page, Work, rusqlite,
    sql::PgTimestamp,
    sqlx,
    work::{forget_plans, from_postgres, from_sqlite},
};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{Deployments, Error, Result, Workspace};

/// The id of a workspace: a UUID, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkspaceId(Uuid);

impl WorkspaceId {
    /// The UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for WorkspaceId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for WorkspaceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // Hyphens as people write them: a UUID has other forms too, and an id should have one.
        let parsed = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
        parsed.map(Self).ok_or_else(|| Error::NoWorkspaceId {
            text: text.chars().take(64).collect(),
        })
    }
}

/// What becomes of spans of a workspace that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkspacePolicy {
    /// The workspace is made.
    #[default]
    OnFirstUse,
    /// They are refused: workspaces are made by name.
    MustExist,
}

/// Bytes of a workspace's name.
const NAME_BYTES: usize = 256;

/// Workspaces of a page at most.
const MAX_LIMIT: u32 = 1_000;

impl Deployments {
    /// Makes a workspace; one that is there gets the name, if one is given.
    ///
    /// # Errors
    ///
    /// The name cannot be stored, or the database failed.
    pub async fn create_workspace(
        &self,
        workspace: WorkspaceId,
        name: Option<&str>,
    ) -> Result<Workspace> {
        let refused = |needs| Error::Question {
            field: "the name of a workspace",
            needs,
        };
        match name {
            Some("") => return Err(refused("cannot be empty; leave it out")),
            Some(name) if name.len() > NAME_BYTES => {
                return Err(refused("has at most 256 bytes"));
            }
            Some(name) if name.contains('\0') => {
                return Err(refused("cannot contain the character U+0000"));
            }
            _ => {}
        }
        let create = Create {
            workspace,
            name: name.map(str::to_owned),
        };
        self.store().run(Access::Write, create).await
    }

    /// A workspace; `None` when there is none.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn find_workspace(&self, workspace: WorkspaceId) -> Result<Option<Workspace>> {
        let query = self.store().query::<Workspace>();
        let query = query.filter(Workspace::ID.eq(workspace.uuid())).limit(1);
        Ok(query.fetch().await?.rows.into_iter().next())
    }

    pub(crate) async fn must_find(&self, workspace: WorkspaceId) -> Result<Workspace> {
        let found = self.find_workspace(workspace).await?;
        found.ok_or(Error::NoSuchWorkspace { workspace })
    }

    /// Workspaces by id, at most `limit` (1,000 at most), behind those of the page that gave the cursor.
    ///
    /// # Errors
    ///
    /// The cursor is of another listing, or the database failed.
    pub async fn workspaces(&self, limit: u32, after: Option<String>) -> Result<Page<Workspace>> {
        let query = self.store().query::<Workspace>();
        let query = query
            .order(Workspace::ID.asc())
            .limit(limit.clamp(1, MAX_LIMIT).into());
        let query = match after {
            Some(cursor) => query.after(cursor),
            None => query,
        };
        Ok(query.fetch().await?)
    }

    /// Deletes a workspace with everything in it: its spans first, in bounded steps, then what is left by the database's
    /// trigger. Gives the number of spans; `None` when there was no such workspace.
    ///
    /// # Errors
    ///
    /// The database failed; asking again goes on.
    pub async fn delete_workspace(&self, workspace: WorkspaceId) -> Result<Option<u64>> {
        if self.find_workspace(workspace).await?.is_none() {
            return Ok(None);
        }
        let owner = workspace.to_string();
        let lifecycle = self.lifecycle();
        let spans = lifecycle
            .delete_of(&owner, None, false, &mut |_| {})
            .await?;
        let delete = Delete {
            workspace,
            decompresses: self.store().capabilities().columnstore(),
        };
        self.store().run(Access::Write, delete).await?;
        Ok(Some(spans))
    }
}

const CREATE: &str = "\
    INSERT INTO {workspace} AS target (id, name, created_at) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET name = COALESCE(EXCLUDED.name, target.name)
 RETURNING id, name, created_at";

/// Makes a workspace, or names it.
struct Create {
    workspace: WorkspaceId,
    name: Option<String>,
}

impl Work for Create {
    type Output = Workspace;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Workspace>> {
        async move {
            let row = sqlx::query(names.statement(CREATE))
                .bind(self.workspace.uuid())
                .bind(self.name)
                .bind(PgTimestamp(Timestamp::now().unix_micros()))
                .fetch_one(connection)
                .await
                .map_err(annals_store::Error::statement("making a workspace"))?;
            Ok(from_postgres(&row)?)
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<Workspace> {
        let values = (
            self.workspace.to_string(),
            self.name,
            Timestamp::now().unix_micros(),
        );
        let sql = names.statement(CREATE);
        let row = connection.query_row(sql.as_str(), values, |row| Ok(from_sqlite(row)));
        Ok(
            row.map_err(annals_store::Error::statement::<rusqlite::Error>(
                "making a workspace",
            ))??,
        )
    }
}

const DELETE: &str = "DELETE FROM {workspace} WHERE id = $1";

/// Deletes a workspace, and by its trigger what is left in it.
struct Delete {
    workspace: WorkspaceId,
    decompresses: bool,
}

impl Work for Delete {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            sqlx::query(names.statement(DELETE))
                .bind(self.workspace.uuid())
                .execute(&mut *connection)
                .await
                .map_err(annals_store::Error::statement("deleting a workspace"))?;
            if self.decompresses {
                forget_plans(connection).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<()> {
        connection
            .execute(
                names.statement(DELETE).as_str(),
                [self.workspace.to_string()],
            )
            .map_err(annals_store::Error::statement::<rusqlite::Error>(
                "deleting a workspace",
            ))?;
        Ok(())
    }
}
