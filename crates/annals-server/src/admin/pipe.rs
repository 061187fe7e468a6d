//! What lies between the writer of a chunk, a thread that waits, and its reader, a task that must not.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

/// Bytes that are sent at once.
const PIECE: usize = 64 << 10;

/// Pieces that wait for the reader at most.
const ROOM: usize = 16;

/// A pipe whose end is an `E`. The writer waits for its reader, but not longer than `patience`: it holds a
/// snapshot of the database.
pub(super) fn pipe<E>(patience: Duration) -> (Writer<E>, Reader<E>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            pieces: VecDeque::new(),
            end: None,
            is_written: false,
            is_left: false,
        }),
        room: Condvar::new(),
        news: Notify::new(),
        left: Notify::new(),
    });
    let writer = Writer {
        shared: Arc::clone(&shared),
        piece: BytesMut::new(),
        patience,
    };
    (writer, Reader { shared })
}

struct Shared<E> {
    state: Mutex<State<E>>,
    /// The reader has taken something, or is gone.
    room: Condvar,
    /// The writer has sent something, or is gone.
    news: Notify,
    /// The reader is gone.
    left: Notify,
}

struct State<E> {
    pieces: VecDeque<Bytes>,
    end: Option<E>,
    is_written: bool,
    is_left: bool,
}

impl<E> Shared<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that is written to, by a thread that may wait.
pub(super) struct Writer<E> {
    shared: Arc<Shared<E>>,
    piece: BytesMut,
    patience: Duration,
}

/// Tells when the reader is gone.
pub(super) struct Left<E>(Arc<Shared<E>>);

impl<E> Left<E> {
    pub(super) async fn wait(&self) {
        while !self.0.lock().is_left {
            self.0.left.notified().await;
        }
    }
}

impl<E> Writer<E> {
    pub(super) fn left(&self) -> Left<E> {
        Left(Arc::clone(&self.shared))
    }

    /// Sends the rest, and then how it ended.
    pub(super) fn end(mut self, end: E) {
        // A reader that is gone does not ask.
        let _ = self.flush();
        self.shared.lock().end = Some(end);
    }

    fn send(&mut self) -> io::Result<()> {
        let give_up = Instant::now() + self.patience;
        let mut state = self.shared.lock();
        while state.pieces.len() >= ROOM && !state.is_left {
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let waited = self.shared.room.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.is_left {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.pieces.push_back(self.piece.split().freeze());
        drop(state);
        self.shared.news.notify_one();
        Ok(())
    }
}

impl<E> Write for Writer<E> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.send()
    }
}

impl<E> Drop for Writer<E> {
    fn drop(&mut self) {
        self.shared.lock().is_written = true;
        self.shared.news.notify_one();
    }
}

/// The end that is read from.
pub(super) struct Reader<E> {
    shared: Arc<Shared<E>>,
}

/// What comes out of a pipe.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<E> {
    Bytes(Bytes),
    End(E),
}

impl<E> Reader<E> {
    /// What comes next; nothing behind the end, and when the writer went without a word.
    pub(super) async fn next(&mut self) -> Option<Piece<E>> {
        loop {
            {
                let mut state = self.shared.lock();
                if let Some(bytes) = state.pieces.pop_front() {
                    self.shared.room.notify_one();
                    return Some(Piece::Bytes(bytes));
                }
                if state.is_written {
                    return state.end.take().map(Piece::End);
                }
            }
            self.shared.news.notified().await;
        }
    }
}

impl<E> Drop for Reader<E> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_left = true;
        state.pieces.clear();
        drop(state);
        self.shared.room.notify_one();
        self.shared.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn written(mut writer: Writer<&'static str>, bytes: usize) -> io::Result<()> {
        for number in 0..bytes {
            writer.write_all(&[(number % 251) as u8])?;
        }
        writer.end("all of it");
        Ok(())
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_the_end_comes_last() {
        for bytes in [0, 1, PIECE, 2 * PIECE * ROOM + 5] {
            let (writer, mut reader) = pipe(LONG);
            let writing = tokio::task::spawn_blocking(move || written(writer, bytes));
            let mut all = Vec::new();
            let end = loop {
                match reader.next().await.unwrap() {
                    Piece::Bytes(piece) => all.extend_from_slice(&piece),
                    Piece::End(end) => break end,
                }
            };
            assert_eq!(end, "all of it");
            assert_eq!(reader.next().await, None);
            assert_eq!(all.len(), bytes);
            let expected = (0..bytes).map(|number| (number % 251) as u8);
            assert!(all.into_iter().eq(expected), "{bytes}");
            writing.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_writer_whose_reader_is_gone_or_asleep_does_not_wait_for_ever() {
        let (writer, reader) = pipe(LONG);
        let left = writer.left();
        let writing = tokio::task::spawn_blocking(move || written(writer, 2 * PIECE * ROOM));
        drop(reader);
        left.wait().await;
        let error = writing.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let (writer, _asleep) = pipe(Duration::from_millis(10));
        let writing = tokio::task::spawn_blocking(move || written(writer, 2 * PIECE * ROOM));
        let error = writing.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_writer_that_goes_without_a_word_is_the_end() {
        let (writer, mut reader) = pipe::<()>(LONG);
        drop(writer);
        assert_eq!(reader.next().await, None);
    }
}
