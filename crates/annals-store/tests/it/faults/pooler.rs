//! A pooler between us and the server, which answers a COMMIT with an error of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use annals_testkit::{TestDatabase, on_every_server};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

on_every_server!(a_pooler_that_lost_its_server_says_nothing_about_a_commit);

/// What PgBouncer says when the server went away in the middle of a query, with an SQLSTATE.
const SERVER_CRASHED: &[u8] = b"SFATAL\0VFATAL\0C08P01\0Mserver conn crashed?\0\0";

/// A pooler that loses the server's answer to each of the next COMMITs.
struct Pooler {
    port: u16,
    /// How many answers are still to be lost.
    to_lose: Arc<AtomicUsize>,
}

impl Pooler {
    async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to_lose = Arc::new(AtomicUsize::new(0));
        let losing = Arc::clone(&to_lose);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                tokio::spawn(relay(client, server, Arc::clone(&losing)));
            }
        });
        Self { port, to_lose }
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, to_lose: Arc<AtomicUsize>) {
    let (mut up, mut down) = ([0; 65_536], [0; 65_536]);
    loop {
        tokio::select! {
            Ok(n @ 1..) = client.read(&mut up) => {
                let commits = up[..n].ends_with(b"COMMIT\0");
                server.write_all(&up[..n]).await.unwrap();
                if commits && to_lose.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok() {
                    // The server has answered, so it is committed; the client hears something else.
                    assert_ne!(server.read(&mut down).await.unwrap(), 0);
                    let length = u32::try_from(SERVER_CRASHED.len() + 4).unwrap().to_be_bytes();
                    let error = [b"E", &length[..], SERVER_CRASHED].concat();
                    client.write_all(&error).await.unwrap();
                    return;
                }
            }
            Ok(n @ 1..) = server.read(&mut down) => client.write_all(&down[..n]).await.unwrap(),
            else => return,
        }
    }
}

async fn a_pooler_that_lost_its_server_says_nothing_about_a_commit(database: TestDatabase) {
    let options: annals_store::sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
    let server = SocketAddr::new(options.get_host().parse().unwrap(), options.get_port());
    let pooler = Pooler::start(server).await;
    let (old, new) = (
        format!(":{}/", options.get_port()),
        format!(":{}/", pooler.port),
    );
    let behind = TestDatabase::at(database.backend, database.url.replacen(&old, &new, 1));
    let store = store_of::<Note>(&behind).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    pooler.to_lose.store(1, SeqCst);
    assert_eq!(
        within(writer.write(numbered(0..3)))
            .await
            .unwrap()
            .committed,
        3
    );
    assert_eq!(pooler.to_lose.load(SeqCst), 0);
    assert_eq!(stored::<Note>(&store).await, [0, 1, 2]);
}
