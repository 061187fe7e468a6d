//! `annals export`: a namespace's messages, from a running server to a file.

use std::{io, path::Path};

use annals_market::Zone;
use annals_record::Timestamp;
use annals_server::bars::csv::Clock;
use serde_json::value::RawValue;

use super::{command::ExportArgs, line::Line, output::Output, remote::Remote};
use crate::{command::DatabaseArgs, error::CliError, output::print_json, progress::Progress};

/// Messages of a page at most, and of the first one, when nobody knows how large they are.
const PAGE: u64 = 1_000;
const FIRST_PAGE: u64 = 100;

/// Bytes of a page that are aimed at: large messages come in smaller pages.
const PAGE_BYTES: u64 = 8 << 20;

/// Bytes of a line that every server imports; the protocol promises no more.
const IMPORTED: usize = 1 << 20;

/// A message as it is answered, each part as the text that it came in.
type Row<'a> = [&'a RawValue; 8];

pub(crate) async fn run(
    database: &DatabaseArgs,
    args: &ExportArgs,
    json: bool,
) -> Result<(), CliError> {
    if json && args.output.is_none() {
        return Err(CliError::EventsInJson);
    }
    let window = Window::of(args)?;
    let categories = categories(args)?;
    let remote = Remote::of(database, &args.server)?;
    // A server that is not there leaves the file alone.
    remote.greet().await?;
    let cannot = |source| CliError::Write {
        path: args
            .output
            .as_deref()
            .unwrap_or(Path::new("standard output"))
            .to_owned(),
        source,
    };
    let mut exporting = Exporting {
        remote,
        window,
        output: Output::to(args.output.as_deref(), args.gzip).map_err(cannot)?,
        page: FIRST_PAGE,
        count: 0,
        long: 0,
        progress: Progress::of_rows(),
    };
    for category in &categories {
        match exporting.category(category, &cannot).await {
            // A reader that has gone (`| head`) is no failure.
            Err(CliError::Write { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(());
            }
            done => done?,
        }
    }
    exporting.output.finish().map_err(cannot)?;
    exporting.progress.finish();
    let (count, long) = (exporting.count, exporting.long);
    if long > 0 {
        eprintln!(
            "annals: {long} of them take lines longer than 1 MiB, which annals imports and EventoDB does not"
        );
    }
    match &args.output {
        Some(_) if json => {
            print_json(&serde_json::json!({ "messages": count, "long_lines": long }))
        }
        Some(path) => {
            eprintln!("{count} message(s) are in {}", path.display());
            Ok(())
        }
        None => {
            eprintln!("{count} message(s)");
            Ok(())
        }
    }
}

/// What was asked for, each once; all of them by the name that is no name.
fn categories(args: &ExportArgs) -> Result<Vec<String>, CliError> {
    let mut categories: Vec<String> = Vec::new();
    for category in args.categories.iter().map(|category| category.trim()) {
        if category.contains('-') {
            return Err(CliError::NoCategory(category.to_owned()));
        }
        if !category.is_empty() && !categories.iter().any(|known| known == category) {
            categories.push(category.to_owned());
        }
    }
    if categories.is_empty() {
        categories.push(String::new());
    }
    Ok(categories)
}

struct Exporting {
    remote: Remote,
    window: Window,
    output: Output,
    /// Messages to ask for next.
    page: u64,
    count: u64,
    /// Those of them whose lines not every server imports.
    long: u64,
    progress: Progress,
}

impl Exporting {
    async fn category(
        &mut self,
        category: &str,
        cannot: &impl Fn(io::Error) -> CliError,
    ) -> Result<(), CliError> {
        let mut from = 0;
        loop {
            let asked = self.page;
            let call = serde_json::json!([
                "category.get", category, { "position": from, "batchSize": asked },
            ]);
            let answer = self.remote.call(call.to_string()).await?;
            let rows: Vec<Row<'_>> =
                serde_json::from_slice(&answer).map_err(CliError::Unreadable)?;
            let count = rows.len() as u64;
            let mut next = from;
            for row in rows {
                next = self.row(row, cannot)?.saturating_add(1);
            }
            self.progress.tell(format!("{} messages", self.count));
            if count < asked {
                return Ok(());
            }
            if next <= from {
                return Err(CliError::NoProgress);
            }
            from = next;
            let each = (answer.len() as u64 / count.max(1)).max(1);
            self.page = (PAGE_BYTES / each).clamp(1, PAGE);
        }
    }

    /// Writes a message, if it is wanted; gives its place in the namespace.
    fn row(
        &mut self,
        [
            id,
            stream,
            kind,
            position,
            global_position,
            data,
            metadata,
            time,
        ]: Row<'_>,
        cannot: &impl Fn(io::Error) -> CliError,
    ) -> Result<i64, CliError> {
        let place = serde_json::from_str(global_position.get()).map_err(CliError::Unreadable)?;
        if self.window.holds(time)? {
            let line = Line {
                id: id.get(),
                stream: stream.get(),
                kind: kind.get(),
                position: position.get(),
                global_position: global_position.get(),
                data: data.get(),
                metadata: metadata.get(),
                time: time.get(),
            };
            let length = line.write(&mut self.output).map_err(cannot)?;
            self.count += 1;
            self.long += u64::from(length > IMPORTED);
        }
        Ok(place)
    }
}

/// From when, and until before when.
#[derive(Debug)]
struct Window {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Window {
    fn of(args: &ExportArgs) -> Result<Self, CliError> {
        let read = |flag, text: Option<&str>| {
            let read = |text| Clock::of(&Zone::utc())?.read(text);
            let time = text.map(read).transpose();
            time.map_err(|source| CliError::Time { flag, source })
        };
        Ok(Self {
            since: read("--since", args.since.as_deref())?,
            until: read("--until", args.until.as_deref())?,
        })
    }

    fn holds(&self, time: &RawValue) -> Result<bool, CliError> {
        if self.since.is_none() && self.until.is_none() {
            return Ok(true);
        }
        let text: String = serde_json::from_str(time.get()).map_err(CliError::Unreadable)?;
        let time: Timestamp = text.parse().map_err(|_| CliError::NoProgress)?;
        Ok(self.since.is_none_or(|since| since <= time)
            && self.until.is_none_or(|until| time < until))
    }
}
