//! Trace tokens that found their way into a text are taken out of it: whoever reads traces could use them.

use std::borrow::Cow;

/// How the payload of every token begins: `annals:1:` in base64url. Nine bytes are exactly twelve characters, so what
/// follows does not change them.
const BEGINNING: &str = "YW5uYWxzOjE6";

/// What stands in a token's place.
pub(crate) const REDACTED: &str = "[trace token]";

/// A text with each trace token in it replaced. Costs one search when there is none.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    // Everything before it is in `clean`.
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(BEGINNING)) {
        let start = from + found;
        let payload_end = start + run(text, start);
        // Further parts go too: a signature is the secret of a token, since its payload can be guessed from the trace.
        let end = end_of_parts(text, payload_end);
        // Without a signature it is no token; and the run holds no other beginning that has one.
        from = end;
        if end > payload_end {
            clean.push_str(&text[copied..start]);
            clean.push_str(REDACTED);
            copied = end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(&text[copied..]);
    Cow::Owned(clean)
}

/// Likewise, of a text that one has.
pub(crate) fn clean(text: String) -> String {
    match redacted(&text) {
        Cow::Owned(clean) => clean,
        Cow::Borrowed(_) => text,
    }
}

/// Where what follows `from` as a dot and characters of base64url, any number of times, ends.
fn end_of_parts(text: &str, from: usize) -> usize {
    let mut end = from;
    while text.as_bytes().get(end) == Some(&b'.') {
        match run(text, end + 1) {
            0 => break,
            length => end += 1 + length,
        }
    }
    end
}

/// How many characters of base64url stand at `from`.
fn run(text: &str, from: usize) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    rest.iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_token_is_left_as_it_is() {
        for text in [
            "",
            "3/3 ready",
            "YW5uYWxzOjE",
            "YW5uYWxzOjE6",
            "YW5uYWxzOjE6abc",
            "YW5uYWxzOjE6abc.",
            "YW5uYWxzOjE6abc. Then more",
            "YW5uYWxzOjE6abc é.x",
        ] {
            assert!(matches!(redacted(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn a_token_is_taken_out_wherever_it_stands() {
        let token = "YW5uYWxzOjE6QUJD-_.c2lnbmF0dXJl";
        for (text, clean) in [
            (token.to_owned(), "[trace token]"),
            (format!("é{token}é"), "é[trace token]é"),
            (format!("TOKEN={token}\n"), "TOKEN=[trace token]\n"),
            (
                format!("{token} and {token}."),
                "[trace token] and [trace token].",
            ),
            (format!("abc{token}"), "abc[trace token]"),
            (
                format!("YW5uYWxzOjE6 YW5uYWxzOjE6. {token}"),
                "YW5uYWxzOjE6 YW5uYWxzOjE6. [trace token]",
            ),
            (format!("YW5uYWxzOjE6.{token}"), "[trace token]"),
        ] {
            assert_eq!(redacted(&text), clean);
        }
    }

    #[test]
    fn beginnings_without_an_end_are_read_once() {
        let text = BEGINNING.repeat(200_000);
        assert!(matches!(redacted(&text), Cow::Borrowed(_)));
    }
}
