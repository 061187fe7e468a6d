//! Real input: bars of five stocks, and bars of a minute over both changes of the clocks, come back as pandas
//! has them, as they were and rolled up.

use annals_testkit::{TestDatabase, on_every_backend};

use crate::{
    program::Run,
    serving::{is_wanted, script},
};

on_every_backend!(bars_come_back_as_pandas_has_them);

/// What is compared, and of how many bars; of the rest no more is known here than that there are some.
const ROADS: [(&str, usize); 16] = [
    ("AAPL, mapped", 3_270),
    ("AAPL, export", 3_270),
    ("AAPL, get", 3_270),
    ("FB, days", 196),
    ("GOOG, get", 2_148),
    ("IBM, days", 3_270),
    ("MSFT, export", 3_270),
    ("spring, 1d America/New_York", 31),
    ("spring, 1d America/New_York, by dates", 29),
    ("spring, 1d UTC", 32),
    ("spring, 1d Asia/Kathmandu", 32),
    ("spring, 1d Europe/London", 32),
    ("autumn, 1d America/New_York", 31),
    ("autumn, 1d UTC, by dates", 30),
    ("autumn, 1d Asia/Kathmandu", 32),
    ("autumn, 1d Europe/London, by dates", 30),
];

/// What is drawn, and of at least how many bars.
const DRAWN: [(&str, usize); 8] = [
    ("spring, 1m", 20_000),
    ("spring, 5m", 7_500),
    ("spring, 15m", 2_500),
    ("spring, 1h", 690),
    ("autumn, 1m", 20_000),
    ("autumn, 5m", 7_500),
    ("autumn, 15m", 2_500),
    ("autumn, 1h", 690),
];

async fn bars_come_back_as_pandas_has_them(database: TestDatabase) {
    if !is_wanted("python") {
        return;
    }
    let output = script("python/python.sh")
        .arg("bars_against_pandas.py")
        .arg(env!("CARGO_BIN_EXE_annals"))
        .env("DATABASE_URL", &database.url)
        .output()
        .unwrap();
    let run = Run::from(output);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    for (road, bars) in ROADS {
        assert_eq!(compared(&run, road), Some(bars), "{road}: {run:?}");
    }
    for (road, least) in DRAWN {
        assert!(compared(&run, road) >= Some(least), "{road}: {run:?}");
    }
    // The comparison was doubted too.
    let altered: Option<usize> = run.out.lines().find_map(|line| {
        let line = line.strip_prefix("every one of ")?;
        line.strip_suffix(" alterations is seen")?.parse().ok()
    });
    assert!(altered >= Some(350), "{run:?}");
}

/// Of how many bars all six numbers were compared.
fn compared(run: &Run, road: &str) -> Option<usize> {
    run.out.lines().find_map(|line| {
        let line = line.strip_prefix(road)?.strip_prefix(": ")?;
        let (bars, numbers) = line
            .strip_suffix(" numbers are the same")?
            .split_once(" bars with ")?;
        let (bars, numbers): (usize, usize) = (bars.parse().ok()?, numbers.parse().ok()?);
        (numbers == 6 * bars).then_some(bars)
    })
}
