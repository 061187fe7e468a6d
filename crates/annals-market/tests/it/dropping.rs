//! Minutes go by age, and longer bars stay.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`late`] | what comes late for hours whose minutes are gone changes none of their bars |
//! | [`history`] | history of new symbols reopens hours, and a second drop ends that |
//! | [`asking`] | which minutes may go, how it is kept which went, and what a refresh says |
//! | [`model`] | any order of writes, refreshes and drops against a model |
//! | [`refreshes`] | reads before and after a refresh, and beside all at once |
//! | [`retention`] | by age through the store, beside backfills, and of one symbol |
//!
//! What they share is here: minutes that go, and every way to read longer bars.

mod asking;
mod history;
mod late;
mod model;
mod refreshes;
mod retention;

use annals_market::{Bar, BarRange, BarStore, Bars, DroppedMinutes, Timeframe, Zone};
use annals_store::{
    Access, Error, Names, Work,
    lifecycle::{Derived, Emptied},
    rusqlite,
    sql::PgTimestamp,
    sqlx::{self, PgConnection},
};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{bar, minute, time};

/// Deletes minutes and tells of it, in one transaction, as retention does.
struct Drop {
    from: Option<i64>,
    until: i64,
}

impl Drop {
    fn emptied(&self) -> Emptied {
        Emptied {
            from: self.from.map(time),
            until: time(self.until),
        }
    }

    fn range(&self) -> (i64, i64) {
        let from = minute(self.from.unwrap_or(-5_000_000));
        (from.unix_micros(), minute(self.until).unix_micros())
    }
}

impl Work for Drop {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let sql = "DELETE FROM {bars_1m} WHERE timestamp >= $1 AND timestamp < $2";
            let (from, until) = self.range();
            let gone = sqlx::query(names.statement(sql))
                .bind(PgTimestamp(from))
                .bind(PgTimestamp(until))
                .execute(&mut *connection)
                .await;
            gone.map_err(Error::statement("deleting minutes"))?;
            let told = DroppedMinutes.emptied_postgres(connection, names, self.emptied());
            told.await.map_err(Error::statement("telling of it"))
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<(), Error> {
        let sql = names.statement("DELETE FROM {bars_1m} WHERE timestamp >= $1 AND timestamp < $2");
        let gone = connection.execute(sql.as_str(), [self.range().0, self.range().1]);
        gone.map_err(Error::statement("deleting minutes"))?;
        let told = DroppedMinutes.emptied_sqlite(connection, names, self.emptied());
        told.map_err(Error::statement("telling of it"))
    }
}

/// Drops what is older than a minute, after asking whether it may go.
async fn drop_before(bars: &Bars, until: i64) {
    let store = bars.store();
    let may = DroppedMinutes
        .prepare(store, store.names(), time(until))
        .await
        .unwrap();
    assert_eq!(may, time(until - (until + 30).rem_euclid(60)));
    drop_without_asking(bars, None, until).await;
}

async fn drop_without_asking(bars: &Bars, from: Option<i64>, until: i64) {
    let store = bars.store();
    store
        .run(Access::Write, Drop { from, until })
        .await
        .unwrap();
}

async fn read(bars: &Bars, symbol: &str, timeframe: Timeframe) -> Vec<Bar> {
    let range = BarRange::new(symbol, time(-1_000_000), time(1_000_000));
    let range = range.with_timeframe(timeframe, Zone::utc());
    bars.get_bars(range).await.unwrap().bars
}

/// Longer bars of symbols, every timeframe by every way to read it, with days of two zones.
async fn longer(bars: &Bars, symbols: &[&str]) -> Vec<Vec<Bar>> {
    let mut all = Vec::new();
    for symbol in symbols {
        for (timeframe, zone) in questions() {
            let whole = BarRange::new(*symbol, time(-1_000_000), time(1_000_000))
                .with_timeframe(timeframe, zone.clone());
            let page = bars.get_bars(whole.clone()).await.unwrap().bars;
            let newest = bars.get_latest(symbol, timeframe, &zone, 100_000).await;
            assert_eq!(newest.unwrap(), page);
            let mut range = whole.with_limit(5 + page.len() as u32 / 10);
            let mut paged = Vec::new();
            loop {
                let some = bars.get_bars(range.clone()).await.unwrap();
                paged.extend(some.bars);
                let Some(cursor) = some.next else { break };
                range = range.after(cursor);
            }
            assert_eq!(paged, page);
            all.push(page);
        }
    }
    all
}

fn questions() -> [(Timeframe, Zone); 5] {
    [
        (Timeframe::M5, Zone::utc()),
        (Timeframe::M15, Zone::utc()),
        (Timeframe::H1, Zone::utc()),
        (Timeframe::D1, Zone::utc()),
        (Timeframe::D1, Zone::named("Asia/Kathmandu").unwrap()),
    ]
}

async fn minutes(bars: &Bars, symbol: &str) -> Vec<i64> {
    let found = read(bars, symbol, Timeframe::M1).await;
    let place = |bar: &Bar| (bar.timestamp.unix_micros() - minute(0).unix_micros()) / 60_000_000;
    found.iter().map(place).collect()
}

fn with_volume(symbol: &str, n: i64, volume: i64) -> Bar {
    Bar {
        volume,
        ..bar(symbol, n)
    }
}

/// Whole hours: the first begins half an hour after T0.
fn hours(symbol: &str, hours: std::ops::Range<i64>) -> Vec<Bar> {
    let minutes = hours.start * 60 + 30..hours.end * 60 + 30;
    minutes.map(|n| bar(symbol, n)).collect()
}
