//! What is read, what is refused, and that what was written reads back the same.

use std::io::{self, Read};

use annals_market::{Bar, Zone};
use annals_record::TimestampMicros;
use proptest::prelude::*;

use super::*;

const HEADER: &str = "symbol,timestamp,open,high,low,close,volume,vwap\n";

fn time(text: &str) -> TimestampMicros {
    TimestampMicros::floor(text.parse().unwrap())
}

fn new_york() -> CsvFormat {
    CsvFormat {
        zone: Zone::named("America/New_York").unwrap(),
        ..CsvFormat::default()
    }
}

fn mapped(pairs: &[(Column, &str)]) -> CsvFormat {
    let columns = pairs
        .iter()
        .map(|(column, name)| (*column, (*name).to_owned()));
    CsvFormat {
        columns: columns.collect(),
        ..CsvFormat::default()
    }
}

fn rows(text: impl AsRef<[u8]>, format: &CsvFormat) -> Vec<Result<(u64, Bar), String>> {
    let reader = CsvReader::new(text.as_ref(), format).unwrap();
    reader
        .map(|row| row.map_err(|refused| refused.to_string()))
        .collect()
}

fn bars(text: impl AsRef<[u8]>, format: &CsvFormat) -> Vec<Bar> {
    rows(text, format)
        .into_iter()
        .map(|row| row.unwrap().1)
        .collect()
}

fn header_error(text: impl AsRef<[u8]>, format: &CsvFormat) -> String {
    CsvReader::new(text.as_ref(), format)
        .unwrap_err()
        .to_string()
}

#[test]
fn columns_are_found_by_what_programs_call_them() {
    let expected = Bar::new(
        "AAPL",
        time("2026-01-05T14:30:00Z"),
        [1.0, 4.0, 0.5, 2.0],
        30,
        1.5,
    );
    let expected = vec![expected.unwrap()];
    for (header, row) in [
        (
            "Ticker,Date,Open,High,Low,Close,Volume,VWAP",
            "AAPL,2026-01-05T14:30Z,1,4,0.5,2,30,1.5",
        ),
        (
            "v,vwap,c,l,h,o,time,symbol",
            "30,1.5,2,.5,4,1.0,1767623400,AAPL",
        ),
        (
            "SYMBOL, DateTime ,o,h,l,c,Vol,vwap,note",
            "AAPL, 2026-01-05 14:30 , 1 ,4,5e-1,2,30.0, 1.5,x",
        ),
    ] {
        assert_eq!(
            bars(format!("{header}\n{row}\n"), &CsvFormat::default()),
            expected
        );
    }
}

#[test]
fn a_mapping_wins_over_common_names_and_may_use_a_column_twice() {
    let text = "Close,close,day,symbol,volume\n5,7,2026-01-05,FUND,0\n";
    let format = mapped(&[
        (Column::Timestamp, "DAY"),
        (Column::Open, "close"),
        (Column::High, "close"),
        (Column::Low, "Close"),
        (Column::Close, "Close"),
    ]);
    let read = bars(text, &format);
    assert_eq!((read[0].open, read[0].low, read[0].close), (7.0, 5.0, 5.0));
    assert_eq!(read[0].vwap, (7.0 + 5.0 + 5.0) / 3.0);
}

#[test]
fn one_symbol_for_every_row() {
    let format = CsvFormat {
        symbol: Some("AAPL".to_owned()),
        ..CsvFormat::default()
    };
    let text = "date,o,h,l,c,v\n20260105,1,1,1,1,1\n";
    assert_eq!(bars(text, &format)[0].symbol, "AAPL");
    assert_eq!(
        header_error(HEADER, &format),
        "the header has the column \"symbol\" of symbols, and every row is to be of \"AAPL\": \
         leave one of them out"
    );
}

#[test]
fn a_header_that_cannot_do_says_the_way_out() {
    let any = CsvFormat::default();
    let cases = [
        (
            "",
            &any,
            "the input is empty: its first line must name the columns",
        ),
        (
            "ticker,Day,open,high,low,last,volume\n",
            &any,
            "no column of the header stands for timestamp, close: it has \"ticker\", \"Day\", \
             \"open\", \"high\", \"low\", \"last\", \"volume\"; name the columns that do, such as \
             timestamp=Day",
        ),
        (
            "symbol;time;o;h;l;c;v\n",
            &any,
            "the header is the single field \"symbol;time;o;h;l;c;v\": is the delimiter ';' \
             instead of ','?",
        ),
        (
            "symbol,date,time,o,h,l,c,v\n",
            &any,
            "\"date\" and \"time\" of the header both stand for timestamp: name the one that does",
        ),
        (
            "symbol,time,o,h,l,c,v,v\n",
            &any,
            "the header has more than one column \"v\", which is to stand for volume: rename one",
        ),
    ];
    for (text, format, message) in cases {
        assert_eq!(header_error(text, format), message);
    }
    assert_eq!(
        header_error(HEADER, &mapped(&[(Column::Open, "first")])),
        "the header has no column \"first\" for open: it has \"symbol\", \"timestamp\", \"open\", \
         \"high\", \"low\", \"close\", \"volume\", \"vwap\""
    );
    let endless = "x".repeat(MAX_RECORD + 1);
    assert!(header_error(endless, &any).starts_with("the header is longer than 64 KiB"));
    for delimiter in [b'"', b'\n', b'a', b'1', b'.', 0xc3] {
        let format = CsvFormat {
            delimiter,
            ..CsvFormat::default()
        };
        assert!(header_error(HEADER, &format).contains("cannot be a delimiter"));
    }
}

#[test]
fn a_bad_row_refuses_itself_alone_with_its_line() {
    let text = [
        "symbol,timestamp,open,high,low,close,volume,vwap",
        "A,2026-01-05T14:30:00Z,1,1,1,1,1,1",
        "A,2026-01-05T14:31:00Z,1,1,1,1,1",
        "",
        "A,2026-01-05T14:32:00Z,one,1,1,1,1,1",
        "\"two",
        "lines\",2026-01-05T14:33:00Z,1,1,1,1,1,1",
        "A,yesterday,1,1,1,1,1,1",
        "A,2026-01-05T14:34:30Z,1,1,1,1,1,1",
        "A,2026-01-05T14:34:00.0000001Z,1,1,1,1,1,1",
        "A,2026-01-05T14:34:00Z,1,1,2,1,1,1",
        "A,2026-01-05T14:34:00Z,NaN,1,1,1,1,1",
        "A,2026-01-05T14:34:00Z,1,1,1,1,1.5,1",
        "A,2026-01-05T14:34:00Z,1,1,1,1,9223372036854775808,1",
        ",2026-01-05T14:34:00Z,1,1,1,1,1,1",
        "A,2026-01-05T14:35:00Z,1,1,1,1,1,",
    ];
    let expected = [
        Ok(2),
        Err("line 3: it has 7 field(s), but the header has 8"),
        Err("line 5: open is \"one\", which is no number such as 150.25"),
        Ok(6),
        Err(
            "line 8: \"yesterday\" is no time: write 2026-01-05T14:30:00Z, or 2026-01-05 14:30, \
             2026-01-05 or 20260105 by the clocks of UTC, or a whole number of seconds, \
             milliseconds, microseconds or nanoseconds since 1970",
        ),
        Err("line 9: the timestamp 2026-01-05T14:34:30Z is not on the minute"),
        Err("line 10: the timestamp 2026-01-05T14:34:00.0000001Z is not on the minute"),
        Err("line 11: high 1 is below low 2"),
        Err("line 12: open is NaN, which is no finite number"),
        Err("line 13: volume is \"1.5\", which is no whole number up to 2^63-1"),
        Err("line 14: volume is \"9223372036854775808\", which is no whole number up to 2^63-1"),
        Err("line 15: the symbol is empty"),
        Ok(16),
    ]
    .map(|row| row.map_err(str::to_owned));
    for end in ["\n", "\r\n"] {
        for mark in ["", "\u{feff}"] {
            let read = rows(format!("{mark}{}", text.join(end)), &CsvFormat::default());
            let read: Vec<_> = read
                .into_iter()
                .map(|row| row.map(|(line, _)| line))
                .collect();
            assert_eq!(read, expected, "{end:?} {mark:?}");
        }
    }
}

#[test]
fn an_input_that_comes_byte_by_byte_reads_the_same() {
    struct Trickle<'a>(&'a [u8], bool);
    impl Read for Trickle<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = room.len().min(1);
            self.0.read(&mut room[..count])
        }
    }
    let text = format!("\u{feff}{HEADER}\"a\r\n\"\"b\",20260105,1,1,1,1,1,\r\n\r\nA,x\r\n");
    let format = CsvFormat::default();
    let read = CsvReader::new(Trickle(text.as_bytes(), false), &format).unwrap();
    let read: Vec<_> = read
        .map(|row| row.map_err(|refused| refused.to_string()))
        .collect();
    assert_eq!(read, rows(&text, &format));
    assert_eq!(read[0].as_ref().unwrap().1.symbol, "a\r\n\"b");
    assert_eq!(
        read[1].as_ref().unwrap_err(),
        "line 5: it has 2 field(s), but the header has 8"
    );
}

#[test]
fn a_quote_that_is_not_closed_costs_no_memory_and_says_how_far_it_went() {
    let row = "A,2026-01-05T14:30:00Z,1,1,1,1,1,1\n";
    let text = format!("{HEADER}{row}\"{}\"\n{row}", row.repeat(10_000));
    let read = rows(text, &CsvFormat::default());
    assert_eq!(read.len(), 3);
    assert_eq!(
        read[1].as_ref().unwrap_err(),
        "line 3: it is longer than 64 KiB or 1024 fields, up to line 10003, and all of that was \
         skipped: is a quote not closed?"
    );
    assert_eq!(read[2].as_ref().unwrap().0, 10_004);
    let many = format!("{HEADER}{}\n{row}", ",".repeat(5_000));
    let read = rows(many, &CsvFormat::default());
    assert!(
        read[0]
            .as_ref()
            .unwrap_err()
            .starts_with("line 2: it is longer than")
    );
    assert_eq!(read[1].as_ref().unwrap().0, 3);
}

#[test]
fn bytes_that_are_no_text_refuse_their_row() {
    let mut text = HEADER.as_bytes().to_vec();
    text.extend(b"caf\xe9,20260105,1,1,1,1,1,1\nA,20260105,1,1,1,1,1,1\n");
    let read = rows(text, &CsvFormat::default());
    assert_eq!(
        read[0].as_ref().unwrap_err(),
        "line 2: symbol is not UTF-8: save the file in that encoding"
    );
    assert_eq!(read[1].as_ref().unwrap().0, 3);
}

#[test]
fn an_input_that_fails_ends_with_its_failure() {
    struct Gone;
    impl Read for Gone {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let text = HEADER.as_bytes().chain(Gone);
    let mut reader = CsvReader::new(text, &CsvFormat::default()).unwrap();
    assert_eq!(
        reader.next().unwrap().unwrap_err().to_string(),
        "line 2: the input cannot be read any further: the disk is gone"
    );
    assert!(reader.next().is_none());
}

#[test]
fn times_are_read_as_they_are_written() {
    let clock = Clock::of(&new_york().zone).unwrap();
    for (text, expected) in [
        ("2026-01-05T14:30:00Z", "2026-01-05T14:30:00Z"),
        ("2026-01-05t14:30:00z", "2026-01-05T14:30:00Z"),
        ("2026-01-05 14:30:00.000+00", "2026-01-05T14:30:00Z"),
        ("2026-01-05 09:30:00-05:00", "2026-01-05T14:30:00Z"),
        ("2026-01-05T20:00+0530", "2026-01-05T14:30:00Z"),
        ("2026-01-05T09:30:00", "2026-01-05T14:30:00Z"),
        (" 2026-01-05 09:30 ", "2026-01-05T14:30:00Z"),
        ("2026-07-06 09:30", "2026-07-06T13:30:00Z"),
        ("2026-01-05", "2026-01-05T05:00:00Z"),
        ("20260706", "2026-07-06T04:00:00Z"),
        // Twice: the earlier.
        ("2024-11-03 01:30", "2024-11-03T05:30:00Z"),
        ("2024-11-03 01:30:00-05:00", "2024-11-03T06:30:00Z"),
        ("2024-03-10 03:00", "2024-03-10T07:00:00Z"),
        // By size.
        ("0", "1970-01-01T00:00:00Z"),
        ("-60", "1969-12-31T23:59:00Z"),
        ("99999999999", "range"),
        ("9223372036", "2262-04-11T23:47:16Z"),
        ("1767623400", "2026-01-05T14:30:00Z"),
        ("100000000000", "1973-03-03T09:46:40Z"),
        ("1767623400000", "2026-01-05T14:30:00Z"),
        ("1767623400000000", "2026-01-05T14:30:00Z"),
        ("1767623400000000000", "2026-01-05T14:30:00Z"),
        ("-1767623400000", "1913-12-27T09:30:00Z"),
        ("9223372036854775808", "range"),
        ("1600-01-01", "range"),
        ("2024-03-10 02:30", "skipped"),
        ("", "none"),
        ("-", "none"),
        ("20261305", "none"),
        ("2026-02-29", "none"),
        ("2026-02-29T00:00:00Z", "none"),
        ("2026-01-05T", "none"),
        ("2026-01-05T9:30", "none"),
        ("2026-01-05T24:00", "none"),
        ("2026-01-05 09:30:00[Europe/Berlin]", "none"),
        ("2026-01-05 09:30 PM", "none"),
        ("01/05/2026", "none"),
        ("1767623400.5", "none"),
        ("+20260105", "none"),
        ("２０２６-01-05", "none"),
    ] {
        let read = match clock.read(text) {
            Ok(time) => time.to_string(),
            Err(TimeError::OutOfRange { .. }) => "range".to_owned(),
            Err(TimeError::Skipped { .. }) => "skipped".to_owned(),
            Err(_) => "none".to_owned(),
        };
        assert_eq!(read, expected, "{text:?}");
    }
    assert_eq!(
        clock.read("2024-03-10 02:30").unwrap_err().to_string(),
        "\"2024-03-10 02:30\" was skipped by the clocks of America/New_York, which were put \
         forward: write it with its offset"
    );
}

#[test]
fn a_date_is_where_its_day_begins_even_when_midnight_is_skipped_or_comes_twice() {
    for (zone, date, start) in [
        (
            "America/Sao_Paulo",
            "2018-11-04",
            Some("2018-11-04T03:00:00Z"),
        ),
        ("America/Havana", "2024-11-03", Some("2024-11-03T04:00:00Z")),
        ("Pacific/Apia", "2011-12-30", None),
    ] {
        let clock = Clock::of(&Zone::named(zone).unwrap()).unwrap();
        let read = clock.read(date).ok().map(|time| time.to_string());
        assert_eq!(read.as_deref(), start, "{zone}");
    }
    let clock = Clock::of(&new_york().zone).unwrap();
    for (text, end) in [
        ("2024-11-03", "2024-11-04T04:59:59.999999Z"),
        ("20240310", "2024-03-11T03:59:59.999999Z"),
        ("2024-03-10 12:00", "2024-03-10T16:00:00Z"),
    ] {
        assert_eq!(clock.read_end(text).unwrap().to_string(), end);
    }
}

#[test]
fn times_are_told_with_their_offset() {
    for (zone, instant, told) in [
        ("UTC", "2026-01-05T14:30:00Z", "2026-01-05T14:30:00Z"),
        (
            "America/New_York",
            "2026-01-05T14:30:00Z",
            "2026-01-05T09:30:00-05:00",
        ),
        (
            "Asia/Kathmandu",
            "2026-01-05T14:30:00Z",
            "2026-01-05T20:15:00+05:45",
        ),
        // -04:56:02, which RFC 3339 cannot say.
        (
            "America/New_York",
            "1880-01-01T00:00:00Z",
            "1880-01-01T00:00:00Z",
        ),
    ] {
        let clock = Clock::of(&Zone::named(zone).unwrap()).unwrap();
        assert_eq!(clock.show(time(instant)), told);
    }
}

#[test]
fn every_zone_has_a_clock() {
    let zones = jiff::tz::db().available();
    let known = zones.filter_map(|name| Zone::named(name.as_str()).ok());
    let mut count = 0;
    for zone in known {
        Clock::of(&zone).unwrap();
        count += 1;
    }
    assert!(count > 400, "{count}");
}

fn any_bar() -> impl Strategy<Value = Bar> {
    let price = || {
        prop_oneof![
            proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
            (-100_000_i64..10_000_000).prop_map(|cents| cents as f64 / 100.0),
        ]
    };
    let symbol = prop_oneof![
        "[A-Z]{1,5}(\\.[A-Z])?",
        "[^\u{0}]{1,12}",
        "[ \",;\r\n\t#\u{feff}]{1,6}",
    ];
    (
        symbol,
        -150_000_000_i64..150_000_000,
        [price(), price(), price(), price()],
        0..=i64::MAX,
        price(),
    )
        .prop_map(|(symbol, minute, mut prices, volume, vwap)| {
            let [open, close, ..] = prices;
            prices.sort_unstable_by(f64::total_cmp);
            let [low, .., high] = prices;
            let time = TimestampMicros::from_unix_micros(minute * 60_000_000).unwrap();
            Bar::new(symbol, time, [open, high, low, close], volume, vwap).unwrap()
        })
}

proptest! {
    #[test]
    fn what_was_written_reads_back_the_same(
        written in prop::collection::vec(any_bar(), 0..20),
        told_in in prop::sample::select(vec!["UTC", "America/New_York", "Asia/Kathmandu", "Europe/London"]),
        read_in in prop::sample::select(vec!["UTC", "Australia/Lord_Howe"]),
    ) {
        let mut writer = CsvWriter::new(Vec::new(), &Zone::named(told_in).unwrap()).unwrap();
        for bar in &written {
            writer.write(bar).unwrap();
        }
        let text = writer.finish().unwrap();
        let format = CsvFormat { zone: Zone::named(read_in).unwrap(), ..CsvFormat::default() };
        let read = bars(text, &format);
        prop_assert_eq!(read.len(), written.len());
        for (read, written) in read.iter().zip(&written) {
            let bits = |bar: &Bar| {
                [bar.open, bar.high, bar.low, bar.close, bar.vwap].map(f64::to_bits)
            };
            prop_assert_eq!(bits(read), bits(written));
            prop_assert_eq!(read, written);
        }
    }

    #[test]
    fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut text = HEADER.as_bytes().to_vec();
        text.extend(bytes);
        let reader = CsvReader::new(text.as_slice(), &CsvFormat::default()).unwrap();
        let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let mut last = 1;
        for row in reader {
            let line = row.map_or_else(|refused| refused.line, |(line, _)| line);
            prop_assert!(line >= last && line <= lines);
            last = line;
        }
    }

    #[test]
    fn no_text_makes_a_clock_fail(text in "[-0-9T:Zz+. ]{0,30}|\\PC{0,20}") {
        let clock = Clock::of(&new_york().zone).unwrap();
        let _ = (clock.read(&text), clock.read_end(&text));
    }
}
