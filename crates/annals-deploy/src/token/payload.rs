//! What is signed: the parts of a token, joined by colons and escaped, so that no id can end a part.

use std::borrow::Cow;

use annals_record::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Claims, TokenError, key::ID_DIGITS, second_after};

/// Everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// How each payload of this form begins; `intake` knows tokens by it.
const BEGINNING: &str = "annals:1:";

pub(super) fn of(claims: &Claims, key_id: &str) -> String {
    let escaped = |text| utf8_percent_encode(text, ESCAPED);
    format!(
        "{BEGINNING}{key_id}:{}:{}:{}:{}:{}",
        escaped(&claims.trace_id),
        escaped(&claims.span_id),
        escaped(&claims.job_id),
        claims.workspace,
        second_after(claims.expires_at)
    )
}

/// The id of the key with which a payload says that it is signed. All that is read of one before that is known.
pub(super) fn key_id(payload: &str) -> Option<&str> {
    let (key_id, _) = payload.strip_prefix(BEGINNING)?.split_once(':')?;
    let is_id = key_id.len() == ID_DIGITS && key_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(key_id)
}

/// What a payload says, whose signature is right.
pub(super) fn claims(payload: &str) -> Result<Claims, TokenError> {
    let parts = payload.strip_prefix(BEGINNING).unwrap_or_default();
    let parts: Vec<&str> = parts.split(':').collect();
    let [_, trace_id, span_id, job_id, workspace, expiry] = parts.as_slice() else {
        return Err(TokenError::PayloadFormat);
    };
    let claims = Claims {
        trace_id: unescaped(trace_id)?,
        span_id: unescaped(span_id)?,
        job_id: unescaped(job_id)?,
        workspace: workspace.parse().map_err(|_| TokenError::PayloadFormat)?,
        expires_at: time(expiry)?,
    };
    // Nothing can be continued without a place to hang it.
    if claims.trace_id.is_empty() || claims.span_id.is_empty() {
        return Err(TokenError::PayloadFormat);
    }
    Ok(claims)
}

fn unescaped(part: &str) -> Result<String, TokenError> {
    let text = percent_decode_str(part).decode_utf8();
    text.map(Cow::into_owned)
        .map_err(|_| TokenError::PayloadFormat)
}

/// A time of the token; one beyond what a clock here can show is the last that it can.
fn time(seconds: &str) -> Result<Timestamp, TokenError> {
    let seconds: i64 = seconds.parse().map_err(|_| TokenError::Expiration)?;
    Ok(
        Timestamp::from_unix_seconds(seconds).unwrap_or(if seconds < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e";

    #[test]
    fn the_payload_has_the_form_that_is_documented() {
        let claims = Claims {
            trace_id: "trace:1".to_owned(),
            span_id: "é.-_~%".to_owned(),
            job_id: String::new(),
            workspace: WORKSPACE.parse().unwrap(),
            expires_at: Timestamp::from_unix_nanos(1_700_000_000_000_000_001),
        };
        assert_eq!(
            of(&claims, "0a1b2c3d"),
            format!("annals:1:0a1b2c3d:trace%3A1:%C3%A9.-_~%25::{WORKSPACE}:1700000001")
        );
    }

    #[test]
    fn a_payload_that_is_signed_may_still_say_nothing() {
        let with = |parts: &str| claims(&format!("annals:1:0a1b2c3d:{parts}"));
        assert!(with(&format!("t:s:j:{WORKSPACE}:1")).is_ok());
        for parts in [
            "",
            "t:s:j",
            &format!("t:s:j:{WORKSPACE}:1:more"),
            &format!(":s:j:{WORKSPACE}:1"),
            &format!("t::j:{WORKSPACE}:1"),
            "t:s:j:ws-123:1",
            &format!("%FF:s:j:{WORKSPACE}:1"),
        ] {
            assert_eq!(with(parts), Err(TokenError::PayloadFormat), "{parts}");
        }
        for expiry in ["", "soon", "1.5", "99999999999999999999"] {
            let parts = format!("t:s:j:{WORKSPACE}:{expiry}");
            assert_eq!(with(&parts), Err(TokenError::Expiration), "{expiry}");
        }
        for (expiry, time) in [(i64::MAX, Timestamp::MAX), (i64::MIN, Timestamp::MIN)] {
            let parts = format!("t:s:j:{WORKSPACE}:{expiry}");
            assert_eq!(with(&parts).unwrap().expires_at, time);
        }
    }

    #[test]
    fn the_key_is_read_of_payloads_of_this_form_alone() {
        assert_eq!(key_id("annals:1:0a1b2c3d:t"), Some("0a1b2c3d"));
        for payload in [
            "",
            "annals:1:0a1b2c3d",
            "annals:2:0a1b2c3d:t",
            "annals:1::t",
            "annals:1:0a1b2c3:t",
            "annals:1:0a1b2c3d4:t",
            "annals:1:0a1b2c3é:t",
            "annals:1:0a1b2c3 :t",
            "trace:job:1700000000",
        ] {
            assert_eq!(key_id(payload), None, "{payload}");
        }
    }
}
