//! Every TLS mode against every kind of server.

use annals_store::{DatabaseConfig, Error, Store, config::Sources};
use annals_testkit::{
    Backend, TestDatabase, backend,
    server::{Cluster, Flavor, Options, Tls},
};

use crate::faults::*;

const MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

/// Runs a test where plain PostgreSQL is enabled: TLS is the same with the extension.
fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(TestDatabase) -> F) {
    backend::run(Backend::Postgres, test);
}

fn start(tls: Tls) -> Cluster {
    // The second address is in no certificate.
    let options = Options::new()
        .conf("listen_addresses = '127.0.0.1,127.0.0.2'")
        .tls(tls);
    tokio::task::block_in_place(|| Cluster::start(Flavor::Postgres, options)).unwrap()
}

/// Settings in parts, as an operator has them in the environment.
fn settings(cluster: &Cluster, host: &str, mode: &str, authority: Option<&Cluster>) -> Sources {
    let sources = Sources::empty()
        .with_flag("DB_HOST", host)
        .with_flag("DB_PORT", cluster.port().to_string())
        .with_flag("DB_NAME", "postgres")
        .with_flag("DB_SSL_MODE", mode)
        .with_flag("DB_CONNECT_TIMEOUT", "5s");
    match authority.and_then(Cluster::ca_certificate) {
        Some(path) => sources.with_flag("DB_SSL_ROOT_CERT", path.display().to_string()),
        None => sources,
    }
}

async fn connect(sources: &Sources) -> Result<Store, Error> {
    within(Store::connect(
        &DatabaseConfig::from_sources(sources).unwrap(),
    ))
    .await
}

/// Of the store's connections, how many there are and how many are encrypted.
async fn encrypted(cluster: &Cluster) -> (i64, i64) {
    let database = TestDatabase::at(Backend::Postgres, cluster.url("postgres"));
    let of_store = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                   WHERE application_name = 'annals'";
    let all = database
        .number(&format!("SELECT count(*) {of_store}"))
        .await;
    (
        all,
        database
            .number(&format!("SELECT count(*) {of_store} AND ssl"))
            .await,
    )
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Plain,
    Encrypted,
    Refused,
}

use Expected::{Encrypted, Plain, Refused};

async fn modes_do_what_they_say(tls: Tls, expected: [Expected; 6]) {
    let cluster = start(tls);
    for (mode, expected) in MODES.into_iter().zip(expected) {
        let store = connect(&settings(&cluster, "127.0.0.1", mode, Some(&cluster))).await;
        let store = match store {
            Err(error) => {
                assert_eq!(expected, Refused, "{mode}: {}", error.report());
                let report = error.report();
                assert!(matches!(error, Error::Connect { .. }), "{mode}: {report}");
                assert!(!error.is_transient(), "{mode}: {report}");
                let clear = ["TLS", "no encryption"]
                    .iter()
                    .any(|word| report.contains(word));
                assert!(clear, "{mode}: {report}");
                continue;
            }
            Ok(store) => store,
        };
        store.create_table::<Note>().await.unwrap();
        let queries = (0..4).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.query::<Note>().count().await })
        });
        for query in Vec::from_iter(queries) {
            query.await.unwrap().unwrap();
        }
        let (all, ssl) = encrypted(&cluster).await;
        let wanted = match expected {
            Plain => 0,
            Encrypted => all,
            Refused => panic!("{mode}: connected"),
        };
        assert!(all > 0);
        assert_eq!(ssl, wanted, "{mode}: of {all}");
        store.close().await;
        eventually("all closed", async || encrypted(&cluster).await.0 == 0).await;
    }
}

#[test]
fn modes_with_a_server_without_tls() {
    on_postgres(|_| {
        modes_do_what_they_say(Tls::Off, [Plain, Plain, Plain, Refused, Refused, Refused])
    });
}

#[test]
fn modes_with_a_server_that_offers_tls() {
    on_postgres(|_| {
        let expected = [Plain, Plain, Encrypted, Encrypted, Encrypted, Encrypted];
        modes_do_what_they_say(Tls::Offered, expected)
    });
}

#[test]
fn modes_with_a_server_that_requires_tls() {
    on_postgres(|_| {
        let expected = [
            Refused, Encrypted, Encrypted, Encrypted, Encrypted, Encrypted,
        ];
        modes_do_what_they_say(Tls::Required, expected)
    });
}

#[test]
fn a_certificate_is_verified_as_far_as_the_mode_says() {
    on_postgres(|_| async {
        let (cluster, stranger) = (start(Tls::Required), start(Tls::Required));
        let attempt = async |host: &str, mode: &str, authority: Option<&Cluster>| {
            connect(&settings(&cluster, host, mode, authority))
                .await
                .map(drop)
        };
        let refused = |result: Result<(), Error>, why: &[&str]| {
            let error = result.unwrap_err();
            let report = error.report();
            assert!(
                why.iter().any(|word| report.contains(word)),
                "{why:?}: {report}"
            );
            assert!(!error.is_transient(), "{report}");
        };
        for mode in ["verify-ca", "verify-full"] {
            attempt("127.0.0.1", mode, Some(&cluster)).await.unwrap();
            attempt("localhost", mode, Some(&cluster)).await.unwrap();
            // Signed by another authority, and by none that the system knows.
            let unknown = ["UnknownIssuer", "BadSignature"];
            refused(attempt("127.0.0.1", mode, Some(&stranger)).await, &unknown);
            refused(attempt("127.0.0.1", mode, None).await, &unknown);
        }
        // The right authority and another host: only the full mode asks for the name.
        attempt("127.0.0.2", "verify-ca", Some(&cluster))
            .await
            .unwrap();
        refused(
            attempt("127.0.0.2", "verify-full", Some(&cluster)).await,
            &["not valid for name"],
        );
        // Whoever does not verify gets in with any.
        attempt("127.0.0.2", "require", None).await.unwrap();
    });
}

#[test]
fn a_certificate_file_that_cannot_be_read_is_refused_by_the_name_of_its_setting() {
    for name in ["DB_SSL_ROOT_CERT", "DB_SSL_CERT", "DB_SSL_KEY"] {
        let sources = Sources::empty()
            .with_flag("DATABASE_URL", "postgres://somewhere/annals")
            .with_flag(name, "/nowhere/authority.crt");
        let message = DatabaseConfig::from_sources(&sources)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(name) && message.contains("/nowhere/authority.crt"),
            "{message}"
        );
    }
}

#[test]
fn what_a_url_says_of_tls_wins_over_other_settings() {
    on_postgres(|_| async {
        let (cluster, stranger) = (start(Tls::Required), start(Tls::Required));
        let authority = stranger.ca_certificate().unwrap().display().to_string();
        let sources = Sources::empty()
            .with_flag("DATABASE_URL", cluster.url("postgres"))
            .with_flag("DB_SSL_MODE", "disable")
            .with_flag("DB_SSL_ROOT_CERT", authority);
        let store = connect(&sources).await.unwrap();
        let (all, ssl) = encrypted(&cluster).await;
        assert!(all > 0 && ssl == all, "{ssl} of {all}");
        store.close().await;
    });
}

#[test]
fn rows_are_copied_over_tls() {
    on_postgres(|_| async {
        let cluster = start(Tls::Offered);
        let store = connect(&settings(&cluster, "127.0.0.1", "require", None))
            .await
            .unwrap();
        store.create_table::<Note>().await.unwrap();
        let database = TestDatabase::at(Backend::Postgres, cluster.url("postgres"));
        // The server notes for each statement that writes whether its connection is encrypted.
        database
            .execute(
                "CREATE TABLE seen (query text, ssl boolean);
                 CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN
                     INSERT INTO seen SELECT current_query(), ssl
                       FROM pg_stat_ssl WHERE pid = pg_backend_pid();
                     RETURN NULL;
                 END $$;
                 CREATE TRIGGER see AFTER INSERT ON notes FOR EACH STATEMENT EXECUTE FUNCTION see()",
            )
            .await;
        let writer = hasty_writer::<Note>(&store, |_| {}).await;
        // Large enough for several TLS records and several pieces of COPY.
        assert_eq!(
            within(writer.write(numbered(0..50_000)))
                .await
                .unwrap()
                .committed,
            50_000
        );
        assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..50_000));
        let copies = "SELECT count(*) FROM seen WHERE query LIKE 'COPY%' AND ssl";
        assert!(database.number(copies).await > 0);
        assert_eq!(
            database
                .number("SELECT count(*) FROM seen WHERE NOT ssl")
                .await,
            0
        );
        store.close().await;
    });
}
