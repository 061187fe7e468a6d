//! What a server refuses to start with, and how it says so.

use std::net::SocketAddr;

use annals_server::{Error, Server, Stop};
use annals_store::Store;
use tokio::{net::TcpListener, sync::watch};

use crate::serving::{config, within};

const ADDRESSES: [&str; 3] = ["HTTP_ADDR", "OTLP_GRPC_ADDR", "OTLP_HTTP_ADDR"];

#[tokio::test]
async fn an_address_that_others_can_reach_needs_a_token_or_a_word() {
    for setting in ADDRESSES {
        for address in ["0.0.0.0:0", "[::]:0"] {
            let error = Server::bind(config(&[(setting, address)]))
                .await
                .unwrap_err();
            assert!(matches!(error, Error::Exposed { .. }), "{error:?}");
            let message = error.to_string();
            for told in [setting, "API_TOKEN", "--insecure"] {
                assert!(message.contains(told), "{told}: {message}");
            }
        }
        for way_out in [("INSECURE", "true"), ("API_TOKEN", "correct-horse-battery")] {
            let config = config(&[(setting, "0.0.0.0:0"), way_out]);
            let server = Server::bind(config).await.unwrap();
            assert!(!format!("{server:?}").contains("horse"));
        }
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = taken.local_addr().unwrap();
    for setting in ADDRESSES {
        let config = config(&[(setting, &address.to_string())]);
        let error = Server::bind(config).await.unwrap_err();
        assert!(matches!(error, Error::Listen { .. }), "{error:?}");
        let message = error.to_string();
        for told in [setting, &address.to_string()] {
            assert!(message.contains(told), "{told}: {message}");
        }
    }
}

#[tokio::test]
async fn a_server_with_every_service_off_is_none() {
    let off = ADDRESSES.map(|setting| (setting, "off"));
    let error = Server::bind(config(&off)).await.unwrap_err();
    assert!(matches!(error, Error::NothingToServe), "{error:?}");
}

#[tokio::test]
async fn a_service_that_is_off_has_no_address_and_the_others_serve() {
    let off = [("OTLP_GRPC_ADDR", "off"), ("OTLP_HTTP_ADDR", "off")];
    let server = Server::bind(config(&off)).await.unwrap();
    let addresses = server.addresses();
    assert_eq!((addresses.otlp_grpc, addresses.otlp_http), (None, None));
    let store = Store::open("sqlite::memory:").await.unwrap();
    let (stop, told) = watch::channel(Stop::No);
    let serving = tokio::spawn(server.serve(store, told, || {}));
    let health = crate::client::get(addresses.http.unwrap(), "/health").await;
    assert_eq!(health.status, 200);
    // Whoever could tell it to stop is gone, which is as good as being told.
    drop(stop);
    within(serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn without_tables_and_leave_to_make_them_nothing_is_served() {
    let server = Server::bind(config(&[("MIGRATE_ON_START", "false")]))
        .await
        .unwrap();
    let store = Store::open("sqlite::memory:").await.unwrap();
    let (_stop, told) = watch::channel(Stop::No);
    let ready = || panic!("it is not ready");
    let error = within(server.serve(store, told, ready)).await.unwrap_err();
    assert!(error.to_string().contains("spans"), "{error}");
}

#[tokio::test]
async fn the_tables_of_every_family_are_looked_for() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let [telemetry, market, _] = annals_server::MIGRATIONS;
    for (family, missing) in [(telemetry, "bars_1m"), (market, "deployment_trace_span")] {
        store.migrator(&[family]).up().await.unwrap();
        let settings = config(&[("MIGRATE_ON_START", "false")]);
        let server = Server::bind(settings).await.unwrap();
        let (_stop, told) = watch::channel(Stop::No);
        let ready = || panic!("it is not ready");
        let serving = server.serve(store.clone(), told, ready);
        let error = within(serving).await.unwrap_err();
        assert!(error.to_string().contains(missing), "{error}");
    }
}

#[tokio::test]
async fn connections_beyond_their_number_wait_for_one_that_ends() {
    let served = crate::serving::in_memory(&[("MAX_CONNECTIONS", "1")]).await;
    let first = tokio::net::TcpStream::connect(served.http).await.unwrap();
    // It is taken, or the second would be the first.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let mut second = Box::pin(crate::client::get(served.http, "/health"));
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut second).await;
    assert!(early.is_err(), "{early:?}");
    drop(first);
    assert_eq!(within(second).await.status, 200);
}
