//! Against a fake upstream for what concerns bytes, and a real server for what concerns COMMIT.

use std::time::Duration;

use sqlx::{Connection, PgConnection, query, query_scalar};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::*;
use crate::server::{Cluster, Flavor, enabled};

/// Long enough for anything that is going to happen, short enough to wait for what is not.
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(10);

async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !done().await {
        assert!(Instant::now() < deadline, "not within {LONG:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An upstream that sends back what it gets, and a proxy before it.
async fn echo() -> FaultProxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = socket.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    FaultProxy::start(upstream).await.unwrap()
}

/// Connects and gets past the point where the parser looks for a startup packet.
async fn dial(proxy: &FaultProxy) -> TcpStream {
    let mut socket = TcpStream::connect(proxy.addr()).await.unwrap();
    ping(&mut socket).await.unwrap();
    socket
}

async fn ping(socket: &mut TcpStream) -> io::Result<()> {
    // A TLS handshake: bytes are bytes from here on.
    socket.write_all(&[0x16, b'p', b'i', b'n', b'g']).await?;
    socket.read_exact(&mut [0; 5]).await.map(drop)
}

#[tokio::test]
async fn bytes_pass_unchanged_and_so_does_the_end() {
    let proxy = echo().await;
    let mut socket = dial(&proxy).await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let mut received = vec![0; sent.len()];
    let (mut read, mut write) = socket.split();
    tokio::try_join!(write.write_all(&sent), read.read_exact(&mut received)).unwrap();
    assert!(received == sent);
    assert_eq!(
        (proxy.connections_accepted(), proxy.connections_live()),
        (1, 1)
    );
    drop(socket);
    eventually("the connection is over", async || {
        proxy.connections_live() == 0
    })
    .await;
}

#[tokio::test]
async fn refuse_concerns_new_connections_only() {
    let proxy = echo().await;
    let mut live = dial(&proxy).await;
    proxy.refuse();
    let mut refused = TcpStream::connect(proxy.addr()).await.unwrap();
    assert!(ping(&mut refused).await.is_err());
    ping(&mut live).await.unwrap();
    proxy.admit();
    dial(&proxy).await;
    assert_eq!(proxy.connections_accepted(), 3);
}

#[tokio::test]
async fn cut_resets_what_is_live_and_nothing_else() {
    let proxy = echo().await;
    let (mut one, mut two) = (dial(&proxy).await, dial(&proxy).await);
    proxy.cut();
    for socket in [&mut one, &mut two] {
        let error = socket.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
    dial(&proxy).await;
}

#[tokio::test]
async fn stall_keeps_sockets_open_and_bytes_back() {
    let proxy = echo().await;
    let mut live = dial(&proxy).await;
    proxy.stall();
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    {
        let both = async { tokio::try_join!(ping(&mut live), ping(&mut new)) };
        let mut both = std::pin::pin!(both);
        assert!(timeout(SHORT, &mut both).await.is_err());
        proxy.flow();
        timeout(LONG, both).await.unwrap().unwrap();
    }

    // A stalled connection can be cut, too.
    proxy.stall();
    proxy.cut();
    assert!(timeout(LONG, live.read_u8()).await.unwrap().is_err());
}

#[tokio::test]
async fn delay_counts_in_both_directions() {
    let proxy = echo().await;
    let mut socket = dial(&proxy).await;
    proxy.delay(Duration::from_millis(100));
    let start = Instant::now();
    ping(&mut socket).await.unwrap();
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
    proxy.heal();
    let start = Instant::now();
    ping(&mut socket).await.unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_byte_count_cuts_one_connection_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap())
        .await
        .unwrap();
    let mut quiet = TcpStream::connect(proxy.addr()).await.unwrap();
    let (mut quiet_end, _) = listener.accept().await.unwrap();
    let mut talker = TcpStream::connect(proxy.addr()).await.unwrap();
    let (mut talker_end, _) = listener.accept().await.unwrap();
    talker.write_all(&[0x16; 100]).await.unwrap();
    talker_end.read_exact(&mut [0; 100]).await.unwrap();

    proxy.cut_after_client_bytes(1000);
    quiet.write_all(&[0x16; 999]).await.unwrap();
    quiet_end.read_exact(&mut [0; 999]).await.unwrap();
    talker.write_all(&[0x16; 5000]).await.unwrap();
    talker_end.read_exact(&mut [0; 1000]).await.unwrap();
    assert!(talker_end.read_u8().await.is_err());
    assert!(talker.read_u8().await.is_err());

    quiet.write_all(&[0x16; 5000]).await.unwrap();
    quiet_end.read_exact(&mut [0; 5000]).await.unwrap();
}

#[tokio::test]
async fn a_dead_upstream_disconnects_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap())
        .await
        .unwrap();
    drop(listener);
    let mut socket = TcpStream::connect(proxy.addr()).await.unwrap();
    assert!(socket.read_u8().await.is_err());
}

/// A database on a real server with a table `t`, seen through a proxy and directly.
struct Real {
    proxy: FaultProxy,
    through: String,
    direct: PgConnection,
}

impl Real {
    async fn new() -> Option<Self> {
        if !enabled(Flavor::Postgres) {
            return None;
        }
        let cluster = Cluster::shared(Flavor::Postgres).unwrap();
        let proxy = FaultProxy::start(cluster.addr()).await.unwrap();
        let database = cluster.create_database().await.unwrap();
        let mut direct = PgConnection::connect(&cluster.url(&database))
            .await
            .unwrap();
        query("CREATE TABLE t (i int)")
            .execute(&mut direct)
            .await
            .unwrap();
        let through = cluster.url_at(proxy.port(), &database);
        Some(Self {
            proxy,
            through,
            direct,
        })
    }

    async fn client(&self) -> PgConnection {
        PgConnection::connect(&self.through).await.unwrap()
    }

    async fn rows(&mut self) -> i64 {
        query_scalar("SELECT count(*) FROM t")
            .fetch_one(&mut self.direct)
            .await
            .unwrap()
    }

    async fn wait_rows(&mut self, wanted: i64) {
        eventually("the row is there", async || self.rows().await == wanted).await;
    }

    /// Backends other than our own that are in a transaction.
    async fn open_transactions(&mut self) -> i64 {
        query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'",
        )
        .fetch_one(&mut self.direct)
        .await
        .unwrap()
    }
}

async fn insert(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    query("INSERT INTO t VALUES ($1)")
        .bind(1)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

#[tokio::test]
async fn a_swallowed_commit_is_done_when_the_client_is_told_nothing() {
    let Some(mut real) = Real::new().await else {
        return;
    };
    insert(&mut real.client().await).await.unwrap();
    assert_eq!((real.proxy.commits_seen(), real.rows().await), (1, 1));

    real.proxy.swallow_commit_reply(2);
    for committed in [2, 3] {
        let error = insert(&mut real.client().await).await.unwrap_err();
        assert!(matches!(error, sqlx::Error::Io(_)), "{error}");
        assert_eq!(
            real.rows().await,
            committed,
            "at once: the server had answered"
        );
    }
    insert(&mut real.client().await).await.unwrap();
    assert_eq!(
        (real.proxy.commits_seen(), real.proxy.replies_swallowed()),
        (4, 2)
    );
}

#[tokio::test]
async fn a_prepared_commit_is_swallowed_as_well() {
    let Some(mut real) = Real::new().await else {
        return;
    };
    let mut client = real.client().await;
    for committed in [1, 2] {
        query("BEGIN").execute(&mut client).await.unwrap();
        query("INSERT INTO t VALUES (1)")
            .execute(&mut client)
            .await
            .unwrap();
        // Unlike `Transaction`, this prepares, and the second time only binds and executes.
        let commit = query("COMMIT");
        if committed == 2 {
            real.proxy.swallow_commit_reply(1);
            assert!(commit.execute(&mut client).await.is_err());
        } else {
            commit.execute(&mut client).await.unwrap();
        }
        assert_eq!(real.rows().await, committed);
    }
    assert_eq!(
        (real.proxy.commits_seen(), real.proxy.replies_swallowed()),
        (2, 1)
    );
}

#[tokio::test]
async fn a_held_commit_waits_for_its_release() {
    let Some(mut real) = Real::new().await else {
        return;
    };
    real.proxy.hold_commits(1);
    let mut client = real.client().await;
    let mut inserting = tokio::spawn(async move { insert(&mut client).await });
    timeout(LONG, real.proxy.wait_held(1)).await.unwrap();
    assert!(timeout(SHORT, &mut inserting).await.is_err());
    assert_eq!((real.rows().await, real.open_transactions().await), (0, 1));

    insert(&mut real.client().await).await.unwrap();
    assert_eq!(real.rows().await, 1, "only one was to be held");
    real.proxy.release_commits();
    inserting.await.unwrap().unwrap();
    assert_eq!((real.rows().await, real.proxy.commits_held()), (2, 0));
}

#[tokio::test]
async fn a_held_commit_outlives_its_client() {
    let Some(mut real) = Real::new().await else {
        return;
    };
    real.proxy.hold_commits(2);
    // One client gives up, the other is cut off.
    let mut impatient = real.client().await;
    tokio::select! {
        _ = insert(&mut impatient) => panic!("its COMMIT is to be held"),
        () = real.proxy.wait_held(1) => drop(impatient),
    }
    let mut cut = real.client().await;
    let inserting = tokio::spawn(async move { insert(&mut cut).await });
    timeout(LONG, real.proxy.wait_held(2)).await.unwrap();
    real.proxy.cut();
    assert!(inserting.await.unwrap().is_err());

    tokio::time::sleep(SHORT).await;
    assert_eq!((real.rows().await, real.open_transactions().await), (0, 2));
    real.proxy.release_commits();
    real.wait_rows(2).await;
    eventually("both connections are over", async || {
        real.proxy.connections_live() == 0
    })
    .await;
}

#[tokio::test]
async fn a_commit_can_be_held_first_and_swallowed_then() {
    let Some(mut real) = Real::new().await else {
        return;
    };
    real.proxy.hold_commits(1);
    real.proxy.swallow_commit_reply(1);
    let mut client = real.client().await;
    let inserting = tokio::spawn(async move { insert(&mut client).await });
    timeout(LONG, real.proxy.wait_held(1)).await.unwrap();
    real.proxy.release_commits();
    assert!(inserting.await.unwrap().is_err());
    assert_eq!((real.rows().await, real.proxy.replies_swallowed()), (1, 1));
}

#[tokio::test]
async fn a_copy_can_be_cut_in_the_middle() {
    let Some(mut real) = Real::new().await else {
        return;
    };
    let mut client = real.client().await;
    real.proxy.cut_after_client_bytes(100_000);
    let mut copy = client.copy_in_raw("COPY t FROM STDIN").await.unwrap();
    let sent = copy
        .send("1\n".repeat(500_000).into_bytes())
        .await
        .map(drop);
    let done = match sent {
        Ok(()) => copy.finish().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(done.is_err());
    assert_eq!(real.rows().await, 0);
}
