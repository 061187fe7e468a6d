//! `annals events streams` and `categories`: what there is.

use annals_events::{Namespace, StreamList};
use comfy_table::CellAlignment;

use crate::{
    error::CliError,
    output::{add_row, print_json, print_line, print_table, printable, table},
};

pub(super) async fn streams(
    namespace: &Namespace,
    prefix: &str,
    after: &str,
    limit: u32,
    json: bool,
) -> Result<(), CliError> {
    let list = StreamList {
        prefix: prefix.to_owned(),
        after: after.to_owned(),
        limit,
    };
    let streams = namespace.streams(list).await?;
    let is_full = streams.len() as u64 >= u64::from(limit);
    let next = streams.last().filter(|_| is_full);
    let next = next.map(|last| last.stream.clone());
    if json {
        let shown: Vec<_> = streams
            .iter()
            .map(|one| {
                serde_json::json!({
                    "stream": one.stream, "version": one.version,
                    "last_activity": one.last_activity.to_string(),
                })
            })
            .collect();
        return print_json(&serde_json::json!({ "streams": shown, "next": next }));
    }
    let mut table = table(&["STREAM", "VERSION", "LAST"]);
    if let Some(version) = table.column_mut(1) {
        version.set_cell_alignment(CellAlignment::Right);
    }
    for one in streams {
        let cells = [
            one.stream,
            one.version.to_string(),
            one.last_activity.to_string(),
        ];
        add_row(&mut table, cells);
    }
    print_table(&table, "there are no such streams")?;
    match next {
        Some(next) => print_line(&format!("\nmore: --after '{}'", printable(&next))),
        None => Ok(()),
    }
}

pub(super) async fn categories(namespace: &Namespace, json: bool) -> Result<(), CliError> {
    let categories = namespace.categories().await?;
    if json {
        let shown: Vec<_> = categories
            .iter()
            .map(|one| {
                serde_json::json!({
                    "category": one.category, "streams": one.stream_count,
                    "messages": one.message_count,
                })
            })
            .collect();
        return print_json(&serde_json::json!({ "categories": shown }));
    }
    let mut table = table(&["CATEGORY", "STREAMS", "MESSAGES"]);
    for column in [1, 2] {
        if let Some(count) = table.column_mut(column) {
            count.set_cell_alignment(CellAlignment::Right);
        }
    }
    for one in categories {
        let cells = [
            one.category,
            one.stream_count.to_string(),
            one.message_count.to_string(),
        ];
        add_row(&mut table, cells);
    }
    print_table(&table, "there are no messages")
}
