//! `annals bars refresh`: longer bars of minutes that others have changed.

use std::time::Duration;

use annals_market::refresh::{mark_changed, refresh};
use annals_record::Timestamp;

use super::{command::RefreshArgs, range};
use crate::{
    command::DatabaseArgs,
    database::connect,
    error::CliError,
    output::{print_json, print_line},
    progress::Progress,
};

/// How long to wait for somebody else who is at it.
const BUSY: Duration = Duration::from_millis(50);

pub(super) async fn run(
    args: &DatabaseArgs,
    which: &RefreshArgs,
    json: bool,
) -> Result<(), CliError> {
    let clock = range::clock(&which.zone)?;
    let (start, end) = range::between(&clock, which.from.as_deref(), which.until.as_deref())?;
    let start = which.from.is_some().then_some(start);
    let end = which.until.is_some().then_some(end);
    let store = connect(args).await?;
    if which.symbols.is_empty() {
        mark_changed(&store, None, start, end).await?;
    }
    for symbol in &which.symbols {
        mark_changed(&store, Some(symbol), start, end).await?;
    }
    let progress = Progress::of_rows();
    let (mut minutes, mut made, mut removed, mut held) = (0, 0, 0, 0);
    loop {
        let done = refresh(&store, Timestamp::now()).await?;
        if done.is_busy {
            tokio::time::sleep(BUSY).await;
            continue;
        }
        if done.entries == 0 {
            break;
        }
        minutes += done.minutes;
        made += done.made;
        removed += done.removed;
        held += done.held;
        progress.rows(minutes);
    }
    progress.finish();
    if json {
        return print_json(&serde_json::json!({
            "minutes": minutes, "made": made, "removed": removed, "held": held,
        }));
    }
    let mut line = format!(
        "read {minutes} bars of a minute: {made} longer bars were new or different, {removed} had no minutes any more"
    );
    if held > 0 {
        line += &format!("; of {held} hours no bars can be made, and reading them says why");
    }
    print_line(&line)
}
