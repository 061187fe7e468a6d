//! What a refresh does to a database, in each dialect.

use annals_record::TimestampMicros;
use annals_store::{
    rusqlite::params,
    sql::PgTimestamp,
    sqlx::{self, Row as _},
    work,
};

use crate::{
    Bar, Result, Timeframe,
    changed::{Change, enter_postgres, enter_sqlite},
    level::{in_time, of_level},
    tx::{PgTx, SqliteTx, Tx, failed},
};

/// Rows that one statement is given.
const ROWS: usize = 5_000;

/// A transaction that a refresh writes in.
pub(super) trait WriteTx: Tx {
    /// Takes a lock of the whole database until the end of the transaction; false when others have it.
    async fn lock(&mut self, name: &str) -> Result<bool>;

    /// Lets statements touch as many rows of compressed chunks as they need.
    async fn allow_decompression(&mut self) -> Result<()>;

    /// Writes bars of a level over those that are there.
    async fn upsert(&mut self, level: Timeframe, bars: Vec<Bar>) -> Result<()>;

    /// Deletes bars of a level.
    async fn remove(&mut self, level: Timeframe, bars: Vec<Bar>) -> Result<()>;

    /// Deletes a symbol's bars of a level that begin before a time.
    async fn remove_before(&mut self, level: Timeframe, symbol: &str, until: i64) -> Result<()>;

    /// Remembers that hours of symbols are made of the minutes that are there.
    async fn reopen(&mut self, hours: Vec<(String, i64)>) -> Result<()>;

    /// Makes entries.
    async fn enter(&mut self, changes: &[Change]) -> Result<()>;

    /// Deletes entries.
    async fn forget(&mut self, entries: &[i64]) -> Result<()>;
}

fn time(time: TimestampMicros) -> PgTimestamp {
    PgTimestamp(time.unix_micros())
}

/// An array of one column's values.
macro_rules! column {
    ($bars:expr, $of:expr) => {
        $bars.iter().map($of).collect::<Vec<_>>()
    };
}

impl WriteTx for PgTx<'_> {
    async fn lock(&mut self, name: &str) -> Result<bool> {
        let row = sqlx::query("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(name)
            .fetch_one(&mut *self.connection)
            .await
            .map_err(failed("locking the rollup of bars"))?;
        row.try_get(0).map_err(failed("locking the rollup of bars"))
    }

    async fn allow_decompression(&mut self) -> Result<()> {
        let sql = "SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0";
        let done = sqlx::query(sql).execute(&mut *self.connection).await;
        done.map_err(failed("allowing decompression"))?;
        Ok(())
    }

    async fn upsert(&mut self, level: Timeframe, bars: Vec<Bar>) -> Result<()> {
        let sql = of_level!(
            level,
            "INSERT INTO ",
            " (symbol, timestamp, open, high, low, close, volume, vwap, opened_at, closed_at)
              SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
              ON CONFLICT (symbol, timestamp) DO UPDATE SET
              open = EXCLUDED.open, high = EXCLUDED.high, low = EXCLUDED.low, close = EXCLUDED.close,
              volume = EXCLUDED.volume, vwap = EXCLUDED.vwap,
              opened_at = EXCLUDED.opened_at, closed_at = EXCLUDED.closed_at"
        );
        let mut bars = bars.into_iter();
        while let bars = bars.by_ref().take(ROWS).collect::<Vec<Bar>>()
            && !bars.is_empty()
        {
            let done = self
                .query(sql)
                .bind(column!(bars, |bar| bar.symbol.clone()))
                .bind(column!(bars, |bar| time(bar.timestamp)))
                .bind(column!(bars, |bar| bar.open))
                .bind(column!(bars, |bar| bar.high))
                .bind(column!(bars, |bar| bar.low))
                .bind(column!(bars, |bar| bar.close))
                .bind(column!(bars, |bar| bar.volume))
                .bind(column!(bars, |bar| bar.vwap))
                .bind(column!(bars, |bar| bar.opened_at.map(time)))
                .bind(column!(bars, |bar| bar.closed_at.map(time)))
                .execute(&mut *self.connection)
                .await;
            done.map_err(failed("storing longer bars"))?;
        }
        Ok(())
    }

    async fn remove(&mut self, level: Timeframe, bars: Vec<Bar>) -> Result<()> {
        let sql = of_level!(
            level,
            "DELETE FROM ",
            " AS bars USING unnest($1, $2) AS gone (symbol, timestamp)
              WHERE bars.symbol = gone.symbol AND bars.timestamp = gone.timestamp"
        );
        let mut bars = bars.into_iter();
        while let bars = bars.by_ref().take(ROWS).collect::<Vec<Bar>>()
            && !bars.is_empty()
        {
            let done = self
                .query(sql)
                .bind(column!(bars, |bar| bar.symbol.clone()))
                .bind(column!(bars, |bar| time(bar.timestamp)))
                .execute(&mut *self.connection)
                .await;
            done.map_err(failed("removing longer bars"))?;
        }
        Ok(work::forget_plans(self.connection).await?)
    }

    async fn remove_before(&mut self, level: Timeframe, symbol: &str, until: i64) -> Result<()> {
        let sql = of_level!(
            level,
            "DELETE FROM ",
            " WHERE symbol = $1 AND timestamp < $2"
        );
        let done = self
            .query(sql)
            .bind(symbol.to_owned())
            .bind(PgTimestamp(in_time(until)))
            .execute(&mut *self.connection)
            .await;
        done.map_err(failed("removing longer bars"))?;
        Ok(work::forget_plans(self.connection).await?)
    }

    async fn reopen(&mut self, hours: Vec<(String, i64)>) -> Result<()> {
        let sql = "INSERT INTO {bars_reopened} (symbol, hour) SELECT * FROM unnest($1, $2)
                   ON CONFLICT DO NOTHING";
        for hours in hours.chunks(ROWS) {
            let done = self
                .query(sql)
                .bind(column!(hours, |hour| hour.0.clone()))
                .bind(column!(hours, |hour| PgTimestamp(hour.1)))
                .execute(&mut *self.connection)
                .await;
            done.map_err(failed("reopening hours"))?;
        }
        Ok(())
    }

    async fn enter(&mut self, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let done = enter_postgres(&mut *self.connection, self.names, changes).await;
        done.map_err(failed("entering changed bars"))
    }

    async fn forget(&mut self, entries: &[i64]) -> Result<()> {
        let done = self
            .query("DELETE FROM {bars_changed} WHERE id = ANY ($1)")
            .bind(entries.to_vec())
            .execute(&mut *self.connection)
            .await;
        done.map_err(failed("ending entries of changed bars"))?;
        Ok(())
    }
}

impl WriteTx for SqliteTx<'_> {
    /// Nobody else writes.
    async fn lock(&mut self, _name: &str) -> Result<bool> {
        Ok(true)
    }

    async fn allow_decompression(&mut self) -> Result<()> {
        Ok(())
    }

    async fn upsert(&mut self, level: Timeframe, bars: Vec<Bar>) -> Result<()> {
        let sql = self.names.statement(of_level!(
            level,
            "INSERT OR REPLACE INTO ",
            " (symbol, timestamp, open, high, low, close, volume, vwap, opened_at, closed_at)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        ));
        let statement = self.connection.prepare_cached(sql.as_str());
        let mut statement = statement.map_err(failed("storing longer bars"))?;
        for bar in bars {
            let micros = |time: Option<TimestampMicros>| time.map(TimestampMicros::unix_micros);
            let done = statement.execute(params![
                bar.symbol,
                bar.timestamp.unix_micros(),
                bar.open,
                bar.high,
                bar.low,
                bar.close,
                bar.volume,
                bar.vwap,
                micros(bar.opened_at),
                micros(bar.closed_at),
            ]);
            done.map_err(failed("storing longer bars"))?;
        }
        Ok(())
    }

    async fn remove(&mut self, level: Timeframe, bars: Vec<Bar>) -> Result<()> {
        let sql = self.names.statement(of_level!(
            level,
            "DELETE FROM ",
            " WHERE symbol = $1 AND timestamp = $2"
        ));
        let statement = self.connection.prepare_cached(sql.as_str());
        let mut statement = statement.map_err(failed("removing longer bars"))?;
        for bar in bars {
            let done = statement.execute(params![bar.symbol, bar.timestamp.unix_micros()]);
            done.map_err(failed("removing longer bars"))?;
        }
        Ok(())
    }

    async fn remove_before(&mut self, level: Timeframe, symbol: &str, until: i64) -> Result<()> {
        let sql = self.names.statement(of_level!(
            level,
            "DELETE FROM ",
            " WHERE symbol = $1 AND timestamp < $2"
        ));
        let done = self
            .connection
            .execute(sql.as_str(), params![symbol, in_time(until)]);
        done.map_err(failed("removing longer bars"))?;
        Ok(())
    }

    async fn reopen(&mut self, hours: Vec<(String, i64)>) -> Result<()> {
        let sql = self
            .names
            .statement("INSERT OR IGNORE INTO {bars_reopened} (symbol, hour) VALUES ($1, $2)");
        let statement = self.connection.prepare_cached(sql.as_str());
        let mut statement = statement.map_err(failed("reopening hours"))?;
        for (symbol, hour) in hours {
            let done = statement.execute(params![symbol, hour]);
            done.map_err(failed("reopening hours"))?;
        }
        Ok(())
    }

    async fn enter(&mut self, changes: &[Change]) -> Result<()> {
        enter_sqlite(self.connection, self.names, changes).map_err(failed("entering changed bars"))
    }

    async fn forget(&mut self, entries: &[i64]) -> Result<()> {
        let sql = self
            .names
            .statement("DELETE FROM {bars_changed} WHERE id = $1");
        let statement = self.connection.prepare_cached(sql.as_str());
        let mut statement = statement.map_err(failed("ending entries of changed bars"))?;
        for entry in entries {
            let done = statement.execute([entry]);
            done.map_err(failed("ending entries of changed bars"))?;
        }
        Ok(())
    }
}
