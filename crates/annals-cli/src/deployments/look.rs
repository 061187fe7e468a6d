//! What a terminal can show, and what it is shown with.

use std::io::IsTerminal as _;

use annals_deploy::Status;
use annals_record::TextEnum as _;
use console::{Style, Term};

/// How a tree is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) ascii: bool,
    pub(super) colors: bool,
    /// Columns of the terminal; none where lines may have any length.
    pub(super) width: Option<usize>,
    pub(super) metadata: bool,
}

/// What a piece of text means, and so which style it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// What matters less.
    Dim,
    Good,
    Bad,
    /// Not over, or of unknown end.
    Open,
    /// A decision's name, and what was decided.
    Decided,
    DecidedWell,
    DecidedBadly,
}

impl Look {
    /// As standard output and the environment have it.
    pub(super) fn of_output(ascii: bool, metadata: bool) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let width = || {
            let (_, columns) = Term::stdout().size_checked()?;
            Some(usize::from(columns))
        };
        Self {
            ascii: ascii || !speaks_unicode(set),
            colors: is_terminal
                && set("NO_COLOR").is_none()
                && set("TERM").as_deref() != Some("dumb"),
            width: width().filter(|columns| is_terminal && *columns > 0),
            metadata,
        }
    }

    /// The text as it is printed.
    pub(super) fn styled(self, tone: Tone, text: &str) -> String {
        let style = match tone {
            _ if !self.colors || text.is_empty() => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Dim => Style::new().dim(),
            Tone::Good => Style::new().green(),
            Tone::Bad => Style::new().red(),
            Tone::Open => Style::new().yellow(),
            Tone::Decided => Style::new().bold(),
            Tone::DecidedWell => Style::new().bold().green(),
            Tone::DecidedBadly => Style::new().bold().red(),
        };
        style.apply_to(text).force_styling(true).to_string()
    }

    /// The sign of a status, and how it looks.
    pub(super) fn sign(self, status: Option<&str>) -> (&'static str, Tone) {
        let (sign, plain, tone) = match status.and_then(Status::from_text) {
            Some(Status::Completed) => ("✓", "[ok]", Tone::Good),
            Some(Status::Failed) => ("✗", "[failed]", Tone::Bad),
            Some(Status::Running) => ("…", "[running]", Tone::Open),
            Some(Status::Skipped) => ("–", "[skipped]", Tone::Dim),
            Some(Status::Unset) => ("·", "[unset]", Tone::Dim),
            Some(Status::Aborted) => ("!", "[aborted]", Tone::Bad),
            None => ("?", "[?]", Tone::Dim),
        };
        (if self.ascii { plain } else { sign }, tone)
    }

    /// What leads to a span: beside it and below it, where others follow, and where it is the last.
    pub(super) fn guides(self, is_last: bool) -> (&'static str, &'static str) {
        match (self.ascii, is_last) {
            (false, false) => ("├─ ", "│  "),
            (false, true) => ("└─ ", "   "),
            (true, false) => ("|- ", "|  "),
            (true, true) => ("`- ", "   "),
        }
    }
}

/// Whether the locale has more than ASCII. One that nobody has set is that of most containers, whose logs do have it.
pub(crate) fn speaks_unicode(set: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| set(name));
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_without_utf_8_is_drawn_for_in_ascii() {
        let of = |set: &[(&str, &str)]| {
            speaks_unicode(|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(of(&[]) && of(&[("LANG", "de_DE.UTF-8")]) && of(&[("LC_CTYPE", "C.utf8")]));
        assert!(!of(&[("LANG", "C")]) && !of(&[("LC_ALL", "POSIX"), ("LANG", "C.UTF-8")]));
    }
}
