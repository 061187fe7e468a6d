//! A TCP proxy that breaks PostgreSQL connections on purpose.
//!
//! Put it between a client and a server, and switch faults on while both are at work. Most faults
//! only know bytes; the two about COMMIT read the protocol, because the moment that matters to a
//! writer is the one between "the server has committed" and "the client knows". They need plain
//! text, so connect with `sslmode=disable`; a connection that turns TLS on is passed through as
//! bytes.
//!
//! ```no_run
//! # async fn example(upstream: std::net::SocketAddr) -> std::io::Result<()> {
//! use annals_testkit::proxy::FaultProxy;
//!
//! let proxy = FaultProxy::start(upstream).await?;
//! proxy.swallow_commit_reply(1);
//! // ... write through proxy.port(): the rows are there, and the client was not told.
//! assert_eq!(proxy.replies_swallowed(), 1);
//! # Ok(())
//! # }
//! ```

mod faults;
mod protocol;
mod relay;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use faults::Faults;

/// A proxy on a loopback port, in front of one server. Dropping it closes every connection.
///
/// All faults can be switched at any time and from any thread. None is on at the start.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    faults: Arc<Faults>,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a free loopback port and forwards to `upstream`. The server may be down: a
    /// client is then disconnected, as it would be without the proxy.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let faults = Arc::new(Faults::default());
        let accepting = tokio::spawn(accept(listener, upstream, Arc::clone(&faults)));
        Ok(Self {
            addr,
            faults,
            accepting,
        })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port of [`addr`](Self::addr), for
    /// [`Cluster::url_at`](crate::server::Cluster::url_at).
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// From now on a new connection is closed as soon as it is made. Live ones go on.
    pub fn refuse(&self) {
        self.faults.set_refusing(true);
    }

    /// Ends [`refuse`](Self::refuse).
    pub fn admit(&self) {
        self.faults.set_refusing(false);
    }

    /// Resets every live connection, on both sides, now. New ones are not touched.
    ///
    /// Where a COMMIT is being held, only the client is cut: the server keeps its connection, and
    /// gets the COMMIT from [`release_commits`](Self::release_commits).
    pub fn cut(&self) {
        self.faults.cut();
    }

    /// From now on no byte and no end of stream passes in either direction, on live and new
    /// connections; sockets stay open, as on a network that lost its packets.
    pub fn stall(&self) {
        self.faults.set_stalled(true);
    }

    /// Ends [`stall`](Self::stall). What was waiting goes on its way.
    pub fn flow(&self) {
        self.faults.set_stalled(false);
    }

    /// Holds each chunk of bytes back for `each`, in both directions, on live and new connections.
    /// A question and its answer therefore take twice as long; bulk data becomes slow as well,
    /// since a chunk is what one read returns. [`Duration::ZERO`] ends it.
    pub fn delay(&self, each: Duration) {
        self.faults.set_delay(each);
    }

    /// Cuts one connection in the middle of what it sends: bytes are counted from now on for each
    /// live or new connection, and the first whose client has sent `n` more is reset when exactly
    /// `n` of them have reached the server. Then the fault is over.
    pub fn cut_after_client_bytes(&self, n: u64) {
        self.faults.cut_after(n);
    }

    /// The next `times` COMMITs, whichever connection they come on, reach the server; its answer
    /// does not reach the client. Both sides are closed once the server has answered, so when the
    /// client sees the end of the connection the commit is done (or refused by the server).
    pub fn swallow_commit_reply(&self, times: usize) {
        self.faults.swallow(times);
    }

    /// The next `times` COMMITs, whichever connection they come on, stay in the proxy until
    /// [`release_commits`](Self::release_commits). Their transactions remain open on the server
    /// even when the client has given up, closed its socket or been [`cut`](Self::cut). A COMMIT
    /// both held and [swallowed](Self::swallow_commit_reply) is held first.
    pub fn hold_commits(&self, times: usize) {
        self.faults.hold(times);
    }

    /// Waits until at least `n` COMMITs are being held.
    pub async fn wait_held(&self, n: usize) {
        self.faults.wait_held(n).await;
    }

    /// Forwards every COMMIT that is being held, whether or not anybody waits for its answer.
    /// COMMITs that arrive later are held if [`hold_commits`](Self::hold_commits) has any left.
    pub fn release_commits(&self) {
        self.faults.release();
    }

    /// Ends every fault and releases what is held.
    pub fn heal(&self) {
        self.faults.heal();
    }

    /// Connections accepted so far, refused ones included.
    pub fn connections_accepted(&self) -> u64 {
        self.faults.accepted()
    }

    /// Connections that the proxy is working on now. One whose client has gone counts until the
    /// server has let go of it as well.
    pub fn connections_live(&self) -> usize {
        self.faults.live()
    }

    /// COMMITs that clients have sent so far, whatever became of them.
    pub fn commits_seen(&self) -> u64 {
        self.faults.commits()
    }

    /// COMMITs that are being held now.
    pub fn commits_held(&self) -> usize {
        self.faults.held()
    }

    /// Answers to COMMIT that the server gave and no client received.
    pub fn replies_swallowed(&self) -> u64 {
        self.faults.swallowed()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // The relays live in the task's `JoinSet` and end with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, faults: Arc<Faults>) {
    let mut relays = JoinSet::new();
    loop {
        // A failed accept concerns a client that is gone already.
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        if faults.admits() {
            relays.spawn(relay::serve(client, upstream, Arc::clone(&faults)));
        }
        while relays.try_join_next().is_some() {}
    }
}
