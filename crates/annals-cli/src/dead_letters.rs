//! `annals dead-letters`.

mod replay;

use std::process::ExitCode;

use annals_deploy::DeploymentSpan;
use annals_market::Bar;
use annals_record::{Filter, Payload, Record, Uuid};
use annals_store::{DeadLetter, Store};
use annals_telemetry::Span;
use serde::Serialize;

use crate::{
    command::{DatabaseArgs, DeadLettersCommand, Which},
    database::connect,
    error::CliError,
    output::{Shown, add_row, confirm, print_json, print_line, print_table, printable, table},
};

/// Letters that are read at once.
const PAGE: u64 = 500;

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &DeadLettersCommand,
    json: bool,
) -> Result<ExitCode, CliError> {
    let store = connect(args).await?;
    match command {
        DeadLettersCommand::List {
            table,
            limit,
            after,
        } => {
            list(&store, table.as_deref(), *limit, after.clone(), json).await?;
        }
        DeadLettersCommand::Show { id } => show(&store, *id, json).await?,
        DeadLettersCommand::Replay { which } => {
            return replay::run(args, &store, which, json).await;
        }
        DeadLettersCommand::Purge { which, yes } => {
            let filter = filter_of(which);
            let count = store
                .dead_letters()
                .list()
                .filter(filter.clone())
                .count()
                .await?;
            confirm(&format!("Delete {count} dead letter(s) for good?"), *yes)?;
            let purged = store.dead_letters().purge(filter).await?;
            if json {
                print_json(&serde_json::json!({ "purged": purged }))?;
            } else {
                print_line(&format!("purged {purged}"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn filter_of(which: &Which) -> Filter<DeadLetter> {
    match &which.table {
        _ if which.all => Filter::all([]),
        Some(table) => DeadLetter::TABLE_NAME.eq(table.clone()),
        None => DeadLetter::ID.is_in(which.ids.clone()),
    }
}

async fn list(
    store: &Store,
    only: Option<&str>,
    limit: u64,
    after: Option<String>,
    json: bool,
) -> Result<(), CliError> {
    let mut query = store.dead_letters().list().limit(limit);
    if let Some(only) = only {
        query = query.filter(DeadLetter::TABLE_NAME.eq(only));
    }
    if let Some(cursor) = after {
        query = query.after(cursor);
    }
    let page = query.fetch().await?;
    if json {
        let letters: Vec<_> = page.rows.iter().map(Letter::without_record).collect();
        return print_json(&serde_json::json!({ "dead_letters": letters, "next": page.next }));
    }
    let mut table = table(&[
        "ID", "TABLE", "PARKED", "ATTEMPTS", "CODE", "COLUMN", "REASON",
    ]);
    for letter in &page.rows {
        add_row(
            &mut table,
            [
                letter.id.to_string(),
                letter.table_name.clone(),
                letter.parked_at.to_string(),
                letter.attempts.to_string(),
                letter.code.clone().unwrap_or_default(),
                letter.column_name.clone().unwrap_or_default(),
                letter.reason.lines().collect::<Vec<_>>().join(" "),
            ],
        );
    }
    print_table(&table, "there are no dead letters")?;
    if let Some(next) = page.next {
        print_line(&format!("\nmore: --after {next}"))?;
    }
    Ok(())
}

/// A letter as JSON: everything but the payload's bytes, with its record where asked.
#[derive(Serialize)]
struct Letter {
    id: String,
    table: String,
    parked_at: String,
    attempts: i32,
    code: Option<String>,
    column: Option<String>,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<serde_json::Value>,
}

impl Letter {
    fn without_record(letter: &DeadLetter) -> Self {
        Self {
            id: letter.id.to_string(),
            table: letter.table_name.clone(),
            parked_at: letter.parked_at.to_string(),
            attempts: letter.attempts,
            code: letter.code.clone(),
            column: letter.column_name.clone(),
            reason: letter.reason.clone(),
            record: None,
        }
    }
}

fn as_record<R: Record>(
    letter: &DeadLetter,
    content: &Payload,
) -> Result<Option<serde_json::Value>, CliError> {
    if letter.table_name != R::DESCRIPTOR.table {
        return Ok(None);
    }
    let record = content.to_record::<R>().ok();
    Ok(record
        .map(|record| serde_json::to_value(Shown(&record)))
        .transpose()?)
}

async fn show(store: &Store, id: Uuid, json: bool) -> Result<(), CliError> {
    let letter = store
        .dead_letters()
        .get(id)
        .await?
        .ok_or(CliError::NoSuchLetter(id))?;
    let content = letter.content()?;
    // A record that this program knows is shown as it would be anywhere else.
    let known = [
        as_record::<Span>(&letter, &content)?,
        as_record::<Bar>(&letter, &content)?,
        as_record::<DeploymentSpan>(&letter, &content)?,
    ];
    let record = match known.into_iter().flatten().next() {
        Some(record) => record,
        None => serde_json::to_value(&content)?,
    };
    let mut shown = Letter::without_record(&letter);
    if json {
        shown.record = Some(record);
        return print_json(&shown);
    }
    print_line(&format!("id        {}", shown.id))?;
    print_line(&format!("table     {}", shown.table))?;
    print_line(&format!("parked    {}", shown.parked_at))?;
    print_line(&format!("attempts  {}", shown.attempts))?;
    print_line(&format!("code      {}", shown.code.unwrap_or_default()))?;
    print_line(&format!("column    {}", shown.column.unwrap_or_default()))?;
    print_line(&format!("reason    {}", printable(&shown.reason)))?;
    print_line(&format!(
        "record    {}",
        serde_json::to_string_pretty(&record)?
    ))
}
