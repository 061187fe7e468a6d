//! Tokens: who may reach a namespace.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A namespace's token: `ns_`, the namespace's id in base64url, `_` and 64 hexadecimal digits.
///
/// Only its digest is stored, and it is never written to a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    namespace: String,
}

/// Why a text is no token. Says nothing of the text: it may be somebody's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token is ns_, a namespace's id in base64url, _ and 64 hexadecimal digits: this {problem}"
)]
pub struct TokenError {
    /// The rule that it breaks, as the rest of a sentence.
    pub problem: &'static str,
}

const PREFIX: &str = "ns_";

/// Digits of the secret.
const DIGITS: usize = 64;

impl Token {
    /// A new token for a namespace.
    #[must_use]
    pub fn random(namespace: &str) -> Self {
        // Two identifiers of version 4 have 244 random bits; the digest spreads them over all digits.
        let mut digest = Sha256::new();
        digest.update(Uuid::new_v4().as_bytes());
        digest.update(Uuid::new_v4().as_bytes());
        let secret = hex::encode(<[u8; 32]>::from(digest.finalize()));
        let id = BASE64_URL_SAFE_NO_PAD.encode(namespace);
        Self {
            text: format!("{PREFIX}{id}_{secret}"),
            namespace: namespace.to_owned(),
        }
    }

    /// Reads a token. The digits may be in either case.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let refuse = |problem| TokenError { problem };
        let rest = text
            .strip_prefix(PREFIX)
            .ok_or(refuse("does not begin with ns_"))?;
        // From the end: base64url has `_` among its digits.
        let (id, secret) = rest
            .rsplit_once('_')
            .ok_or(refuse("has no _ before its digits"))?;
        if secret.len() != DIGITS || !secret.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refuse("does not end with 64 hexadecimal digits"));
        }
        let id = BASE64_URL_SAFE_NO_PAD
            .decode(id)
            .map_err(|_| refuse("names no namespace in base64url without padding"))?;
        let namespace =
            String::from_utf8(id).map_err(|_| refuse("names a namespace that is no UTF-8"))?;
        if namespace.is_empty() {
            return Err(refuse("names an empty namespace"));
        }
        Ok(Self {
            text: text.to_owned(),
            namespace,
        })
    }

    /// The namespace that it names; whether it may reach it is another question.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The whole token, which is a secret.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The SHA-256 digest of the whole token in hexadecimal, which is what is stored.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(<[u8; 32]>::from(Sha256::digest(self.text.as_bytes())))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(of {:?})", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_token_of_the_test_suites_is_one() {
        let text = format!("ns_ZGVmYXVsdA_{}", "0".repeat(64));
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.namespace(), "default");
        assert_eq!(token.reveal(), text);
        assert_eq!(format!("{token:?}"), "Token(of \"default\")");
    }

    #[test]
    fn what_is_made_is_read_whatever_the_namespace_is_called() {
        for id in ["a", "default", "???", "日本語", "a_b-c", "\u{ff}\u{fe}~~~"] {
            let token = Token::random(id);
            assert_eq!(Token::parse(token.reveal()).unwrap().namespace(), id);
            assert_ne!(token, Token::random(id));
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        let zeros = "0".repeat(64);
        let cases = [
            (String::new(), "does not begin with ns_"),
            (format!("ZGVmYXVsdA_{zeros}"), "does not begin with ns_"),
            ("ns_secret".to_owned(), "has no _ before its digits"),
            (
                format!("ns_ZGVmYXVsdA_{zeros}0"),
                "does not end with 64 hexadecimal digits",
            ),
            (
                format!("ns_ZGVmYXVsdA_{}", "g".repeat(64)),
                "does not end with 64 hexadecimal digits",
            ),
            (
                format!("ns_ZGVmYXVsdA==_{zeros}"),
                "names no namespace in base64url without padding",
            ),
            (format!("ns__{zeros}"), "names an empty namespace"),
            (
                format!("ns__w_{zeros}"),
                "names a namespace that is no UTF-8",
            ),
        ];
        for (text, problem) in cases {
            let error = Token::parse(&text).unwrap_err();
            assert_eq!(error.problem, problem);
            assert!(!error.to_string().contains(&zeros));
        }
    }
}
