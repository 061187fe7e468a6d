//! `annals events rebuild-heads` and `verify`.

use std::process::ExitCode;

use annals_events::Namespace;

use crate::{
    error::CliError,
    output::{print_json, print_line, printable},
};

pub(super) async fn rebuild(namespace: &Namespace, json: bool) -> Result<(), CliError> {
    let rebuilt = namespace.rebuild_heads().await?;
    if json {
        return print_json(&serde_json::json!({
            "streams": rebuilt.streams, "ids": rebuilt.ids,
            "global_position": rebuilt.global_position,
        }));
    }
    print_line(&format!(
        "{} stream(s) have another version now, and {} message id(s) were not known; the last place is {}",
        rebuilt.streams, rebuilt.ids, rebuilt.global_position
    ))
}

pub(super) async fn verify(namespace: &Namespace, json: bool) -> Result<ExitCode, CliError> {
    let verified = namespace.verify().await?;
    let code = match verified.faults.as_slice() {
        [] => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    };
    if json {
        print_json(&serde_json::json!({
            "messages": verified.messages, "streams": verified.streams,
            "forgotten_ids": verified.forgotten_ids, "global_position": verified.global_position,
            "faults": verified.faults,
        }))?;
        return Ok(code);
    }
    for fault in &verified.faults {
        print_line(&printable(fault))?;
    }
    let found = match verified.faults.len() {
        0 => "nothing is wrong".to_owned(),
        // More are not looked for.
        100 => "100 faults or more".to_owned(),
        count => format!("{count} fault(s)"),
    };
    print_line(&format!(
        "{} message(s) of {} stream(s), the last at place {}: {found}",
        verified.messages, verified.streams, verified.global_position
    ))?;
    if !verified.faults.is_empty() {
        print_line(&format!(
            "versions, ids and the counter are made true by: annals events rebuild-heads {}",
            printable(namespace.id())
        ))?;
    }
    Ok(code)
}
