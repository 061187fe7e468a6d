//! Bars of a symbol and minute that are there already.

use annals_market::{Bar, BarStore, BarsOptions, Conflict};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

use crate::{bar, minute, open_with};

on_every_backend!(
    a_correction_replaces_every_value,
    ignored_bars_leave_what_is_there,
    two_halves_of_a_bar_become_the_bar_in_either_order,
    a_late_tick_does_not_destroy_a_bar,
    a_key_twice_in_a_batch_is_merged,
    a_write_that_changes_nothing_touches_no_row,
);

async fn with(database: &TestDatabase, conflict: Conflict) -> annals_market::Bars {
    open_with(database, BarsOptions::default().with_conflict(conflict)).await
}

async fn write(bars: &annals_market::Bars, batch: Vec<Bar>) {
    let rows = batch.len();
    let written = bars.write_bars(batch).await.unwrap();
    assert_eq!((written.committed, written.refused), (rows, vec![]));
}

async fn only(bars: &annals_market::Bars) -> Bar {
    let mut latest = bars.get_latest_bars("A", 10).await.unwrap();
    assert_eq!(latest.len(), 1);
    latest.remove(0)
}

/// The first and the second half of a minute.
fn halves() -> [Bar; 2] {
    let half = |ohlc, volume, vwap, from: i64, to: i64| {
        let second = |n: i64| {
            let micros = minute(0).unix_micros() + n * 1_000_000;
            Some(annals_record::TimestampMicros::from_unix_micros(micros).unwrap())
        };
        Bar {
            opened_at: second(from),
            closed_at: second(to),
            ..Bar::new("A", minute(0), ohlc, volume, vwap).unwrap()
        }
    };
    [
        half([150.0, 151.0, 149.5, 150.5], 300, 150.25, 1, 29),
        half([150.5, 150.75, 149.0, 149.25], 100, 149.75, 30, 58),
    ]
}

fn whole() -> Bar {
    let [first, second] = halves();
    Bar {
        low: 149.0,
        close: 149.25,
        volume: 400,
        vwap: (150.25 * 300.0 + 149.75 * 100.0) / 400.0,
        closed_at: second.closed_at,
        ..first
    }
}

async fn a_correction_replaces_every_value(database: TestDatabase) {
    let bars = with(&database, Conflict::Replace).await;
    write(&bars, vec![bar("A", 0)]).await;
    let correction = Bar {
        timestamp: minute(0),
        ..bar("A", 7)
    };
    write(&bars, vec![correction.clone()]).await;
    assert_eq!(only(&bars).await, correction);
}

async fn ignored_bars_leave_what_is_there(database: TestDatabase) {
    let bars = with(&database, Conflict::Ignore).await;
    write(&bars, vec![bar("A", 0)]).await;
    write(
        &bars,
        vec![Bar {
            timestamp: minute(0),
            ..bar("A", 7)
        }],
    )
    .await;
    assert_eq!(only(&bars).await, bar("A", 0));
}

async fn two_halves_of_a_bar_become_the_bar_in_either_order(database: TestDatabase) {
    let bars = with(&database, Conflict::Merge).await;
    let [first, second] = halves();
    for order in [[first.clone(), second.clone()], [second, first]] {
        database.execute("DELETE FROM bars_1m").await;
        for half in order {
            write(&bars, vec![half]).await;
        }
        assert_eq!(only(&bars).await, whole());
    }
}

async fn a_late_tick_does_not_destroy_a_bar(database: TestDatabase) {
    let bars = with(&database, Conflict::Merge).await;
    write(&bars, vec![bar("A", 0)]).await;
    let tick = Bar::new("A", minute(0), [110.0; 4], 1, 110.0).unwrap();
    write(&bars, vec![tick]).await;
    let merged = only(&bars).await;
    assert_eq!((merged.open, merged.high, merged.low), (100.0, 110.0, 98.0));
    assert_eq!((merged.close, merged.volume), (110.0, 11));
    assert_eq!(merged.vwap, (100.5 * 10.0 + 110.0) / 11.0);
}

async fn a_key_twice_in_a_batch_is_merged(database: TestDatabase) {
    let bars = with(&database, Conflict::Merge).await;
    let [first, second] = halves();
    let other = bar("B", 0);
    write(&bars, vec![second, other.clone(), first]).await;
    assert_eq!(only(&bars).await, whole());
    assert_eq!(bars.get_latest_bars("B", 1).await.unwrap(), [other]);
}

async fn a_write_that_changes_nothing_touches_no_row(database: TestDatabase) {
    for conflict in [Conflict::Replace, Conflict::Merge, Conflict::Ignore] {
        let bars = with(&database, conflict).await;
        let batch: Vec<Bar> = (0..20).map(|n| bar("A", n)).collect();
        write(&bars, batch.clone()).await;
        refuse_updates(&database).await;
        write(&bars, batch.clone()).await;
        write(&bars, batch[..1].to_vec()).await;
        let changed = Bar {
            volume: 5,
            ..bar("A", 3)
        };
        let written = bars.write_bars(vec![changed]).await.unwrap();
        let touched = usize::from(conflict != Conflict::Ignore);
        assert_eq!(written.parked, touched, "{conflict:?}");
        allow_updates(&database).await;
        database.execute("DELETE FROM bars_1m").await;
    }
}

/// A row that is touched is an error from now on.
async fn refuse_updates(database: &TestDatabase) {
    let sql = match database.backend {
        Backend::Sqlite => {
            "CREATE TRIGGER touched BEFORE UPDATE ON bars_1m
             BEGIN SELECT RAISE(ABORT, 'touched'); END"
        }
        _ => {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE check_violation USING MESSAGE = 'touched'; END $$;
             CREATE TRIGGER touched BEFORE UPDATE ON bars_1m FOR EACH ROW EXECUTE FUNCTION refuse();"
        }
    };
    database.execute(sql).await;
}

async fn allow_updates(database: &TestDatabase) {
    let sql = match database.backend {
        Backend::Sqlite => "DROP TRIGGER touched",
        _ => "DROP TRIGGER touched ON bars_1m; DROP FUNCTION refuse;",
    };
    database.execute(sql).await;
}
