//! One pass over a JSON text that checks it and writes it in `jsonb`'s form.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use super::{Json, JsonError};

/// The canonical text, and whether a string in it contains U+0000.
pub(super) fn canonicalize(text: &str) -> Result<(String, bool), JsonError> {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: 0,
        out: String::with_capacity(text.len()),
        has_nul: false,
    };
    scanner.skip_space();
    scanner.value(0)?;
    scanner.skip_space();
    if scanner.at < scanner.bytes.len() {
        return Err(scanner.expected("the end"));
    }
    Ok((scanner.out, scanner.has_nul))
}

/// Writes a tree such that integers and floats can be told apart again.
pub(super) fn write_value(value: &serde_json::Value, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, (key, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_value(member, out);
            }
            out.push('}');
        }
    }
}

fn write_number(number: &serde_json::Number, out: &mut String) {
    let start = out.len();
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            // `Display` writes no exponent and the shortest digits that read back the same.
            let _ = write!(out, "{float}");
            if !out[start..].contains('.') {
                out.push_str(".0");
            }
        }
        _ => {
            let _ = write!(out, "{number}");
        }
    }
}

/// Writes a JSON string with the escapes that `jsonb` writes, and no others.
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        push_escaped(character, out);
    }
    out.push('"');
}

fn push_escaped(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        control if control < ' ' => {
            let _ = write!(out, "\\u{:04x}", u32::from(control));
        }
        other => out.push(other),
    }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    out: String,
    has_nul: bool,
}

/// A member of an object as it lies in the output.
struct Member<'a> {
    key: Cow<'a, str>,
    written: Range<usize>,
}

impl<'a> Scanner<'a> {
    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax {
            at: self.at,
            expected,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'{') => self.object(self.deeper(depth)?),
            Some(b'[') => self.array(self.deeper(depth)?),
            Some(b'"') => self.string().map(|_| ()),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.expected("a value")),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, JsonError> {
        if depth < Json::MAX_DEPTH {
            Ok(depth + 1)
        } else {
            Err(JsonError::TooDeep { at: self.at })
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        if self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()))
        {
            self.at += word.len();
            self.out.push_str(word);
            Ok(())
        } else {
            Err(self.expected(word))
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        self.out.push('[');
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.out.push(']');
            return Ok(());
        }
        loop {
            self.skip_space();
            self.value(depth)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.out.push(','),
                Some(b']') => {
                    self.at += 1;
                    self.out.push(']');
                    return Ok(());
                }
                _ => return Err(self.expected("a comma or the end of the array")),
            }
            self.at += 1;
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        let start = self.out.len();
        self.out.push('{');
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut sorted = true;
        self.skip_space();
        if self.peek() != Some(b'}') {
            loop {
                self.skip_space();
                let member = self.member(depth)?;
                sorted &= members
                    .last()
                    .is_none_or(|last| order(&last.key, &member.key).is_lt());
                members.push(member);
                self.skip_space();
                match self.peek() {
                    Some(b',') => self.out.push(','),
                    Some(b'}') => break,
                    _ => return Err(self.expected("a comma or the end of the object")),
                }
                self.at += 1;
            }
        }
        self.at += 1;
        if !sorted {
            self.sort_members(start, members);
        }
        self.out.push('}');
        Ok(())
    }

    fn member(&mut self, depth: usize) -> Result<Member<'a>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in quotes"));
        }
        let start = self.out.len();
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.expected("a colon"));
        }
        self.at += 1;
        self.out.push(':');
        self.skip_space();
        self.value(depth)?;
        Ok(Member {
            key,
            written: start..self.out.len(),
        })
    }

    /// Rewrites an object whose keys did not come in order; the last of equal keys stays.
    fn sort_members(&mut self, start: usize, mut members: Vec<Member<'a>>) {
        members.sort_by(|a, b| order(&a.key, &b.key));
        let mut object = String::with_capacity(self.out.len() - start);
        for (i, member) in members.iter().enumerate() {
            if members
                .get(i + 1)
                .is_some_and(|next| next.key == member.key)
            {
                continue;
            }
            object.push(if object.is_empty() { '{' } else { ',' });
            object.push_str(&self.out[member.written.clone()]);
        }
        self.out.truncate(start);
        self.out.push_str(&object);
    }

    /// Copies a string and returns it without its escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        self.out.push('"');
        let start = self.at;
        let mut decoded: Option<String> = None;
        let mut plain = start;
        loop {
            match self.peek() {
                None => return Err(self.expected("the end of the string")),
                Some(b'"') => {
                    let rest = &self.text[plain..self.at];
                    self.out.push_str(rest);
                    self.out.push('"');
                    self.at += 1;
                    return Ok(match decoded {
                        None => Cow::Borrowed(rest),
                        Some(mut text) => {
                            text.push_str(rest);
                            Cow::Owned(text)
                        }
                    });
                }
                Some(b'\\') => {
                    let before = &self.text[plain..self.at];
                    self.out.push_str(before);
                    let character = self.escape()?;
                    self.has_nul |= character == '\0';
                    push_escaped(character, &mut self.out);
                    let text = decoded.get_or_insert_default();
                    text.push_str(before);
                    text.push(character);
                    plain = self.at;
                }
                Some(control) if control < b' ' => {
                    return Err(self.expected("an escape in place of the control character"));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.expected("an escape such as \\n or \\u0041")),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        let code = if (0xD800..0xDC00).contains(&first) {
            if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                return Err(self.expected("the second half of a surrogate pair"));
            }
            self.at += 1;
            let second = self.hex4()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(self.expected("the second half of a surrogate pair"));
            }
            0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.expected("a code point that is not half a pair"))
    }

    /// Reads the four digits after `\u`, standing on the `u`.
    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self
            .bytes
            .get(self.at + 1..self.at + 5)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .ok_or_else(|| self.expected("four hexadecimal digits"))?;
        self.at += 5;
        Ok(digits.iter().fold(0, |code, digit| {
            code * 16 + char::from(*digit).to_digit(16).unwrap_or(0)
        }))
    }

    fn digits(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.expected("a digit"))
        } else {
            Ok(&self.text[start..self.at])
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(JsonError::Syntax {
                at: start,
                expected: "a number without leading zeros",
            });
        }
        let mut fraction = "";
        if self.peek() == Some(b'.') {
            self.at += 1;
            fraction = self.digits()?;
        }
        let exponent = self.exponent(start)?;
        self.write_decimal(negative, whole, fraction, exponent);
        Ok(())
    }

    fn exponent(&mut self, number: usize) -> Result<i32, JsonError> {
        if !matches!(self.peek(), Some(b'e' | b'E')) {
            return Ok(0);
        }
        self.at += 1;
        let negative = self.peek() == Some(b'-');
        if matches!(self.peek(), Some(b'+' | b'-')) {
            self.at += 1;
        }
        let magnitude = self
            .digits()?
            .parse::<i32>()
            .ok()
            .filter(|magnitude| *magnitude <= Json::MAX_EXPONENT)
            .ok_or(JsonError::Exponent { at: number })?;
        Ok(if negative { -magnitude } else { magnitude })
    }

    /// Writes a number as PostgreSQL's `numeric` does: no exponent, scale kept, no negative zero.
    fn write_decimal(&mut self, negative: bool, whole: &str, fraction: &str, exponent: i32) {
        let is_zero = whole
            .bytes()
            .chain(fraction.bytes())
            .all(|digit| digit == b'0');
        if negative && !is_zero {
            self.out.push('-');
        }
        if exponent == 0 {
            self.out.push_str(whole);
            if !fraction.is_empty() {
                self.out.push('.');
                self.out.push_str(fraction);
            }
            return;
        }
        let mut digits = format!("{whole}{fraction}");
        let point = i64::try_from(whole.len())
            .unwrap_or(i64::MAX)
            .saturating_add(exponent.into());
        // At least one digit stands before the point, and none is missing behind it.
        let point = usize::try_from(point).unwrap_or_else(|_| {
            let missing = usize::try_from(point.unsigned_abs()).unwrap_or(0);
            digits.insert_str(0, &"0".repeat(missing));
            0
        });
        if digits.len() < point {
            digits.push_str(&"0".repeat(point - digits.len()));
        }
        let (whole, fraction) = digits.split_at(point);
        let whole = whole.trim_start_matches('0');
        self.out
            .push_str(if whole.is_empty() { "0" } else { whole });
        if !fraction.is_empty() {
            self.out.push('.');
            self.out.push_str(fraction);
        }
    }
}

/// The order of keys in `jsonb`: by length, then by bytes.
fn order(a: &str, b: &str) -> std::cmp::Ordering {
    a.len()
        .cmp(&b.len())
        .then_with(|| a.as_bytes().cmp(b.as_bytes()))
}
