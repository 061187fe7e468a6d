//! What a start does about `default` and its token.

use std::sync::{Arc, Mutex};

use annals_events::Token;
use annals_server::{Error, Server, Stop};
use annals_testkit::{TestDatabase, on_every_backend};
use tokio::sync::watch;

use super::{TOKEN, call_as};
use crate::serving::{self, Settings, config, within};

on_every_backend!(
    a_start_with_the_same_token_works_and_with_another_says_what_to_do,
    a_random_token_is_told_once_and_works,
);

/// Starts a server and ends it; gives what it told.
async fn start(database: &TestDatabase, settings: Settings<'_>) -> Result<Option<String>, Error> {
    let told = Arc::new(Mutex::new(None));
    let telling = Arc::clone(&told);
    let server = Server::bind(config(settings)).await.unwrap();
    let server = server.telling_new_token(move |token: &Token| {
        *telling.lock().unwrap() = Some(token.reveal().to_owned());
    });
    let (stop, is_told) = watch::channel(Stop::No);
    let store = database.store().await;
    let ready = move || stop.send(Stop::Drain).unwrap();
    within(server.serve(store, is_told, ready)).await?;
    let told = told.lock().unwrap().take();
    Ok(told)
}

async fn a_start_with_the_same_token_works_and_with_another_says_what_to_do(
    database: TestDatabase,
) {
    for _ in 0..2 {
        let told = start(&database, &[("EVENTODB_TOKEN", TOKEN)])
            .await
            .unwrap();
        assert_eq!(told, None, "whoever gave it knows it");
    }
    let other = Token::random("default").reveal().to_owned();
    let error = start(&database, &[("EVENTODB_TOKEN", &other)])
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DefaultToken), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("EVENTODB_TOKEN"), "{message}");
    assert!(!message.contains(&other));
    // In test mode nobody is asked for it, and it does not take the right one's place.
    let settings = [
        ("EVENTODB_TOKEN", other.as_str()),
        ("EVENTODB_TEST_MODE", "true"),
    ];
    assert_eq!(start(&database, &settings).await.unwrap(), None);
    start(&database, &[("EVENTODB_TOKEN", TOKEN)])
        .await
        .unwrap();
    assert_eq!(start(&database, &[]).await.unwrap(), None);
}

async fn a_random_token_is_told_once_and_works(database: TestDatabase) {
    let token = start(&database, &[]).await.unwrap().unwrap();
    assert_eq!(start(&database, &[]).await.unwrap(), None);
    let served = serving::on(&database, &[]).await;
    call_as(served.http, &token, "[\"ns.list\"]").await.found();
}

#[tokio::test]
async fn with_nobody_to_tell_a_token_to_there_is_no_default() {
    let served = serving::in_memory(&[]).await;
    assert_eq!(
        call_as(served.http, TOKEN, "[\"sys.version\"]")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn test_mode_stays_on_this_machine_unless_told_otherwise() {
    let test_mode = ("EVENTODB_TEST_MODE", "1");
    let outside = ("HTTP_ADDR", "0.0.0.0:0");
    let token = ("API_TOKEN", "correct-horse-battery");
    let error = Server::bind(config(&[test_mode, outside, token]))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ExposedTestMode { .. }), "{error:?}");
    assert!(error.to_string().contains("EVENTODB_TEST_MODE"), "{error}");
    Server::bind(config(&[test_mode, outside, ("INSECURE", "true")]))
        .await
        .unwrap();
}
