//! Lines of a body that arrives in pieces: each is there as soon as its end is, and none is long.

use bytes::{Bytes, BytesMut};

/// Bytes that a line may have whatever requests may: as many as EventoDB takes.
const CUSTOMARY: usize = 1 << 20;

/// A line with its number, which counts from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) bytes: Bytes,
}

/// A line is longer than any may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line is longer than {longest} bytes: raise MAX_REQUEST_BYTES")]
pub(crate) struct TooLong {
    pub(crate) number: u64,
    pub(crate) longest: usize,
}

/// Divides pieces into lines, and passes over blank ones.
#[derive(Debug)]
pub(crate) struct Lines {
    longest: usize,
    held: BytesMut,
    /// Bytes of what is held in which there is no end of a line.
    seen: usize,
    count: u64,
}

impl Lines {
    /// Lines of messages that came in requests of up to so many bytes: whatever was written can be imported.
    /// What an export has around a message, and numbers written out, are far less than the message again.
    pub(crate) fn for_requests_of(bytes: usize) -> Self {
        Self {
            longest: bytes.saturating_mul(2).max(CUSTOMARY),
            held: BytesMut::new(),
            seen: 0,
            count: 0,
        }
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The next whole line; nothing when more has to come first.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, TooLong> {
        loop {
            let fresh = self.held.get(self.seen..).unwrap_or_default();
            let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
                self.seen = self.held.len();
                return self.bounded(self.seen).map(|()| None);
            };
            let length = self.seen + end;
            self.bounded(length)?;
            let bytes = self.held.split_to(length + 1).freeze().slice(..length);
            self.seen = 0;
            if let Some(line) = self.counted(bytes) {
                return Ok(Some(line));
            }
        }
    }

    /// What is left when nothing more comes, which is a line too.
    pub(crate) fn rest(&mut self) -> Option<Line> {
        self.seen = 0;
        let bytes = self.held.split().freeze();
        self.counted(bytes)
    }

    fn bounded(&self, length: usize) -> Result<(), TooLong> {
        if length > self.longest {
            return Err(TooLong {
                number: self.count + 1,
                longest: self.longest,
            });
        }
        Ok(())
    }

    fn counted(&mut self, bytes: Bytes) -> Option<Line> {
        self.count += 1;
        let number = self.count;
        let is_blank = bytes.trim_ascii().is_empty();
        (!is_blank).then_some(Line { number, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<(u64, String)> {
        let mut lines = Lines::for_requests_of(1024);
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next().unwrap() {
                found.push(line);
            }
        }
        found.extend(lines.rest());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        found
            .iter()
            .map(|line| (line.number, text(&line.bytes)))
            .collect()
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut_into_pieces() {
        let body = b"one\n\n  \r\nfour\r\nfive";
        let expected = [(1, "one"), (4, "four\r"), (5, "five")];
        let expected: Vec<_> = expected.map(|(n, text)| (n, text.to_owned())).to_vec();
        assert_eq!(all(&[body]), expected);
        for cut in 0..body.len() {
            let (first, second) = body.split_at(cut);
            assert_eq!(all(&[first, second]), expected, "cut at {cut}");
        }
        assert_eq!(all(&[b"\n", b""]), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_known_before_its_end() {
        let mut lines = Lines::for_requests_of(1024);
        lines.push(b"short\n");
        lines.push(&vec![b'x'; CUSTOMARY]);
        assert_eq!(lines.next().unwrap().unwrap().number, 1);
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"x");
        let too_long = TooLong {
            number: 2,
            longest: CUSTOMARY,
        };
        assert_eq!(lines.next(), Err(too_long));
    }
}
