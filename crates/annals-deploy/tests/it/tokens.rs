//! What a trace token promises. Cases are those of the reference.

use std::time::Duration;

use annals_deploy::{Claims, TokenError, TokenKeys, TraceToken, WorkspaceId};
use annals_record::Timestamp;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;

const SECRET: &str = "correct horse battery staple";
const OTHER_SECRET: &str = "tr0ub4dor&3 and some more";
const WORKSPACE: &str = "7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e";
const HOUR: Duration = Duration::from_secs(3_600);

fn now() -> Timestamp {
    Timestamp::from_unix_nanos(1_735_689_600_123_456_789)
}

fn keys() -> TokenKeys {
    TokenKeys::new(SECRET).unwrap()
}

fn workspace() -> WorkspaceId {
    WORKSPACE.parse().unwrap()
}

fn claims(trace_id: &str, span_id: &str, job_id: &str) -> Claims {
    Claims::lasting(trace_id, span_id, job_id, workspace(), HOUR, now())
}

fn token() -> TraceToken {
    keys().sign(&claims(
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00f067aa0ba902b7",
        "job-1",
    ))
}

fn refused(token: &str) -> TokenError {
    keys().verify(token, now()).unwrap_err()
}

fn parts(token: &TraceToken) -> (&str, &str) {
    token.as_str().split_once('.').unwrap()
}

/// A token with a payload of one's own, signed with a signature of something else.
fn forged(payload: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(payload);
    format!("{payload}.{}", parts(&token()).1)
}

/// Case 32.
#[test]
fn a_token_has_two_parts_and_gives_back_what_was_signed() {
    let token = token();
    let (payload, signature) = parts(&token);
    assert!(!payload.is_empty() && !signature.is_empty() && !signature.contains('.'));
    for (trace_id, span_id, job_id) in [
        (
            "trace-with-dashes",
            "span_with_underscores",
            "Job.With.Dots",
        ),
        ("UPPER", "lower", ""),
        ("a:b:c", ":", "::"),
        ("100%25", "%", "a b+c/d?e=f&g"),
        ("трасса", "スパン", "🚀"),
        ("\0", "\n", "\u{202e}"),
    ] {
        let claims = claims(trace_id, span_id, job_id);
        let token = keys().sign(&claims);
        assert_eq!(keys().verify(token.as_str(), now()), Ok(claims));
    }
}

/// Case 32.
#[test]
fn a_token_lives_as_long_as_it_was_said_to_and_at_most_a_second_more() {
    for seconds in [60, 3_600, 24 * 3_600, 7 * 24 * 3_600] {
        let life = Duration::from_secs(seconds);
        let claims = Claims::lasting("t", "s", "j", workspace(), life, now());
        let token = keys().sign(&claims);
        let said = keys().verify(token.as_str(), now()).unwrap();
        assert_eq!(said.expires_at, claims.expires_at);
        let lives = said.expires_at.duration_since(now());
        assert!(
            life <= lives && lives < life + Duration::from_secs(1),
            "{lives:?}"
        );

        let last = said.expires_at - Duration::from_nanos(1);
        assert!(keys().verify(token.as_str(), last).is_ok());
        let then = keys().verify(token.as_str(), said.expires_at);
        assert_eq!(then, Err(TokenError::Expired));
    }
}

/// Case 33.
#[test]
fn what_is_no_token_is_refused_in_the_words_of_the_reference() {
    let token = token();
    let (payload, signature) = parts(&token);
    let not_text = URL_SAFE_NO_PAD.encode([0xff, 0xfe]);
    for (text, words) in [
        (String::new(), "invalid token format"),
        (payload.to_owned(), "invalid token format"),
        (
            format!("{payload}.{signature}.more"),
            "invalid token format",
        ),
        ("..".to_owned(), "invalid token format"),
        (
            format!("not base64!.{signature}"),
            "invalid payload encoding",
        ),
        (
            format!("{payload}=.{signature}"),
            "invalid payload encoding",
        ),
        (
            format!(" {payload}.{signature}"),
            "invalid payload encoding",
        ),
        (
            format!("{not_text}.{signature}"),
            "invalid payload encoding",
        ),
        (format!("{payload}."), "invalid signature"),
        (format!("{payload}.AAAA"), "invalid signature"),
        (format!("{payload}.not base64!"), "invalid signature"),
        (format!("{payload}.{signature}="), "invalid signature"),
        (format!(".{signature}"), "invalid signature"),
        (forged("trace:job:9999999999"), "invalid signature"),
        (forged("annals:2:0a1b2c3d:t:s:j:w:9"), "invalid signature"),
    ] {
        assert_eq!(refused(&text).to_string(), words, "{text}");
    }
    let later = now() + 2 * HOUR;
    let expired = keys().verify(token.as_str(), later).unwrap_err();
    assert_eq!(expired.to_string(), "token expired");
}

/// Case 33.
#[test]
fn a_token_of_another_secret_is_refused_and_says_which_key_it_needs() {
    let others = TokenKeys::new(OTHER_SECRET).unwrap();
    let token = others.sign(&claims("t", "s", "j"));
    let error = refused(token.as_str());
    let key_id = others.key_id().to_owned();
    assert_eq!(error, TokenError::UnknownKey { key_id });
    let words = error.to_string();
    assert!(
        words.starts_with("invalid signature") && words.contains(others.key_id()),
        "{words}"
    );
}

/// An expired token that somebody else signed is refused for its signature: nothing of it is believed.
#[test]
fn the_signature_is_looked_at_before_what_is_signed() {
    let key = keys().key_id().to_owned();
    for payload in [
        format!("annals:1:{key}:t:s:j:{WORKSPACE}:0"),
        format!("annals:1:{key}:t:s:j:{WORKSPACE}:soon"),
        format!("annals:1:{key}:nothing"),
        format!("annals:1:{key}:t:s:j:no-workspace:9999999999"),
    ] {
        assert_eq!(
            refused(&forged(&payload)),
            TokenError::Signature,
            "{payload}"
        );
    }
}

/// Case 34.
#[test]
fn a_token_of_one_second_is_valid_at_once_and_not_two_seconds_later() {
    let second = Duration::from_secs(1);
    let sign = |now| {
        let claims = Claims::lasting("t", "s", "j", workspace(), second, now);
        keys().sign(&claims)
    };
    let token = sign(now());
    assert!(keys().verify(token.as_str(), now()).is_ok());
    let later = keys().verify(token.as_str(), now() + 2 * second);
    assert_eq!(later, Err(TokenError::Expired));
    assert_ne!(token, sign(now() + second), "tokens a second apart differ");
}

#[test]
fn lives_that_no_clock_can_show_last_until_its_end() {
    for life in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
        let claims = Claims::lasting("t", "s", "j", workspace(), life, now());
        assert_eq!(claims.expires_at, Timestamp::MAX);
        let token = keys().sign(&claims);
        assert_eq!(keys().verify(token.as_str(), now()), Ok(claims));
    }
    let claims = Claims {
        expires_at: Timestamp::MIN,
        ..claims("t", "s", "j")
    };
    let token = keys().sign(&claims);
    assert_eq!(refused(token.as_str()), TokenError::Expired);
}

#[test]
fn an_old_secret_verifies_and_does_not_sign() {
    let old = TokenKeys::new(OTHER_SECRET).unwrap();
    let rotated = keys().with_old(OTHER_SECRET).unwrap();
    let claims = claims("t", "s", "j");

    let from_before = old.sign(&claims);
    assert_eq!(
        rotated.verify(from_before.as_str(), now()),
        Ok(claims.clone())
    );
    assert_eq!(rotated.key_id(), keys().key_id());
    let new = rotated.sign(&claims);
    assert_eq!(new, keys().sign(&claims));
    assert!(matches!(
        old.verify(new.as_str(), now()),
        Err(TokenError::UnknownKey { .. })
    ));
    // A signature of one key under the name of the other.
    let mixed = format!("{}.{}", parts(&new).0, parts(&from_before).1);
    assert_eq!(rotated.verify(&mixed, now()), Err(TokenError::Signature));
}

#[test]
fn there_are_no_tokens_without_a_secret_that_is_hard_to_guess() {
    assert_eq!(
        TokenKeys::from_secrets("", []).unwrap_err(),
        TokenError::NoSecret
    );
    for weak in [
        "secret",
        "secretsecretsecret",
        "................",
        "fifteen bytes!!",
    ] {
        for error in [
            TokenKeys::new(weak).unwrap_err(),
            keys().with_old(weak).unwrap_err(),
            TokenKeys::from_secrets(weak, []).unwrap_err(),
            TokenKeys::from_secrets(SECRET, [weak]).unwrap_err(),
        ] {
            assert!(matches!(error, TokenError::WeakSecret { .. }), "{error}");
        }
    }
    let keys = TokenKeys::from_secrets(SECRET, ["", OTHER_SECRET]).unwrap();
    let old = TokenKeys::new(OTHER_SECRET)
        .unwrap()
        .sign(&claims("t", "s", "j"));
    assert!(keys.verify(old.as_str(), now()).is_ok());
}

#[test]
fn a_token_is_good_in_its_own_workspace_alone() {
    let claims = claims("t", "s", "j");
    assert_eq!(claims.check_workspace(workspace()), Ok(()));
    let other = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    let words = claims.check_workspace(other).unwrap_err().to_string();
    assert_eq!(
        words,
        format!("the token is of workspace {WORKSPACE}, and not of {other}")
    );
}

#[test]
fn neither_a_token_nor_a_secret_is_shown() {
    let keys = keys().with_old(OTHER_SECRET).unwrap();
    let token = token();
    let shown = format!("{keys:?} {token:?} {keys:#?}");
    for secret in [SECRET, OTHER_SECRET, token.as_str(), parts(&token).1] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(keys.key_id()), "{shown}");
}

proptest! {
    /// Case 32.
    #[test]
    fn any_ids_come_back(
        trace_id in "\\PC{1,40}|[:.%_~+/-]{1,10}",
        span_id in any::<String>().prop_filter("not empty", |id| !id.is_empty()),
        job_id in any::<String>(),
        workspace in any::<u128>(),
        seconds in 1..10_000_000_i64,
    ) {
        let claims = Claims {
            trace_id,
            span_id,
            job_id,
            workspace: annals_record::Uuid::from_u128(workspace).into(),
            expires_at: Timestamp::from_unix_seconds(now().unix_nanos() / 1_000_000_000 + seconds).unwrap(),
        };
        let token = keys().sign(&claims);
        prop_assert!(token.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        prop_assert_eq!(keys().verify(token.as_str(), now()), Ok(claims));
    }

    /// Case 33.
    #[test]
    fn a_token_with_one_byte_changed_is_refused(at in any::<prop::sample::Index>(), byte in 0..128_u8) {
        let token = token();
        let mut changed = token.as_str().as_bytes().to_vec();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(keys().verify(&changed, now()).is_err());
    }

    #[test]
    fn no_text_makes_verification_fall_over(text in any::<String>(), payload in any::<String>()) {
        prop_assert!(keys().verify(&text, now()).is_err());
        prop_assert!(keys().verify(&forged(&payload), now()).is_err());
    }
}

/// Case 33, each place and each character of the alphabet of tokens.
#[test]
fn no_character_of_a_token_can_be_another_one() {
    let token = token();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for at in 0..token.as_str().len() {
        for byte in alphabet {
            let mut changed = token.as_str().as_bytes().to_vec();
            if changed[at] != *byte {
                changed[at] = *byte;
                let changed = String::from_utf8(changed).unwrap();
                assert!(keys().verify(&changed, now()).is_err(), "{at}");
            }
        }
    }
}
