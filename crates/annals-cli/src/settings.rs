//! `annals settings`.

use annals_store::config::Setting;

use crate::{
    command::DatabaseArgs,
    database::sources,
    error::CliError,
    output::{add_row, print_json, print_table, table},
};

/// Settings of the program itself.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting::new(
        "EVENTODB_PORT",
        &[],
        "",
        "port on loopback for what HTTP_ADDR is for, where that is not set",
    ),
    Setting::new(
        "EVENTODB_LOG_LEVEL",
        &["ANNALS_LOG_LEVEL"],
        "info",
        "least important kind of message that `annals serve` logs: trace, debug, info, warn, error, off; RUST_LOG wins over it",
    ),
    Setting::new(
        "EVENTODB_LOG_FORMAT",
        &["ANNALS_LOG_FORMAT"],
        "console",
        "how `annals serve` logs: console, json",
    ),
];

pub(crate) fn run(args: &DatabaseArgs, json: bool) -> Result<(), CliError> {
    let sources = sources(args)?;
    let shown = |setting: &Setting| match sources.get(setting.name) {
        Some((value, origin)) => {
            let value = if setting.is_secret() { "(set)" } else { value };
            (value.to_owned(), origin.to_string())
        }
        None => (String::new(), String::new()),
    };
    if json {
        let settings = sources.settings().map(|setting| {
            let (value, origin) = shown(setting);
            serde_json::json!({
                "name": setting.name, "first": setting.first, "aliases": setting.aliases, "value": value,
                "origin": origin, "default": setting.default, "about": setting.about,
            })
        });
        return print_json(&settings.collect::<Vec<_>>());
    }
    let mut table = table(&["NAME", "VALUE", "ORIGIN", "WHAT IT IS"]);
    for setting in sources.settings() {
        let (value, origin) = shown(setting);
        let cells = [
            setting.name.to_owned(),
            value,
            origin,
            setting.about.to_owned(),
        ];
        add_row(&mut table, cells);
    }
    print_table(&table, "")
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, path::Path};

    fn document() -> String {
        let mut text = "# Settings\n\n\
            Looked up as flag, environment variable, `annals.toml` (the same names in lower case), default.\n\
            A bad value stops the start by name. Sizes are `512KiB` or `16MiB`, times `500ms`, `30s`, `5m`,\n\
            `1h` or `7d`.\n"
            .to_owned();
        for (title, settings) in crate::database::TABLES {
            let _ = write!(
                text,
                "\n## {title}\n\n| Name | Also | Default | What it is |\n|---|---|---|---|\n"
            );
            for setting in settings {
                let code = |word: &str| match word {
                    "" => String::new(),
                    word => format!("`{word}`"),
                };
                let also: Vec<String> = setting
                    .first
                    .iter()
                    .chain(setting.aliases)
                    .map(|name| code(name))
                    .collect();
                let _ = writeln!(
                    text,
                    "| `{}` | {} | {} | {} |",
                    setting.name,
                    also.join(", "),
                    code(setting.default),
                    setting.about
                );
            }
        }
        text
    }

    /// `ANNALS_UPDATE_DOCS=1 cargo test -p annals-cli settings` writes the document anew.
    #[test]
    fn the_document_lists_every_setting_with_its_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
        if std::env::var_os("ANNALS_UPDATE_DOCS").is_some() {
            std::fs::write(&path, document()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == document(), "docs/settings.md is out of date");
    }
}
