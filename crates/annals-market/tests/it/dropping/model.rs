//! Any order of writes, refreshes and drops, against a model of what bars there should be.

use std::collections::{BTreeMap, BTreeSet};

use annals_market::{Bar, Timeframe, Zone, refresh, roll_up};
use annals_testkit::{TestDatabase, on_every_backend};

use super::{drop_before, drop_without_asking, longer, questions, read};
use crate::{
    open,
    rollups::{Dice, later, refresh_all, waiting, write},
    time,
};

on_every_backend!(any_order_of_writes_refreshes_and_drops_keeps_every_hour_whole);

/// What bars there should be: of hours that have lost minutes those from before, of others those of their
/// minutes.
#[derive(Default)]
struct Model {
    minutes: BTreeMap<(String, i64), Bar>,
    /// By symbol and hour, what the three stored levels have.
    kept: BTreeMap<(String, i64), [Vec<Bar>; 3]>,
}

impl Model {
    fn hour(n: i64) -> i64 {
        (n + 30).div_euclid(60)
    }

    fn write(&mut self, batch: &[(i64, Bar)]) {
        for (n, bar) in batch {
            self.minutes.insert((bar.symbol.clone(), *n), bar.clone());
        }
    }

    fn of_hour(&self, key: &(String, i64)) -> [Vec<Bar>; 3] {
        if let Some(kept) = self.kept.get(key) {
            return kept.clone();
        }
        let minutes = |n: i64| (key.0.clone(), key.1 * 60 - 30 + n);
        let of_hour = self.minutes.range(minutes(0)..minutes(60));
        let of_hour: Vec<Bar> = of_hour.map(|(_, bar)| bar.clone()).collect();
        [Timeframe::M5, Timeframe::M15, Timeframe::H1]
            .map(|timeframe| roll_up(of_hour.clone(), timeframe, &Zone::utc()).unwrap())
    }

    fn drop(&mut self, from: i64, until: i64) {
        let touched = |hour: i64| Self::hour(from) <= hour && hour <= Self::hour(until - 1);
        let hours = self
            .minutes
            .keys()
            .map(|(symbol, n)| (symbol.clone(), Self::hour(*n)));
        let hours: BTreeSet<(String, i64)> = hours.filter(|(_, hour)| touched(*hour)).collect();
        for key in hours {
            let kept = self.of_hour(&key);
            self.kept.insert(key, kept);
        }
        self.minutes.retain(|(_, n), _| *n < from || *n >= until);
    }

    /// As [`longer`] reads it.
    fn longer(&self, symbols: &[&str]) -> Vec<Vec<Bar>> {
        let mut all = Vec::new();
        for symbol in symbols {
            let of_symbol = |key: &&(String, i64)| key.0 == *symbol;
            let hours = self.minutes.keys().filter(of_symbol);
            let mut hours: BTreeSet<i64> = hours.map(|(_, n)| Self::hour(*n)).collect();
            let kept = self.kept.keys().filter(of_symbol);
            hours.extend(kept.map(|(_, hour)| *hour));
            let mut levels: [Vec<Bar>; 3] = Default::default();
            for hour in hours {
                let of_hour = self.of_hour(&((*symbol).to_owned(), hour));
                for (level, bars) in levels.iter_mut().zip(of_hour) {
                    level.extend(bars);
                }
            }
            let quarters = levels[1].clone();
            all.extend(levels);
            for (timeframe, zone) in &questions()[3..] {
                all.push(roll_up(quarters.clone(), *timeframe, zone).unwrap());
            }
        }
        all
    }
}

async fn any_order_of_writes_refreshes_and_drops_keeps_every_hour_whole(database: TestDatabase) {
    let bars = open(&database).await;
    let symbols = ["A", "b\"'", "C"];
    let mut model = Model::default();
    let mut dice = Dice(11);
    let mut dropped = 0;
    for round in 0..120 {
        let place = |dice: &mut Dice| dice.roll(4_000) as i64;
        match dice.roll(8) {
            0 => {
                let now = time(place(&mut dice));
                let _ = bars.refresh(now).await.unwrap();
            }
            1 => {
                refresh_all(&bars, later()).await;
            }
            2 => {
                // Mostly a little further, sometimes the same or less.
                dropped = (dropped + dice.roll(500) as i64 - 100).max(0);
                drop_before(&bars, dropped).await;
                model.drop(-1_000_000, dropped);
            }
            3 => {
                // A part of what was, as chunks of a time that are told again.
                let from = place(&mut dice);
                let until = from + 1 + dice.roll(300) as i64;
                refresh_all(&bars, later()).await;
                drop_without_asking(&bars, Some(from), until).await;
                model.drop(from, until);
            }
            4 => {
                let symbol = [None, Some("A"), Some("C")][dice.roll(3) as usize];
                let start = [None, Some(time(place(&mut dice)))][dice.roll(2) as usize];
                let end = [None, Some(time(place(&mut dice)))][dice.roll(2) as usize];
                refresh::mark_changed(bars.store(), symbol, start, end)
                    .await
                    .unwrap();
            }
            _ => {
                let start = place(&mut dice);
                let step = [1, 1, 7, 90][dice.roll(4) as usize];
                let count = 1 + dice.roll(60) as i64;
                let batch = (0..count).map(|n| {
                    let n = start + n * step;
                    let symbol = symbols[dice.roll(3) as usize];
                    (n, dice.bar(symbol, n))
                });
                let batch: Vec<(i64, Bar)> = batch.collect();
                model.write(&batch);
                write(&bars, batch.into_iter().map(|(_, bar)| bar).collect()).await;
            }
        }
        if round % 3 == 0 {
            assert_eq!(
                longer(&bars, &symbols).await,
                model.longer(&symbols),
                "{round}"
            );
            for symbol in symbols {
                let expected = model.minutes.iter().filter(|((of, _), _)| of == symbol);
                let expected: Vec<Bar> = expected.map(|(_, bar)| bar.clone()).collect();
                assert_eq!(read(&bars, symbol, Timeframe::M1).await, expected);
            }
        }
    }
    refresh_all(&bars, later()).await;
    assert_eq!(waiting(&bars).await, 0);
    assert_eq!(longer(&bars, &symbols).await, model.longer(&symbols));
}
