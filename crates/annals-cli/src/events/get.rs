//! `annals events get`: messages for a person, or for a program.

use annals_events::{CategoryQuery, From, Message, StreamQuery};
use comfy_table::CellAlignment;

use super::{
    command::{GetArgs, WhichMessages},
    line, namespace,
};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{add_row, print_line, print_table, table},
};

pub(super) async fn run(
    database: &DatabaseArgs,
    args: &GetArgs,
    json: bool,
) -> Result<(), CliError> {
    check(&args.which)?;
    let namespace = namespace(database, &args.of.namespace).await?;
    let WhichMessages { stream, category } = args.which.clone();
    let messages = match stream {
        Some(stream) => {
            let query = StreamQuery {
                stream,
                from: From::Position(args.from),
                limit: Some(args.limit),
            };
            namespace.stream(query).await?
        }
        None => {
            let query = CategoryQuery {
                category: category.unwrap_or_default(),
                from: args.from,
                limit: Some(args.limit),
                correlation: None,
                group: None,
            };
            namespace.category(query).await?
        }
    };
    if json {
        return messages
            .iter()
            .try_for_each(|message| print_line(&line::of(message)?));
    }
    print(&messages, &args.which)?;
    match messages
        .last()
        .filter(|_| messages.len() as u64 >= args.limit)
    {
        Some(last) => {
            let place = last.place;
            let next = match args.which.stream {
                Some(_) => place.position,
                None => place.global_position,
            };
            print_line(&format!("\nmore: --from {}", next.saturating_add(1)))
        }
        None => Ok(()),
    }
}

/// Refuses what no category can be called, of which there would be no message without a word.
pub(super) fn check(which: &WhichMessages) -> Result<(), CliError> {
    match &which.category {
        Some(category) if category.contains('-') => Err(CliError::NoCategory(category.to_owned())),
        _ => Ok(()),
    }
}

fn print(messages: &[Message], which: &WhichMessages) -> Result<(), CliError> {
    let mut table = table(&["GLOBAL", "STREAM", "POSITION", "TIME", "TYPE", "DATA"]);
    if let Some(position) = table.column_mut(2) {
        position.set_cell_alignment(CellAlignment::Right);
    }
    for message in messages {
        let cells = [
            message.place.global_position.to_string(),
            message.stream.clone(),
            message.place.position.to_string(),
            message.time.to_string(),
            message.kind.clone(),
            message.data.clone(),
        ];
        add_row(&mut table, cells);
    }
    let nothing = match which {
        WhichMessages {
            stream: Some(stream),
            ..
        } => format!("there are no such messages of stream {stream:?}"),
        _ => "there are no such messages".to_owned(),
    };
    print_table(&table, &nothing)
}
