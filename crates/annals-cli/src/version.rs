//! `annals version`.

use crate::{
    error::CliError,
    output::{print_json, print_line},
};

/// The version of EventoDB whose protocol the event store speaks.
const EVENTODB: &str = "0.7.0";

pub(crate) fn run(full: bool, json: bool) -> Result<(), CliError> {
    let version = env!("CARGO_PKG_VERSION");
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    if json {
        return print_json(&serde_json::json!({
            "version": version, "target": target, "eventodb_protocol": EVENTODB,
        }));
    }
    print_line(&format!("annals {version}"))?;
    if full {
        print_line(&format!("built for          {target}"))?;
        print_line(&format!("event store as of  EventoDB {EVENTODB}"))?;
    }
    Ok(())
}
