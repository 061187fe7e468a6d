//! Tables that age, and what follows when rows of them are gone.

use std::{fmt, sync::Arc};

use annals_record::{Column, ColumnType, Descriptor, Record, Timestamp, Uuid};
use futures_util::future::BoxFuture;

use super::{Interval, LifecycleError};
use crate::{
    Result, Store,
    sql::{Dialect, Names, Sql, quoted},
};

/// A table whose rows age: a family tells of each of its own.
#[derive(Clone)]
pub struct AgingTable {
    label: String,
    names: Names,
    descriptor: &'static Descriptor,
    oldest_by: Option<&'static str>,
    derived: Option<Arc<dyn Derived>>,
    refresh: Option<Arc<dyn Refresh>>,
    compress_after: Option<Interval>,
    refresh_every: Option<Interval>,
    /// Why rows of one owner cannot go by age alone.
    whole_only: Option<&'static str>,
    owner: Option<&'static str>,
    is_followed: bool,
}

impl fmt::Debug for AgingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgingTable")
            .field("label", &self.label)
            .field("schema", &self.names.schema())
            .field("table", &self.descriptor.table)
            .finish_non_exhaustive()
    }
}

impl AgingTable {
    /// The table of a record, in the schema that `names` say.
    #[must_use]
    pub fn of<R: Record>(names: &Names) -> Self {
        Self::described(names, R::DESCRIPTOR)
    }

    /// A table by its descriptor, which must have a time column.
    #[must_use]
    pub fn described(names: &Names, descriptor: &'static Descriptor) -> Self {
        Self {
            label: descriptor.table.to_owned(),
            names: names.clone(),
            descriptor,
            oldest_by: None,
            derived: None,
            refresh: None,
            compress_after: None,
            refresh_every: None,
            whole_only: None,
            owner: None,
            is_followed: false,
        }
    }

    /// Called so by people, rather than by the table's name.
    #[must_use]
    pub fn called(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Rows age in the order of this column, which has an index; of the time column when not said.
    #[must_use]
    pub fn aging_by(mut self, column: &'static str) -> Self {
        self.oldest_by = Some(column);
        self
    }

    /// With what follows when rows are gone.
    #[must_use]
    pub fn with_derived(mut self, derived: impl Derived) -> Self {
        self.derived = Some(Arc::new(derived));
        self
    }

    /// With something that is made of its rows from time to time, and how often unless a policy says otherwise.
    #[must_use]
    pub fn with_refresh(mut self, refresh: impl Refresh, every: Option<Interval>) -> Self {
        self.refresh = Some(Arc::new(refresh));
        self.refresh_every = every;
        self
    }

    /// Compressed at this age unless a policy says otherwise, where the server can.
    #[must_use]
    pub fn compressed_after(mut self, age: Option<Interval>) -> Self {
        self.compress_after = age;
        self
    }

    /// This column says whose a row is; the one by which the table is segmented when not said.
    #[must_use]
    pub fn owned_by(mut self, column: &'static str) -> Self {
        self.owner = Some(column);
        self
    }

    /// The table is followed (see [`arrivals`](crate::arrivals)): what is compressed says which transactions wrote it, so
    /// that who follows passes it over.
    #[must_use]
    pub fn followed(mut self) -> Self {
        self.is_followed = true;
        self
    }

    pub(super) fn is_followed(&self) -> bool {
        self.is_followed
    }

    /// Retention is of the whole table, never of one owner's rows; `why` ends a sentence.
    #[must_use]
    pub fn aging_as_a_whole(mut self, why: &'static str) -> Self {
        self.whole_only = Some(why);
        self
    }

    pub(super) fn whole_only(&self) -> Option<&'static str> {
        self.whole_only
    }

    /// What people call it: `spans`, `events:orders`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How it is called in the database.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Its columns, time, key and layout.
    #[must_use]
    pub fn descriptor(&self) -> &'static Descriptor {
        self.descriptor
    }

    /// A statement in which `{table}` is this table, `{time}` and `{oldest_by}` are columns of it, and `{is_owner}` says
    /// that a row is of the owner whom parameter `$1` names.
    pub(super) fn statement(&self, template: &str) -> Sql {
        Sql::vouched(
            template
                .replace("{table}", &self.full_name())
                .replace("{time}", &quoted(self.time()))
                .replace("{oldest_by}", &quoted(self.oldest_by()))
                .replace("{is_owner}", &self.is_owner()),
        )
    }

    fn is_owner(&self) -> String {
        let Some(column) = self.owner_column() else {
            return "FALSE".to_owned();
        };
        let cast = match (self.names.dialect(), column.ty) {
            (Dialect::Postgres, ColumnType::Uuid) => "::uuid",
            _ => "",
        };
        format!("{} = $1{cast}", quoted(column.name))
    }

    /// An owner as its column has it.
    ///
    /// # Errors
    ///
    /// The column holds UUIDs, and this is none.
    pub(super) fn owner_named(&self, owner: &str) -> Result<String, LifecycleError> {
        match self.owner_column() {
            Some(column) if column.ty == ColumnType::Uuid => Uuid::try_parse(owner)
                .map(|id| id.hyphenated().to_string())
                .map_err(|_| LifecycleError::Owner {
                    table: self.label.clone(),
                    column: column.name,
                    owner: owner.chars().take(64).collect(),
                }),
            _ => Ok(owner.to_owned()),
        }
    }

    /// Its full name, quoted.
    pub(super) fn full_name(&self) -> String {
        self.names.table(self.descriptor.table)
    }

    /// Its name without quotes and schema, on SQLite with the prefix.
    pub(super) fn bare_name(&self) -> String {
        match self.names.dialect() {
            Dialect::Sqlite => format!("{}{}", self.names.prefix(), self.descriptor.table),
            Dialect::Postgres => self.descriptor.table.to_owned(),
        }
    }

    /// The column that tells how old a row is.
    pub(super) fn time(&self) -> &'static str {
        self.descriptor
            .time_column()
            .map_or("", |column| column.name)
    }

    /// The column in whose order rows age.
    pub(super) fn oldest_by(&self) -> &'static str {
        self.oldest_by.unwrap_or_else(|| self.time())
    }

    pub(super) fn derived(&self) -> Option<&Arc<dyn Derived>> {
        self.derived.as_ref()
    }

    /// What is made of its rows from time to time.
    #[must_use]
    pub fn refresh(&self) -> Option<&Arc<dyn Refresh>> {
        self.refresh.as_ref()
    }

    pub(super) fn default_compress_after(&self) -> Option<&Interval> {
        self.compress_after.as_ref()
    }

    pub(super) fn default_refresh_every(&self) -> Option<&Interval> {
        self.refresh_every.as_ref()
    }

    /// The column that says whose a row is, by which a policy can be narrowed.
    #[must_use]
    pub fn owner_column(&self) -> Option<&'static Column> {
        let segment = self
            .descriptor
            .segment_by
            .and_then(|position| self.descriptor.columns.get(position));
        match self.owner {
            Some(name) => self.descriptor.column(name),
            None => segment,
        }
    }
}

/// A range of time in which a table has no rows any more: they were dropped or deleted by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emptied {
    /// Where it begins; none for all that is older than its end.
    pub from: Option<Timestamp>,
    /// Where it ends, excluded. To the microsecond, as tables keep times.
    pub until: Timestamp,
}

/// What a family does to its other tables when rows of an aging one are gone by age.
///
/// Told after the rows are gone, in transactions of its own and as often as it asks for; told again after a
/// crash, so it must be harmless when there is nothing left to do. Rows that come late into an emptied range
/// are there again, and the range is told again when they are gone.
pub trait Derived: Send + Sync + 'static {
    /// Asked before rows go: whether they may. A family that has not made yet what it makes of them makes it
    /// now. Gives the time before which rows may go, `until` when all of them may.
    fn prepare<'a>(
        &'a self,
        store: &'a Store,
        names: &'a Names,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Timestamp>> {
        let _ = (store, names);
        Box::pin(async move { Ok(until) })
    }

    /// Runs in the transaction that drops or deletes the rows, after them, on PostgreSQL: for what must be
    /// known no later than the rows are gone. Must be quick.
    fn emptied_postgres<'a>(
        &'a self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
        emptied: Emptied,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        let _ = (connection, names, emptied);
        Box::pin(async { Ok(()) })
    }

    /// The same on SQLite.
    ///
    /// # Errors
    ///
    /// What SQLite said; the rows stay.
    fn emptied_sqlite(
        &self,
        connection: &rusqlite::Connection,
        names: &Names,
        emptied: Emptied,
    ) -> Result<(), rusqlite::Error> {
        let _ = (connection, names, emptied);
        Ok(())
    }

    /// Follows what is gone, in bounded transactions of its own; gives the number of rows that followed.
    fn follow<'a>(
        &'a self,
        store: &'a Store,
        names: &'a Names,
        emptied: Emptied,
    ) -> BoxFuture<'a, Result<u64>> {
        let _ = (store, names, emptied);
        Box::pin(async { Ok(0) })
    }

    /// Follows the rows of one owner that were deleted, those before a time.
    fn owner_deleted<'a>(
        &'a self,
        store: &'a Store,
        names: &'a Names,
        owner: &'a str,
        before: Timestamp,
    ) -> BoxFuture<'a, Result<u64>> {
        let _ = (store, names, owner, before);
        Box::pin(async { Ok(0) })
    }
}

/// Something that is made of a table's rows from time to time.
pub trait Refresh: Send + Sync + 'static {
    /// Makes what is due; gives a few words on what was done, none when nothing was due.
    fn refresh<'a>(
        &'a self,
        store: &'a Store,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<String>>>;
}
