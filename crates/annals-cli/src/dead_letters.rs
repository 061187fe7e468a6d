//! `annals dead-letters`.

use std::{process::ExitCode, time::Duration};

use annals_record::{Filter, Record, Uuid};
use annals_store::{DeadLetter, Replayed, Store};
use annals_telemetry::{Span, Spans, SpansOptions};
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
        DeadLettersCommand::Replay { which } => return replay(store, which, json).await,
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

async fn show(store: &Store, id: Uuid, json: bool) -> Result<(), CliError> {
    let letter = store
        .dead_letters()
        .get(id)
        .await?
        .ok_or(CliError::NoSuchLetter(id))?;
    let content = letter.content()?;
    // A record that this program knows is shown as it would be anywhere else.
    let record = match content.to_record::<Span>() {
        Ok(span) if letter.table_name == Span::DESCRIPTOR.table => {
            serde_json::to_value(Shown(&span))?
        }
        _ => serde_json::to_value(&content)?,
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

async fn replay(store: Store, which: &Which, json: bool) -> Result<ExitCode, CliError> {
    for id in &which.ids {
        if store.dead_letters().get(*id).await?.is_none() {
            return Err(CliError::NoSuchLetter(*id));
        }
    }
    let mut total = Replayed::default();
    let mut cursor: Option<String> = None;
    let spans = Spans::new(store.clone(), SpansOptions::default()).await?;
    loop {
        let mut query = store
            .dead_letters()
            .list()
            .filter(filter_of(which))
            .limit(PAGE);
        if let Some(cursor) = cursor.take() {
            query = query.after(cursor);
        }
        let page = query.fetch().await?;
        if let Some(foreign) = page
            .rows
            .iter()
            .find(|letter| letter.table_name != Span::DESCRIPTOR.table)
        {
            return Err(CliError::ForeignTable(foreign.table_name.clone()));
        }
        let replayed = spans.writer().replay(page.rows).await?;
        total.committed += replayed.committed;
        total.refused += replayed.refused;
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let _report = spans.shutdown(Duration::from_secs(10)).await;
    if json {
        print_json(&serde_json::json!({ "committed": total.committed, "refused": total.refused }))?;
    } else {
        print_line(&format!(
            "replayed {}, refused again {}",
            total.committed, total.refused
        ))?;
    }
    Ok(if total.refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
