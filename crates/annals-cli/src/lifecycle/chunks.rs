//! `annals chunks`.

use std::process::ExitCode;

use annals_record::Timestamp;
use annals_store::{
    Interval, Lifecycle,
    lifecycle::{Conversion, Converted, Expired, PolicyKind},
};
use serde_json::{Value, json};

use super::{
    Place,
    command::ChunksCommand,
    due::{Due, expiry_json},
    export, label,
    lines::Lines,
    list,
    shown::{and, chunk, chunk_json, kept},
};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{bytes, confirm, many, print_json, print_line},
};

/// What was to be done is done, but for chunks that had to stay.
const SOME_LEFT: u8 = 1;

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &ChunksCommand,
    json: bool,
) -> Result<ExitCode, CliError> {
    match command {
        ChunksCommand::List { table, count } => {
            let place = Place::of(args).await?;
            list::list(&place.table(&table.label()).await?, *count, json).await?;
        }
        ChunksCommand::Compress {
            table,
            older,
            dry_run,
        } => {
            let place = Place::of(args).await?;
            let life = place.table(&table.label()).await?;
            return compress(&life, &older.than, *dry_run, json).await;
        }
        ChunksCommand::Decompress {
            table,
            range,
            dry_run,
        } => {
            if let (Some(from), Some(until)) = (range.from, range.until)
                && until < from
            {
                return Err(CliError::UntilBeforeFrom);
            }
            let place = Place::of(args).await?;
            let life = place.table(&table.label()).await?;
            return decompress(&life, range.from, range.until, *dry_run, json).await;
        }
        ChunksCommand::Drop {
            table,
            older,
            dry_run,
            yes,
        } => {
            let place = Place::of(args).await?;
            let life = place.table(&table.label()).await?;
            return drop_older(&life, &older.than, *dry_run, *yes, json).await;
        }
        ChunksCommand::Export(export) => export::run(args, export, json).await?,
        ChunksCommand::Interval { table, interval } => {
            let place = Place::of(args).await?;
            let life = place.table(&table.label()).await?;
            life.set_chunk_interval(interval).await?;
            if json {
                let table = life.table().label();
                print_json(&json!({ "table": table, "interval": interval.to_string() }))?;
            } else {
                print_line(&format!(
                    "chunks of {} that begin from now on hold {interval} each; those that are there stay as they are",
                    label(&life)
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn compress(
    life: &Lifecycle,
    age: &Interval,
    dry_run: bool,
    json: bool,
) -> Result<ExitCode, CliError> {
    let mut lines = Lines::of(format!("compressing chunks of {}", label(life)), json);
    let mut told = |one: &Converted| lines.print(&converted_line(one, "compressed", "compress"));
    let all = life.compress_chunks(age, dry_run, &mut told).await?;
    let sum = Sum::of(&all);
    let last = match (sum.done, sum.due) {
        (0, 0) if sum.left == 0 => {
            format!(
                "nothing to do: every chunk of {} that is older than {age} is compressed",
                label(life)
            )
        }
        (0, due) if dry_run => format!("{} would be compressed", many(due, "chunk")),
        _ => format!(
            "{} compressed{}{}",
            many(sum.done, "chunk"),
            sum.bytes(),
            sum.stayed()
        ),
    };
    lines.finish(&last, &sum.json(life, &all, dry_run))?;
    Ok(sum.code())
}

async fn decompress(
    life: &Lifecycle,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    dry_run: bool,
    json: bool,
) -> Result<ExitCode, CliError> {
    let mut lines = Lines::of(format!("decompressing chunks of {}", label(life)), json);
    let mut told =
        |one: &Converted| lines.print(&converted_line(one, "decompressed", "decompress"));
    let all = life
        .decompress_chunks(from, until, dry_run, &mut told)
        .await?;
    let sum = Sum::of(&all);
    let last = match (sum.done, sum.due) {
        (0, 0) if sum.left == 0 => {
            format!(
                "nothing to do: no chunk of {} is compressed there",
                label(life)
            )
        }
        (0, due) if dry_run => format!("{} would be decompressed", many(due, "chunk")),
        _ => format!(
            "{} decompressed{}{}",
            many(sum.done, "chunk"),
            sum.bytes(),
            sum.stayed()
        ),
    };
    lines.finish(&last, &sum.json(life, &all, dry_run))?;
    if sum.done > 0 {
        warn_of_compression(life).await?;
    }
    Ok(sum.code())
}

/// Whoever decompresses wants to change rows, and a policy does not wait for that.
async fn warn_of_compression(life: &Lifecycle) -> Result<(), CliError> {
    let policies = life.policies().await?;
    let policy = policies.iter().find(|one| {
        one.policy.kind == PolicyKind::Compression
            && one.policy.interval.is_some()
            && one.runner.is_some()
    });
    if policy.is_some() {
        eprintln!(
            "annals: the policy of compression takes them up again at its next run, which this stops: annals policy remove compression {}",
            label(life)
        );
    }
    Ok(())
}

fn converted_line(one: &Converted, done: &str, verb: &str) -> String {
    let chunk = chunk(&one.chunk);
    match one.conversion {
        Conversion::Done { bytes: now } => {
            format!(
                "{done} {chunk}: {} became {}",
                bytes(one.chunk.bytes),
                bytes(now)
            )
        }
        Conversion::Due => format!("would {verb} {chunk}: {}", kept(&one.chunk)),
        Conversion::InUse => format!("left {chunk}: it is in use"),
        Conversion::Frozen => format!("left {chunk}: it is frozen"),
        Conversion::Gone => format!("left {chunk}: it is gone, somebody dropped it"),
        _ => format!("left {chunk}"),
    }
}

/// What became of chunks, added up.
#[derive(Default)]
struct Sum {
    done: u64,
    due: u64,
    left: u64,
    before: u64,
    after: u64,
}

impl Sum {
    fn of(all: &[Converted]) -> Self {
        let mut sum = Self::default();
        for one in all {
            match one.conversion {
                Conversion::Done { bytes } => {
                    sum.done += 1;
                    sum.before += one.chunk.bytes;
                    sum.after += bytes;
                }
                Conversion::Due => sum.due += 1,
                Conversion::Gone => {}
                _ => sum.left += 1,
            }
        }
        sum
    }

    fn bytes(&self) -> String {
        if self.done == 0 {
            return String::new();
        }
        format!(": {} became {}", bytes(self.before), bytes(self.after))
    }

    fn stayed(&self) -> String {
        stayed(self.left)
    }

    fn code(&self) -> ExitCode {
        code(self.left)
    }

    fn json(&self, life: &Lifecycle, all: &[Converted], dry_run: bool) -> Value {
        let steps = all.iter().map(|one| {
            let (outcome, now) = match one.conversion {
                Conversion::Done { bytes } => ("done", Some(bytes)),
                Conversion::Due => ("due", None),
                Conversion::InUse => ("in use", None),
                Conversion::Frozen => ("frozen", None),
                Conversion::Gone => ("gone", None),
                _ => ("left", None),
            };
            json!({ "outcome": outcome, "chunk": chunk_json(&one.chunk), "bytes": now })
        });
        json!({
            "table": life.table().label(),
            "dry_run": dry_run,
            "steps": steps.collect::<Vec<_>>(),
            "chunks": self.done + self.due,
            "left": self.left,
            "bytes_before": self.before,
            "bytes_after": self.after,
        })
    }
}

fn stayed(left: u64) -> String {
    match left {
        0 => String::new(),
        left => format!("; {} had to stay, for the next time", many(left, "chunk")),
    }
}

fn code(left: u64) -> ExitCode {
    match left {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(SOME_LEFT),
    }
}

async fn drop_older(
    life: &Lifecycle,
    age: &Interval,
    dry_run: bool,
    yes: bool,
    json: bool,
) -> Result<ExitCode, CliError> {
    let name = label(life);
    // What is asked about and what is done then are of the same time.
    let life = life.clone().at(life.now().await?);
    if !dry_run && !yes {
        let due = Due::chunks(&life, age).await?;
        if !due.is_nothing() {
            confirm(&format!("{name}: drop {}, for good?", due.told()), false)?;
        }
    }
    let mut lines = Lines::of(format!("dropping chunks of {name}"), json);
    let mut steps = Vec::new();
    let mut told = |step: &Expired| {
        lines.print(&expired_line(step));
        steps.push(step.clone());
    };
    let expiry = life.drop_chunks(age, dry_run, &mut told).await?;
    let last = match expiry.chunks {
        0 if expiry.left == 0 => {
            format!("nothing to do: {name} has no chunk that is older than {age}")
        }
        chunks if dry_run => format!(
            "{} would be dropped, {} would be free{}",
            many(chunks, "chunk"),
            bytes(expiry.bytes),
            stayed(expiry.left)
        ),
        chunks => {
            let followed = match expiry.followed {
                0 => String::new(),
                rows => format!("; {} of other tables followed", many(rows, "row")),
            };
            format!(
                "{} dropped, {} are free{followed}{}",
                many(chunks, "chunk"),
                bytes(expiry.bytes),
                stayed(expiry.left)
            )
        }
    };
    let steps: Vec<_> = steps.iter().filter_map(step_json).collect();
    let document = and(
        expiry_json(&expiry),
        json!({ "table": life.table().label(), "dry_run": dry_run, "steps": steps }),
    );
    lines.finish(&last, &document)?;
    Ok(code(expiry.left))
}

fn expired_line(step: &Expired) -> String {
    match step {
        Expired::Chunk(one) => format!("dropped {}: {}", chunk(one), kept(one)),
        Expired::Due(one) => format!("would drop {}: {}", chunk(one), kept(one)),
        Expired::InUse(one) => format!("left {}: it is in use", chunk(one)),
        Expired::Frozen(one) => format!("left {}: it is frozen", chunk(one)),
        Expired::Rows(rows) => format!("deleted {}", many(*rows, "row")),
        Expired::DueRows(rows) => format!("would delete {}", many(*rows, "row")),
        _ => String::new(),
    }
}

fn step_json(step: &Expired) -> Option<Value> {
    let (chunk, outcome) = match step {
        Expired::Chunk(chunk) => (chunk, "dropped"),
        Expired::Due(chunk) => (chunk, "due"),
        Expired::InUse(chunk) => (chunk, "in use"),
        Expired::Frozen(chunk) => (chunk, "frozen"),
        _ => return None,
    };
    Some(json!({ "outcome": outcome, "chunk": chunk_json(chunk) }))
}
