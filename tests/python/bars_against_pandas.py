"""Bars go into a database and come out again, as they were and rolled up, and every number is held against
what pandas makes of the same input.

    bars_against_pandas.py BINARY

BINARY is the program `annals`, DATABASE_URL its database, which is migrated. What goes in are the bars of a day
of five stocks since 2000 (of the package bokeh-sampledata), and bars of a minute around the clock that are drawn
from those of a day, over both changes of New York's clocks in 2012. Open, high, low, close and volume have to be
the same to the last bit, `vwap` to 1e-12 of its size.
"""

import csv
import gzip
import importlib.util
import io
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

import pandas as pd

NEW_YORK = "America/New_York"
NUMBERS = ["open", "high", "low", "close", "volume", "vwap"]
# Both changes of the clocks: 11 March and 4 November 2012.
MONTHS = {"spring": ("2012-03-01", "2012-04-01"), "autumn": ("2012-10-20", "2012-11-20")}
LENGTHS = {"5m": "5min", "15m": "15min", "1h": "1h"}
ZONES = [NEW_YORK, "UTC", "Asia/Kathmandu", "Europe/London"]


def fail(problem):
    sys.exit(f"tests/python: {problem}")


def annals(*arguments, stdin=None):
    run = subprocess.run([sys.argv[1], *arguments], input=stdin, capture_output=True)
    if run.returncode != 0:
        fail(f"annals {' '.join(arguments)} failed: {run.stdout.decode()}{run.stderr.decode()}")
    return run.stdout.decode()


def imported(rows, *arguments, stdin=None):
    report = json.loads(annals("bars", "import", *arguments, "--json", stdin=stdin))
    if report["rows"] != rows or report["committed"] != rows:
        fail(f"of {rows} rows {report} were imported")


def stocks():
    """The package's file: its bytes, and its bars by symbol, indexed by the day."""
    package = pathlib.Path(importlib.util.find_spec("bokeh_sampledata").origin).parent
    raw = gzip.decompress((package / "_data" / "stocks.csv.gz").read_bytes())
    # As text first: what pandas reads as numbers is not the nearest one in every version.
    frame = pd.read_csv(io.BytesIO(raw), dtype=str).rename(columns=str.lower)
    frame = frame.set_index(pd.DatetimeIndex(frame["date"], name="day"))
    frame = frame.astype({"open": float, "high": float, "low": float, "close": float, "volume": int})
    frame["vwap"] = (frame["high"] + frame["low"] + frame["close"]) / 3
    frame.index = frame.index.tz_localize(NEW_YORK)
    return raw, {symbol: bars[NUMBERS] for symbol, bars in frame.groupby("ticker")}


def minutes(days, start, end):
    """Bars of a minute around the clock, drawn from those of a day: always the same ones."""
    dice = random.Random(f"bars of {start}")
    clock = pd.date_range(start, end, freq="min", tz=NEW_YORK, inclusive="left")
    # Days without trade have the prices of the last one that had.
    span = {
        date.date(): (round(day["low"] * 100), round(day["high"] * 100), 2 * int(day["volume"]) // 390)
        for date, day in days.reindex(clock.normalize().unique(), method="ffill").iterrows()
    }
    rows, price = [], None
    for time in clock:
        # Nights are quiet, some hours are empty, and some minutes have no trade.
        if dice.random() < (0.2 if 9 <= time.hour < 16 else 0.6) or time.hour == time.day % 24:
            continue
        low, high, most = span[time.date()]
        price = min(max(price or low, low), high)
        walk = [price] + [min(max(price + dice.randint(-30, 30), low), high) for _ in range(3)]
        price = walk[-1]
        # One hour of each day was quoted and not traded.
        volume = 0 if time.hour == 3 else dice.randint(0, most)
        vwap = round(dice.uniform(min(walk), max(walk)) / 100, 4)
        prices = [cents / 100 for cents in (walk[0], max(walk), min(walk), walk[-1])]
        rows.append((time, *prices, volume, vwap))
    return pd.DataFrame(rows, columns=["time", *NUMBERS]).set_index("time")


def rolled_up(frame, groups):
    """Longer bars by pandas. Without any volume, the last minute's vwap counts."""
    worth = (frame["vwap"] * frame["volume"]).groupby(groups).sum()
    longer = frame.groupby(groups).agg(
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
        vwap=("vwap", "last"),
    )
    traded = longer["volume"] > 0
    longer.loc[traded, "vwap"] = worth[traded] / longer.loc[traded, "volume"]
    return longer


def by_day(frame, zone):
    """Longer bars of the days of a zone, indexed by where each begins."""
    dates = frame.index.tz_convert(zone).tz_localize(None).normalize()
    longer = rolled_up(frame, dates)
    longer.index = longer.index.tz_localize(zone)
    return longer


def rows_of(frame):
    times = frame.index.tz_convert("UTC")
    return [
        (time, *map(float, prices), int(volume), float(vwap))
        for time, *prices, volume, vwap in zip(times, *(frame[name] for name in NUMBERS))
    ]


def row(symbol, bar):
    if bar["symbol"] != symbol:
        fail(f"a bar of {bar['symbol']} came instead of {symbol}")
    prices = [float(bar[name]) for name in ("open", "high", "low", "close")]
    return (pd.Timestamp(bar["timestamp"]).tz_convert("UTC"), *prices, int(bar["volume"]), float(bar["vwap"]))


def exported(symbol, *arguments):
    text = annals("bars", "export", "--symbol", symbol, *arguments)
    return [row(symbol, bar) for bar in csv.DictReader(io.StringIO(text, newline=""))]


def got(symbol, limit, *arguments):
    """By pages of so many bars."""
    rows, after = [], []
    while True:
        text = annals("bars", "get", symbol, "--limit", str(limit), "--json", *after, *arguments)
        page = json.loads(text)
        rows += [row(symbol, bar) for bar in page["bars"]]
        if page["next"] is None:
            return rows
        after = ["--after", page["next"]]


def differences(expected, actual):
    """What differs between bars, as (place, field, expected, actual)."""
    if len(expected) != len(actual):
        return [("all", "count", len(expected), len(actual))]
    found = []
    for place, (one, other) in enumerate(zip(expected, actual)):
        for name, a, b in zip(["timestamp", *NUMBERS], one, other):
            is_same = math.isclose(a, b, rel_tol=1e-12, abs_tol=0) if name == "vwap" else a == b
            if not is_same:
                found.append((place, name, a, b))
    return found


def compare(road, expected, actual):
    found = differences(expected, actual)
    if found:
        fail(f"{road}: {len(found)} differences, such as {found[:3]}")
    print(f"{road}: {len(expected)} bars with {len(expected) * len(NUMBERS)} numbers are the same", flush=True)


def doubted(rows):
    """The comparison itself: the least alteration of every value is seen, and a bar too many or too few."""
    count = 0
    for place in range(0, len(rows), max(1, len(rows) // 50)):
        time, *numbers = rows[place]
        altered = [(time + pd.Timedelta("1us"), *numbers)]
        for at, number in enumerate(numbers):
            if NUMBERS[at] == "volume":
                other = number + 1
            elif NUMBERS[at] == "vwap":
                other = number * (1 + 3e-12)
            else:
                other = math.nextafter(number, math.inf)
            altered.append((time, *numbers[:at], other, *numbers[at + 1 :]))
        for other in altered:
            count += 1
            if not differences(rows, [*rows[:place], other, *rows[place + 1 :]]):
                fail(f"an alteration of {rows[place]} to {other} is not seen")
    if not differences(rows, rows[1:]) or not differences(rows, [*rows, rows[0]]):
        fail("a bar too many or too few is not seen")
    print(f"every one of {count} alterations is seen")


def main():
    annals("migrate", "up")
    raw, days = stocks()

    # One stock with every column named, and all of them by what their columns are called.
    with tempfile.TemporaryDirectory() as directory:
        lines = csv.DictReader(io.StringIO(raw.decode()))
        apple = [line for line in lines if line["Ticker"] == "AAPL"]
        file = pathlib.Path(directory, "AAPL.csv")
        with file.open("w", newline="") as output:
            writer = csv.writer(output, delimiter=";")
            writer.writerow(["Day", "First", "Max", "Min", "Last", "Shares"])
            names = ["Date", "Open", "High", "Low", "Close", "Volume"]
            writer.writerows([line[name] for name in names] for line in apple)
        mapping = ["timestamp=Day", "open=First", "high=Max", "low=Min", "close=Last", "volume=Shares"]
        columns = [part for name in mapping for part in ("--column", name)]
        arguments = ["--symbol", "AAPL", "--delimiter", ";", "--zone", NEW_YORK, *columns]
        imported(len(apple), str(file), *arguments)
    compare("AAPL, mapped", rows_of(days["AAPL"]), exported("AAPL"))
    imported(sum(map(len, days.values())), "-", "--zone", NEW_YORK, stdin=raw)
    for symbol, bars in days.items():
        expected = rows_of(bars)
        compare(f"{symbol}, export", expected, exported(symbol))
        compare(f"{symbol}, get", expected, got(symbol, 2_000))
        compare(f"{symbol}, days", expected, exported(symbol, "--timeframe", "1d", "--zone", NEW_YORK))
    months = days["IBM"].index.tz_localize(None).to_period("M")
    if len(set(months)) < 150:
        fail(f"the stocks are of {len(set(months))} months only")

    for month, (start, end) in MONTHS.items():
        symbol = f"IBM {month}"
        frame = minutes(days["IBM"], start, end)
        # Local times where they are clear, and with their offset where one comes twice.
        written = frame.tz_localize(None) if month == "spring" else frame
        text = written.to_csv().encode()
        imported(len(frame), "-", "--symbol", symbol, "--zone", NEW_YORK, stdin=text)
        compare(f"{month}, 1m", rows_of(frame), exported(symbol))
        for length, frequency in LENGTHS.items():
            longer = rolled_up(frame, frame.index.tz_convert("UTC").floor(frequency))
            compare(f"{month}, {length}", rows_of(longer), exported(symbol, "--timeframe", length))
        for zone in ZONES:
            longer = by_day(frame, zone)
            # All but the first and the last day, which are asked for by their dates.
            first, last = (f"{longer.index[at]:%Y-%m-%d}" for at in (1, -2))
            arguments = ["--timeframe", "1d", "--zone", zone]
            compare(f"{month}, 1d {zone}", rows_of(longer), got(symbol, 10, *arguments))
            part = exported(symbol, *arguments, "--start", first, "--end", last)
            compare(f"{month}, 1d {zone}, by dates", rows_of(longer)[1:-1], part)
        hours = {length / pd.Timedelta("1h") for length in by_day(frame, NEW_YORK).index.diff()[1:]}
        if hours != {24, 23 if month == "spring" else 25}:
            fail(f"the days of {month} have {hours} hours")
    doubted(rows_of(longer) + rows_of(days["FB"]))


if __name__ == "__main__":
    main()
