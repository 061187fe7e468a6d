//! `annals bars get`: bars for a person, or for a program.

use annals_market::{Bar, BarPage, BarStore as _, Bars};
use annals_server::bars::csv::{Clock, CsvWriter};
use comfy_table::{CellAlignment, Table};

use super::{command::GetArgs, range, reader};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{Shown, print_json, print_line, print_table, printable, table},
};

/// The newest bars that are shown when nothing else is asked for.
const LATEST: u32 = 20;

/// Bars of a time range that are shown when nobody says how many.
const LIMIT: u32 = 100;

/// Decimals of prices in a table: at least, and at most.
const DECIMALS: (usize, usize) = (2, 8);

pub(super) async fn run(
    database: &DatabaseArgs,
    args: &GetArgs,
    json: bool,
) -> Result<(), CliError> {
    let clock = range::clock(&args.frame.zone)?;
    let page = read(&reader(database).await?, args, &clock).await?;
    if json {
        let bars: Vec<_> = page.bars.iter().map(Shown).collect();
        return print_json(&serde_json::json!({
            "symbol": args.symbol, "timeframe": args.frame.timeframe.as_str(),
            "zone": args.frame.zone.name(), "bars": bars, "next": page.next,
        }));
    }
    if args.csv {
        let mut writer = CsvWriter::new(Vec::new(), &args.frame.zone)?;
        for bar in &page.bars {
            writer.write(bar)?;
        }
        let text = writer.finish()?;
        print_line(String::from_utf8_lossy(&text).trim_end_matches('\n'))?;
        return match page.next {
            Some(next) => {
                eprintln!("more: --after {next}");
                Ok(())
            }
            None => Ok(()),
        };
    }
    let empty = format!(
        "there are no such bars of {}; annals bars symbols lists what there is",
        printable(&args.symbol)
    );
    print_table(&table_of(&page.bars, &clock), &empty)?;
    match page.next {
        Some(next) => print_line(&format!("\nmore: --after {next}")),
        None => Ok(()),
    }
}

async fn read(bars: &Bars, args: &GetArgs, clock: &Clock) -> Result<BarPage, CliError> {
    let asks_for_range = args.range.start.is_some()
        || args.range.end.is_some()
        || args.limit.is_some()
        || args.after.is_some();
    if !asks_for_range {
        let frame = &args.frame;
        let limit = args.latest.unwrap_or(LATEST);
        let bars = bars
            .get_latest(&args.symbol, frame.timeframe, &frame.zone, limit)
            .await?;
        return Ok(BarPage { bars, next: None });
    }
    let range = range::of(&args.symbol, &args.range, &args.frame, clock)?;
    let mut range = range.with_limit(args.limit.unwrap_or(LIMIT));
    if let Some(cursor) = &args.after {
        range = range.after(cursor);
    }
    Ok(bars.get_bars(range).await?)
}

fn table_of(bars: &[Bar], clock: &Clock) -> Table {
    let mut table = table(&["TIME", "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME", "VWAP"]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let decimals = decimals(bars);
    for bar in bars {
        let price = |price: f64| shown(price, decimals);
        table.add_row([
            clock.show(bar.timestamp),
            price(bar.open),
            price(bar.high),
            price(bar.low),
            price(bar.close),
            bar.volume.to_string(),
            // A mean has more digits than what it is made from; two tell where it lies.
            shown(bar.vwap, decimals + 2),
        ]);
    }
    table
}

/// So many decimals that the points of a table stand below each other and every price is told.
fn decimals(bars: &[Bar]) -> usize {
    let (least, most) = DECIMALS;
    let prices = bars
        .iter()
        .flat_map(|bar| [bar.open, bar.high, bar.low, bar.close]);
    let needed = prices.map(|price| {
        let text = format!("{price}");
        text.split_once('.')
            .map_or(0, |(_, decimals)| decimals.len())
    });
    needed.max().unwrap_or_default().clamp(least, most)
}

/// A price with so many decimals, or as it is where that would be of hundreds of digits.
fn shown(price: f64, decimals: usize) -> String {
    if price.abs() < 1e15 {
        format!("{price:.decimals$}")
    } else {
        format!("{price:e}")
    }
}

#[cfg(test)]
mod tests {
    use annals_market::Zone;
    use annals_record::TimestampMicros;

    use super::*;

    #[test]
    fn numbers_of_a_table_stand_below_each_other() {
        let bar = |micros, price: f64, volume| {
            let time = TimestampMicros::from_unix_micros(micros).unwrap();
            Bar::new("A", time, [price; 4], volume, price + 1.0 / 3.0).unwrap()
        };
        let clock = Clock::of(&Zone::named("America/New_York").unwrap()).unwrap();
        let bars = [
            bar(1_767_623_400_000_000, 99.5, 7),
            bar(1_767_623_460_000_000, 1_000.125, 1_234_567),
        ];
        let lines: Vec<String> = table_of(&bars, &clock)
            .lines()
            .map(|line| line.trim().to_owned())
            .collect();
        assert_eq!(
            lines,
            [
                "TIME                           OPEN      HIGH       LOW     CLOSE   VOLUME        VWAP",
                "2026-01-05T09:30:00-05:00    99.500    99.500    99.500    99.500        7    99.83333",
                "2026-01-05T09:31:00-05:00  1000.125  1000.125  1000.125  1000.125  1234567  1000.45833",
            ]
        );
        assert_eq!(shown(1e300, 2), "1e300");
    }
}
