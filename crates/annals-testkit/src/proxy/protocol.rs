//! As much of the PostgreSQL protocol as it takes to recognise a COMMIT and the answer to it.
//!
//! Both parsers follow the framing only: one byte of type, four bytes of length. What they cannot
//! follow (TLS, a length that makes no sense) they pass through as it is.

use std::collections::HashSet;

/// Longer messages are forwarded in parts: they are data, never a COMMIT.
const WHOLE: usize = 64 * 1024;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
const TLS_HANDSHAKE: u8 = 0x16;

/// Bytes from the client, in the order in which they go to the server.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// Anything else.
    Forward(Vec<u8>),
    /// The message that makes the server commit, alone.
    Commit(Vec<u8>),
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Phase {
    /// Before the startup message, which has no type byte.
    #[default]
    Startup,
    Messages,
    Opaque,
}

/// Reads what the client sends.
///
/// A statement reaches the server as one Query, or as Parse, Bind and Execute with names in
/// between that may be used again much later; the COMMIT happens at Query or Execute.
#[derive(Debug, Default)]
pub(super) struct Frontend {
    buffer: Vec<u8>,
    phase: Phase,
    /// Rest of a long message that is being forwarded in parts.
    passing: usize,
    commit_statements: HashSet<Vec<u8>>,
    commit_portals: HashSet<Vec<u8>>,
    /// How many ReadyForQuery the server owes for what was forwarded.
    ready_due: u64,
}

impl Frontend {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece, as large as possible; `None` when more bytes are needed.
    pub(super) fn next(&mut self) -> Option<Piece> {
        let mut end = 0;
        while let Some(rest) = self.buffer.get(end..).filter(|rest| !rest.is_empty()) {
            if self.passing > 0 {
                let part = self.passing.min(rest.len());
                self.passing -= part;
                end += part;
                continue;
            }
            match self.phase {
                Phase::Opaque => end = self.buffer.len(),
                Phase::Startup => match startup(rest) {
                    Startup::Incomplete => break,
                    Startup::Opaque => self.phase = Phase::Opaque,
                    Startup::Request(len) => end += len,
                    Startup::Session(len) => {
                        self.phase = Phase::Messages;
                        self.ready_due += 1;
                        end += len;
                    }
                },
                Phase::Messages => {
                    let Some((kind, len)) = header(rest) else {
                        break;
                    };
                    if len < 5 {
                        self.phase = Phase::Opaque;
                    } else if len > WHOLE {
                        self.note_long(kind);
                        self.passing = len;
                    } else {
                        let Some(body) = rest.get(5..len) else { break };
                        if self.commits(kind, body) {
                            if end > 0 {
                                break; // alone, at the next call
                            }
                            self.ready_due += u64::from(kind == b'Q');
                            return Some(Piece::Commit(self.buffer.drain(..len).collect()));
                        }
                        let body = body.to_vec();
                        self.note(kind, &body);
                        end += len;
                    }
                }
            }
        }
        (end > 0).then(|| Piece::Forward(self.buffer.drain(..end).collect()))
    }

    /// Everything that is left, whole or not.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// How many ReadyForQuery the server will have sent when it has answered `commit`, the piece
    /// that [`next`](Self::next) has just returned.
    pub(super) fn ready_after(&self, commit: &[u8]) -> u64 {
        // An Execute is answered as a whole at the Sync behind it.
        self.ready_due + u64::from(commit.first() == Some(&b'E'))
    }

    fn commits(&self, kind: u8, body: &[u8]) -> bool {
        match kind {
            b'Q' => is_commit(until_nul(body).0),
            b'E' => self.commit_portals.contains(until_nul(body).0),
            _ => false,
        }
    }

    fn note(&mut self, kind: u8, body: &[u8]) {
        match kind {
            b'P' => {
                let (name, rest) = until_nul(body);
                remember(
                    &mut self.commit_statements,
                    name,
                    is_commit(until_nul(rest).0),
                );
            }
            b'B' => {
                let (portal, rest) = until_nul(body);
                let commits = self.commit_statements.contains(until_nul(rest).0);
                remember(&mut self.commit_portals, portal, commits);
            }
            b'C' => match body.split_first() {
                Some((b'S', name)) => _ = self.commit_statements.remove(until_nul(name).0),
                Some((b'P', name)) => _ = self.commit_portals.remove(until_nul(name).0),
                _ => {}
            },
            b'Q' | b'S' | b'F' => self.ready_due += 1,
            _ => {}
        }
    }

    /// A long message cannot be a COMMIT, but it can take the place of one: the unnamed statement
    /// and portal are replaced without being closed.
    fn note_long(&mut self, kind: u8) {
        match kind {
            b'P' => _ = self.commit_statements.remove(&b""[..]),
            b'B' => _ = self.commit_portals.remove(&b""[..]),
            _ => self.note(kind, &[]),
        }
    }
}

fn remember(names: &mut HashSet<Vec<u8>>, name: &[u8], commits: bool) {
    if commits {
        names.insert(name.to_vec());
    } else {
        names.remove(name);
    }
}

enum Startup {
    Incomplete,
    /// TLS or GSS, or not PostgreSQL at all.
    Opaque,
    /// Asks for encryption or cancels; another startup packet or nothing follows.
    Request(usize),
    Session(usize),
}

fn startup(bytes: &[u8]) -> Startup {
    if bytes.first() == Some(&TLS_HANDSHAKE) {
        return Startup::Opaque;
    }
    let (Some(len), Some(code)) = (u32_at(bytes, 0), u32_at(bytes, 4)) else {
        return Startup::Incomplete;
    };
    let len = len as usize;
    if !(8..=WHOLE).contains(&len) {
        return Startup::Opaque;
    }
    if bytes.len() < len {
        return Startup::Incomplete;
    }
    match code {
        SSL_REQUEST | GSS_REQUEST | CANCEL_REQUEST => Startup::Request(len),
        _ => Startup::Session(len),
    }
}

/// Type and whole length, type byte included.
fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let kind = *bytes.first()?;
    Some((kind, u32_at(bytes, 1)? as usize + 1))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn until_nul(bytes: &[u8]) -> (&[u8], &[u8]) {
    let nul = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at(nul);
    (text, rest.get(1..).unwrap_or_default())
}

fn is_commit(sql: &[u8]) -> bool {
    let sql = sql.trim_ascii();
    let sql = sql.strip_suffix(b";").unwrap_or(sql).trim_ascii_end();
    sql.eq_ignore_ascii_case(b"COMMIT")
}

/// Counts the ReadyForQuery that the server sends: one for each answer that is complete.
#[derive(Debug, Default)]
pub(super) struct Backend {
    phase: Phase,
    header: Vec<u8>,
    skip: usize,
    ready: u64,
}

impl Backend {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.phase == Phase::Opaque {
                return;
            }
            if self.skip > 0 {
                let part = self.skip.min(bytes.len());
                self.skip -= part;
                bytes = bytes.get(part..).unwrap_or_default();
                continue;
            }
            bytes = rest;
            if self.phase == Phase::Startup {
                match byte {
                    // The answer to a request for encryption is one bare byte.
                    b'N' => continue,
                    b'S' | b'G' => self.phase = Phase::Opaque,
                    _ => self.phase = Phase::Messages,
                }
            }
            self.header.push(byte);
            if let Some((kind, len)) = header(&self.header) {
                self.ready += u64::from(kind == b'Z');
                self.skip = len.saturating_sub(5);
                self.header.clear();
            }
        }
    }

    pub(super) fn ready(&self) -> u64 {
        self.ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup_packet() -> Vec<u8> {
        [
            &12u32.to_be_bytes()[..],
            &196_608u32.to_be_bytes()[..],
            &[b'u', 0, b'p', 0],
        ]
        .concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [
            &[kind][..],
            &(body.len() as u32 + 4).to_be_bytes()[..],
            body,
        ]
        .concat()
    }

    fn query(sql: &str) -> Vec<u8> {
        message(b'Q', format!("{sql}\0").as_bytes())
    }

    fn pieces(frontend: &mut Frontend) -> Vec<Piece> {
        std::iter::from_fn(|| frontend.next()).collect()
    }

    fn commits(stream: &[u8], chunk: usize) -> (usize, Vec<u8>, Frontend) {
        let mut frontend = Frontend::default();
        let (mut commits, mut forwarded) = (0, Vec::new());
        for part in stream.chunks(chunk) {
            frontend.push(part);
            for piece in pieces(&mut frontend) {
                match piece {
                    Piece::Forward(bytes) => forwarded.extend(bytes),
                    Piece::Commit(bytes) => {
                        commits += 1;
                        forwarded.extend(bytes);
                    }
                }
            }
        }
        (commits, forwarded, frontend)
    }

    #[test]
    fn spells_of_commit() {
        for sql in ["COMMIT", "commit", " Commit ; ", "COMMIT;"] {
            assert!(is_commit(sql.as_bytes()), "{sql}");
        }
        for sql in [
            "COMMIT PREPARED 'x'",
            "",
            ";",
            "SELECT 'COMMIT'",
            "ROLLBACK",
        ] {
            assert!(!is_commit(sql.as_bytes()), "{sql}");
        }
    }

    #[test]
    fn a_simple_commit_comes_alone_however_the_bytes_are_cut() {
        let stream = [
            startup_packet(),
            query("BEGIN"),
            message(b'd', &[7; 200_000]),
            query("COMMIT"),
            query("SELECT 1"),
        ]
        .concat();
        for chunk in [1, 2, 7, 64, 4096, stream.len()] {
            let (count, forwarded, frontend) = commits(&stream, chunk);
            assert_eq!(count, 1, "chunks of {chunk}");
            assert!(forwarded == stream, "chunks of {chunk} changed the bytes");
            assert_eq!(frontend.ready_due, 4);
        }
    }

    #[test]
    fn a_prepared_commit_counts_when_it_is_executed_and_not_before() {
        let parse = message(b'P', b"c1\0commit\0\0\0");
        let bind = message(b'B', b"\0c1\0\0\0\0\0\0\0");
        let execute = message(b'E', b"\0\0\0\0\0");
        let sync = message(b'S', b"");
        let prepare = [startup_packet(), parse, sync.clone()].concat();
        assert_eq!(commits(&prepare, 9).0, 0);

        let run = [bind, execute.clone(), sync.clone()].concat();
        let stream = [prepare, run.clone(), run].concat();
        let (count, forwarded, _) = commits(&stream, stream.len());
        assert_eq!(count, 2);
        assert!(forwarded == stream);

        // The unnamed statement and portal are replaced by what comes next.
        let other = [
            stream,
            message(b'P', b"\0SELECT 1\0\0\0"),
            message(b'B', b"\0\0\0\0\0\0\0\0"),
            execute,
            sync,
        ]
        .concat();
        assert_eq!(commits(&other, other.len()).0, 2);
    }

    #[test]
    fn encryption_is_refused_or_passed_through() {
        let request = [8u32.to_be_bytes(), SSL_REQUEST.to_be_bytes()].concat();
        let refused = [request.clone(), startup_packet(), query("COMMIT")].concat();
        assert_eq!(commits(&refused, 3).0, 1);

        let accepted = [request, vec![TLS_HANDSHAKE, 3, 1], query("COMMIT")].concat();
        let (count, forwarded, _) = commits(&accepted, 3);
        assert_eq!(count, 0);
        assert!(forwarded == accepted);
    }

    #[test]
    fn complete_answers_are_counted_however_the_bytes_are_cut() {
        let ready = message(b'Z', b"I");
        let stream = [
            b"N".to_vec(),
            message(b'R', &[0; 4]),
            message(b'S', b"TimeZone\0UTC\0"),
            ready.clone(),
            message(b'D', &[b'Z'; 100_000]),
            ready,
        ]
        .concat();
        for chunk in [1, 3, 1000, stream.len()] {
            let mut backend = Backend::default();
            stream.chunks(chunk).for_each(|part| backend.push(part));
            assert_eq!(backend.ready(), 2, "chunks of {chunk}");
        }
    }
}
