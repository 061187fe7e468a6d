//! Bars by range, the newest bars, symbols and gaps.

use annals_market::{Bar, BarRange, BarStore, Error, Timeframe, Zone};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::{bar, minute, open, time};

on_every_backend!(
    a_range_includes_both_ends_and_comes_ascending,
    a_range_pages_by_cursor,
    the_newest_bars_come_ascending,
    the_newest_bars_of_many_symbols_come_by_one_statement,
    symbols_are_seen_since_a_time,
    gaps_are_the_minutes_without_a_bar,
    longer_bars_are_rolled_up_as_they_are_read,
    days_are_those_of_the_exchange,
    longer_bars_page_by_cursor,
);

fn days(count: i64) -> Vec<Bar> {
    (0..count).map(|n| bar("A", n)).collect()
}

async fn a_range_includes_both_ends_and_comes_ascending(database: TestDatabase) {
    let bars = open(&database).await;
    let mut shuffled = days(10);
    shuffled.reverse();
    shuffled.push(bar("B", 4));
    let written = bars.write_bars(shuffled).await.unwrap();
    assert_eq!(written.committed, 11);
    let range = |from, to| bars.get_bars(BarRange::new("A", time(from), time(to)));
    assert_eq!(range(3, 6).await.unwrap().bars, days(10)[3..=6]);
    assert_eq!(range(0, 9).await.unwrap().bars, days(10));
    assert_eq!(range(6, 3).await.unwrap().bars, []);
    assert_eq!(range(-9, -1).await.unwrap().bars, []);
    // A nanosecond more than a minute is past it.
    let late = time(3) + std::time::Duration::from_nanos(1);
    let page = bars
        .get_bars(BarRange::new("A", late, time(4)))
        .await
        .unwrap();
    assert_eq!(page.bars, days(10)[4..=4]);
}

async fn a_range_pages_by_cursor(database: TestDatabase) {
    let bars = open(&database).await;
    let written = bars.write_bars(days(10)).await.unwrap();
    assert_eq!(written.committed, 10);
    for limit in [1, 3, 5, 10, 11] {
        let mut range = BarRange::new("A", time(0), time(9)).with_limit(limit);
        let mut seen = Vec::new();
        loop {
            let page = bars.get_bars(range.clone()).await.unwrap();
            assert!(page.bars.len() <= limit as usize);
            seen.extend(page.bars);
            match page.next {
                Some(cursor) => range = range.after(cursor),
                None => break,
            }
        }
        assert_eq!(seen, days(10), "{limit}");
    }
    let page = bars
        .get_bars(BarRange::new("A", time(0), time(9)).with_limit(1))
        .await;
    let other = BarRange::new("B", time(0), time(9)).after(page.unwrap().next.unwrap());
    let error = bars.get_bars(other).await.unwrap_err();
    assert!(error.to_string().contains("same symbol"), "{error}");
    let broken = BarRange::new("A", time(0), time(9)).after("yesterday");
    let error = bars.get_bars(broken).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Question {
                field: "the cursor",
                ..
            }
        ),
        "{error}"
    );
}

async fn the_newest_bars_come_ascending(database: TestDatabase) {
    let bars = open(&database).await;
    let written = bars.write_bars(days(300)).await.unwrap();
    assert_eq!(written.committed, 300);
    assert_eq!(
        bars.get_latest_bars("A", 200).await.unwrap(),
        days(300)[100..]
    );
    assert_eq!(bars.get_latest_bars("A", 500).await.unwrap(), days(300));
    assert_eq!(bars.get_latest_bars("nobody", 200).await.unwrap(), []);
}

async fn the_newest_bars_of_many_symbols_come_by_one_statement(database: TestDatabase) {
    let bars = open(&database).await;
    let mut all = Vec::new();
    for symbol in ["B", "A\"'", "C", "D"] {
        all.extend((0..30).map(|n| bar(symbol, n)));
    }
    let written = bars.write_bars(all).await.unwrap();
    assert_eq!(written.committed, 120);
    let symbols = ["C", "nobody", "A\"'", "B"].map(str::to_owned);
    let latest = bars.get_latest_bars_of(&symbols, 5).await.unwrap();
    let expected: Vec<Bar> = ["C", "A\"'", "B"]
        .iter()
        .flat_map(|symbol| (25..30).map(|n| bar(symbol, n)))
        .collect();
    assert_eq!(latest, expected);
    assert_eq!(bars.get_latest_bars_of(&[], 5).await.unwrap(), []);
}

async fn symbols_are_seen_since_a_time(database: TestDatabase) {
    let bars = open(&database).await;
    let batch = vec![bar("b", 0), bar("b", 5), bar("A", 3), bar("c", 9)];
    let written = bars.write_bars(batch).await.unwrap();
    assert_eq!(written.committed, 4);
    let seen = async |since| -> Vec<(String, u64, i64)> {
        let symbols = bars.symbols_seen_since(since).await.unwrap();
        let symbols = symbols.into_iter();
        symbols
            .map(|seen| {
                let micros = seen.last_seen.unix_micros() - minute(0).unix_micros();
                (seen.symbol, seen.bar_count, micros / 60_000_000)
            })
            .collect()
    };
    let name = str::to_owned;
    assert_eq!(
        seen(time(0)).await,
        [(name("A"), 1, 3), (name("b"), 2, 5), (name("c"), 1, 9)]
    );
    assert_eq!(seen(time(5)).await, [(name("b"), 1, 5), (name("c"), 1, 9)]);
    let late = time(5) + std::time::Duration::from_nanos(1);
    assert_eq!(seen(late).await, [(name("c"), 1, 9)]);
}

async fn gaps_are_the_minutes_without_a_bar(database: TestDatabase) {
    let bars = open(&database).await;
    let batch = [0, 1, 4, 5, 9].map(|n| bar("A", n)).to_vec();
    let written = bars.write_bars(batch).await.unwrap();
    assert_eq!(written.committed, 5);
    let gaps = bars.gaps("A", time(-2), time(10)).await.unwrap();
    let found: Vec<_> = gaps
        .iter()
        .map(|gap| (gap.from, gap.to, gap.minutes))
        .collect();
    assert_eq!(
        found,
        [
            (minute(-2), minute(-1), 2),
            (minute(2), minute(3), 2),
            (minute(6), minute(8), 3),
            (minute(10), minute(10), 1),
        ]
    );
    assert_eq!(bars.gaps("A", time(4), time(5)).await.unwrap(), []);
}

/// What a plain computation says: bars grouped by where they begin, folded one by one.
fn grouped(bars: &[Bar], start: impl Fn(&Bar) -> i64) -> Vec<(i64, [f64; 4], i64, f64)> {
    let mut groups: Vec<(i64, Vec<&Bar>)> = Vec::new();
    for bar in bars {
        match groups.last_mut() {
            Some((at, group)) if *at == start(bar) => group.push(bar),
            _ => groups.push((start(bar), vec![bar])),
        }
    }
    let fold = |(at, group): (i64, Vec<&Bar>)| {
        let (first, last) = (group[0], group[group.len() - 1]);
        let high = group.iter().map(|bar| bar.high).fold(f64::MIN, f64::max);
        let low = group.iter().map(|bar| bar.low).fold(f64::MAX, f64::min);
        let volume: i64 = group.iter().map(|bar| bar.volume).sum();
        let value: f64 = group.iter().map(|bar| bar.vwap * bar.volume as f64).sum();
        (
            at,
            [first.open, high, low, last.close],
            volume,
            value / volume as f64,
        )
    };
    groups.into_iter().map(fold).collect()
}

fn parts(bars: &[Bar]) -> Vec<(i64, [f64; 4], i64, f64)> {
    let parts = bars.iter().map(|bar| {
        let ohlc = [bar.open, bar.high, bar.low, bar.close];
        (bar.timestamp.unix_micros(), ohlc, bar.volume, bar.vwap)
    });
    parts.collect()
}

async fn longer_bars_are_rolled_up_as_they_are_read(database: TestDatabase) {
    let bars = open(&database).await;
    // 25,000 minutes are more than are read at once.
    let all: Vec<Bar> = (0..25_000)
        .filter(|n| n % 7 != 0)
        .map(|n| bar("A", n))
        .collect();
    let written = bars.write_bars(all.clone()).await.unwrap();
    assert_eq!(written.committed, all.len());
    for (timeframe, minutes) in [
        (Timeframe::M5, 5),
        (Timeframe::M15, 15),
        (Timeframe::H1, 60),
        (Timeframe::D1, 1_440),
    ] {
        let length = minutes * 60_000_000;
        let range = BarRange::new("A", time(-1_440), time(30_000));
        let range = range.with_timeframe(timeframe, Zone::utc());
        let page = bars.get_bars(range).await.unwrap();
        let expected = grouped(&all, |bar| {
            bar.timestamp.unix_micros().div_euclid(length) * length
        });
        assert_same(&parts(&page.bars), &expected);
        let latest = bars
            .get_latest("A", timeframe, &Zone::utc(), 3)
            .await
            .unwrap();
        assert_same(&parts(&latest), &expected[expected.len() - 3..]);
    }
}

/// Equal but for the last digits of a sum of thousands.
fn assert_same(found: &[(i64, [f64; 4], i64, f64)], expected: &[(i64, [f64; 4], i64, f64)]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(
            (found.0, found.1, found.2),
            (expected.0, expected.1, expected.2)
        );
        assert!(
            (found.3 / expected.3 - 1.0).abs() < 1e-12,
            "{found:?} {expected:?}"
        );
    }
}

async fn days_are_those_of_the_exchange(database: TestDatabase) {
    let bars = open(&database).await;
    // 2026-03-07 to 10: New York's clocks go forward on the 8th.
    let hours: Vec<Bar> = (0..96)
        .map(|hour| Bar {
            timestamp: annals_record::TimestampMicros::from_unix_micros(
                (1_772_841_600 + hour * 3_600) * 1_000_000,
            )
            .unwrap(),
            ..bar("A", hour)
        })
        .collect();
    let written = bars.write_bars(hours.clone()).await.unwrap();
    assert_eq!(written.committed, 96);
    let zone = Zone::named("America/New_York").unwrap();
    let (start, end) = (time(0), hours[95].timestamp.into());
    let range = BarRange::new("A", start, end).with_timeframe(Timeframe::D1, zone);
    let found = bars.get_bars(range).await.unwrap().bars;
    let starts: Vec<String> = found.iter().map(|bar| bar.timestamp.to_string()).collect();
    assert_eq!(
        starts,
        [
            "2026-03-06T05:00:00Z",
            "2026-03-07T05:00:00Z",
            "2026-03-08T05:00:00Z",
            "2026-03-09T04:00:00Z",
            "2026-03-10T04:00:00Z",
        ]
    );
    // Of the first there are 5 hours, then come 24, 23, 24 and 20.
    let opens: Vec<f64> = found.iter().map(|bar| bar.open - 100.0).collect();
    assert_eq!(opens, [0.0, 5.0, 29.0, 52.0, 76.0]);
}

async fn longer_bars_page_by_cursor(database: TestDatabase) {
    let bars = open(&database).await;
    let written = bars.write_bars(days(200)).await.unwrap();
    assert_eq!(written.committed, 200);
    let whole = BarRange::new("A", time(0), time(200)).with_timeframe(Timeframe::M15, Zone::utc());
    let expected = bars.get_bars(whole.clone()).await.unwrap().bars;
    assert_eq!(expected.len(), 14);
    let mut range = whole.with_limit(4);
    let mut seen = Vec::new();
    loop {
        let page = bars.get_bars(range.clone()).await.unwrap();
        seen.extend(page.bars);
        match page.next {
            Some(cursor) => range = range.after(cursor),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    // A bar that begins before the range is not half in it.
    let range = BarRange::new("A", time(1), time(44)).with_timeframe(Timeframe::M15, Zone::utc());
    assert_eq!(bars.get_bars(range).await.unwrap().bars, expected[1..3]);
}
