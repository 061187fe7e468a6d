//! Words of several styles, in lines no wider than a terminal.

use unicode_width::UnicodeWidthChar as _;

use super::look::{Look, Tone};
use crate::output::printable;

/// However deep a tree is, so much is left for words.
const LEAST: usize = 24;

/// A word, and what is before it on its line.
#[derive(Clone, Debug)]
struct Word {
    text: String,
    tone: Tone,
    gap: usize,
    /// On a line of its own and its followers'.
    breaks: bool,
}

/// Words that are one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(Vec<Word>);

impl Words {
    /// Adds text from wherever: what would speak to the terminal is shown by its number.
    pub(super) fn say(&mut self, tone: Tone, text: &str) {
        self.add(tone, text, 1, false);
    }

    /// Adds text that is a little apart from what is before it.
    pub(super) fn field(&mut self, tone: Tone, text: &str) {
        self.add(tone, text, 2, false);
    }

    /// The same, on one line: a number and its unit.
    pub(super) fn whole_field(&mut self, tone: Tone, text: &str) {
        self.0.push(Word {
            text: printable(text),
            tone,
            gap: 2,
            breaks: false,
        });
    }

    /// Adds text of one line or several, so far apart from what is before it.
    pub(super) fn text(&mut self, tone: Tone, text: &str, gap: usize) {
        let text = text.trim_end();
        // Several lines are told below what they are about, all of them.
        let are_several = text.contains('\n');
        for line in text.split('\n') {
            let line = line.trim_end_matches('\r');
            let indented = line.len() - line.trim_start_matches(' ').len();
            let gap = if are_several { indented } else { gap };
            self.add(tone, line, gap, are_several);
        }
    }

    fn add(&mut self, tone: Tone, text: &str, gap: usize, breaks: bool) {
        let text = printable(text);
        let (mut gap, mut breaks) = (gap.min(LEAST / 2), breaks);
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            self.0.push(Word {
                text: word.to_owned(),
                tone,
                gap,
                breaks,
            });
            (gap, breaks) = (1, false);
        }
    }

    /// The lines, each behind what leads to it: `first`, and `then` from the second on.
    pub(super) fn lines(&self, look: Look, first: &str, then: &str) -> Vec<String> {
        let mut lines = vec![look.styled(Tone::Dim, first)];
        // Where the line ends, and whether it has a word.
        let (mut at, mut is_begun) = (width(first), false);
        let room = |lead: &str| {
            let columns = look.width.unwrap_or(usize::MAX);
            columns.max(width(lead).saturating_add(LEAST))
        };
        let mut most = room(first);
        for word in &self.0 {
            let mut rest = word.text.as_str();
            let mut gap = if is_begun { word.gap } else { 0 };
            let is_too_wide = at + gap + width(rest) > most;
            if is_begun && (word.breaks || is_too_wide) {
                gap = if word.breaks { word.gap } else { 0 };
                (at, most) = (width(then), room(then));
                lines.push(look.styled(Tone::Dim, then));
            }
            loop {
                // What fits on no line goes on at the next one.
                let (now, later) = rest.split_at(fitting(rest, most.saturating_sub(at + gap)));
                if let Some(line) = lines.last_mut() {
                    line.extend(std::iter::repeat_n(' ', gap));
                    line.push_str(&look.styled(word.tone, now));
                }
                at += gap + width(now);
                is_begun = true;
                if later.is_empty() {
                    break;
                }
                rest = later;
                (at, gap, most) = (width(then), 0, room(then));
                lines.push(look.styled(Tone::Dim, then));
            }
        }
        lines
    }
}

/// How many bytes of a text fit into columns: of the first character all, so that there is an end.
fn fitting(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > columns && at > 0 {
            return at;
        }
    }
    text.len()
}

fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Look = Look {
        ascii: false,
        colors: false,
        width: Some(30),
        metadata: false,
    };

    #[test]
    fn what_is_too_wide_goes_on_below() {
        let mut words = Words::default();
        words.say(Tone::Plain, "Approval Policy");
        words.field(Tone::Dim, "waits for two of alice, bob and carol");
        assert_eq!(
            words.lines(NARROW, "├─ ", "│    "),
            [
                "├─ Approval Policy  waits for",
                "│    two of alice, bob and",
                "│    carol"
            ]
        );
    }

    #[test]
    fn a_word_of_any_width_has_an_end() {
        let mut words = Words::default();
        words.say(Tone::Plain, &"日".repeat(30));
        let lines = words.lines(NARROW, "", "");
        let widths: Vec<usize> = lines.iter().map(|line| width(line)).collect();
        assert_eq!(widths, [30, 30]);
        assert_eq!(fitting("日本", 0), 3);
    }

    #[test]
    fn lines_of_a_message_stay_lines() {
        let mut words = Words::default();
        words.say(Tone::Plain, "Apply");
        words.text(Tone::Bad, "error:\r\n  no\u{1b}[2J space\n\n", 2);
        let wide = Look {
            width: None,
            ..NARROW
        };
        assert_eq!(
            words.lines(wide, "", "  "),
            ["Apply", "  error:", "    no\\u{1b}[2J space"]
        );
    }

    #[test]
    fn styles_end_with_their_word() {
        let mut words = Words::default();
        words.say(Tone::Bad, "no space");
        let colored = Look {
            colors: true,
            ..NARROW
        };
        let line = words.lines(colored, "", "").join("\n");
        assert_eq!(line, "\u{1b}[31mno\u{1b}[0m \u{1b}[31mspace\u{1b}[0m");
    }
}
