//! Tests of what only TimescaleDB's Community edition does.

use annals_store::Edition;

use crate::{
    Backend, TestDatabase,
    server::{self, Flavor},
};

/// Runs a test on a fresh database of the server at hand, if that is of the Community edition; says so
/// when it is not.
///
/// The server is the one that `ANNALS_TEST_COMMUNITY_URL` names, else the one that the other tests have.
pub fn on_community<F: Future<Output = ()>>(test: impl FnOnce(TestDatabase) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let url = match std::env::var("ANNALS_TEST_COMMUNITY_URL") {
            Ok(url) => server::create_database_at(&url, Flavor::Timescale)
                .await
                .expect("a database"),
            Err(_) if Backend::Timescale.enabled() => Backend::Timescale.database().await.url,
            Err(_) => {
                println!("skipped: no server at all is not TimescaleDB's Community edition");
                return;
            }
        };
        let database = TestDatabase::at(Backend::Timescale, url.clone());
        let edition = database.store().await.capabilities().edition();
        if edition == Edition::TimescaleCommunity {
            test(database).await;
        } else {
            println!("skipped: {edition} is not TimescaleDB's Community edition");
        }
        server::drop_database_at(&url).await.expect("its end");
    });
}
