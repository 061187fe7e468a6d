//! From nothing to the first answer, and the memory of a server without traffic, on SQLite.

use std::{path::Path, time::Duration};

use super::program::Program;
use crate::{
    Options,
    report::{Report, median, spread, two_digits, verdict},
};

/// Milliseconds within which the first answer should come.
const START: f64 = 100.0;

/// Bytes that a server without traffic should stay below.
const MEMORY: f64 = 30e6;

/// How long a server has no traffic before its memory is looked at.
const IDLE: Duration = Duration::from_secs(3);

/// One start.
struct Start {
    ready: f64,
    answered: f64,
    /// Bytes without traffic, of the starts that were waited for.
    idle: Option<u64>,
}

pub(crate) fn run(options: &Options, report: &mut Report) {
    report.heading("Start and idle memory", "serve");
    report.paragraph(&format!(
        "The release program `annals serve` on SQLite, all three ports, started {} times for each line; \
         medians, with the lowest and the highest in brackets. The clock runs from the spawn to the line \
         that says `ready`, and to the first answer 200 of GET /ready, which asks the database. A fresh \
         database is a new file, whose tables the start makes; an existing one has its tables. Idle \
         memory is VmRSS after {} s without traffic, of {} of the starts.",
        options.starts,
        IDLE.as_secs(),
        options.rounds.min(options.starts),
    ));
    report.server(format!("SQLite {}", rusqlite::version()));
    let kept = tempfile::tempdir().expect("a temporary directory");
    start(options, kept.path(), false);
    let (mut fresh, mut existing) = (Vec::new(), Vec::new());
    for number in 0..options.starts {
        let idle = number < options.rounds;
        let home = tempfile::tempdir().expect("a temporary directory");
        fresh.push(start(options, home.path(), idle));
        existing.push(start(options, kept.path(), idle));
    }
    let head = [
        "database",
        "ready, ms",
        "first answer, ms",
        "goal",
        "idle memory, MB",
        "goal",
    ];
    let rows = [("fresh", fresh), ("existing", existing)].map(|(name, starts)| {
        let answered: Vec<f64> = starts.iter().map(|start| start.answered).collect();
        let idle = starts.iter().filter_map(|start| start.idle);
        let idle: Vec<f64> = idle.map(|bytes| bytes as f64).collect();
        eprintln!(
            "start, {name} database: first answer after {:.1} ms",
            median(&answered)
        );
        vec![
            name.to_owned(),
            spread(starts.iter().map(|start| start.ready), two_digits),
            spread(answered.clone(), two_digits),
            verdict(median(&answered) < START, &format!("< {START}")),
            spread(idle.iter().map(|bytes| bytes / 1e6), two_digits),
            verdict(median(&idle) < MEMORY, &format!("< {}", MEMORY / 1e6)),
        ]
    });
    report.table(&head, &rows);
}

fn start(options: &Options, home: &Path, idle: bool) -> Start {
    let url = format!("sqlite:{}", home.join("bench.db").display());
    let program = Program::start(options, &url, home);
    let answered = program.first_answer();
    let idle = idle.then(|| {
        std::thread::sleep(IDLE);
        program.resident()
    });
    let ready = program.ready;
    program.stop();
    Start {
        ready: ready.as_secs_f64() * 1e3,
        answered: answered.as_secs_f64() * 1e3,
        idle,
    }
}
