//! Summaries of usage, by the versions of their days.

use std::sync::Arc;

use annals_cache::{Fresh, Kept, Version};
use annals_record::{Record, Value};
use annals_store::{
    Store,
    sql::{Dialect, Sql},
};

use super::{Remembered, row};
use crate::Result;

/// The rows of a summary's statement.
struct Rows<R>(Vec<R>);

impl<R: Record> Kept for Rows<R> {
    const KIND: &'static str = "summary";
    const FORMAT: u16 = row::format_of(R::DESCRIPTOR);

    fn to_bytes(&self) -> Vec<u8> {
        let mut rows = row::Rows::default();
        self.0.iter().for_each(|found| rows.push(found));
        rows.into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        row::all(bytes).map(Self)
    }

    fn weight(&self) -> usize {
        row::weight_of(&self.0)
    }
}

/// What the days of a window are at.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "usage_days")]
struct Days {
    days: i64,
    versions: i64,
}

const DAYS: &str = "
SELECT count(*), coalesce(sum(version), 0)::bigint FROM {usage_days} WHERE day >= $1 AND day < $2";

const DAYS_ON_SQLITE: &str = "
SELECT count(*), coalesce(sum(version), 0) FROM {usage_days} WHERE day >= $1 AND day < $2";

impl Remembered {
    /// The rows of a statement about the usage between two times, in microseconds at the beginnings of days, which is planned for its values.
    pub(crate) async fn usage<R: Record>(
        &self,
        store: &Store,
        sql: Sql,
        values: Vec<Value>,
        (from, to): (i64, i64),
    ) -> Result<Vec<R>> {
        let names = store.names();
        let days = match names.dialect() {
            Dialect::Sqlite => names.statement(DAYS_ON_SQLITE),
            _ => names.statement(DAYS),
        };
        let window = [from, to].map(Value::Timestamp);
        let days: Vec<Days> = store.fetch(days, window.to_vec()).await?;
        let mut version = row::Rows::default();
        days.iter().for_each(|days| version.push(days));
        let version = Version::of([version.into_bytes().as_slice()]);
        let mut key = row::Rows::default();
        values.iter().for_each(|value| value.put(&mut key));
        let mut key = key.into_bytes();
        key.extend(sql.as_str().bytes());
        let space = self.space(store).await?;
        let read = async {
            let rows = store.fetch_planned(sql, values).await?;
            Ok::<_, crate::Error>(Fresh {
                value: Rows(rows),
                keep: true,
            })
        };
        let cache = &self.options.cache;
        let rows = cache.remember(space, &key, &version, read).await?;
        Ok(match Arc::try_unwrap(rows) {
            Ok(rows) => rows.0,
            Err(shared) => shared.0.clone(),
        })
    }
}
