//! In process, without Redis.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use annals_cache::{Cache, CacheError, CacheOptions, Fresh, RedisOptions, Space};
use tokio::sync::Barrier;

use super::{Text, space, text, version};

fn cache() -> Cache {
    Cache::new(CacheOptions::default())
}

#[tokio::test]
async fn a_value_is_used_for_its_version_and_space_alone() {
    let cache = cache();
    cache.put(&space(), b"a", &version(1), text("one"));
    let found = cache.get::<Text>(&space(), b"a", &version(1)).await;
    assert_eq!(found, Some(text("one")));
    assert_eq!(cache.get::<Text>(&space(), b"a", &version(2)).await, None);
    assert_eq!(cache.get::<Text>(&space(), b"b", &version(1)).await, None);
    for other in [
        Space::new(b"another secret", [&b"public"[..]]),
        Space::new(b"a secret", [&b"other"[..]]),
        Space::new(b"a secret", [&b"pub"[..], &b"lic"[..]]),
    ] {
        assert_eq!(cache.get::<Text>(&other, b"a", &version(1)).await, None);
    }
    cache.forget::<Text>(&space(), b"a");
    assert_eq!(cache.get::<Text>(&space(), b"a", &version(1)).await, None);
}

#[tokio::test]
async fn values_take_no_more_than_they_may_and_do_not_stay_for_ever() {
    let mut options = CacheOptions::default();
    options.memory = NonZeroU64::new(100_000);
    let cache = Cache::new(options);
    for number in 0..100_u8 {
        cache.put(&space(), &[number], &version(1), text(&"x".repeat(5_000)));
    }
    let mut held = 0;
    for number in 0..100_u8 {
        let found = cache.get::<Text>(&space(), &[number], &version(1)).await;
        held += found.map_or(0, |value| value.0.len());
    }
    assert!((5_000..=100_000).contains(&held), "{held}");
    cache.put(&space(), b"large", &version(1), text(&"x".repeat(50_000)));
    assert_eq!(
        cache.get::<Text>(&space(), b"large", &version(1)).await,
        None
    );

    let mut options = CacheOptions::default();
    options.ttl = Duration::from_millis(1);
    let cache = Cache::new(options);
    cache.put(&space(), b"a", &version(1), text("one"));
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert_eq!(cache.get::<Text>(&space(), b"a", &version(1)).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_asks_at_once_is_read_for_once() {
    let (cache, reads) = (cache(), AtomicUsize::new(0));
    let asked = (0..50).map(|_| async {
        let read = async {
            reads.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok::<_, ()>(Fresh {
                value: Text("one".to_owned()),
                keep: true,
            })
        };
        cache
            .remember(&space(), b"a", &version(1), read)
            .await
            .unwrap()
    });
    for value in futures_util::future::join_all(asked).await {
        assert_eq!(value, text("one"));
    }
    assert_eq!(reads.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_stands_in_a_row_for_what_is_not_kept() {
    let cache = cache();
    // The first reads alone; the others can only go on when all of them read at once.
    let together = Barrier::new(9);
    let first = AtomicUsize::new(0);
    let asked = (0..10).map(|_| async {
        let read = async {
            if first.fetch_add(1, Ordering::SeqCst) > 0 {
                together.wait().await;
            } else {
                // Until all of them wait for it.
                tokio::task::yield_now().await;
            }
            Ok::<_, ()>(Fresh {
                value: Text("one".to_owned()),
                keep: false,
            })
        };
        cache.remember(&space(), b"a", &version(1), read).await
    });
    let all = futures_util::future::join_all(asked);
    tokio::time::timeout(Duration::from_secs(30), all)
        .await
        .unwrap();
    assert_eq!(cache.get::<Text>(&space(), b"a", &version(1)).await, None);
}

#[tokio::test]
async fn a_reader_who_fails_or_gives_up_hinders_nobody() {
    let cache = Arc::new(cache());
    let read = async { Err::<Fresh<Text>, _>("the database is away") };
    let failed = cache.remember(&space(), b"a", &version(1), read).await;
    assert_eq!(failed, Err("the database is away"));
    let other = Arc::clone(&cache);
    let hangs = tokio::spawn(async move {
        let read = std::future::pending::<Result<Fresh<Text>, ()>>();
        other.remember(&space(), b"a", &version(1), read).await
    });
    tokio::task::yield_now().await;
    let waits = tokio::spawn(async move {
        let read = async {
            Ok::<_, ()>(Fresh {
                value: Text("one".to_owned()),
                keep: true,
            })
        };
        cache.remember(&space(), b"a", &version(1), read).await
    });
    tokio::task::yield_now().await;
    hangs.abort();
    let value = tokio::time::timeout(Duration::from_secs(30), waits).await;
    assert_eq!(value.unwrap().unwrap(), Ok(text("one")));
}

#[tokio::test]
async fn one_that_is_off_reads() {
    let cache = Cache::off();
    cache.put(&space(), b"a", &version(1), text("one"));
    assert_eq!(cache.get::<Text>(&space(), b"a", &version(1)).await, None);
    let read = async {
        Ok::<_, ()>(Fresh {
            value: Text("two".to_owned()),
            keep: true,
        })
    };
    let value = cache.remember(&space(), b"a", &version(1), read).await;
    assert_eq!(value, Ok(text("two")));
}

#[test]
fn no_error_and_no_debug_shows_a_secret() {
    for url in [
        "redis://:hunter2@[bad/x",
        "http://ann:hunter2@host/",
        "hunter2",
        "",
    ] {
        let error = RedisOptions::at(url).unwrap_err();
        assert!(matches!(error, CacheError::Url));
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    for url in [
        "redis://ann:hunter2@db.example:6380/2",
        "rediss://:hunter2@db.example:6380",
    ] {
        let mut options = CacheOptions::default();
        options.redis = Some(RedisOptions::at(url).unwrap());
        let shown = format!("{options:?}");
        assert!(shown.contains("db.example:6380"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let shown = format!("{:?}", Space::new(b"hunter2", []));
    assert!(!shown.contains("hunter2"), "{shown}");
}
