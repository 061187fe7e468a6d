//! `annals events write`: one message, to try things out.

use annals_events::NewMessage;

use super::{command::WriteArgs, namespace};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{print_json, print_line, printable},
};

pub(super) async fn run(
    database: &DatabaseArgs,
    args: &WriteArgs,
    json: bool,
) -> Result<(), CliError> {
    let namespace = namespace(database, &args.of.namespace).await?;
    let mut message = NewMessage::new(&args.kind, args.data.clone());
    message.id = args.id;
    message.metadata = args.metadata.clone();
    let place = namespace
        .write_message(&args.stream, message, args.expect)
        .await?;
    if json {
        return print_json(&serde_json::json!({
            "stream": args.stream, "position": place.position,
            "global_position": place.global_position,
        }));
    }
    print_line(&format!(
        "{} is at version {}; the message's place in the namespace is {}",
        printable(&args.stream),
        place.position,
        place.global_position
    ))
}
