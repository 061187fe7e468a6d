//! An import's lines, from a file to a request's body while they are read.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use flate2::bufread::MultiGzDecoder;
use futures_util::stream;
use reqwest::Body;
use tokio::sync::mpsc;

use super::command::ImportArgs;
use crate::{error::CliError, progress::Progress};

/// Bytes that are sent at once, and pieces of that size that wait to be.
const PIECE: usize = 64 << 10;
const WAITING: usize = 8;

/// The first bytes of a packed file, with which no line of JSON begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What goes wrong with reading is not told by the request whose body it ends.
#[derive(Debug)]
pub(super) struct Input {
    path: PathBuf,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Input {
    /// Begins to read; the file must be there.
    pub(super) fn open(args: &ImportArgs, progress: &Progress) -> Result<(Self, Body), CliError> {
        let path = args.input.clone();
        let path = path.unwrap_or_else(|| Path::new("standard input").to_owned());
        let cannot = |source| CliError::Read {
            path: path.clone(),
            source,
        };
        let raw: Box<dyn Read + Send> = match &args.input {
            Some(file) => Box::new(File::open(file).map_err(cannot)?),
            None => Box::new(io::stdin()),
        };
        let mut raw = BufReader::with_capacity(PIECE, progress.reading(raw));
        // Standard input may be a terminal or a slow program, which is not waited for here.
        let is_gzip =
            args.gzip || args.input.is_some() && raw.fill_buf().map_err(cannot)?.starts_with(&GZIP);
        let (sender, receiver) = mpsc::channel(WAITING);
        let failure = Arc::new(Mutex::new(None));
        let told = Arc::clone(&failure);
        // No task of the runtime: that would wait for the end of standard input when it is over.
        thread::spawn(move || {
            let sent = if is_gzip {
                send(MultiGzDecoder::new(raw), &sender)
            } else {
                send(raw, &sender)
            };
            if let Err(error) = sent {
                let kind = error.kind();
                // Before the request ends of it.
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                let _ = sender.blocking_send(Err(kind.into()));
            }
        });
        let pieces = stream::unfold(receiver, |mut receiver| async {
            Some((receiver.recv().await?, receiver))
        });
        Ok((Self { path, failure }, Body::wrap_stream(pieces)))
    }

    /// Why the import really failed, where that was the reading.
    pub(super) fn explain(&self, error: CliError) -> CliError {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.take() {
            Some(source) => CliError::Read {
                path: self.path.clone(),
                source,
            },
            None => error,
        }
    }
}

/// Sends everything, or until nobody takes it any more.
fn send(mut input: impl Read, sender: &mpsc::Sender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        let mut piece = vec![0; PIECE];
        // What is there already, rather than as much as there is room for: it may come slowly.
        match input.read(&mut piece) {
            Ok(length) => piece.truncate(length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if piece.is_empty() || sender.blocking_send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
}
