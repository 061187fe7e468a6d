//! `annals events namespaces`, `create`, `new-token` and `delete`.

use annals_events::{Events, NewNamespace, Token};
use annals_server::ServerConfig;
use comfy_table::CellAlignment;

use crate::{
    command::DatabaseArgs,
    database::{connect, sources},
    error::CliError,
    output::{add_row, confirm, print_json, print_line, print_table, printable, table},
};

pub(super) async fn list(events: &Events, json: bool) -> Result<(), CliError> {
    let namespaces = events.namespaces().await?;
    if json {
        let shown: Vec<_> = namespaces
            .iter()
            .map(|one| {
                serde_json::json!({
                    "id": one.id, "messages": one.message_count,
                    "created_at": one.created_at.to_string(), "description": one.description,
                })
            })
            .collect();
        return print_json(&serde_json::json!({ "namespaces": shown }));
    }
    let mut table = table(&["NAMESPACE", "MESSAGES", "MADE", "WHAT IT IS FOR"]);
    if let Some(count) = table.column_mut(1) {
        count.set_cell_alignment(CellAlignment::Right);
    }
    for one in namespaces {
        let cells = [
            one.id,
            one.message_count.to_string(),
            one.created_at.to_string(),
            one.description,
        ];
        add_row(&mut table, cells);
    }
    print_table(
        &table,
        "there are no namespaces; annals events create NAMESPACE makes one",
    )
}

pub(super) async fn create(
    args: &DatabaseArgs,
    id: &str,
    description: &str,
    token: Option<&str>,
    json: bool,
) -> Result<(), CliError> {
    let mut new = NewNamespace::new(id).with_description(description);
    if let Some(token) = token {
        let token = Token::parse(token).map_err(annals_events::Error::Token)?;
        new = new.with_token(token);
    }
    // A new namespace keeps its messages as a server of these settings would have it.
    let options = ServerConfig::from_sources(&sources(args)?)?.events.options;
    let events = Events::new(connect(args).await?, options).await?;
    let (made, given) = events.create_namespace(new).await?;
    // Whoever brought it has it.
    let told = token.is_none().then(|| given.reveal());
    if json {
        return print_json(&serde_json::json!({
            "id": made.id, "created_at": made.created_at.to_string(), "token": told,
        }));
    }
    print_line(&format!("made namespace {}", printable(&made.id)))?;
    told.map_or(Ok(()), tell)
}

pub(super) async fn new_token(
    events: &Events,
    id: &str,
    yes: bool,
    json: bool,
) -> Result<(), CliError> {
    events.namespace(id).await?;
    let question =
        format!("Give namespace {id:?} a new token, so that the old one opens nothing any more?");
    confirm(&question, yes)?;
    let token = events.renew_token(id).await?;
    if json {
        return print_json(&serde_json::json!({ "id": id, "token": token.reveal() }));
    }
    print_line(&format!("namespace {} has a new token", printable(id)))?;
    tell(token.reveal())
}

fn tell(token: &str) -> Result<(), CliError> {
    print_line(&format!(
        "\nThis token opens it; it is told this once, and nobody can read it later:\n  {token}"
    ))
}

pub(super) async fn delete(
    events: &Events,
    id: &str,
    yes: bool,
    json: bool,
) -> Result<(), CliError> {
    let count = events.namespace(id).await?.info().await?;
    let question = format!(
        "Delete namespace {id:?} and its {} message(s) for good?",
        count.summary.message_count
    );
    confirm(&question, yes)?;
    let messages = events.delete_namespace(id).await?;
    if json {
        return print_json(&serde_json::json!({ "id": id, "messages": messages }));
    }
    print_line(&format!(
        "deleted namespace {} with {messages} message(s)",
        printable(id)
    ))
}
