//! A key: a secret made ready for signing, and an id that does not lead back to it.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::TokenError;

/// What a secret must have at least. Less can be tried out by whoever holds one token.
const LEAST_BYTES: usize = 16;

/// Digits of a key's id.
pub(super) const ID_DIGITS: usize = 8;

#[derive(Clone)]
pub(super) struct Key {
    id: String,
    mac: Hmac<Sha256>,
}

/// Whether a key signs or only verifies, for what is said of its secret.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Signs,
    Verifies,
}

impl Key {
    pub(super) fn new(secret: &str, used: Use) -> Result<Self, TokenError> {
        let is_short = secret.len() < LEAST_BYTES;
        let problem = match used {
            _ if !is_short && !is_repeated(secret.as_bytes()) => None,
            Use::Signs if is_short => Some(
                "is shorter than 16 bytes; take a random one, such as `openssl rand -hex 32` gives",
            ),
            Use::Signs => Some(
                "says one thing over and over; take a random one, such as `openssl rand -hex 32` gives",
            ),
            Use::Verifies if is_short => {
                Some("that was used before is shorter than 16 bytes; take it away")
            }
            Use::Verifies => {
                Some("that was used before says one thing over and over; take it away")
            }
        };
        if let Some(problem) = problem {
            return Err(TokenError::WeakSecret { problem });
        }
        let mac = Hmac::new_from_slice(secret.as_bytes()).map_err(|_| TokenError::WeakSecret {
            problem: "cannot be a key of HMAC-SHA256",
        })?;
        let id = id_of(secret);
        Ok(Self { id, mac })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn sign(&self, payload: &[u8]) -> [u8; 32] {
        self.mac
            .clone()
            .chain_update(payload)
            .finalize()
            .into_bytes()
            .into()
    }

    /// Whether a payload was signed with this key; takes as long for a signature that is nearly right.
    pub(super) fn has_signed(&self, payload: &[u8], signature: &[u8]) -> bool {
        let mac = self.mac.clone().chain_update(payload);
        mac.verify_slice(signature).is_ok()
    }
}

/// Whether a text is another one, written twice or more.
fn is_repeated(text: &[u8]) -> bool {
    (1..=text.len() / 2).any(|period| {
        let shifted = text.iter().skip(period);
        text.iter().zip(shifted).all(|(a, b)| a == b)
    })
}

fn id_of(secret: &str) -> String {
    let hash = Sha256::new()
        .chain_update(b"annals trace token key\0")
        .chain_update(secret)
        .finalize();
    let mut id = String::with_capacity(ID_DIGITS);
    for byte in hash.iter().take(ID_DIGITS / 2) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_beginning_of_a_hash_and_stays_the_same() {
        // printf 'annals trace token key\0correct horse battery staple' | sha256sum
        let key = Key::new("correct horse battery staple", Use::Signs).unwrap();
        assert_eq!(key.id(), "1d898879");
    }

    #[test]
    fn signatures_are_hmac_sha256() {
        // printf 'payload' | openssl dgst -sha256 -hmac 'correct horse battery staple'
        let key = Key::new("correct horse battery staple", Use::Signs).unwrap();
        let mut hex = String::new();
        for byte in key.sign(b"payload") {
            let _ = write!(hex, "{byte:02x}");
        }
        assert_eq!(
            hex,
            "8ea3bc0c3018460ffa3acd6960fc4977607e11cf3afa46f7cc85d54d76994908"
        );
        assert!(key.has_signed(b"payload", &key.sign(b"payload")));
        assert!(!key.has_signed(b"payload", &key.sign(b"payload")[..31]));
        assert!(!key.has_signed(b"payloae", &key.sign(b"payload")));
        assert!(!key.has_signed(b"payload", b""));
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused_and_not_repeated() {
        for (secret, word) in [
            ("", "shorter"),
            ("secret", "shorter"),
            ("fifteen bytes!!", "shorter"),
            ("aaaaaaaaaaaaaaaaaaaa", "over and over"),
            ("secretsecretsecret", "over and over"),
            ("passwordpasswordpass", "over and over"),
        ] {
            for used in [Use::Signs, Use::Verifies] {
                let refused = Key::new(secret, used).err().unwrap().to_string();
                assert!(refused.contains(word), "{refused}");
            }
        }
        assert!(Key::new("sixteen bytes 16", Use::Signs).is_ok());
    }
}
