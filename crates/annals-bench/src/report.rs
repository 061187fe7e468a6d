//! The report: tables with medians, spans of rounds, and goals.

use std::fmt::Write as _;

use annals_record::Timestamp;

use crate::{
    Options, machine,
    measure::{Contest, Turn},
};

/// Markdown under construction.
#[derive(Debug)]
pub(crate) struct Report {
    text: String,
    servers: Vec<String>,
}

/// Where the list of servers goes, which is known at the end.
const SERVERS: &str = "@servers@";

impl Report {
    pub(crate) fn new(options: &Options) -> Self {
        let mut text = "# Measured\n\n".to_owned();
        let Options { rows, rounds, .. } = options;
        let _ = writeln!(
            text,
            "Written by `scripts/bench`; numbers are worth something against others of the same run, and \
             little against those of another machine. Each cell is the median of {rounds} rounds, with \
             the lowest and the highest round in brackets. A share is taken within each round, then its \
             median. In a round every way has one turn on empty tables after a CHECKPOINT; who begins \
             rotates. A run writes {} rows unless its table says otherwise.\n",
            thousands(*rows as f64),
        );
        let _ = writeln!(text, "| | |\n|---|---|\n| Date | {} |", Timestamp::now());
        for (name, fact) in machine::facts() {
            let _ = writeln!(text, "| {name} | {fact} |");
        }
        let _ = writeln!(text, "| Servers | {SERVERS} |\n");
        Self {
            text,
            servers: Vec::new(),
        }
    }

    /// Notes a server that took part.
    pub(crate) fn server(&mut self, version: String) {
        if !self.servers.contains(&version) {
            self.servers.push(version);
        }
    }

    pub(crate) fn heading(&mut self, heading: &str, reproduce: &str) {
        let _ = writeln!(
            self.text,
            "## {heading}\n\nAlone: `scripts/bench {reproduce}`\n"
        );
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}\n");
    }

    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let _ = writeln!(
            self.text,
            "| {} |\n|{}",
            head.join(" | "),
            "---|".repeat(head.len())
        );
        for row in rows {
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
        self.text.push('\n');
    }

    /// A table of every way against one of them.
    pub(crate) fn contest<W>(&mut self, contest: &Contest<W>, baseline: usize) {
        let head = [
            "way",
            "rows/s",
            "share",
            "goal",
            "client CPU, µs a row",
            "server CPU, µs a row",
        ];
        let base = &contest.turns[baseline];
        let rows: Vec<Vec<String>> = (contest.ways.iter().zip(&contest.turns))
            .enumerate()
            .map(|(number, (way, turns))| {
                let shares = shares(turns, base);
                let goal = match way.goal {
                    Some(goal) if number != baseline => {
                        verdict(median(&shares) >= goal, &format!("≥ {goal}"))
                    }
                    _ => String::new(),
                };
                vec![
                    way.name.to_owned(),
                    spread(turns.iter().map(Turn::rate), thousands),
                    if number == baseline {
                        "1".to_owned()
                    } else {
                        spread(shares, two_digits)
                    },
                    goal,
                    spread(turns.iter().map(Turn::cpu_per_row), two_digits),
                    match turns
                        .iter()
                        .map(Turn::server_per_row)
                        .collect::<Option<Vec<f64>>>()
                    {
                        Some(server) => spread(server, two_digits),
                        None => String::new(),
                    },
                ]
            })
            .collect();
        self.table(&head, &rows);
    }

    pub(crate) fn finish(self) -> String {
        let mut text = self.text.replace(SERVERS, &self.servers.join("; "));
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}

/// What each turn reached of the baseline's rate in the same round.
pub(crate) fn shares(turns: &[Turn], base: &[Turn]) -> Vec<f64> {
    turns
        .iter()
        .zip(base)
        .map(|(turn, base)| turn.rate() / base.rate())
        .collect()
}

/// A goal, and whether it was met.
pub(crate) fn verdict(met: bool, goal: &str) -> String {
    if met {
        format!("{goal}: met")
    } else {
        format!("{goal}: **missed**")
    }
}

/// The middle value; of an even number the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// Median, and lowest to highest in brackets.
pub(crate) fn spread(
    values: impl IntoIterator<Item = f64>,
    form: impl Fn(f64) -> String,
) -> String {
    let values: Vec<f64> = values.into_iter().collect();
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!(
        "{} ({}..{})",
        form(median(&values)),
        form(lowest),
        form(highest)
    )
}

/// `0.97`, `12.3`, `152`: as many digits as mean something.
pub(crate) fn two_digits(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// `123,456`.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!(
            ["1", "12", "999"],
            [1.0, 12.0, 999.4]
                .map(thousands)
                .each_ref()
                .map(String::as_str)
        );
        assert_eq!(thousands(1_234_567.0), "1,234,567");
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(spread([0.5, 0.25, 12.0], two_digits), "0.50 (0.25..12.0)");
    }
}
