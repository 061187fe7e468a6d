//! One connection: two directions that run beside each other, and what interrupts them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::faults::{Faults, Meter, Verdict};
use super::protocol::{Backend, Frontend, Piece};

const CHUNK: usize = 64 * 1024;

/// Why the two directions stopped.
enum Event {
    Cut,
    /// The client sent a COMMIT; everything before it has gone to the server.
    Commit(Vec<u8>),
    Swallowed,
    ClientClosed,
    ServerClosed,
}

/// Works on a connection until both sides are closed.
pub(super) async fn serve(client: TcpStream, upstream: SocketAddr, faults: Arc<Faults>) {
    let _live = faults.enter();
    let mut cuts = faults.watch_cuts();
    let connecting = async {
        faults.flowing().await;
        TcpStream::connect(upstream).await
    };
    let connected = tokio::select! {
        _ = cuts.changed() => None,
        server = connecting => server.ok(),
    };
    let Some(server) = connected else {
        return reset(client);
    };
    // Small messages must not wait for each other; PostgreSQL's clients ask for the same.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    Relay {
        client,
        server,
        cuts,
        up: Up::default(),
        down: Down::default(),
        faults,
    }
    .run()
    .await;
}

struct Relay {
    client: TcpStream,
    server: TcpStream,
    cuts: watch::Receiver<u64>,
    up: Up,
    down: Down,
    faults: Arc<Faults>,
}

impl Relay {
    async fn run(mut self) {
        loop {
            match self.next_event().await {
                Event::Commit(message) => {
                    if let Some(mut held) = self.faults.commit_arrived() {
                        let cut = tokio::select! {
                            () = held.released() => false,
                            _ = self.cuts.changed() => true,
                        };
                        if cut {
                            reset(self.client);
                            held.released().await;
                            let rest = self.up.frontend.take_rest();
                            return finish(self.server, &[message, rest].concat()).await;
                        }
                    }
                    if self.faults.commit_leaves() == Verdict::Swallow {
                        self.down.swallow_until = Some(self.up.frontend.ready_after(&message));
                    }
                    self.up.out.put(message);
                }
                Event::Cut => {
                    reset(self.client);
                    return reset(self.server);
                }
                Event::Swallowed => return self.faults.reply_swallowed(),
                Event::ClientClosed => {
                    finish(self.server, self.up.out.rest()).await;
                    if self.down.swallow_until.is_some() {
                        self.faults.reply_swallowed();
                    }
                    return;
                }
                Event::ServerClosed => {
                    let _ = self.client.shutdown().await;
                    return;
                }
            }
        }
    }

    /// Moves bytes until something happens. Both directions keep what they have read in `self`, so
    /// nothing is lost when the other one ends the wait.
    async fn next_event(&mut self) -> Event {
        let (from_client, to_client) = self.client.split();
        let (from_server, to_server) = self.server.split();
        tokio::select! {
            _ = self.cuts.changed() => Event::Cut,
            event = self.up.run(from_client, to_server, &self.faults) => event,
            event = self.down.run(from_server, to_client, &self.faults) => event,
        }
    }
}

/// Gives the server the last bytes of a client that is gone. What it sent still counts, a COMMIT
/// most of all: the server works it off before it sees the end of the stream.
async fn finish(mut server: TcpStream, last: &[u8]) {
    if server.write_all(last).await.is_ok() && server.shutdown().await.is_ok() {
        let mut nobody = tokio::io::sink();
        let _ = tokio::io::copy(&mut server, &mut nobody).await;
    }
}

/// Closes with RST instead of FIN.
fn reset(socket: TcpStream) {
    let _ = socket.set_zero_linger();
    drop(socket);
}

/// Bytes on their way out.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    fn put(&mut self, bytes: Vec<u8>) {
        *self = Self { bytes, sent: 0 };
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }
}

/// From the client to the server.
#[derive(Debug, Default)]
struct Up {
    frontend: Frontend,
    out: Outgoing,
    meter: Meter,
}

impl Up {
    async fn run(&mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, f: &Faults) -> Event {
        let mut buffer = vec![0; CHUNK];
        loop {
            while !self.out.rest().is_empty() {
                f.flowing().await;
                let rest = self.out.rest();
                let part = match f.allowance(&mut self.meter) {
                    Some(n) => rest
                        .get(..usize::try_from(n).unwrap_or(usize::MAX))
                        .unwrap_or(rest),
                    None => rest,
                };
                let Ok(sent) = to.write(part).await else {
                    // The server is gone. It may have said why: that is for the other direction
                    // to deliver, and to end this connection.
                    std::future::pending::<()>().await;
                    return Event::ServerClosed;
                };
                self.out.sent += sent;
                if f.spend(&mut self.meter, sent as u64) {
                    return Event::Cut;
                }
            }
            match self.frontend.next() {
                Some(Piece::Forward(bytes)) => self.out.put(bytes),
                Some(Piece::Commit(bytes)) => return Event::Commit(bytes),
                None => match from.read(&mut buffer).await {
                    Ok(n @ 1..) => {
                        self.frontend.push(buffer.get(..n).unwrap_or_default());
                        f.delayed().await;
                    }
                    Ok(0) | Err(_) => {
                        f.flowing().await;
                        return Event::ClientClosed;
                    }
                },
            }
        }
    }
}

/// From the server to the client.
#[derive(Debug, Default)]
struct Down {
    backend: Backend,
    out: Outgoing,
    /// Discard everything until this many answers are complete.
    swallow_until: Option<u64>,
}

impl Down {
    async fn run(&mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, f: &Faults) -> Event {
        let mut buffer = vec![0; CHUNK];
        loop {
            if let Some(until) = self.swallow_until {
                self.out.put(Vec::new());
                if self.backend.ready() >= until {
                    return Event::Swallowed;
                }
            }
            while !self.out.rest().is_empty() {
                f.flowing().await;
                let Ok(sent) = to.write(self.out.rest()).await else {
                    return Event::ClientClosed;
                };
                self.out.sent += sent;
            }
            match from.read(&mut buffer).await {
                Ok(n @ 1..) => {
                    let bytes = buffer.get(..n).unwrap_or_default();
                    self.backend.push(bytes);
                    self.out.put(bytes.to_vec());
                    f.delayed().await;
                }
                Ok(0) | Err(_) => {
                    f.flowing().await;
                    return Event::ServerClosed;
                }
            }
        }
    }
}
