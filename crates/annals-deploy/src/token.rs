//! What lets an external system continue a trace: a signed text that says which trace, under which span, for which job,
//! in which workspace, and until when.
//!
//! A token is `base64url(payload).base64url(HMAC-SHA256(payload))` without padding. The payload is `annals:1:KEY:TRACE:SPAN:JOB:WORKSPACE:EXPIRY`,
//! its parts percent-encoded, so that no id can end a part; the expiry is in seconds since 1970.

use std::{fmt, time::Duration};

use annals_record::Timestamp;

use crate::WorkspaceId;

/// How long a token lives unless somebody says otherwise.
pub const DEFAULT_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The trace that may be continued.
    pub trace_id: String,
    /// The span under which spans hang: that of the job.
    pub span_id: String,
    /// The job; empty when it has no id.
    pub job_id: String,
    /// Whose trace it is.
    pub workspace: WorkspaceId,
    /// Until when, to the second.
    pub expires_at: Timestamp,
}

/// A token. It is a secret: `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceToken(String);

impl TraceToken {
    /// The text, to be given to the external system and to nobody else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TraceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceToken(…)")
    }
}

/// Why a token is refused. Says nothing of the token's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not two parts with one dot between them.
    #[error("invalid token format")]
    Format,
    /// The first part is no base64url of text.
    #[error("invalid payload encoding")]
    PayloadEncoding,
    /// Signed with another key, or changed.
    #[error("invalid signature")]
    Signature,
    /// Signed with a key that is not known here.
    #[error(
        "invalid signature: no key {key_id:?} is known here; the token is of another installation, or its key was taken away"
    )]
    UnknownKey {
        /// The id of the key, as the token names it, shortened.
        key_id: String,
    },
    /// The payload has other parts than it should.
    #[error("invalid payload format")]
    PayloadFormat,
    /// The expiry is no number of seconds.
    #[error("invalid expiration time")]
    Expiration,
    /// It was valid once.
    #[error("token expired")]
    Expired,
    /// The token is of another workspace than what it is used for.
    #[error("the token is of workspace {of}, and not of {asked}")]
    ForeignWorkspace {
        /// Whose it is.
        of: WorkspaceId,
        /// Whose it would have to be.
        asked: WorkspaceId,
    },
    /// Nobody said with which secret tokens are signed.
    #[error("there are no trace tokens without a secret: set TRACE_TOKEN_SECRET")]
    NoSecret,
    /// A secret that everybody could guess.
    #[error("the secret of trace tokens {problem}")]
    WeakSecret {
        /// What is wrong with it, as the rest of a sentence.
        problem: &'static str,
    },
}

/// The keys with which tokens are signed and verified. `Debug` shows their ids alone.
#[derive(Clone)]
pub struct TokenKeys {
    _keys: Vec<()>,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// The key of a secret. Its id is made of the secret, by a hash that does not lead back.
    ///
    /// # Errors
    ///
    /// The secret is shorter than 16 bytes.
    pub fn new(secret: &str) -> Result<Self, TokenError> {
        let _ = secret;
        todo!()
    }

    /// With a secret that was used before: tokens signed with it are still valid, and no new ones are made.
    ///
    /// # Errors
    ///
    /// The secret is shorter than 16 bytes.
    pub fn with_old(self, secret: &str) -> Result<Self, TokenError> {
        let _ = secret;
        todo!()
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn key_id(&self) -> &str {
        todo!()
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> TraceToken {
        let _ = claims;
        todo!()
    }

    /// What a token says, if it is to be believed at `now`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in the order of [`TokenError`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let _ = (token, now);
        todo!()
    }
}
