//! A trace as a waterfall: one line for each span, with a bar for when it ran.

use std::{borrow::Cow, io::IsTerminal as _};

use annals_telemetry::{Span, StatusCode, Trace};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::tree::tree;
use crate::{
    deployments::look::speaks_unicode,
    output::{count, duration, many, printable},
};

/// Columns where nobody says how many.
const WIDTH: usize = 80;

/// Columns that a bar has at least and at most.
const BAR: (usize, usize) = (10, 60);

/// Columns of a name at least.
const NAME: usize = 16;

/// Columns of services and models at most.
const WORD: usize = 18;

/// Levels that are drawn by indenting; what is deeper says its level.
const DEEPEST: usize = 12;

/// What the waterfall is drawn on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) width: usize,
    pub(super) ascii: bool,
}

impl Screen {
    /// As standard output and the environment have it.
    pub(super) fn of_output(ascii: bool) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let told = set("COLUMNS").and_then(|columns| columns.parse().ok());
        let measured = || {
            let (_, columns) = console::Term::stdout().size_checked()?;
            std::io::stdout()
                .is_terminal()
                .then_some(usize::from(columns))
        };
        let width: Option<usize> = told.or_else(measured);
        Self {
            width: width.filter(|width| *width > 0).unwrap_or(WIDTH),
            ascii: ascii || !speaks_unicode(set),
        }
    }
}

/// A column of text.
struct Cells {
    title: &'static str,
    cells: Vec<String>,
    /// Numbers stand by their last digit.
    is_number: bool,
}

impl Cells {
    fn new(title: &'static str, is_number: bool, cells: impl Iterator<Item = String>) -> Self {
        Self {
            title,
            cells: cells.collect(),
            is_number,
        }
    }

    /// Whether it tells anything.
    fn tells(&self) -> bool {
        self.cells.iter().any(|cell| !cell.is_empty())
    }

    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.width());
        cells.chain([self.title.len()]).max().unwrap_or(0)
    }

    fn line(&self, at: Option<usize>, width: usize, screen: Screen) -> String {
        let text = at.map_or(self.title, |at| self.cells.get(at).map_or("", |cell| cell));
        let text = cut(text, width, screen);
        let blanks = " ".repeat(width.saturating_sub(text.width()));
        match self.is_number {
            true => format!("{blanks}{text}"),
            false => format!("{text}{blanks}"),
        }
    }
}

/// The lines of a trace.
pub(super) fn lines(
    trace_id: &str,
    spans: &[Span],
    summary: Option<&Trace>,
    screen: Screen,
) -> Vec<String> {
    let rows = tree(spans);
    let start = spans.iter().map(|span| span.start_time.unix_nanos()).min();
    let start = start.unwrap_or_default();
    let end = spans.iter().map(|span| span.end_time().unix_nanos()).max();
    let whole = end.unwrap_or(start).saturating_sub(start);
    let offset = |span: &Span| span.start_time.unix_nanos().saturating_sub(start);
    let column = |title, is_number, cell: &dyn Fn(&Span) -> String| {
        Cells::new(title, is_number, rows.iter().map(|(_, span)| cell(span)))
    };

    let offsets = column("OFFSET", false, &|span| time(offset(span), screen));
    let durations = column("DURATION", true, &|span| time(span.duration_nanos, screen));
    let names = Cells::new(
        "OPERATION",
        false,
        rows.iter().map(|(depth, span)| name(*depth, span)),
    );
    let statuses = column("STATUS", false, &status);
    let tokens = column("TOKENS", true, &|span| tokens_of(span, screen));
    let costs = column("COST", true, &|span| {
        span.cost.map_or_else(String::new, money)
    });
    let models = column("MODEL", false, &|span| {
        word(span.model_name.as_deref(), screen)
    });
    let mut services = column("SERVICE", false, &|span| {
        word(Some(&span.service_name), screen)
    });
    if services
        .cells
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a == b))
    {
        services.cells.clear();
    }

    // What tells least goes first where there is no room.
    let mut others: Vec<Cells> = [services, models, statuses, tokens, costs]
        .into_iter()
        .filter(Cells::tells)
        .collect();
    let before = offsets.width() + 2 + durations.width() + 2;
    let room = |others: &[Cells]| {
        let used: usize = others.iter().map(|cells| cells.width() + 2).sum();
        screen.width.saturating_sub(before + used + 2)
    };
    while room(&others) < BAR.0 + NAME
        && let Some(at) = others
            .iter()
            .position(|cells| matches!(cells.title, "SERVICE" | "MODEL"))
    {
        others.remove(at);
    }
    let room = room(&others).max(BAR.0 + NAME);
    let name_width = names.width().min(room - BAR.0).max(names.title.len());
    let bar_width = (room - name_width).clamp(BAR.0, BAR.1);

    let line = |at: Option<usize>, bar: String| {
        let mut parts = vec![
            offsets.line(at, offsets.width(), screen),
            durations.line(at, durations.width(), screen),
            bar,
            names.line(at, name_width, screen),
        ];
        parts.extend(
            others
                .iter()
                .map(|cells| cells.line(at, cells.width(), screen)),
        );
        parts.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![head(trace_id, spans, whole, start), String::new()];
    lines.push(line(None, " ".repeat(bar_width)));
    lines.extend(rows.iter().enumerate().map(|(at, (_, span))| {
        let bar = bar(
            (offset(span), span.duration_nanos.max(0), whole),
            bar_width,
            screen,
        );
        line(Some(at), bar)
    }));
    lines.push(String::new());
    lines.push(total(spans, summary, whole));
    lines
}

fn head(trace_id: &str, spans: &[Span], whole: i64, start: i64) -> String {
    format!(
        "trace {}, {}, {} from {}",
        printable(trace_id),
        many(spans.len() as u64, "span"),
        duration(whole),
        annals_record::Timestamp::from_unix_nanos(start)
    )
}

/// What all of it took and cost.
fn total(spans: &[Span], summary: Option<&Trace>, whole: i64) -> String {
    let failed = spans
        .iter()
        .filter(|span| span.status_code == StatusCode::Error)
        .count();
    let mut parts = vec![duration(whole), many(spans.len() as u64, "span")];
    if failed > 0 {
        parts.push(format!("{} failed", count(failed as u64)));
    }
    if let Some(trace) = summary.filter(|trace| trace.model_calls > 0) {
        parts.push(many(trace.model_calls.unsigned_abs().into(), "model call"));
        parts.push(format!(
            "{} tokens in, {} out",
            count(trace.input_tokens.unsigned_abs()),
            count(trace.output_tokens.unsigned_abs())
        ));
        parts.push(match trace.cost {
            Some(cost) => money(cost),
            None => "cost unknown".to_owned(),
        });
        if trace.unpriced_calls > 0 && trace.cost.is_some() {
            parts.push(format!(
                "{} without a price",
                many(trace.unpriced_calls.unsigned_abs().into(), "call")
            ));
        }
    }
    format!("total: {}", parts.join(", "))
}

fn name(depth: usize, span: &Span) -> String {
    let level = if depth > DEEPEST {
        format!("({depth}) ")
    } else {
        String::new()
    };
    format!(
        "{}{level}{}",
        "  ".repeat(depth.min(DEEPEST)),
        printable(&span.operation_name)
    )
}

/// A time in letters that the screen has.
fn time(nanos: i64, screen: Screen) -> String {
    let text = duration(nanos);
    if screen.ascii {
        text.replace('µ', "u")
    } else {
        text
    }
}

fn status(span: &Span) -> String {
    match span.status_code {
        StatusCode::Error => "error".to_owned(),
        StatusCode::Ok => "ok".to_owned(),
        StatusCode::Unset => span
            .status
            .as_deref()
            .filter(|status| *status != "unset")
            .map_or_else(String::new, printable),
    }
}

fn word(text: Option<&str>, screen: Screen) -> String {
    cut(&printable(text.unwrap_or_default()), WORD, screen).into_owned()
}

fn tokens_of(span: &Span, screen: Screen) -> String {
    let shown =
        |tokens: Option<i32>| tokens.map_or_else(|| "?".to_owned(), |tokens| tokens.to_string());
    match (span.input_tokens, span.output_tokens) {
        (None, None) => String::new(),
        (input, output) => {
            let arrow = if screen.ascii { ">" } else { "→" };
            format!("{}{arrow}{}", shown(input), shown(output))
        }
    }
}

/// An amount of US dollars, with the digits that tell something.
pub(super) fn money(cost: f64) -> String {
    match cost.abs() {
        0.0 => "$0".to_owned(),
        size if size < 0.000_001 => "<$0.000001".to_owned(),
        size if size < 0.01 => format!("${cost:.6}"),
        size if size < 100.0 => format!("${cost:.4}"),
        _ => format!("${cost:.2}"),
    }
}

/// A text in at most so many columns.
fn cut(text: &str, width: usize, screen: Screen) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    let mut used = 1;
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > width {
            break;
        }
        shown.push(letter);
    }
    shown.push(if screen.ascii { '~' } else { '…' });
    Cow::Owned(shown)
}

/// A bar of a time within a whole one, to the eighth of a column where there are such letters.
fn bar((offset, long, whole): (i64, i64, i64), width: usize, screen: Screen) -> String {
    const EIGHTHS: [char; 8] = ['█', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    // In eighths of columns; as i128, since nanoseconds of centuries times columns are beyond i64.
    let steps = width as i128 * 8;
    let place = |nanos: i64| match i128::from(whole) {
        0 => 0,
        whole => usize::try_from(i128::from(nanos) * steps / whole).unwrap_or(0),
    };
    let from = (place(offset) / 8).min(width.saturating_sub(1));
    let until = place(offset.saturating_add(long)).clamp(from * 8 + 1, width * 8);
    let eighths = until - from * 8;
    let mut bar = " ".repeat(from);
    if long == 0 {
        bar.push(if screen.ascii { '|' } else { '▏' });
    } else if screen.ascii {
        bar += &"=".repeat(eighths.div_ceil(8));
    } else {
        bar += &"█".repeat(eighths / 8);
        if !eighths.is_multiple_of(8) {
            bar.extend(EIGHTHS.get(eighths % 8));
        }
    }
    let used = bar.chars().count();
    bar + &" ".repeat(width.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use annals_record::Timestamp;

    use super::*;

    const ASCII: Screen = Screen {
        width: 80,
        ascii: true,
    };
    const BLOCKS: Screen = Screen {
        width: 80,
        ascii: false,
    };

    fn span(id: &str, parent: Option<&str>, start: i64, long: i64) -> Span {
        let at = Timestamp::from_unix_nanos(1_735_689_600_000_000_000 + start);
        let mut span = Span::new("t", id, "api", id, at, long);
        span.parent_span_id = parent.map(str::to_owned);
        span
    }

    fn lines_of(spans: &[Span], screen: Screen) -> Vec<String> {
        lines("t", spans, None, screen)
    }

    #[test]
    fn bars_tell_when_a_span_ran() {
        let drawn = |times, screen| bar(times, 10, screen);
        assert_eq!(drawn((0, 100, 100), ASCII), "==========");
        assert_eq!(drawn((50, 25, 100), ASCII), "     ===  ");
        assert_eq!(drawn((50, 25, 100), BLOCKS), "     ██▌  ");
        // What took no time, or less, is a point, and stays in the picture at its end.
        assert_eq!(drawn((30, 0, 100), ASCII), "   |      ");
        assert_eq!(drawn((100, 0, 100), ASCII), "         |");
        assert_eq!(drawn((100, 0, 100), BLOCKS), "         ▏");
        assert_eq!(drawn((0, 0, 0), ASCII), "|         ");
        assert_eq!(drawn((0, i64::MAX, i64::MAX), ASCII), "==========");
    }

    #[test]
    fn every_span_has_one_line_that_fits_whatever_it_is() {
        let mut spans: Vec<Span> = (0..500)
            .map(|n| {
                span(
                    &format!("s{n}"),
                    (n > 0).then(|| format!("s{}", n - 1)).as_deref(),
                    n * 1_000,
                    5_000,
                )
            })
            .collect();
        spans[3].duration_nanos = -7;
        spans[4].duration_nanos = 0;
        spans[5].operation_name = "very long name ".repeat(20);
        spans[6].operation_name = "語".repeat(60);
        spans[7].operation_name = "\u{1b}[2J".into();
        spans[8].parent_span_id = Some("nowhere".into());
        spans[9].parent_span_id = Some("s10".into());
        for (n, span) in spans.iter_mut().enumerate().step_by(7) {
            span.model_name = Some("gpt-4o-2024-08-06-with-a-long-tail".into());
            span.input_tokens = Some(120_000 + n as i32);
            span.output_tokens = Some(500);
            span.cost = Some(0.0123);
            span.status_code = StatusCode::Error;
            span.service_name = format!("service-{n}");
        }
        for width in [1, 40, 80, 120, 300] {
            for ascii in [true, false] {
                let shown = lines_of(&spans, Screen { width, ascii });
                assert_eq!(
                    shown.len(),
                    500 + 5,
                    "a header, its title, a total and blanks between"
                );
                let longest = shown[3..503].iter().map(|line| line.width()).max().unwrap();
                assert!(
                    width < 80 || longest <= width,
                    "{longest} of {width}: {:#?}",
                    &shown[..12]
                );
                assert!(shown.iter().all(|line| !line.contains('\u{1b}')));
                assert!(
                    !ascii || shown[3..8].iter().all(|line| line.is_ascii()),
                    "{:#?}",
                    &shown[..9]
                );
            }
        }
        let shown = lines_of(
            &spans,
            Screen {
                width: 200,
                ascii: true,
            },
        );
        assert!(shown[6].contains("-7 ns"), "{}", shown[6]);
        assert!(
            shown[502].contains("(4"),
            "levels beyond what is drawn are told: {}",
            shown[502]
        );
    }

    #[test]
    fn a_line_tells_offset_duration_status_model_tokens_and_cost() {
        let root = span("GET /", None, 0, 1_000_000_000);
        let mut call = span("chat", Some("GET /"), 250_000_000, 500_000_000);
        call.model_name = Some("gpt-4o".into());
        (call.input_tokens, call.output_tokens, call.cost) = (Some(1_200), Some(340), Some(0.0065));
        call.status_code = StatusCode::Ok;
        let mut trace = Trace::new("t", "api", root.start_time).unwrap();
        (
            trace.model_calls,
            trace.unpriced_calls,
            trace.input_tokens,
            trace.output_tokens,
        ) = (2, 1, 1_200, 340);
        trace.cost = Some(0.0065);
        let shown = lines(
            "t",
            &[root, call],
            Some(&trace),
            Screen {
                width: 100,
                ascii: true,
            },
        );
        assert_eq!(
            shown,
            [
                "trace t, 2 spans, 1.00 s from 2025-01-01T00:00:00Z",
                "",
                "OFFSET    DURATION                                    OPERATION  MODEL   STATUS    TOKENS       COST",
                "0 ns        1.00 s  ================================  GET /",
                "250.0 ms  500.0 ms          ================            chat     gpt-4o  ok      1200>340  $0.006500",
                "",
                "total: 1.00 s, 2 spans, 2 model calls, 1,200 tokens in, 340 out, $0.006500, 1 call without a price",
            ]
        );
    }

    #[test]
    fn money_has_the_digits_that_tell_something() {
        let shown = [0.0, 0.000_000_4, 0.001_25, 0.5, 12.345_678, 1_234.567].map(money);
        assert_eq!(
            shown,
            [
                "$0",
                "<$0.000001",
                "$0.001250",
                "$0.5000",
                "$12.3457",
                "$1234.57"
            ]
        );
    }
}
