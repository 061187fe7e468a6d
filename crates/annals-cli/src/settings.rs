//! `annals settings`.

use annals_store::config::Setting;

use crate::{
    command::DatabaseArgs,
    database::sources,
    error::CliError,
    output::{add_row, print_json, print_table, table},
};

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
                "name": setting.name, "aliases": setting.aliases, "value": value,
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
