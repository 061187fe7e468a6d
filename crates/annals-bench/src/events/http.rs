//! Appends by HTTP: `stream.write` by keep-alive connections, from outside of the program.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{DATA, FLAVORS, TIME, WRITERS, peer, stream};
use crate::{
    Options,
    bed::Bed,
    measure::{Clock, Turn, Way, contest},
    report::Report,
    serve::program::Program,
};

/// How many times the peer's rate it must reach on one category.
const GOAL: f64 = 1.5;

#[derive(Clone, Copy, Debug)]
enum How {
    Peer,
    Http,
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    report.heading("Appends of events by HTTP", "events");
    report.paragraph(&format!(
        "`annals serve` and {WRITERS} keep-alive connections that each wait for their answer, one category: requests \
         are made, parsed, answered and read on the same two cores as the server and the database, where pgbench \
         speaks to the database directly."
    ));
    for flavor in FLAVORS {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        let turn = async |how| match how {
            How::Peer => {
                bed.metered(async { peer::append(&bed, WRITERS, 1, TIME).await.turn })
                    .await
            }
            How::Http => {
                let home = tempfile::tempdir().expect("a temporary directory");
                let program = Program::start(options, &bed.url, home.path());
                let address = program.http;
                let before = program.cpu();
                let turn = bed.metered(append(address)).await;
                let cpu = program.cpu() - before;
                program.stop();
                Turn { cpu, ..turn }
            }
        };
        let ways = vec![
            Way {
                name: "Message DB's shape, pgbench",
                how: How::Peer,
                goal: None,
            },
            Way {
                name: "annals serve, stream.write",
                how: How::Http,
                goal: Some(GOAL),
            },
        ];
        let title = format!("appends by HTTP on {flavor}");
        let result = contest(&title, options.rounds, ways, turn).await;
        report.paragraph(&format!("On {}:", bed.version().await));
        report.contest(&result, 0);
    }
}

/// Many connections for a time.
async fn append(address: SocketAddr) -> Turn {
    let written = Arc::new(AtomicUsize::new(0));
    let clock = Clock::start();
    let until = Instant::now() + TIME;
    let mut connections = tokio::task::JoinSet::new();
    for number in 0..WRITERS {
        let written = Arc::clone(&written);
        connections.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(number as u64);
            let mut connection = TcpStream::connect(address).await.expect("a connection");
            connection.set_nodelay(true).expect("a socket that lives");
            let mut answer = Vec::with_capacity(1024);
            while Instant::now() < until {
                let request = request(&stream(&mut rng, 1));
                connection
                    .write_all(request.as_bytes())
                    .await
                    .expect("a connection that lives");
                answer.clear();
                while !is_whole(&answer) {
                    let read = connection.read_buf(&mut answer).await;
                    assert_ne!(read.expect("an answer"), 0, "the connection was closed");
                }
                assert!(
                    answer.starts_with(b"HTTP/1.1 200 "),
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    connections.join_all().await;
    clock.stop(written.load(Ordering::Relaxed))
}

fn request(stream: &str) -> String {
    let body = format!(r#"["stream.write","{stream}",{{"type":"Deposited","data":{DATA}}},{{}}]"#);
    format!(
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        Program::EVENTS_TOKEN,
        body.len(),
    )
}

/// Whether an answer with a length has come to its end.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    answer.len() >= end + 4 + length.unwrap_or(0_usize)
}
