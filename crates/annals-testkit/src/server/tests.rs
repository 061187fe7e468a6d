//! These run on every flavor that is enabled; `cargo test` alone has none.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, query, query_scalar};

use super::*;

const FLAVORS: [Flavor; 2] = [Flavor::Postgres, Flavor::Timescale];

fn flavors() -> impl Iterator<Item = Flavor> {
    FLAVORS.into_iter().filter(|flavor| enabled(*flavor))
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url)
        .await
        .unwrap_or_else(|error| panic!("{url}: {error}"))
}

async fn count(url: &str) -> i64 {
    query_scalar("SELECT count(*) FROM t")
        .fetch_one(&mut connect(url).await)
        .await
        .unwrap()
}

fn eventually(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_commit_survives_a_kill_and_an_open_transaction_does_not() {
    for flavor in flavors() {
        let cluster = Cluster::start(flavor, Options::new()).unwrap();
        let url = cluster.url("postgres");
        let mut committed = connect(&url).await;
        query("CREATE TABLE t (i int)")
            .execute(&mut committed)
            .await
            .unwrap();
        query("INSERT INTO t VALUES (1)")
            .execute(&mut committed)
            .await
            .unwrap();
        let mut open = connect(&url).await;
        let mut transaction = open.begin().await.unwrap();
        query("INSERT INTO t VALUES (2)")
            .execute(&mut *transaction)
            .await
            .unwrap();

        cluster.kill().unwrap();
        assert!(matches!(cluster.kill(), Err(ServerError::NotRunning)));
        assert!(query("SELECT 1").execute(&mut committed).await.is_err());
        assert!(TcpStream::connect(cluster.addr()).is_err());

        let port = cluster.port();
        cluster.start_again().unwrap();
        assert_eq!((cluster.port(), count(&url).await), (port, 1), "{flavor}");
        assert!(
            cluster.log().contains("automatic recovery"),
            "{}",
            cluster.log()
        );

        cluster.stop_fast().unwrap();
        cluster.start_again().unwrap();
        cluster.start_again().unwrap();
        assert_eq!(count(&url).await, 1);
    }
}

#[tokio::test]
async fn a_paused_server_answers_nobody_until_it_is_resumed() {
    for flavor in flavors() {
        let cluster = Cluster::start(flavor, Options::new()).unwrap();
        let mut before = connect(&cluster.url("postgres")).await;
        cluster.pause().unwrap();
        let short = Duration::from_millis(200);
        {
            let mut answer = std::pin::pin!(query("SELECT 1").execute(&mut before));
            assert!(tokio::time::timeout(short, &mut answer).await.is_err());
            let url = cluster.url("postgres");
            assert!(
                tokio::time::timeout(short, PgConnection::connect(&url))
                    .await
                    .is_err()
            );
            cluster.resume().unwrap();
            answer.await.unwrap();
        }

        cluster.pause().unwrap();
        let run = cluster.url("x");
        drop(cluster);
        assert!(PgConnection::connect(&run).await.is_err());
    }
}

#[tokio::test]
async fn databases_are_apart_and_go_with_their_connections() {
    for flavor in flavors() {
        let cluster = Cluster::shared(flavor).unwrap();
        let (one, two) = (cluster.create_database(), cluster.create_database());
        let (one, two) = tokio::try_join!(one, two).unwrap();
        let here = cluster.url("postgres");
        let urls = [
            cluster.url(&one),
            cluster.url(&two),
            create_database_at(&here, flavor).await.unwrap(),
        ];
        for url in &urls {
            let mut connection = connect(url).await;
            query("CREATE TABLE t (i int)")
                .execute(&mut connection)
                .await
                .unwrap();
            let extensions: i64 =
                query_scalar("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")
                    .fetch_one(&mut connection)
                    .await
                    .unwrap();
            assert_eq!(extensions == 1, flavor == Flavor::Timescale);
            drop_database_at(url).await.unwrap();
            assert!(query("SELECT 1").execute(&mut connection).await.is_err());
            assert!(PgConnection::connect(url).await.is_err());
        }
        cluster.drop_database(&one).await.unwrap();
        assert!(
            drop_database_at("postgres://127.0.0.1").await.is_err(),
            "names no database"
        );
    }
}

#[tokio::test]
async fn a_server_insists_on_tls_and_on_the_password() {
    for flavor in flavors() {
        let options = Options::new().tls(Tls::Required).auth(Auth::Password);
        let cluster = Cluster::start(flavor, options).unwrap();
        let url = cluster.url("postgres");
        let tls: bool = query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            .fetch_one(&mut connect(&url).await)
            .await
            .unwrap();
        assert!(tls);
        assert!(cluster.ca_certificate().is_some_and(Path::exists));

        let plain = PgConnection::connect(&url.replace("verify-full", "disable")).await;
        assert!(plain.unwrap_err().to_string().contains("no encryption"));
        let wrong = PgConnection::connect(&url.replace(PASSWORD, "wrong")).await;
        assert!(
            wrong
                .unwrap_err()
                .to_string()
                .contains("password authentication failed")
        );
        let unknown = url.split("&sslrootcert").next().unwrap();
        assert!(
            PgConnection::connect(unknown).await.is_err(),
            "the authority is nobody's"
        );
    }
}

#[test]
fn a_server_that_cannot_start_says_why() {
    for flavor in flavors() {
        let error = Cluster::start(flavor, Options::new().conf("no_such_setting = 1")).unwrap_err();
        assert!(error.to_string().contains("no_such_setting"), "{error}");
    }
}

#[test]
fn a_killed_test_process_leaves_nothing() {
    for flavor in flavors() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "server::tests::starts_a_server_and_waits",
                "--ignored",
            ])
            .arg("--nocapture")
            .env("ANNALS_TESTKIT_CHILD", flavor.name())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let facts = lines.map_while(Result::ok).find_map(|line| {
            let (port, run) = line.split_once("port ")?.1.split_once(" in ")?;
            Some((port.parse::<u16>().ok()?, run.to_owned()))
        });
        let (port, run) = facts.expect("the child starts a server");
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert!(Path::new(&run).exists());

        child.kill().unwrap();
        child.wait().unwrap();
        eventually("the server is gone", || {
            TcpStream::connect(("127.0.0.1", port)).is_err()
        });
        eventually("its directory is gone", || !Path::new(&run).exists());
    }
}

/// Killed by the test above, in a process of its own; the server is paused to make it hard.
#[test]
#[ignore = "half of another test"]
fn starts_a_server_and_waits() {
    let wanted = std::env::var("ANNALS_TESTKIT_CHILD").unwrap_or_default();
    for flavor in FLAVORS.into_iter().filter(|flavor| flavor.name() == wanted) {
        let cluster = Cluster::shared(flavor).unwrap();
        cluster.pause().unwrap();
        println!("port {} in {}", cluster.port(), cluster.run_dir().display());
        std::thread::sleep(Duration::from_secs(60));
    }
}
