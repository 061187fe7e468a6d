//! How deployment traces are taken.

use annals_deploy::{TokenKeys, WorkspacePolicy};
use annals_store::{ConfigError, config::Sources};

use super::values::missing;

/// Bytes of a prefix of attributes at most.
const LONGEST_PREFIX: usize = 64;

/// How deployment traces are taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeploymentsConfig {
    /// The keys of trace tokens; `None` for no tokens.
    pub tokens: Option<TokenKeys>,
    /// What becomes of traces of a workspace that is not there.
    pub workspaces: WorkspacePolicy,
    /// What the attributes begin with that become columns.
    pub prefix: String,
}

impl DeploymentsConfig {
    /// Reads given sources, which must have [`SETTINGS`](super::SETTINGS) among their tables.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used, by name and origin.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let prefix = sources.checked(
            "DEPLOY_ATTRIBUTE_PREFIX",
            |prefix| prefix.len() <= LONGEST_PREFIX && prefix.bytes().all(|b| b.is_ascii_graphic()),
            "at most 64 printable ASCII characters without spaces, such as ctrlplane.",
        )?;
        Ok(Self {
            tokens: token_keys(sources)?,
            workspaces: sources.choice(
                "DEPLOY_WORKSPACES",
                &[
                    ("on-first-use", WorkspacePolicy::OnFirstUse),
                    ("must-exist", WorkspacePolicy::MustExist),
                ],
                "on-first-use or must-exist",
            )?,
            prefix,
        })
    }
}

/// The keys of trace tokens. No error shows a secret.
fn token_keys(sources: &Sources) -> Result<Option<TokenKeys>, ConfigError> {
    const OLD: &str = "TRACE_TOKEN_OLD_SECRETS";
    let invalid = |name, origin, expected| ConfigError::Invalid {
        name,
        origin,
        shown: "set".to_owned(),
        expected,
    };
    let Some((secret, origin)) = sources.get("TRACE_TOKEN_SECRET") else {
        return match sources.get(OLD) {
            Some(_) => Err(missing(
                "TRACE_TOKEN_SECRET",
                "set, since TRACE_TOKEN_OLD_SECRETS is",
            )),
            None => Ok(None),
        };
    };
    let mut keys = TokenKeys::new(secret).map_err(|_| {
        let expected = "a secret of at least 16 bytes, and no shorter text over and over";
        invalid("TRACE_TOKEN_SECRET", origin, expected)
    })?;
    if let Some((listed, origin)) = sources.get(OLD) {
        let listed = listed.split(',').map(str::trim);
        for old in listed.filter(|old| !old.is_empty()) {
            keys = keys.with_old(old).map_err(|_| {
                let expected = "secrets of at least 16 bytes each, no shorter text over and over, with commas between them";
                invalid(OLD, origin.clone(), expected)
            })?;
        }
    }
    Ok(Some(keys))
}
