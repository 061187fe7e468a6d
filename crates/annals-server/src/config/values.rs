//! Values that several settings have.

use std::{net::SocketAddr, time::Duration};

use annals_store::{
    ConfigError,
    config::{Origin, Sources},
};

pub(super) const COUNT: &str = "a whole number above zero";

pub(super) fn unless_off(
    sources: &Sources,
    name: &'static str,
) -> Result<Option<Duration>, ConfigError> {
    match sources.get(name) {
        Some(("off", _)) | None => Ok(None),
        Some(_) => sources.duration(name).map(Some),
    }
}

pub(super) fn missing(name: &'static str, expected: &'static str) -> ConfigError {
    ConfigError::Invalid {
        name,
        origin: Origin::Default,
        shown: "not set".to_owned(),
        expected,
    }
}

pub(super) fn address(
    sources: &Sources,
    name: &'static str,
) -> Result<Option<SocketAddr>, ConfigError> {
    let expected = "an address with a port such as 127.0.0.1:8080 or [::1]:8080, or off";
    let value = sources.checked(
        name,
        |value| value == "off" || value.parse::<SocketAddr>().is_ok(),
        expected,
    )?;
    Ok(value.parse().ok())
}

pub(super) fn truth(sources: &Sources, name: &'static str) -> Result<bool, ConfigError> {
    sources.choice(
        name,
        &[("true", true), ("1", true), ("false", false), ("0", false)],
        "true or false",
    )
}
