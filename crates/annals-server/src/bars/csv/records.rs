//! A stream of bytes as records.

use std::io::{self, BufRead as _, BufReader, Chain, Cursor, Read};

use super::{MAX_FIELDS, MAX_RECORD};

/// UTF-8's byte order mark.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Records, one at a time. An own loop over the parser, because a quote that is never closed makes a
/// record of all that follows, and because the line of a record behind CRLF or an empty line is not the
/// one that the `csv` crate tells.
pub(super) struct Records<R> {
    input: BufReader<Chain<Cursor<Vec<u8>>, R>>,
    parser: csv_core::Reader,
    /// The fields, one behind the other.
    bytes: Vec<u8>,
    /// Where each field ends.
    ends: Vec<usize>,
    fields: usize,
    line: u64,
}

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A record, whose fields can be asked for.
    Record,
    /// A record beyond the limits, which is skipped. `until` is its last line.
    TooLong {
        until: u64,
    },
    End,
}

impl<R> std::fmt::Debug for Records<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Records<R> {
    pub(super) fn new(mut input: R, delimiter: u8) -> io::Result<Self> {
        let mut head = Vec::with_capacity(MARK.len());
        (&mut input)
            .take(MARK.len() as u64)
            .read_to_end(&mut head)?;
        if head == MARK {
            head.clear();
        }
        Ok(Self {
            input: BufReader::with_capacity(64 << 10, Cursor::new(head).chain(input)),
            parser: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            bytes: vec![0; MAX_RECORD],
            ends: vec![0; MAX_FIELDS],
            fields: 0,
            line: 0,
        })
    }

    /// Goes to the next record; empty lines are none.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        use csv_core::ReadRecordResult as Parsed;

        let (mut length, mut fields, mut breaks) = (0, 0, 0);
        let mut is_too_long = false;
        loop {
            let input = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.line = self.parser.line();
                    return Err(error);
                }
                Ok(input) => input,
            };
            let room = self.bytes.get_mut(length..).unwrap_or_default();
            let ends = self.ends.get_mut(fields..).unwrap_or_default();
            let (parsed, read, written, ended) = self.parser.read_record(input, room, ends);
            let written = room.get(..written).unwrap_or_default();
            // Those inside of quotes; the line on which the record ends is less these.
            breaks += written.iter().filter(|byte| **byte == b'\n').count() as u64;
            length += written.len();
            fields += ended;
            let is_line_end = read > 0 && input.get(read - 1) == Some(&b'\n');
            self.input.consume(read);
            match parsed {
                Parsed::InputEmpty => {}
                // What is too long goes where it is overwritten.
                Parsed::OutputFull => (is_too_long, length) = (true, 0),
                Parsed::OutputEndsFull => (is_too_long, fields) = (true, 0),
                Parsed::Record => {
                    let until = self.parser.line() - u64::from(is_line_end);
                    self.line = until - breaks.min(until);
                    self.fields = fields;
                    return Ok(if is_too_long {
                        Next::TooLong { until }
                    } else {
                        Next::Record
                    });
                }
                Parsed::End => return Ok(Next::End),
            }
        }
    }
}

impl<R> Records<R> {
    /// The line on which the record begins, from 1.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// How many fields the record has.
    pub(super) const fn len(&self) -> usize {
        self.fields
    }

    /// A field of the record, empty where it has none.
    pub(super) fn field(&self, position: usize) -> &[u8] {
        let end = |position: usize| self.ends.get(position).copied().unwrap_or_default();
        let start = position.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(position)).unwrap_or_default()
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.fields).map(|position| self.field(position))
    }
}
