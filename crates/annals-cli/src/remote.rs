//! What every command has in common that speaks to a running server.

use std::time::Duration;

use reqwest::{ClientBuilder, Url, redirect};

use crate::error::CliError;

/// The server unless somebody says otherwise.
pub(crate) const DEFAULT: &str = "http://127.0.0.1:8080";

/// The address of a server, without the slash at its end. `flag` is what named it.
pub(crate) fn address(flag: &'static str, url: &str) -> Result<String, CliError> {
    let url = Url::parse(url).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // What stands in a URL is told and logged.
    let url = url.filter(|url| url.password().is_none() && url.username().is_empty());
    match url {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(CliError::ServerUrl(flag)),
    }
}

/// A client of that server and of no other: a token and data go to the server that was named, and nowhere else.
pub(crate) fn client(connect: Duration) -> ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(connect)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("annals/", env!("CARGO_PKG_VERSION")))
}

/// The error's own words name the address, which the user knows.
pub(crate) fn http(error: reqwest::Error) -> CliError {
    CliError::Http(error.without_url())
}
