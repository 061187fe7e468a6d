//! A thread that owns a connection and runs what it is sent, one after the other.

use std::sync::{Mutex, PoisonError, mpsc};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::DriverError;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

#[derive(Debug)]
pub(super) struct ConnectionThread {
    /// Taken out to close.
    sender: Mutex<Option<mpsc::Sender<Work>>>,
    /// Hears of the connection's end; taken out by whoever waits for it.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl ConnectionThread {
    /// Opens a connection on a new thread. The thread ends when this is closed or dropped, and what
    /// was sent before is done first.
    pub(super) async fn start(
        open: impl FnOnce() -> Result<Connection, rusqlite::Error> + Send + 'static,
    ) -> Result<Self, DriverError> {
        let (sender, receiver) = mpsc::channel::<Work>();
        let (opened, answer) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let run = move || {
            let mut connection = match open() {
                Ok(connection) => connection,
                Err(error) => {
                    // Nobody waiting any more means nobody to tell.
                    let _ = opened.send(Err(error));
                    return;
                }
            };
            let _ = opened.send(Ok(()));
            while let Ok(work) = receiver.recv() {
                work(&mut connection);
            }
            drop(connection);
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name("annals-sqlite".to_owned())
            .spawn(run)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        answer.await.map_err(|_| DriverError::SqliteClosed)??;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            ended: Mutex::new(Some(ended)),
        })
    }

    /// Runs `work` on the thread. Dropping the future does not stop it.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, DriverError> {
        let (done, answer) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            // A caller that is gone needs no answer.
            let _ = done.send(work(connection));
        });
        let sent = {
            let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
            sender
                .as_ref()
                .is_some_and(|sender| sender.send(work).is_ok())
        };
        if !sent {
            return Err(DriverError::SqliteClosed);
        }
        Ok(answer.await.map_err(|_| DriverError::SqliteClosed)??)
    }

    /// Takes nothing more, and waits until what was sent is done and the connection is closed: the last
    /// one of a file to be closed moves its log into it.
    pub(super) async fn close(&self) {
        drop(take(&self.sender));
        if let Some(ended) = take(&self.ended) {
            let _ = ended.await;
        }
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
