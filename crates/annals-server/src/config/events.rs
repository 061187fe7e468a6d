//! How the event store serves.

use annals_events::{EventsOptions, Token};
use annals_store::{ConfigError, config::Sources};

use super::values::unless_off;

/// How the event store serves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventsConfig {
    /// The token of `default`.
    pub token: Option<Token>,
    /// Nobody is asked for a token.
    pub test_mode: bool,
    /// How it keeps messages; its patience is the server's [`ingest_timeout`](super::ServerConfig::ingest_timeout).
    pub options: EventsOptions,
}

impl EventsConfig {
    pub(super) fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let token = sources.get("EVENTODB_TOKEN").map(|(text, origin)| {
            let token = Token::parse(text).ok();
            let token = token.filter(|token| token.namespace() == "default");
            token.ok_or(ConfigError::Invalid {
                name: "EVENTODB_TOKEN",
                origin,
                shown: "set".to_owned(),
                expected: "a token of namespace default: ns_ZGVmYXVsdA_ and 64 hexadecimal digits",
            })
        });
        let mut options = EventsOptions::default();
        options.chunk_interval = sources.duration("EVENTS_CHUNK_INTERVAL")?;
        options.compress_after = unless_off(sources, "EVENTS_COMPRESS_AFTER")?;
        options.id_window = unless_off(sources, "EVENTS_ID_WINDOW")?;
        Ok(Self {
            token: token.transpose()?,
            test_mode: sources.choice(
                "EVENTODB_TEST_MODE",
                // As Go reads truths: the environments of its predecessor are honoured.
                &[
                    ("true", true),
                    ("1", true),
                    ("t", true),
                    ("T", true),
                    ("TRUE", true),
                    ("True", true),
                    ("false", false),
                    ("0", false),
                    ("f", false),
                    ("F", false),
                    ("FALSE", false),
                    ("False", false),
                ],
                "true or false",
            )?,
            options,
        })
    }
}
