//! Command lines as EventoDB's users write them, made into this program's own.
//!
//! Go programs take long flags with one dash or two, and EventoDB's needs no word for serving. What is no
//! such command line stays as it is.

use std::ffi::OsString;

/// Flags that EventoDB's server knows.
const SERVING: [&str; 8] = [
    "port",
    "db-url",
    "db-type",
    "data-dir",
    "token",
    "test-mode",
    "log-level",
    "log-format",
];

/// Flags of its `export` and `import`.
const TRANSFER: [&str; 9] = [
    "url",
    "token",
    "categories",
    "since",
    "until",
    "gzip",
    "output",
    "input",
    "force",
];

/// Those of all of these that have no value, or one behind `=` alone.
const TRUTHS: [&str; 3] = ["test-mode", "gzip", "force"];

/// This program's flags with a value that may stand before its commands.
const EVERYWHERE: [&str; 3] = ["database-url", "schema", "config"];

/// A command line that clap understands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The program's name and what follows it.
    pub(crate) words: Vec<OsString>,
    /// It is to serve, and the word for that was left out.
    pub(crate) serves_unasked: bool,
}

impl Arguments {
    /// Reads what the program was started with.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Self {
        let mut words: Vec<OsString> = words.into_iter().collect();
        if let Some(first) = words.get_mut(1)
            && ["-v", "-V", "--version"].iter().any(|word| first == word)
        {
            *first = "version".into();
        }
        let command = command(&words);
        let behind: &[&str] = match command.and_then(|at| words.get(at)?.to_str()) {
            Some("serve") => &SERVING,
            Some("export" | "import") => &TRANSFER,
            _ => &[],
        };
        let (mut is_value, mut is_eventodb) = (false, false);
        for (at, word) in words.iter_mut().enumerate().skip(1) {
            if std::mem::take(&mut is_value) {
                continue;
            }
            let Some(text) = word.to_str() else { continue };
            if text == "--" {
                break;
            }
            let Some(flag) = flag(text) else { continue };
            let is_before = command.is_none_or(|command| at < command);
            let is_known = if is_before { &SERVING[..] } else { behind }.contains(&flag);
            is_value = has_value(text, flag) && (is_known || EVERYWHERE.contains(&flag));
            is_eventodb |= is_before && is_known;
            if is_known && !text.starts_with("--") {
                *word = format!("-{text}").into();
            }
        }
        match command {
            // Its flags may stand before the word as well.
            Some(at) if words.get(at).is_some_and(|word| word == "serve") => {
                let word = words.remove(at);
                words.insert(1, word);
            }
            None if is_eventodb => words.insert(1, "serve".into()),
            _ => {}
        }
        Self {
            words,
            serves_unasked: command.is_none() && is_eventodb,
        }
    }
}

/// The name of a flag that is written in full, whatever its dashes and its value.
fn flag(text: &str) -> Option<&str> {
    let text = text.strip_prefix('-')?;
    let text = text.strip_prefix('-').unwrap_or(text);
    text.split('=').next().filter(|name| name.len() > 1)
}

/// Whether the next word is this flag's value.
fn has_value(text: &str, flag: &str) -> bool {
    !text.contains('=') && !TRUTHS.contains(&flag)
}

/// Where the first word is that is neither a flag nor a flag's value.
fn command(words: &[OsString]) -> Option<usize> {
    let mut is_value = false;
    for (at, word) in words.iter().enumerate().skip(1) {
        if std::mem::take(&mut is_value) {
            continue;
        }
        let text = word.to_str()?;
        match flag(text) {
            Some(name) => {
                let is_known = SERVING.contains(&name) || EVERYWHERE.contains(&name);
                is_value = is_known && has_value(text, name);
            }
            None if text == "--" => return None,
            None if text.starts_with('-') => {}
            None => return Some(at),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (String, bool) {
        let words = std::iter::once("annals").chain(line.split_whitespace());
        let arguments = Arguments::read(words.map(OsString::from));
        let words: Vec<_> = arguments
            .words
            .iter()
            .skip(1)
            .map(|word| word.to_str().unwrap())
            .collect();
        (words.join(" "), arguments.serves_unasked)
    }

    #[test]
    fn eventodb_s_command_lines_serve() {
        for (line, expected) in [
            (
                "--test-mode --port=6789 --token=ns_x",
                "serve --test-mode --port=6789 --token=ns_x",
            ),
            (
                "-port 6789 -token ns_x -db-url postgres://x -db-type timescale -test-mode",
                "serve --port 6789 --token ns_x --db-url postgres://x --db-type timescale --test-mode",
            ),
            (
                "-test-mode=false -port=1",
                "serve --test-mode=false --port=1",
            ),
            ("-log-level debug", "serve --log-level debug"),
            ("--json --port 1", "serve --json --port 1"),
            // A value that looks like a flag or a command is one all the same.
            (
                "-token -port -data-dir serve",
                "serve --token -port --data-dir serve",
            ),
        ] {
            assert_eq!(read(line), (expected.to_owned(), true), "{line}");
        }
    }

    #[test]
    fn the_word_serve_may_stand_anywhere_between_flags() {
        for (line, expected) in [
            ("serve -port 1 -test-mode", "serve --port 1 --test-mode"),
            ("-port 1 serve -test-mode", "serve --port 1 --test-mode"),
            (
                "serve --http-addr 127.0.0.1:0 --db-type auto",
                "serve --http-addr 127.0.0.1:0 --db-type auto",
            ),
        ] {
            assert_eq!(read(line), (expected.to_owned(), false), "{line}");
        }
    }

    #[test]
    fn export_and_import_take_one_dash_too() {
        let line = "export -url http://x -token ns_x -gzip -output a.gz";
        let expected = "export --url http://x --token ns_x --gzip --output a.gz";
        assert_eq!(read(line), (expected.to_owned(), false));
        let line = "import --force -input -token";
        assert_eq!(read(line).0, "import --force --input -token");
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for line in [
            "",
            "-h",
            "--help",
            "-x --json",
            "doctor",
            "--database-url serve doctor --json",
            "--db-type timescale doctor",
            "bars import -port",
            "bars get -token",
            "events tail --token -port",
            "help serve",
            "--json",
            "-- -port",
        ] {
            assert_eq!(read(line), (line.to_owned(), false), "{line}");
        }
        assert_eq!(read("-db-type sqlite doctor").0, "--db-type sqlite doctor");
        for line in ["-v --full", "-V --full", "--version --full"] {
            assert_eq!(read(line).0, "version --full");
        }
    }

    #[test]
    fn what_is_no_text_goes_through() {
        use std::os::unix::ffi::OsStringExt as _;
        let odd = OsString::from_vec(vec![b'-', 0xff]);
        let words = ["annals".into(), "-port".into(), "1".into(), odd.clone()];
        let arguments = Arguments::read(words);
        assert_eq!(arguments.words.last(), Some(&odd));
    }
}
