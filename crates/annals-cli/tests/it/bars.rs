//! Bars in and out by files and standard streams.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use annals_testkit::{Backend, TestDatabase, on_every_backend};
use serde_json::{Value, json};

use crate::program::{Run, annals};

on_every_backend!(
    what_was_exported_imports_to_the_same_bars,
    refused_rows_are_named_by_line_and_the_others_imported,
    a_policy_decides_about_bars_that_are_there,
    bars_that_the_table_refuses_are_parked,
    json_has_what_a_program_needs,
    a_time_range_is_read_by_the_clocks_of_its_zone,
    pages_give_every_bar_once,
    a_file_larger_than_the_queue_waits_for_room,
    bars_that_others_changed_are_rolled_up_again,
    a_reader_that_goes_is_no_failure,
);

const HEADER: &str = "symbol,timestamp,open,high,low,close,volume,vwap";

/// A directory with a database whose tables are there.
struct Place<'a> {
    directory: tempfile::TempDir,
    database: Option<&'a TestDatabase>,
}

impl<'a> Place<'a> {
    fn of(database: &'a TestDatabase) -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
            database: Some(database),
        };
        assert_eq!(place.run(&["migrate", "up"]).code, 0);
        place
    }

    fn without_database() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            database: None,
        }
    }

    fn url(&self) -> Option<&str> {
        self.database.map(|database| database.url.as_str())
    }

    fn run(&self, arguments: &[&str]) -> Run {
        annals(self.directory.path(), self.url(), arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).json()
    }

    fn file<S: AsRef<str>>(&self, name: &str, rows: &[S]) -> &Self {
        let rows = rows.iter().map(AsRef::as_ref);
        let lines: Vec<&str> = [HEADER].into_iter().chain(rows).collect();
        self.write(name, &lines.join("\n"))
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
        command
            .current_dir(self.directory.path())
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(url) = self.url() {
            command.env("DATABASE_URL", url);
        }
        command
    }

    fn with_input(&self, input: &str, arguments: &[&str]) -> Run {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap().into()
    }
}

/// So many bars of a minute in a row.
fn rows(symbol: &str, count: i64) -> Vec<String> {
    let row = |n: i64| {
        let epoch = 1_767_623_400 + n * 60;
        let price = 100.0 + (n % 50) as f64 / 8.0;
        format!(
            "{symbol},{epoch},{price},{},{},{price},{},{}",
            price + 1.0,
            price - 1.0,
            n + 1,
            price + 0.1
        )
    };
    (0..count).map(row).collect()
}

fn closes(page: &Value) -> Vec<f64> {
    let bars = page["bars"].as_array().unwrap();
    bars.iter()
        .map(|bar| bar["close"].as_f64().unwrap())
        .collect()
}

async fn what_was_exported_imports_to_the_same_bars(database: TestDatabase) {
    let place = Place::of(&database);
    let mut rows = rows("AAPL", 300);
    rows.push("\"a \"\"strange\"\", name\",2026-01-05 09:30,0.1,1e300,-5e-324,0.30000000000000004,9223372036854775807,-0.1".to_owned());
    rows.push("茅台,1969-12-31T23:59:00Z,1,1,1,1,0,".to_owned());
    place.file("in.csv", &rows);
    let import = place.run(&["bars", "import", "in.csv"]);
    assert_eq!(
        (import.code, import.out.as_str()),
        (0, "302 row(s): 302 committed, 0 parked, 0 refused\n")
    );

    let export = place.json(&["bars", "export", "--out", "out.csv"]);
    assert_eq!(export, json!({ "symbols": 3, "bars": 302 }));
    let exported = place.read("out.csv");
    assert_eq!(place.run(&["bars", "export"]).out, exported);
    assert!(
        exported.contains("AAPL,2026-01-05T14:30:00Z,100.0,101.0,99.0,100.0,1,100.1\n"),
        "{exported}"
    );
    // Into another database and out again.
    let elsewhere = Place::without_database();
    elsewhere.write("out.csv", &exported);
    assert_eq!(elsewhere.run(&["migrate", "up"]).code, 0);
    assert_eq!(elsewhere.run(&["bars", "import", "out.csv"]).code, 0);
    assert_eq!(elsewhere.run(&["bars", "export"]).out, exported);
    // By the clocks of a zone, it is the same time.
    let zoned = place
        .run(&["bars", "export", "--zone", "Asia/Kathmandu"])
        .out;
    assert!(zoned.contains("AAPL,2026-01-05T20:15:00+05:45,"), "{zoned}");
    assert_eq!(
        elsewhere.with_input(&zoned, &["bars", "import", "-"]).code,
        0
    );
    assert_eq!(elsewhere.run(&["bars", "export"]).out, exported);
    // One symbol, and one that is not there.
    let some = place.run(&["bars", "export", "--symbol", "AAPL", "--symbol", "NOPE"]);
    assert_eq!((some.code, some.out.lines().count()), (0, 301));
    assert_eq!(
        some.err,
        "there are no bars of \"NOPE\" in this time range\n"
    );
}

async fn refused_rows_are_named_by_line_and_the_others_imported(database: TestDatabase) {
    let place = Place::of(&database);
    let mut rows = rows("AAPL", 3);
    rows.insert(1, "AAPL,2026-01-05T15:00:30Z,1,1,1,1,1,1".to_owned());
    rows.extend((0..12).map(|_| "AAPL,2026-01-05,1,2,3,1,1,1".to_owned()));
    place.file("some.csv", &rows);
    let import = place.run(&["bars", "import", "some.csv"]);
    assert_eq!(import.code, 1, "{import:?}");
    assert_eq!(import.out, "16 row(s): 3 committed, 0 parked, 13 refused\n");
    let told: Vec<&str> = import.err.lines().collect();
    assert_eq!(told.len(), 11, "{told:?}");
    assert_eq!(
        told[0],
        "line 3: the timestamp 2026-01-05T15:00:30Z is not on the minute"
    );
    assert_eq!(told[1], "line 6: high 2 is below low 3");
    assert_eq!(
        told[10],
        "further refused rows are counted only; --refused-to FILE tells all"
    );

    let import = place.run(&[
        "bars",
        "import",
        "some.csv",
        "--refused-to",
        "refused.txt",
        "--json",
    ]);
    assert_eq!((import.code, import.err.as_str()), (1, ""));
    assert_eq!(
        serde_json::from_str::<Value>(&import.out).unwrap(),
        json!({ "rows": 16, "committed": 3, "parked": 0, "refused": 13, "dry_run": false })
    );
    let refused = place.read("refused.txt");
    assert_eq!(refused.lines().count(), 13);
    assert!(
        refused.ends_with("line 17: high 2 is below low 3\n"),
        "{refused}"
    );
    assert_eq!(
        place.json(&["bars", "symbols"])["symbols"][0]["bar_count"],
        3
    );
}

async fn a_policy_decides_about_bars_that_are_there(database: TestDatabase) {
    let place = Place::of(&database);
    let import = |price: i64, volume: i64, policy: &[&str]| {
        let row =
            format!("A,2026-01-05T14:30:00Z,{price},{price},{price},{price},{volume},{price}");
        let input = format!("{HEADER}\n{row}\n");
        let run = place.with_input(&input, &[&["bars", "import", "-"], policy].concat());
        assert_eq!(
            run.out, "1 row(s): 1 committed, 0 parked, 0 refused\n",
            "{run:?}"
        );
        place.json(&["bars", "get", "A"])["bars"][0].clone()
    };
    assert_eq!(import(10, 100, &[])["close"], 10.0);
    assert_eq!(import(20, 100, &["--conflict", "ignore"])["close"], 10.0);
    let merged = import(20, 300, &["--conflict", "merge"]);
    assert_eq!(
        merged,
        json!({
            "symbol": "A", "timestamp": "2026-01-05T14:30:00Z", "open": 10.0, "high": 20.0,
            "low": 10.0, "close": 20.0, "volume": 400, "vwap": 17.5, "opened_at": null,
            "closed_at": null,
        })
    );
    assert_eq!(import(30, 1, &["--conflict", "replace"])["volume"], 1);
    // The flag wins over the setting, which wins over the default.
    place.write("annals.toml", "bars_db_conflict = \"ignore\"");
    assert_eq!(import(40, 1, &[])["close"], 30.0);
    assert_eq!(import(50, 1, &["--conflict", "replace"])["close"], 50.0);
}

async fn bars_that_the_table_refuses_are_parked(database: TestDatabase) {
    let place = Place::of(&database);
    let rule = match database.backend {
        Backend::Sqlite => {
            "CREATE TRIGGER rule BEFORE INSERT ON bars_1m WHEN NEW.volume = 2
             BEGIN SELECT RAISE(ABORT, 'no twos'); END"
        }
        _ => "ALTER TABLE bars_1m ADD CONSTRAINT rule CHECK (volume <> 2)",
    };
    database.execute(rule).await;
    place.file("some.csv", &rows("AAPL", 3));
    let import = place.run(&["bars", "import", "some.csv"]);
    assert_eq!(import.code, 1, "{import:?}");
    assert_eq!(
        import.out,
        "3 row(s): 2 committed, 1 parked, 0 refused\n\
         parked bars are kept: annals dead-letters list --table bars_1m\n"
    );

    let list = place.json(&["dead-letters", "list", "--table", "bars_1m"]);
    let id = list["dead_letters"][0]["id"].as_str().unwrap();
    let shown = place.json(&["dead-letters", "show", id]);
    assert_eq!(shown["record"]["volume"], 2);
    let refused = place.run(&["dead-letters", "replay", "--all"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let no_rule = match database.backend {
        Backend::Sqlite => "DROP TRIGGER rule",
        _ => "ALTER TABLE bars_1m DROP CONSTRAINT rule",
    };
    database.execute(no_rule).await;
    let replayed = place.json(&["dead-letters", "replay", "--table", "bars_1m"]);
    assert_eq!(replayed, json!({ "committed": 1, "refused": 0 }));
    let latest = place.json(&["bars", "get", "AAPL"]);
    assert_eq!(latest["bars"].as_array().unwrap().len(), 3);
}

async fn json_has_what_a_program_needs(database: TestDatabase) {
    let place = Place::of(&database);
    place.file("some.csv", &rows("AAPL", 9)[..]);
    assert_eq!(place.run(&["bars", "import", "some.csv"]).code, 0);
    let zone = ["--zone", "america/new_york"];
    let get = ["bars", "get", "AAPL", "--timeframe", "5m", "--latest", "1"];
    assert_eq!(
        place.json(&[&get[..], &zone].concat()),
        json!({
            "symbol": "AAPL", "timeframe": "5m", "zone": "America/New_York", "next": null,
            "bars": [{
                "symbol": "AAPL", "timestamp": "2026-01-05T14:35:00Z", "open": 100.625,
                "high": 102.0, "low": 99.625, "close": 101.0, "volume": 30,
                "vwap": 100.93333333333334, "opened_at": null, "closed_at": null,
            }],
        })
    );
    assert_eq!(
        place.json(&["bars", "symbols", "--since", "2026-01-05T14:35:00Z"]),
        json!({ "symbols": [{
            "symbol": "AAPL", "bar_count": 4, "last_seen": "2026-01-05T14:38:00Z",
        }] })
    );
    let gaps = [
        "bars",
        "gaps",
        "AAPL",
        "--start",
        "2026-01-05 09:28",
        "--end",
        "20260105",
    ];
    assert_eq!(
        place.json(&[&gaps[..], &zone].concat()),
        json!({ "symbol": "AAPL", "gaps": [
            { "from": "2026-01-05T14:28:00Z", "to": "2026-01-05T14:29:00Z", "minutes": 2 },
            { "from": "2026-01-05T14:39:00Z", "to": "2026-01-06T04:59:00Z", "minutes": 861 },
        ] })
    );
    // The same for people.
    let shown = place.run(&[&get[..], &zone].concat()).out;
    assert_eq!(
        shown,
        "TIME                          OPEN     HIGH     LOW    CLOSE  VOLUME       VWAP\n\
         2026-01-05T09:35:00-05:00  100.625  102.000  99.625  101.000      30  100.93333\n"
    );
    let csv = place.run(&[&get[..], &zone, &["--csv"]].concat()).out;
    assert!(
        csv.starts_with(&format!(
            "{HEADER}\nAAPL,2026-01-05T09:35:00-05:00,100.625,"
        )),
        "{csv}"
    );
    let symbols = place.run(&["bars", "symbols"]).out;
    assert_eq!(
        symbols,
        "SYMBOL  BARS  LAST\nAAPL       9  2026-01-05T14:38:00Z\n"
    );
    let gaps = place.run(&[&gaps[..], &zone].concat()).out;
    assert!(
        gaps.contains("2026-01-05T09:28:00-05:00  2026-01-05T09:29:00-05:00        2\n"),
        "{gaps}"
    );
    let none = place.run(&["bars", "get", "a\u{1b}[2J"]);
    assert_eq!(none.code, 0);
    assert!(
        none.out
            .starts_with("there are no such bars of a\\u{1b}[2J;"),
        "{none:?}"
    );
}

async fn a_time_range_is_read_by_the_clocks_of_its_zone(database: TestDatabase) {
    let place = Place::of(&database);
    let days = ["2024-11-02", "2024-11-03", "2024-11-04", "2024-11-05"];
    let row = |(n, day): (usize, &&str)| format!("A,{day},{n},{n},{n},{n},1,{n}");
    place.file(
        "days.csv",
        &days.iter().enumerate().map(row).collect::<Vec<_>>(),
    );
    let zone = ["--zone", "America/New_York"];
    assert_eq!(
        place
            .run(&[&["bars", "import", "days.csv"], &zone[..]].concat())
            .code,
        0
    );
    let get = |range: &[&str]| closes(&place.json(&[&["bars", "get", "A"], range].concat()));
    assert_eq!(
        get(&[
            "--start",
            "2024-11-03",
            "--end",
            "2024-11-04",
            zone[0],
            zone[1]
        ]),
        [1.0, 2.0]
    );
    // In UTC these days begin at 4, and after the change of the clocks at 5 o'clock.
    assert_eq!(get(&["--start", "2024-11-03 04:01"]), [2.0, 3.0]);
    assert_eq!(get(&["--end", "2024-11-04T05:00:00Z"]), [0.0, 1.0, 2.0]);
    assert_eq!(get(&["--start", "1730779200"]), [3.0]);
    let skipped = place.run(&[
        "bars",
        "get",
        "A",
        "--start",
        "2024-03-10 02:30",
        zone[0],
        zone[1],
    ]);
    assert_eq!(
        (skipped.code, skipped.err.as_str()),
        (
            1,
            "annals: --start cannot be used: \"2024-03-10 02:30\" was skipped by the clocks of \
             America/New_York, which were put forward: write it with its offset\n"
        )
    );
    for command in ["get", "gaps"] {
        let range = ["--start", "2024-11-04", "--end", "2024-11-03"];
        let backwards = place.run(&[&["bars", command, "A"], &range[..]].concat());
        let error = "annals: --end is before --start: give the earlier time to --start\n";
        assert_eq!((backwards.code, backwards.err.as_str()), (1, error));
    }
    // A range that cannot be read leaves the file alone.
    place.write("kept.csv", "kept");
    let export = place.run(&["bars", "export", "--end", "soon", "--out", "kept.csv"]);
    assert!(
        export.code == 1 && export.err.contains("--end cannot be used: \"soon\""),
        "{export:?}"
    );
    assert_eq!(place.read("kept.csv"), "kept");
}

async fn pages_give_every_bar_once(database: TestDatabase) {
    let place = Place::of(&database);
    place.file("some.csv", &rows("AAPL", 50)[..]);
    assert_eq!(place.run(&["bars", "import", "some.csv"]).code, 0);
    let get = ["bars", "get", "AAPL", "--timeframe", "5m", "--limit", "4"];
    let mut found = Vec::new();
    let mut page = place.json(&get);
    while let Some(next) = page["next"].as_str() {
        found.extend(closes(&page));
        page = place.json(&[&get[..], &["--after", next]].concat());
    }
    found.extend(closes(&page));
    let whole = place.json(&[
        "bars",
        "get",
        "AAPL",
        "--timeframe",
        "5m",
        "--latest",
        "100",
    ]);
    assert_eq!((found.len(), found), (10, closes(&whole)));
    let shown = place.run(&get).out;
    assert!(shown.contains("\n\nmore: --after "), "{shown}");
}

async fn a_file_larger_than_the_queue_waits_for_room(database: TestDatabase) {
    let place = Place::of(&database);
    let settings = "bars_db_write_queue_size = 50\nbars_db_write_batch_size = 20\nbars_db_overflow = \"reject\"";
    place
        .write("annals.toml", settings)
        .file("some.csv", &rows("AAPL", 5_500)[..]);
    let import = place.run(&["bars", "import", "some.csv"]);
    assert_eq!(
        import.out, "5500 row(s): 5500 committed, 0 parked, 0 refused\n",
        "{import:?}"
    );
}

async fn bars_that_others_changed_are_rolled_up_again(database: TestDatabase) {
    let place = Place::of(&database);
    place.file("in.csv", &rows("AAPL", 600));
    assert_eq!(place.run(&["bars", "import", "in.csv"]).code, 0);
    let done = place.json(&["bars", "refresh"]);
    // Of the import's own entry, and of the range that was marked.
    assert_eq!(done["minutes"], 1_200);
    assert_eq!((&done["removed"], &done["held"]), (&json!(0), &json!(0)));
    assert_eq!(done["made"], 120 + 40 + 11);
    database.execute("UPDATE bars_1m SET high = 900").await;
    let highest = |timeframe: &str| {
        let page = place.json(&[
            "bars",
            "get",
            "AAPL",
            "--latest",
            "99",
            "--timeframe",
            timeframe,
        ]);
        let bars = page["bars"].as_array().unwrap().clone();
        bars.iter().filter(|bar| bar["high"] == 900.0).count()
    };
    assert_eq!(highest("1h"), 0);
    let refresh = [
        "bars",
        "refresh",
        "--symbol",
        "AAPL",
        "--until",
        "2026-01-05T14:59:00Z",
    ];
    let refresh = place.run(&refresh);
    assert_eq!(
        refresh.out,
        "read 30 bars of a minute: 9 longer bars were new or different, 0 had no minutes any more\n"
    );
    assert_eq!(highest("1h"), 1);
    place.json(&["bars", "refresh"]);
    assert_eq!((highest("1h"), highest("5m"), highest("1d")), (11, 99, 2));
    let bad = place.run(&["bars", "refresh", "--from", "yesterday"]);
    assert_ne!(bad.code, 0);
}

async fn a_reader_that_goes_is_no_failure(database: TestDatabase) {
    let place = Place::of(&database);
    place.file("some.csv", &rows("AAPL", 5_000)[..]);
    assert_eq!(place.run(&["bars", "import", "some.csv"]).code, 0);
    let mut child = place.command(&["bars", "export"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, format!("{HEADER}\n"));
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.err.as_str()), (0, ""));
}

#[test]
fn a_dry_run_writes_nothing_and_needs_no_database() {
    let place = Place::without_database();
    let mut rows = rows("AAPL", 3);
    rows.push("AAPL,never,1,1,1,1,1,1".to_owned());
    place.file("some.csv", &rows);
    let dry = place.run(&["bars", "import", "some.csv", "--dry-run"]);
    assert_eq!(dry.code, 1);
    assert_eq!(
        dry.out,
        "4 row(s): 3 would be written, 1 refused; nothing was written\n"
    );
    assert!(
        dry.err.starts_with("line 5: \"never\" is no time: write "),
        "{dry:?}"
    );
    let good = rows[..3].join("\n");
    let dry = place.with_input(
        &format!("{HEADER}\n{good}\n"),
        &["bars", "import", "-", "--dry-run", "--json"],
    );
    assert_eq!(
        dry.json(),
        json!({ "rows": 3, "committed": 0, "parked": 0, "refused": 0, "dry_run": true })
    );
    assert!(!place.directory.path().join("annals.db").exists());
}

#[test]
fn a_header_that_does_not_fit_says_which_flag_helps() {
    let place = Place::without_database();
    place
        .write("day.csv", "Day;O;H;L;C;V\n2026-01-05;1;1;1;1;1\n")
        .write("empty.csv", "");
    let import = |arguments: &[&str]| {
        let run = place.run(&[&["bars", "import", "day.csv", "--dry-run"], arguments].concat());
        (run.code, run.err)
    };
    let (code, error) = import(&[]);
    assert!(
        code == 1 && error.contains("is the delimiter ';' instead of ','?"),
        "{error}"
    );
    assert!(error.contains("--delimiter ';'"), "{error}");
    let (code, error) = import(&["--delimiter", ";"]);
    assert!(
        code == 1 && error.contains("stands for symbol, timestamp: it has \"Day\""),
        "{error}"
    );
    assert!(
        error.contains("--column timestamp=Day") && error.contains("--symbol"),
        "{error}"
    );
    let (code, error) = import(&["--delimiter", ";", "--column", "timestamp=Tag"]);
    assert!(
        code == 1 && error.contains("has no column \"Tag\" for timestamp"),
        "{error}"
    );
    let mapped = [
        "--delimiter",
        ";",
        "--symbol",
        "A",
        "--column",
        "timestamp=Day",
    ];
    assert_eq!(import(&mapped), (0, String::new()));
    let (code, error) = import(&[&mapped[..], &["--column", "timestamp=O"]].concat());
    assert!(
        code == 1 && error.contains("--column names timestamp twice"),
        "{error}"
    );
    for (flag, value, message) in [
        (
            "--column",
            "day=Day",
            "\"day\" is no column of a bar: write symbol,",
        ),
        (
            "--column",
            "timestamp",
            "write COLUMN=NAME, such as timestamp=Day",
        ),
        ("--delimiter", "||", "write one character, or tab"),
        (
            "--zone",
            "New York",
            "\"New York\" is no time zone: write a name of the IANA database",
        ),
        (
            "--conflict",
            "add",
            "possible values: replace, merge, ignore",
        ),
    ] {
        let (code, error) = import(&[flag, value]);
        assert!(code == 2 && error.contains(message), "{error}");
    }
    let empty = place.run(&["bars", "import", "empty.csv", "--dry-run"]);
    assert_eq!(
        (empty.code, empty.err.as_str()),
        (
            1,
            "annals: cannot import empty.csv: the input is empty: its first line must name the columns\n"
        )
    );
    let missing = place.run(&["bars", "import", "nowhere.csv", "--dry-run"]);
    assert!(
        missing.code == 1 && missing.err.contains("cannot read nowhere.csv"),
        "{missing:?}"
    );
    let export = place.run(&["bars", "export", "--json"]);
    assert!(
        export.code == 1 && export.err.contains("--out FILE"),
        "{export:?}"
    );
}

#[test]
fn before_the_first_migration_every_command_says_what_to_do() {
    let place = Place::without_database();
    place.file("some.csv", &rows("A", 1)[..]);
    for arguments in [
        &["bars", "import", "some.csv"][..],
        &["bars", "export"],
        &["bars", "get", "A"],
        &["bars", "symbols"],
        &[
            "bars",
            "gaps",
            "A",
            "--start",
            "2026-01-05",
            "--end",
            "2026-01-05",
        ],
    ] {
        let run = place.run(arguments);
        assert!(
            run.code == 1 && run.err.contains("annals migrate up"),
            "{arguments:?}: {run:?}"
        );
    }
}
