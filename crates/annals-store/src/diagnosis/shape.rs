//! A table with all of its indexes, as a database describes it.

use futures_util::future::BoxFuture;
use rusqlite::Connection;
use sqlx::{PgConnection, Row as _};

use crate::{
    Access, Error, Names, Result, Store, Work,
    ddl::{ColumnShape, TableShape},
};

/// A table with its indexes.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) table: TableShape,
    /// The columns of each index that holds every row, an expression being empty.
    pub(super) indexes: Vec<Vec<String>>,
}

impl Shape {
    /// Whether an index begins with these columns.
    pub(super) fn has_index(&self, columns: &[&str]) -> bool {
        let mut all = self.indexes.iter().chain(&self.table.unique);
        all.any(|index| {
            index.len() >= columns.len() && index.iter().zip(columns).all(|(a, b)| a == b)
        })
    }
}

/// Reads the shape of a table, wherever its names put it; one without columns when there is none.
pub(super) async fn shape(store: &Store, names: &Names, table: &'static str) -> Result<Shape> {
    let names = names.clone();
    store.run(Access::Read, Read { names, table }).await
}

struct Read {
    names: Names,
    table: &'static str,
}

const DOING: &str = "reading a table's columns and indexes";

impl Work for Read {
    type Output = Shape;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut PgConnection,
        _: &'a Names,
    ) -> BoxFuture<'a, Result<Shape>> {
        Box::pin(async move {
            let name = self.names.table(self.table);
            postgres(connection, &name)
                .await
                .map_err(Error::statement(DOING))
        })
    }

    fn run_sqlite(self, connection: &Connection, _: &Names) -> Result<Shape> {
        let name = format!("{}{}", self.names.prefix(), self.table);
        sqlite(connection, &name).map_err(Error::statement(DOING))
    }
}

async fn postgres(connection: &mut PgConnection, table: &str) -> Result<Shape, sqlx::Error> {
    let mut shape = Shape::default();
    let columns = sqlx::query(
        "SELECT attname::text, format_type(atttypid, atttypmod), NOT attnotnull
           FROM pg_attribute
          WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
          ORDER BY attnum",
    );
    for row in columns.bind(table).fetch_all(&mut *connection).await? {
        shape.table.columns.push(ColumnShape {
            name: row.try_get(0)?,
            ty: row.try_get(1)?,
            nullable: row.try_get(2)?,
        });
    }
    let indexes = sqlx::query(
        "SELECT one.indisunique,
                array_agg(COALESCE(attribute.attname::text, '') ORDER BY part.place)
           FROM pg_index AS one
          CROSS JOIN LATERAL unnest(one.indkey::int2[]) WITH ORDINALITY AS part(number, place)
           LEFT JOIN pg_attribute AS attribute
                  ON attribute.attrelid = one.indrelid AND attribute.attnum = part.number
          WHERE one.indrelid = to_regclass($1) AND one.indisvalid
            -- One without the rows of which its first column is absent answers the same questions.
            AND (one.indpred IS NULL
                 OR (NOT one.indisunique
                     AND pg_get_expr(one.indpred, one.indrelid)
                       = format('(%s IS NOT NULL)', pg_get_indexdef(one.indexrelid, 1, FALSE))))
            AND part.place <= one.indnkeyatts
          GROUP BY one.indexrelid, one.indisunique",
    );
    for row in indexes.bind(table).fetch_all(&mut *connection).await? {
        let columns: Vec<String> = row.try_get(1)?;
        if row.try_get(0)? {
            shape.table.unique.push(columns);
        } else {
            shape.indexes.push(columns);
        }
    }
    Ok(shape)
}

fn sqlite(connection: &Connection, table: &str) -> Result<Shape, rusqlite::Error> {
    let mut shape = Shape::default();
    let mut key: Vec<(i64, String)> = Vec::new();
    let mut statement = connection
        .prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let place: i64 = row.get(3)?;
        if place > 0 {
            key.push((place, name.clone()));
        }
        shape.table.columns.push(ColumnShape {
            name,
            ty: row.get(1)?,
            nullable: !row.get::<_, bool>(2)?,
        });
    }
    key.sort();
    shape
        .table
        .unique
        .push(key.into_iter().map(|(_, name)| name).collect());
    let mut statement = connection.prepare(
        "SELECT list.name, \"unique\", iif(partial, sql, NULL)
           FROM pragma_index_list(?1) AS list
           LEFT JOIN sqlite_schema AS made ON made.type = 'index' AND made.name = list.name",
    )?;
    let indexes = statement
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<Vec<(String, bool, Option<String>)>, _>>()?;
    for (name, is_unique, partial) in indexes {
        let mut parts =
            connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
        let columns = parts
            .query_map([name], |row| {
                Ok(row.get::<_, Option<String>>(0)?.unwrap_or_default())
            })?
            .collect::<Result<Vec<String>, _>>()?;
        let serves_all = partial.is_none_or(|sql| {
            let first = columns.first().map_or("", String::as_str);
            !is_unique && sql.ends_with(&format!("WHERE {first} IS NOT NULL"))
        });
        match (serves_all, is_unique) {
            (true, true) => shape.table.unique.push(columns),
            (true, false) => shape.indexes.push(columns),
            (false, _) => {}
        }
    }
    Ok(shape)
}
