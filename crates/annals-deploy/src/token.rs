//! What lets an external system continue a trace: a signed text that says which trace, under which span, for which job,
//! in which workspace, and until when.
//!
//! A token is `base64url(payload).base64url(HMAC-SHA256(payload))` without padding. The payload is `annals:1:KEY:TRACE:SPAN:JOB:WORKSPACE:EXPIRY`,
//! its parts percent-encoded, so that no id can end a part; the expiry is in seconds since 1970.
//!
//! Of a payload nothing is believed before its signature is right: it is read for the id of the key, and no further.

mod key;
mod payload;

use std::{fmt, time::Duration};

use annals_record::Timestamp;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use self::key::{Key, Use};
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
    /// From when on it is expired. A token has whole seconds: it lives until the second that begins next.
    pub expires_at: Timestamp,
}

impl Claims {
    /// Those of a token that lives for so long from `now` on, or up to a second longer.
    pub fn lasting(
        trace_id: impl Into<String>,
        span_id: impl Into<String>,
        job_id: impl Into<String>,
        workspace: WorkspaceId,
        life: Duration,
        now: Timestamp,
    ) -> Self {
        let expires_at = Timestamp::from_unix_seconds(second_after(now + life));
        Self {
            trace_id: trace_id.into(),
            span_id: span_id.into(),
            job_id: job_id.into(),
            workspace,
            expires_at: expires_at.unwrap_or(Timestamp::MAX),
        }
    }

    /// Whether the token may be used in a workspace.
    ///
    /// # Errors
    ///
    /// It is of another one.
    pub fn check_workspace(&self, asked: WorkspaceId) -> Result<(), TokenError> {
        if self.workspace == asked {
            return Ok(());
        }
        let of = self.workspace;
        Err(TokenError::ForeignWorkspace { of, asked })
    }
}

/// The first whole second that is not before a time.
fn second_after(time: Timestamp) -> i64 {
    const SECOND: i64 = 1_000_000_000;
    let nanos = time.unix_nanos();
    nanos.div_euclid(SECOND) + i64::from(nanos.rem_euclid(SECOND) > 0)
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
    /// The trace that the token names is another workspace's.
    #[error("the token is of workspace {of}, and its trace is of another workspace")]
    ForeignTrace {
        /// Whose the token is.
        of: WorkspaceId,
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
    signing: Key,
    old: Vec<Key>,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let old: Vec<&str> = self.old.iter().map(Key::id).collect();
        f.debug_struct("TokenKeys")
            .field("signing", &self.signing.id())
            .field("old", &old)
            .finish()
    }
}

impl TokenKeys {
    /// The key of a secret. Its id is made of the secret, by a hash that does not lead back.
    ///
    /// # Errors
    ///
    /// The secret is shorter than 16 bytes, or a shorter text over and over.
    pub fn new(secret: &str) -> Result<Self, TokenError> {
        Ok(Self {
            signing: Key::new(secret, Use::Signs)?,
            old: Vec::new(),
        })
    }

    /// The keys of a secret and of those that were used before, as settings give them: an empty secret is none, and empty
    /// old ones are passed over.
    ///
    /// # Errors
    ///
    /// There is no secret, or one is too weak.
    pub fn from_secrets<'a>(
        secret: &str,
        old: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, TokenError> {
        if secret.is_empty() {
            return Err(TokenError::NoSecret);
        }
        old.into_iter()
            .filter(|old| !old.is_empty())
            .try_fold(Self::new(secret)?, Self::with_old)
    }

    /// With a secret that was used before: tokens signed with it are still valid, and no new ones are made.
    ///
    /// # Errors
    ///
    /// The secret is shorter than 16 bytes, or a shorter text over and over.
    pub fn with_old(mut self, secret: &str) -> Result<Self, TokenError> {
        self.old.push(Key::new(secret, Use::Verifies)?);
        Ok(self)
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.signing.id()
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> TraceToken {
        let payload = payload::of(claims, self.key_id());
        let signature = self.signing.sign(payload.as_bytes());
        let mut token = URL_SAFE_NO_PAD.encode(payload);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        TraceToken(token)
    }

    /// What a token says, if it is to be believed at `now`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, in the order of [`TokenError`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let mut parts = token.split('.');
        let (Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Format);
        };
        let payload = URL_SAFE_NO_PAD
            .decode(payload)
            .ok()
            .and_then(|payload| String::from_utf8(payload).ok())
            .ok_or(TokenError::PayloadEncoding)?;
        // A text that this installation never wrote has no key that could be missing.
        let key_id = payload::key_id(&payload).ok_or(TokenError::Signature)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Signature)?;
        self.check_signature(key_id, &payload, &signature)?;
        let claims = payload::claims(&payload)?;
        if now >= claims.expires_at {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    fn check_signature(
        &self,
        key_id: &str,
        payload: &str,
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let mut is_known = false;
        for key in std::iter::once(&self.signing).chain(&self.old) {
            // Ids are short, so two keys may have the same.
            if key.id() == key_id {
                is_known = true;
                if key.has_signed(payload.as_bytes(), signature) {
                    return Ok(());
                }
            }
        }
        if is_known {
            return Err(TokenError::Signature);
        }
        let key_id = key_id.to_owned();
        Err(TokenError::UnknownKey { key_id })
    }
}
