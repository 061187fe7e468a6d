//! Parts against the bars that they are parts of.

use std::{
    collections::BTreeMap,
    hash::{BuildHasherDefault, DefaultHasher},
};

use proptest::prelude::*;

use super::*;
use crate::timeframe::MINUTE;

type Key = (String, TimestampMicros);

/// 2023-11-14T22:14:00Z.
const START: i64 = 1_700_000_040_000_000;

fn micros(micros: i64) -> TimestampMicros {
    TimestampMicros::from_unix_micros(micros).unwrap()
}

/// A trade of AAPL `at` microseconds after [`START`].
fn trade(at: i64, price: f64, size: i64) -> Tick {
    Tick {
        symbol: "AAPL".to_owned(),
        price,
        size,
        timestamp: micros(START + at).into(),
        kind: TickKind::Trade,
    }
}

fn fed(aggregator: &Aggregator, ticks: impl IntoIterator<Item = Tick>) -> Vec<Bar> {
    let mut out = Vec::new();
    for tick in ticks {
        aggregator.feed(&tick, &mut out).unwrap();
    }
    out
}

fn flushed(aggregator: &Aggregator) -> Vec<Bar> {
    let mut out = Vec::new();
    aggregator.flush(&mut out);
    out
}

/// Minutes since [`START`] and volumes.
fn summary(parts: &[Bar]) -> Vec<(i64, i64)> {
    let minute = |bar: &Bar| (bar.timestamp.unix_micros() - START) / MINUTE;
    parts.iter().map(|bar| (minute(bar), bar.volume)).collect()
}

/// What the store makes of two rows with one key (see `Bar`'s `merge` attributes).
fn merge(old: &Bar, new: &Bar) -> Bar {
    let volume = old.volume + new.volume;
    let weighted = old.vwap * old.volume as f64 + new.vwap * new.volume as f64;
    Bar {
        symbol: old.symbol.clone(),
        timestamp: old.timestamp,
        open: if new.opened_at < old.opened_at {
            new.open
        } else {
            old.open
        },
        high: old.high.max(new.high),
        low: old.low.min(new.low),
        close: if new.closed_at < old.closed_at {
            old.close
        } else {
            new.close
        },
        volume,
        vwap: if volume == 0 {
            new.vwap
        } else {
            weighted / volume as f64
        },
        opened_at: old.opened_at.min(new.opened_at),
        closed_at: old.closed_at.max(new.closed_at),
    }
}

fn merged(parts: impl IntoIterator<Item = Bar>) -> BTreeMap<Key, Bar> {
    let mut bars: BTreeMap<Key, Bar> = BTreeMap::new();
    for part in parts {
        let key = (part.symbol.clone(), part.timestamp);
        let whole = match bars.get(&key) {
            Some(bar) => merge(bar, &part),
            None => part,
        };
        bars.insert(key, whole);
    }
    bars
}

/// The bars of trades, by definition. Prices are whole cents, so that a mean can be told exactly.
fn direct(ticks: &[Tick]) -> BTreeMap<Key, Bar> {
    let mut groups: BTreeMap<Key, Vec<&Tick>> = BTreeMap::new();
    for tick in ticks.iter().filter(|tick| tick.kind == TickKind::Trade) {
        let micros_of = tick.timestamp.unix_micros();
        let key = (tick.symbol.clone(), micros(micros_of - micros_of % MINUTE));
        groups.entry(key).or_default().push(tick);
    }
    let bar = |(key, mut trades): (Key, Vec<&Tick>)| {
        trades.sort_by_key(|tick| tick.timestamp);
        let (first, last) = (trades[0], trades[trades.len() - 1]);
        let volume: i64 = trades.iter().map(|tick| tick.size).sum();
        let cents = |tick: &&Tick| (tick.price * 100.0).round() as i128 * i128::from(tick.size);
        let worth: i128 = trades.iter().map(cents).sum();
        let prices = || trades.iter().map(|tick| tick.price);
        let bar = Bar {
            symbol: key.0.clone(),
            timestamp: key.1,
            open: first.price,
            high: prices().fold(f64::MIN, f64::max),
            low: prices().fold(f64::MAX, f64::min),
            close: last.price,
            volume,
            vwap: if volume == 0 {
                last.price
            } else {
                worth as f64 / (100 * volume) as f64
            },
            opened_at: Some(TimestampMicros::floor(first.timestamp)),
            closed_at: Some(TimestampMicros::floor(last.timestamp)),
        };
        (key, bar)
    };
    groups.into_iter().map(bar).collect()
}

fn assert_same(bars: BTreeMap<Key, Bar>, expected: BTreeMap<Key, Bar>) {
    assert_eq!(bars.len(), expected.len());
    for (bar, expected) in bars.into_values().zip(expected.into_values()) {
        if bar.volume == 0 {
            assert!((bar.low..=bar.high).contains(&bar.vwap), "{bar:?}");
        } else {
            assert!(
                (bar.vwap - expected.vwap).abs() < 1e-9,
                "{bar:?} {expected:?}"
            );
        }
        let vwap = bar.vwap;
        assert_eq!(bar, Bar { vwap, ..expected });
    }
}

#[test]
fn trades_of_a_minute_are_a_bar() {
    let aggregator = Aggregator::default();
    let trades = [
        trade(1_000_000, 150.0, 100),
        trade(2_000_000, 151.0, 200),
        trade(3_000_000, 149.0, 50),
        trade(4_000_000, 150.5, 75),
    ];
    assert_eq!(fed(&aggregator, trades), []);
    let worth = 150.0 * 100.0 + 151.0 * 200.0 + 149.0 * 50.0 + 150.5 * 75.0;
    let expected = Bar {
        opened_at: Some(micros(START + 1_000_000)),
        closed_at: Some(micros(START + 4_000_000)),
        ..Bar::new(
            "AAPL",
            micros(START),
            [150.0, 151.0, 149.0, 150.5],
            425,
            worth / 425.0,
        )
        .unwrap()
    };
    assert_eq!(flushed(&aggregator), [expected]);
    assert_eq!(flushed(&aggregator), []);
}

#[test]
fn vwap_is_weighted_by_size() {
    let aggregator = Aggregator::default();
    fed(
        &aggregator,
        [
            trade(0, 150.0, 100),
            trade(1, 151.0, 200),
            trade(2, 149.0, 300),
        ],
    );
    let expected = (150.0 * 100.0 + 151.0 * 200.0 + 149.0 * 300.0) / 600.0;
    assert_eq!(flushed(&aggregator)[0].vwap, expected);
    fed(&aggregator, [trade(1, 151.0, 0), trade(0, 150.0, 0)]);
    assert_eq!(flushed(&aggregator)[0].vwap, 151.0);
}

#[test]
fn a_trade_of_the_next_minute_closes_exactly_the_running_one() {
    let aggregator = Aggregator::default();
    let parts = fed(
        &aggregator,
        [
            trade(0, 1.0, 1),
            trade(59_999_999, 2.0, 2),
            trade(MINUTE, 3.0, 4),
        ],
    );
    assert_eq!(summary(&parts), [(0, 3)]);
    assert_eq!(summary(&flushed(&aggregator)), [(1, 4)]);
    assert_eq!(aggregator.counts().late_trades, 0);
}

#[test]
fn first_and_last_are_by_time_and_at_the_same_time_by_arrival() {
    let aggregator = Aggregator::default();
    let at = [(5, 1.0), (9, 2.0), (3, 3.0), (3, 4.0), (9, 5.0), (7, 6.0)];
    fed(&aggregator, at.map(|(at, price)| trade(at, price, 1)));
    let bar = flushed(&aggregator).remove(0);
    assert_eq!((bar.open, bar.close), (3.0, 5.0));
    assert_eq!(bar.opened_at, Some(micros(START + 3)));
    assert_eq!(bar.closed_at, Some(micros(START + 9)));
}

#[test]
fn nanoseconds_order_trades_inside_of_a_microsecond() {
    let aggregator = Aggregator::default();
    let at = |nanos, price| Tick {
        timestamp: Timestamp::from_micros_and_nanos(START, nanos).unwrap(),
        ..trade(0, price, 1)
    };
    fed(
        &aggregator,
        [at(500, 2.0), at(100, 1.0), at(900, 3.0), at(600, 4.0)],
    );
    let bar = flushed(&aggregator).remove(0);
    assert_eq!((bar.open, bar.close), (1.0, 3.0));
    assert_eq!(
        (bar.opened_at, bar.closed_at),
        (Some(micros(START)), Some(micros(START)))
    );
}

#[test]
fn a_late_trade_is_a_part_of_its_own_minute() {
    let aggregator = Aggregator::default();
    let parts = fed(
        &aggregator,
        [
            trade(0, 1.0, 1),
            trade(MINUTE, 2.0, 2),
            trade(30, 9.0, 4),
            trade(20, 8.0, 8),
            trade(MINUTE + 1, 3.0, 16),
        ],
    );
    assert_eq!(summary(&parts), [(0, 1)]);
    assert_eq!(aggregator.counts().late_trades, 2);
    assert_eq!(summary(&flushed(&aggregator)), [(0, 12), (1, 18)]);
}

#[test]
fn the_clock_closes_what_ended_a_grace_period_ago() {
    let aggregator = Aggregator::default();
    let close_at = |at: i64| {
        let mut out = Vec::new();
        aggregator.close_due(micros(START + at).into(), &mut out);
        summary(&out)
    };
    fed(&aggregator, [trade(0, 1.0, 1)]);
    assert_eq!(close_at(MINUTE + 1_999_999), []);
    assert_eq!(close_at(MINUTE + 2_000_000), [(0, 1)]);
    assert_eq!(aggregator.open_parts(), 0);
    // A clock that goes back opens nothing again.
    assert_eq!(close_at(0), []);
    assert_eq!(
        fed(
            &aggregator,
            [trade(5, 1.0, 2), trade(MINUTE, 1.0, 4), trade(6, 1.0, 8)]
        ),
        []
    );
    assert_eq!(aggregator.counts().late_trades, 2);
    assert_eq!(close_at(MINUTE), [(0, 10)]);
    assert_eq!(close_at(i64::MAX / 2_000), [(1, 4)]);
}

#[test]
fn a_checkpoint_gives_what_is_new_and_the_minute_goes_on() {
    let aggregator = Aggregator::default();
    let mut out = Vec::new();
    fed(&aggregator, [trade(0, 1.0, 1)]);
    aggregator.checkpoint(&mut out);
    aggregator.checkpoint(&mut out);
    fed(&aggregator, [trade(1, 2.0, 2)]);
    aggregator.checkpoint(&mut out);
    out.extend(fed(&aggregator, [trade(MINUTE, 3.0, 4)]));
    assert_eq!(summary(&out), [(0, 1), (0, 2)]);
    assert_eq!(aggregator.counts().late_trades, 0);
    aggregator.checkpoint(&mut out);
    fed(&aggregator, [trade(0, 1.0, 8), trade(MINUTE, 1.0, 16)]);
    assert_eq!(aggregator.counts().late_trades, 1);
    assert_eq!(summary(&flushed(&aggregator)), [(0, 8), (1, 16)]);
}

#[test]
fn a_replay_of_old_trades_makes_a_part_per_minute_and_not_per_trade() {
    let aggregator = Aggregator::new(AggregatorOptions {
        late_minutes: 3,
        ..AggregatorOptions::default()
    });
    fed(&aggregator, [trade(100 * MINUTE, 1.0, 1)]);
    let old = (0..10).flat_map(|minute| (0..50).map(move |at| trade(minute * MINUTE + at, 1.0, 1)));
    let parts = fed(&aggregator, old);
    let expected: Vec<(i64, i64)> = (0..7).map(|minute| (minute, 50)).collect();
    assert_eq!(summary(&parts), expected);
    assert_eq!(aggregator.open_parts(), 4);
}

#[test]
fn symbols_are_bounded_and_none_of_their_trades_is_lost() {
    let aggregator = Aggregator::new(AggregatorOptions {
        symbols: 128,
        ..AggregatorOptions::default()
    });
    let of = |symbol: i32| Tick {
        symbol: format!("S{symbol}"),
        ..trade(0, 1.0, 1)
    };
    let mut parts = fed(&aggregator, (0..2_000).map(of));
    assert!(aggregator.open_parts() <= 128);
    parts.extend(flushed(&aggregator));
    assert_eq!(merged(parts).len(), 2_000);
}

#[test]
fn more_volume_than_a_bar_holds_is_two_parts() {
    let aggregator = Aggregator::default();
    let mut parts = fed(&aggregator, [trade(0, 1.0, i64::MAX), trade(1, 2.0, 1)]);
    parts.extend(flushed(&aggregator));
    assert_eq!(summary(&parts), [(0, i64::MAX), (0, 1)]);
}

#[test]
fn what_was_fed_is_counted() {
    let aggregator = Aggregator::default();
    let mut out = Vec::new();
    let quote = Tick {
        price: f64::NAN,
        kind: TickKind::Quote,
        ..trade(0, 0.0, 0)
    };
    aggregator.feed(&quote, &mut out).unwrap();
    let error = aggregator.feed(&trade(0, 1.0, -1), &mut out).unwrap_err();
    assert_eq!(error, TickError::Size { size: -1 });
    fed(&aggregator, [trade(MINUTE, 1.0, 1), trade(0, 1.0, 1)]);
    let expected = TickCounts {
        trades: 2,
        late_trades: 1,
        quotes: 1,
        refused: 1,
    };
    assert_eq!(aggregator.counts(), expected);
    assert_eq!(flushed(&aggregator).len(), 2);
}

#[test]
fn the_ends_of_time_are_minutes_too() {
    let aggregator = Aggregator::default();
    let at = |timestamp| Tick {
        timestamp,
        ..trade(0, 1.0, 1)
    };
    let earliest: Timestamp = "1677-09-21T00:13:00Z".parse().unwrap();
    let mut parts = fed(&aggregator, [at(earliest), at(Timestamp::MAX)]);
    aggregator.close_due(Timestamp::MIN, &mut parts);
    aggregator.close_due(Timestamp::MAX, &mut parts);
    // The last minute ends after all times.
    assert_eq!(parts.len(), 1);
    parts.extend(flushed(&aggregator));
    assert!(
        parts.len() == 2 && parts.iter().all(|part| part.check().is_ok()),
        "{parts:?}"
    );
}

#[test]
fn feeders_in_parallel_lose_nothing() {
    const SYMBOLS: [&str; 5] = ["AAPL", "MSFT", "NVDA", "GOOG", "AMZN"];
    let aggregator = Aggregator::default();
    let feed = |thread: i64| {
        let mut out = Vec::new();
        for at in 0..100 {
            for symbol in SYMBOLS {
                let tick = Tick {
                    symbol: symbol.to_owned(),
                    ..trade(at * 3_000_000 + thread, 100.0 + at as f64, 10)
                };
                aggregator.feed(&tick, &mut out).unwrap();
            }
            if at % 10 == thread {
                aggregator.checkpoint(&mut out);
            }
            if at % 10 == thread + 5 {
                aggregator.close_due(micros(START + at * 3_000_000).into(), &mut out);
            }
        }
        out
    };
    let mut parts: Vec<Bar> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| scope.spawn(move || feed(thread)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    parts.extend(flushed(&aggregator));
    let bars = merged(parts);
    assert_eq!(bars.len(), SYMBOLS.len() * 5);
    for bar in bars.values() {
        assert_eq!(bar.volume, 4 * 20 * 10);
        assert_eq!((bar.close - bar.open, bar.high - bar.low), (19.0, 19.0));
    }
    assert_eq!(aggregator.counts().trades, 4 * 5 * 100);
}

/// What may happen to an aggregator.
#[derive(Clone, Debug)]
enum Event {
    Tick(Tick),
    CloseDue(Timestamp),
    Checkpoint,
    Flush,
}

fn any_event() -> impl Strategy<Value = Event> {
    let at = || 0..5 * MINUTE / 1_000;
    let symbol = prop::sample::select(vec!["AAPL", "MSFT", "茅台"]);
    // Few microseconds, so that trades at the same time are common.
    let times = prop_oneof![
        at().prop_map(|at| at * 1_000),
        (0..5_i64).prop_map(|at| at * MINUTE)
    ];
    let size = prop_oneof![Just(0), 0..1_000_i64];
    let tick = (
        symbol,
        times,
        -5_000..20_000_i64,
        size,
        prop::bool::weighted(0.9),
    )
        .prop_map(|(symbol, at, cents, size, is_trade)| {
            Event::Tick(Tick {
                symbol: symbol.to_owned(),
                kind: if is_trade {
                    TickKind::Trade
                } else {
                    TickKind::Quote
                },
                ..trade(at, cents as f64 / 100.0, size)
            })
        });
    prop_oneof![
        20 => tick,
        2 => at().prop_map(|at| Event::CloseDue(micros(START + at * 1_000).into())),
        2 => Just(Event::Checkpoint),
        1 => Just(Event::Flush),
    ]
}

fn any_options() -> impl Strategy<Value = AggregatorOptions> {
    (0..5_u64, 0..4_usize, 0..200_usize).prop_map(|(grace, late_minutes, symbols)| {
        AggregatorOptions {
            grace: Duration::from_secs(grace),
            late_minutes,
            symbols,
        }
    })
}

/// The parts that come out while `events` happen, and the ticks among them.
fn run(options: AggregatorOptions, events: Vec<Event>) -> (Vec<Bar>, Vec<Tick>) {
    let aggregator = Aggregator::new(options);
    let (mut out, mut ticks) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Tick(tick) => {
                aggregator.feed(&tick, &mut out).unwrap();
                ticks.push(tick);
            }
            Event::CloseDue(now) => aggregator.close_due(now, &mut out),
            Event::Checkpoint => aggregator.checkpoint(&mut out),
            Event::Flush => aggregator.flush(&mut out),
        }
    }
    aggregator.flush(&mut out);
    assert_eq!(aggregator.open_parts(), 0);
    (out, ticks)
}

proptest! {
    #[test]
    fn parts_are_the_bars_in_the_order_in_which_they_come(
        options in any_options(),
        events in prop::collection::vec(any_event(), 0..300),
    ) {
        let (parts, ticks) = run(options, events);
        for part in &parts {
            prop_assert_eq!(part.check(), Ok(()));
        }
        assert_same(merged(parts), direct(&ticks));
    }

    #[test]
    fn parts_are_the_bars_in_any_order(
        options in any_options(),
        mut events in prop::collection::vec(any_event(), 0..300),
        seed in any::<u64>(),
    ) {
        // Which of two trades at the same microsecond was first, no order but that of arrival tells.
        for (at, event) in events.iter_mut().enumerate() {
            if let Event::Tick(tick) = event {
                tick.timestamp = tick.timestamp + Duration::from_micros(at as u64);
            }
        }
        let (mut parts, ticks) = run(options, events);
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        parts.sort_by_cached_key(|part| hasher.hash_one((seed, part.volume, part.opened_at)));
        assert_same(merged(parts), direct(&ticks));
    }
}
