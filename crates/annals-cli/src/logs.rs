//! `annals logs`: what services said.

pub(crate) mod command;

use std::{collections::HashSet, io::IsTerminal as _, time::Duration};

use annals_telemetry::{LogFilter, LogFollower, LogLevel, LogPage, LogRecord, Logs, LogsOptions};
use tokio::signal::unix::{SignalKind, signal};

use self::command::{LogsCommand, SearchArgs, TailArgs};
use crate::{
    command::DatabaseArgs,
    database::connect,
    error::{CliError, with_causes},
    output::{Shown, print_json, print_line, printable},
};

/// How long a database that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &LogsCommand,
    json: bool,
) -> Result<(), CliError> {
    let logs = Logs::new(connect(args).await?, LogsOptions::default()).await?;
    match command {
        LogsCommand::Search(args) => search(&logs, args, json).await,
        LogsCommand::Tail(args) => {
            // Listened for from the first line on: one that comes while a line is printed counts as well.
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = interrupt.recv() => Ok(()),
                told = tail(&logs, args, json) => told,
            }
        }
    }
}

async fn search(logs: &Logs, args: &SearchArgs, json: bool) -> Result<(), CliError> {
    let found = logs.search(args.filter()).await?;
    tell_window(&found);
    if json {
        let records: Vec<_> = found.rows.iter().map(Shown).collect();
        let window = found.defaulted.map(|(since, until)| {
            serde_json::json!({ "since": since.to_string(), "until": until.to_string() })
        });
        return print_json(&serde_json::json!({
            "logs": records, "next": found.next, "defaulted_window": window,
        }));
    }
    if found.rows.is_empty() {
        return print_line("no log records are like that");
    }
    let look = Look::of_output();
    for record in &found.rows {
        print_line(&look.line(record))?;
    }
    match found.next {
        Some(next) => print_line(&format!("\nmore: --after {next}")),
        None => Ok(()),
    }
}

/// Says of when records were looked for, where nobody said.
fn tell_window(found: &LogPage) {
    if let Some((since, until)) = found.defaulted {
        eprintln!(
            "looked at what was said from {since} to {until}, as nothing says since when: --since does"
        );
    }
}

async fn tail(logs: &Logs, args: &TailArgs, json: bool) -> Result<(), CliError> {
    // Before the last ones are read: what comes in between is among those that follow, and told once.
    let from = logs.now().await?;
    let show = Show {
        look: Look::of_output(),
        json,
    };
    let mut shown = HashSet::new();
    if args.lines > 0 {
        let last = logs.search(LogFilter {
            limit: Some(args.lines),
            ..args.filter()
        });
        let last = last.await?;
        tell_window(&last);
        for record in last.rows.iter().rev() {
            show.print(record)?;
            shown.insert((record.timestamp, record.id));
        }
    }
    if args.no_follow {
        return Ok(());
    }
    if !json {
        eprintln!("following; Ctrl-C ends it");
    }
    let mut follower = logs.follow(&args.filter(), from)?;
    loop {
        for record in &next(&mut follower).await? {
            if !shown.remove(&(record.timestamp, record.id)) {
                show.print(record)?;
            }
        }
    }
}

/// The next records. A database that is away is waited for: the follower goes on where it was.
async fn next(follower: &mut LogFollower) -> Result<Vec<LogRecord>, CliError> {
    let mut is_told = false;
    loop {
        match follower.next().await {
            Ok(new) => return Ok(new.rows),
            Err(annals_telemetry::Error::Store(error)) if error.is_transient() => {
                if !is_told {
                    let why = with_causes(&error);
                    eprintln!("annals: waiting for the database: {}", printable(&why));
                    is_told = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// How records that come are printed.
struct Show {
    look: Look,
    json: bool,
}

impl Show {
    fn print(&self, record: &LogRecord) -> Result<(), CliError> {
        if self.json {
            return print_line(&serde_json::to_string(&Shown(record))?);
        }
        print_line(&self.look.line(record))
    }
}

/// How a line looks.
struct Look {
    colors: bool,
}

impl Look {
    fn of_output() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colors: std::io::stdout().is_terminal() && !no_color,
        }
    }

    /// Time, severity, service, what was said, and where it belongs.
    fn line(&self, record: &LogRecord) -> String {
        let said = match (&record.body, &record.event_name) {
            (Some(body), Some(event)) => format!("[{event}] {body}"),
            (Some(body), None) => body.clone(),
            (None, Some(event)) => format!("[{event}]"),
            (None, None) => "-".to_owned(),
        };
        let mut line = format!(
            "{}  {}  {}  {}",
            record.timestamp,
            self.severity(record),
            printable(&record.service_name),
            printable(&said),
        );
        if let Some(trace) = &record.trace_id {
            line += &self.dim(&format!("  trace={}", printable(trace)));
        }
        line
    }

    fn severity(&self, record: &LogRecord) -> String {
        let level = record.level();
        let word = level.map_or("-", LogLevel::as_str);
        let padded = format!("{:<5}", word.to_ascii_uppercase());
        let color = match level {
            Some(LogLevel::Fatal) => "1;31",
            Some(LogLevel::Error) => "31",
            Some(LogLevel::Warn) => "33",
            Some(LogLevel::Info) => "32",
            Some(LogLevel::Debug | LogLevel::Trace) => "2",
            None => return padded,
        };
        self.colored(color, &padded)
    }

    fn dim(&self, text: &str) -> String {
        self.colored("2", text)
    }

    fn colored(&self, color: &str, text: &str) -> String {
        if self.colors {
            format!("\u{1b}[{color}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use annals_record::Timestamp;

    use super::*;

    fn record() -> LogRecord {
        let time = Timestamp::from_unix_nanos(1_735_689_600_000_000_001);
        let record = LogRecord::new("api", time, 17, "it \u{1b}[2J failed\nagain").unwrap();
        record.in_span("a".repeat(32), "b".repeat(16))
    }

    #[test]
    fn a_line_tells_the_trace_and_cannot_speak_to_the_terminal() {
        let line = Look { colors: false }.line(&record());
        assert_eq!(
            line,
            format!(
                "2025-01-01T00:00:00.000000001Z  ERROR  api  it \\u{{1b}}[2J failed\\nagain  trace={}",
                "a".repeat(32)
            )
        );
    }

    #[test]
    fn a_terminal_has_severities_in_color() {
        let line = Look { colors: true }.line(&record());
        assert!(line.contains("\u{1b}[31mERROR\u{1b}[0m"), "{line:?}");
    }
}
