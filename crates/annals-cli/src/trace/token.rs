//! The token that a job was given.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::error::TraceError;

/// Where it is looked for: the name that Annals gives it, then that of its predecessor.
const NAMES: [&str; 2] = ["ANNALS_TRACE_TOKEN", "CTRLPLANE_TRACE_TOKEN"];

/// A token. It is a secret: `Debug` does not show it, and it is never written down.
#[derive(Clone)]
pub(super) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// The one in the environment. There is no flag for it: everybody on a machine sees the flags of its programs.
    pub(super) fn from_environment() -> Result<Self, TraceError> {
        Self::from(|name| std::env::var_os(name)?.into_string().ok())
    }

    fn from(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, TraceError> {
        for name in NAMES {
            let Some(text) = lookup(name) else { continue };
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(TraceError::TokenText { name });
            }
            return Ok(Self(text.to_owned()));
        }
        Err(TraceError::NoToken)
    }

    /// The text, for the server and for nobody else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// What a state is known by, which tells nobody the token.
    pub(super) fn hash(&self) -> String {
        self.digits("annals trace state")
    }

    /// The trace of what is done under this token: the same for every command of a job, on whichever machine and
    /// in whichever container, and whether or not a state was kept in between.
    pub(super) fn trace_id(&self) -> String {
        self.digits("annals trace id")
    }

    /// 32 hexadecimal digits for a purpose.
    fn digits(&self, purpose: &str) -> String {
        let hash = Sha256::new()
            .chain_update(purpose)
            .chain_update([0])
            .chain_update(&self.0)
            .finalize();
        hash.iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Token, TraceError> {
        Token::from(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn its_own_name_wins_over_the_predecessor_s_and_nothing_is_no_token() {
        let both = [
            ("CTRLPLANE_TRACE_TOKEN", "old"),
            ("ANNALS_TRACE_TOKEN", "new\n"),
        ];
        assert_eq!(of(&both).unwrap().reveal(), "new");
        let empty = [
            ("CTRLPLANE_TRACE_TOKEN", "old"),
            ("ANNALS_TRACE_TOKEN", " "),
        ];
        assert_eq!(of(&empty).unwrap().reveal(), "old");
        assert!(matches!(of(&[]), Err(TraceError::NoToken)));
    }

    #[test]
    fn no_text_of_a_token_is_told() {
        let token = of(&[("ANNALS_TRACE_TOKEN", "c2VjcmV0.c2ln")]).unwrap();
        for told in [format!("{token:?}"), token.hash(), token.trace_id()] {
            assert!(!told.contains("c2"), "{told}");
        }
        let odd = of(&[("ANNALS_TRACE_TOKEN", "topsecret\r\nX-Evil: 1")]).unwrap_err();
        assert!(!odd.to_string().contains("topsecret"), "{odd}");
    }

    #[test]
    fn a_token_has_one_trace_and_another_token_has_another() {
        let [one, other] =
            ["one", "other"].map(|text| of(&[("ANNALS_TRACE_TOKEN", text)]).unwrap());
        assert_eq!(one.trace_id(), one.trace_id());
        assert_ne!(one.trace_id(), other.trace_id());
        assert_ne!(one.trace_id(), one.hash());
        assert_eq!(one.trace_id().len(), 32);
    }
}
