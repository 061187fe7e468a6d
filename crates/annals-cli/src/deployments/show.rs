//! `annals deployments show`.

use annals_deploy::WorkspaceReads;

use super::{document, draw, look::Look};
use crate::{
    error::CliError,
    output::{many, print_line, printable},
};

pub(super) async fn run(
    reads: &WorkspaceReads<'_>,
    trace_id: &str,
    metadata: bool,
    ascii: bool,
    json: bool,
) -> Result<(), CliError> {
    let tree = reads.tree(trace_id).await?;
    if json {
        return document::print_tree(trace_id, &tree);
    }
    let spans = tree.walk().count() as u64;
    let start = tree.walk().map(|node| node.span.start_time).min();
    let start = start.unwrap_or_default();
    print_line(&format!(
        "trace {}, {}, from {start}",
        printable(trace_id),
        many(spans, "span")
    ))?;
    let about = tree.walk().find_map(|node| {
        let span = &node.span;
        span.release_target_key
            .as_ref()
            .map(|key| (key, &span.deployment_id))
    });
    if let Some((key, deployment)) = about {
        let deployment = deployment
            .as_ref()
            .map(|id| format!(", deployment {}", printable(id)));
        print_line(&format!(
            "release target {}{}",
            printable(key),
            deployment.unwrap_or_default()
        ))?;
    }
    print_line("")?;
    let lines = draw::lines(&tree, Look::of_output(ascii, metadata));
    print_line(&lines.join("\n"))?;
    if tree.is_cut {
        print_line("\nThere is more: this is as much of the tree as is read at once.")?;
    }
    Ok(())
}
