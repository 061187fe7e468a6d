//! `annals bars symbols` and `annals bars gaps`: what is there, and what is not.

use annals_market::{BarStore as _, Bars, Zone};
use annals_record::Timestamp;
use annals_store::config::parse_duration;
use comfy_table::CellAlignment;

use super::{command::GapsArgs, range};
use crate::{
    error::CliError,
    output::{add_row, print_json, print_table, table},
};

pub(super) async fn symbols(bars: &Bars, since: Option<&str>, json: bool) -> Result<(), CliError> {
    let since = match since {
        None => Timestamp::MIN,
        Some(text) => match parse_duration(text) {
            Some(before) => Timestamp::now() - before,
            None => range::clock(&Zone::utc())?
                .read(text)
                .map_err(range::bad("--since"))?,
        },
    };
    let seen = bars.symbols_seen_since(since).await?;
    if json {
        let symbols: Vec<_> = seen
            .iter()
            .map(|seen| {
                serde_json::json!({
                    "symbol": seen.symbol, "bar_count": seen.bar_count,
                    "last_seen": seen.last_seen.to_string(),
                })
            })
            .collect();
        return print_json(&serde_json::json!({ "symbols": symbols }));
    }
    let mut table = table(&["SYMBOL", "BARS", "LAST"]);
    if let Some(count) = table.column_mut(1) {
        count.set_cell_alignment(CellAlignment::Right);
    }
    for seen in seen {
        add_row(
            &mut table,
            [
                seen.symbol,
                seen.bar_count.to_string(),
                seen.last_seen.to_string(),
            ],
        );
    }
    print_table(
        &table,
        "there are no bars; annals bars import FILE brings some in",
    )
}

pub(super) async fn gaps(bars: &Bars, args: &GapsArgs, json: bool) -> Result<(), CliError> {
    let clock = range::clock(&args.zone)?;
    let (start, end) = range::between(&clock, Some(&args.start), Some(&args.end))?;
    let gaps = bars.gaps(&args.symbol, start, end).await?;
    if json {
        let gaps: Vec<_> = gaps
            .iter()
            .map(|gap| {
                serde_json::json!({
                    "from": gap.from.to_string(), "to": gap.to.to_string(), "minutes": gap.minutes,
                })
            })
            .collect();
        return print_json(&serde_json::json!({ "symbol": args.symbol, "gaps": gaps }));
    }
    let mut table = table(&["FIRST", "LAST", "MINUTES"]);
    if let Some(count) = table.column_mut(2) {
        count.set_cell_alignment(CellAlignment::Right);
    }
    for gap in gaps {
        add_row(
            &mut table,
            [
                clock.show(gap.from),
                clock.show(gap.to),
                gap.minutes.to_string(),
            ],
        );
    }
    print_table(&table, "no minute is missing")
}
