//! With a real Redis.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use annals_cache::{Cache, Fresh};
use annals_testkit::RedisServer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{Text, cache_at, only_redis, space, text, until_kept, version};

#[tokio::test]
async fn what_one_server_has_read_another_finds_for_its_version_alone() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let (one, other) = (only_redis(&server), only_redis(&server));
    for value in ["small", "", &"large ".repeat(100_000)] {
        until_kept(&one, b"a", &version(1), &text(value)).await;
        let found = other.get::<Text>(&space(), b"a", &version(1)).await;
        assert_eq!(found, Some(text(value)));
        assert_eq!(other.get::<Text>(&space(), b"a", &version(2)).await, None);
    }
    let names = server.names();
    assert!(
        matches!(&names[..], [name] if name.starts_with("annals:text:")),
        "{names:?}"
    );
    let left = server.command(&[b"PTTL", names[0].as_bytes()]);
    let left: i64 = String::from_utf8(left).unwrap().parse().unwrap();
    assert!((1..=3_600_000).contains(&left), "{left}");
}

#[tokio::test]
async fn whatever_else_is_under_a_name_is_no_answer_and_no_error() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let cache = only_redis(&server);
    until_kept(&cache, b"a", &version(1), &text("one")).await;
    until_kept(&cache, b"b", &version(1), &text("two")).await;
    let names = server.names();
    let (first, second) = (names[0].as_bytes(), names[1].as_bytes());
    let swapped = server.command(&[b"GET", first]);
    server.command(&[b"SET", second, &swapped]);
    let found = cache.get::<Text>(&space(), b"a", &version(1)).await;
    let other = cache.get::<Text>(&space(), b"b", &version(1)).await;
    assert_eq!(
        [found, other].iter().flatten().count(),
        1,
        "somebody else's value was used"
    );
    let huge = vec![b'x'; 20 << 20];
    for name in [first, second] {
        for garbage in [&b"garbage"[..], b"\0", &[1; 500], &huge, &swapped[1..]] {
            server.command(&[b"SET", name, garbage]);
            assert_eq!(cache.get::<Text>(&space(), b"a", &version(1)).await, None);
            assert_eq!(cache.get::<Text>(&space(), b"b", &version(1)).await, None);
        }
        server.command(&[b"DEL", name]);
        server.command(&[b"LPUSH", name, b"a list"]);
        for _ in 0..5 {
            assert_eq!(cache.get::<Text>(&space(), b"a", &version(1)).await, None);
        }
        assert!(
            cache.asks_redis(),
            "a list is no reason to leave Redis alone"
        );
    }
    until_kept(&cache, b"a", &version(1), &text("one")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_killed_costs_no_answer_and_is_found_again() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    survives(&server, RedisServer::kill, RedisServer::restart).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_costs_no_answer_and_what_it_kept_is_used_for_its_version_alone() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let cache = survives(&server, RedisServer::pause, RedisServer::resume).await;
    // It has kept the value from before; the database has gone on since.
    until_kept(&cache, b"a", &version(1), &text("one")).await;
    server.pause();
    until_left_alone(&cache).await;
    server.resume();
    until_kept(&cache, b"b", &version(1), &text("other")).await;
    assert_eq!(cache.get::<Text>(&space(), b"a", &version(2)).await, None);
}

/// Asks without a break while Redis goes and comes back.
async fn survives(server: &RedisServer, go: fn(&RedisServer), come: fn(&RedisServer)) -> Cache {
    let cache = only_redis(server);
    until_kept(&cache, b"a", &version(1), &text("one")).await;
    let end = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let askers = (0..8_u8).map(|asker| {
        let (cache, end) = (cache.clone(), Arc::clone(&end));
        tokio::spawn(async move {
            let mut asked = 0_u64;
            while !end.load(std::sync::atomic::Ordering::Relaxed) {
                let read = async {
                    let value = Text(format!("read by {asker}"));
                    Ok::<_, ()>(Fresh { value, keep: true })
                };
                let key = [asker];
                let value = cache.remember(&space(), &key, &version(1), read).await;
                assert_eq!(value, Ok(text(&format!("read by {asker}"))));
                asked += 1;
                tokio::task::yield_now().await;
            }
            asked
        })
    });
    let askers: Vec<_> = askers.collect();
    until_kept(&cache, b"a", &version(1), &text("one")).await;
    go(server);
    until_left_alone(&cache).await;
    // Nobody waits for it any more: so many answers would take minutes if each waited for its deadline.
    let began = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(cache.get::<Text>(&space(), b"a", &version(1)).await, None);
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    come(server);
    until_kept(&cache, b"c", &version(1), &text("three")).await;
    end.store(true, std::sync::atomic::Ordering::Relaxed);
    for asker in askers {
        assert!(asker.await.unwrap() > 0);
    }
    cache
}

async fn until_left_alone(cache: &Cache) {
    let alone = async {
        while cache.asks_redis() {
            let _ = cache.get::<Text>(&space(), b"nothing", &version(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), alone)
        .await
        .unwrap();
}

#[tokio::test]
async fn one_that_is_full_is_still_read() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let limit = |bytes: &[u8]| server.command(&[b"CONFIG", b"SET", b"maxmemory", bytes]);
    let cache = only_redis(&server);
    until_kept(&cache, b"a", &version(1), &text("one")).await;
    limit(b"1");
    let refused = server.command(&[b"SET", b"other", b"x"]);
    assert!(
        refused.starts_with(b"OOM"),
        "{}",
        String::from_utf8_lossy(&refused)
    );
    for number in 0..20_u8 {
        cache.put(&space(), &[b'x', number], &version(1), text("new"));
        cache.settled().await;
        let found = cache.get::<Text>(&space(), b"a", &version(1)).await;
        assert_eq!(found, Some(text("one")));
    }
    assert_eq!(cache.get::<Text>(&space(), b"x\0", &version(1)).await, None);
    limit(b"0");
    until_kept(&cache, b"x\0", &version(1), &text("new")).await;
}

#[tokio::test]
async fn one_that_answers_nonsense_is_left_alone() {
    for nonsense in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\0\xff\0\xff\r\n",
        b":7\r\n:7\r\n:7\r\n",
        b"",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answering = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut asked = [0; 1024];
                    while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                        if stream.write_all(nonsense).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let cache = cache_at(&format!("redis://{address}/"), |options| {
            options.memory = None;
            options.redis.as_mut().unwrap().read_timeout = Duration::from_millis(50);
        });
        for _ in 0..10 {
            assert_eq!(cache.get::<Text>(&space(), b"a", &version(1)).await, None);
        }
        until_left_alone(&cache).await;
        answering.abort();
    }
}

#[tokio::test]
async fn one_that_wants_another_password_is_left_alone_and_logs_tell_once_and_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .with_max_level(tracing::Level::DEBUG)
        .finish();
    // Of one subscriber alone only the thread is asked that comes to a place that logs first, which may be another test's.
    let _another = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let Some(server) = RedisServer::start_with(&["--requirepass", "the right one"]) else {
        return;
    };
    let url = format!("redis://ann:hunter2@{}/", server.address());
    let cache = cache_at(&url, |options| options.memory = None);
    until_left_alone(&cache).await;
    for _ in 0..1_000 {
        assert_eq!(cache.get::<Text>(&space(), b"a", &version(1)).await, None);
    }
    let log = log.text();
    assert_eq!(log.matches("Redis is away").count(), 1, "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    let url = format!("redis://:the%20right%20one@{}/", server.address());
    let cache = cache_at(&url, |options| options.memory = None);
    until_kept(&cache, b"a", &version(1), &text("one")).await;
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
