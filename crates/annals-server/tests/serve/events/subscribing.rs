//! What a subscriber reads, byte by byte.

use std::time::{Duration, Instant};

use annals_server::Stop;
use annals_testkit::{TestDatabase, on_every_backend};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{TOKEN, in_memory, on, result};
use crate::{
    client::get,
    serving::{self, Served, within},
};

on_every_backend!(
    what_is_stored_comes_first_and_then_what_is_new,
    a_long_past_comes_whole,
    groups_are_the_same_live_as_stored,
    everything_is_only_what_is_new,
    nothing_is_missed_and_nothing_doubled_while_many_write,
);

/// A reader of a chunked answer.
struct Reader {
    stream: TcpStream,
    head: String,
    raw: Vec<u8>,
    chunks: Vec<String>,
    ended: bool,
}

impl Reader {
    async fn open(served: &Served, query: &str) -> Self {
        let mut stream = TcpStream::connect(served.http).await.unwrap();
        let ask = format!(
            "GET /subscribe?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut reader = Self {
            stream,
            head: String::new(),
            raw: Vec::new(),
            chunks: Vec::new(),
            ended: false,
        };
        reader.until(": ready\n\n").await;
        reader
    }

    /// Reads on until the body has a text; gives the body.
    async fn until(&mut self, text: &str) -> String {
        within(async {
            while !self.body().contains(text) {
                assert!(!self.ended, "{text:?} is not in {:?}", self.body());
                self.read().await;
            }
        })
        .await;
        self.body()
    }

    async fn read(&mut self) {
        let mut piece = [0; 4096];
        let length = self.stream.read(&mut piece).await.unwrap();
        self.ended |= length == 0;
        self.raw.extend_from_slice(&piece[..length]);
        if self.head.is_empty() {
            let Some(end) = self.raw.windows(4).position(|four| four == b"\r\n\r\n") else {
                return;
            };
            let rest = self.raw.split_off(end + 4);
            self.head = String::from_utf8(std::mem::replace(&mut self.raw, rest)).unwrap();
        }
        while let Some(end) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let length = std::str::from_utf8(&self.raw[..end]).unwrap();
            let length = usize::from_str_radix(length, 16).unwrap();
            if self.raw.len() < end + 2 + length + 2 {
                break;
            }
            let rest = self.raw.split_off(end + 2 + length + 2);
            let chunk = std::mem::replace(&mut self.raw, rest);
            self.ended |= length == 0;
            self.chunks
                .push(String::from_utf8(chunk[end + 2..end + 2 + length].to_vec()).unwrap());
        }
    }

    fn body(&self) -> String {
        self.chunks.concat()
    }

    /// Reads on until there are so many events; gives their global positions.
    async fn places(&mut self, count: usize) -> Vec<i64> {
        within(async {
            while self.events().len() < count {
                assert!(!self.ended, "{:?}", self.body());
                self.read().await;
            }
        })
        .await;
        let events = self.events();
        let place = |event: &serde_json::Value| event["globalPosition"].as_i64().unwrap();
        events.iter().map(place).collect()
    }

    fn events(&self) -> Vec<serde_json::Value> {
        let body = self.body();
        let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

fn poke(stream: &str, position: i64, global: i64) -> String {
    format!(
        "event: poke\ndata: {{\"stream\":\"{stream}\",\"position\":{position},\"globalPosition\":{global}}}\n\n"
    )
}

async fn write(served: &Served, stream: &str) {
    result(
        served,
        &format!(r#"["stream.write", "{stream}", {{"type":"T","data":{{}}}}]"#),
    )
    .await;
}

/// Nothing more comes for a while.
async fn silent(reader: &mut Reader) {
    let more = tokio::time::timeout(Duration::from_millis(300), reader.read()).await;
    assert!(more.is_err(), "{:?}", reader.body());
}

#[tokio::test]
async fn the_head_and_the_word_come_at_once() {
    let served = in_memory().await;
    for query in [
        "stream=a-1",
        "category=a",
        "all=true",
        "category=a&consumer=0&size=2",
    ] {
        let begun = Instant::now();
        let mut reader = Reader::open(&served, query).await;
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(reader.body(), ": ready\n\n", "{query}");
        let head = reader.head.to_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        for line in [
            "content-type: text/event-stream\r\n",
            "cache-control: no-cache\r\n",
            "connection: keep-alive\r\n",
            "transfer-encoding: chunked\r\n",
            "access-control-allow-origin: *\r\n",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
        silent(&mut reader).await;
    }
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_in_plain_text() {
    let served = in_memory().await;
    for query in [
        "",
        "&stream=",
        "&stream=a&category=b",
        "&stream=a&all=true",
        "&all=1",
        "&stream=a&position=x",
        "&category=a&consumer=0",
        "&category=a&size=2",
        "&category=a&consumer=2&size=2",
        "&category=a&consumer=0&size=0",
        "&category=a&consumer=-1&size=1",
    ] {
        let answer = get(served.http, &format!("/subscribe?token={TOKEN}{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(
            answer.header("content-type").starts_with("text/plain"),
            "{query}"
        );
        assert!(answer.text().trim_end().len() > 10 && !answer.text().contains('{'));
    }
}

async fn what_is_stored_comes_first_and_then_what_is_new(database: TestDatabase) {
    let served = on(&database).await;
    for stream in ["a-1", "a-2", "b-1", "a-1"] {
        write(&served, stream).await;
    }
    let ready = ": ready\n\n";
    let cases = [
        (
            "stream=a-1",
            vec![poke("a-1", 0, 1), poke("a-1", 1, 4)],
            vec![poke("a-1", 2, 6)],
        ),
        (
            "stream=a-1&position=1",
            vec![poke("a-1", 1, 4)],
            vec![poke("a-1", 2, 6)],
        ),
        ("stream=a-1&position=2", vec![], vec![poke("a-1", 2, 6)]),
        (
            "category=a&position=2",
            vec![poke("a-2", 0, 2), poke("a-1", 1, 4)],
            vec![poke("a-2", 1, 5), poke("a-1", 2, 6)],
        ),
        ("category=a-1", vec![], vec![]),
    ];
    let mut readers = Vec::new();
    for (query, stored, new) in cases {
        let mut reader = Reader::open(&served, query).await;
        let stored = ready.to_owned() + &stored.concat();
        assert_eq!(reader.until(&stored).await, stored, "{query}");
        readers.push((query, reader, stored + &new.concat()));
    }
    for stream in ["a-2", "a-1", "b-1"] {
        write(&served, stream).await;
    }
    for (query, mut reader, whole) in readers {
        reader.until(&whole).await;
        silent(&mut reader).await;
        assert_eq!(reader.body(), whole, "{query}");
        // Each in one piece.
        assert!(reader.chunks.iter().all(|chunk| chunk.ends_with("\n\n")));
    }
}

async fn a_long_past_comes_whole(database: TestDatabase) {
    let served = on(&database).await;
    let messages = vec![r#"{"type":"T","data":{}}"#; 2_500].join(",");
    result(
        &served,
        &format!(r#"["stream.write", "a-1", [{messages}]]"#),
    )
    .await;
    for (query, first) in [
        ("stream=a-1", 1),
        ("stream=a-1&position=100", 101),
        ("category=a", 1),
    ] {
        let mut reader = Reader::open(&served, query).await;
        let expected: Vec<i64> = (first..=2_500).collect();
        assert_eq!(reader.places(expected.len()).await, expected, "{query}");
        silent(&mut reader).await;
    }
}

async fn groups_are_the_same_live_as_stored(database: TestDatabase) {
    let served = on(&database).await;
    // Members of a group of two by MD5; another hash would divide them in another way.
    let streams = [
        ("g-0", 1),
        ("g-1", 0),
        ("g-2", 1),
        ("g-3", 0),
        ("g-123+x", 1),
        ("g-abc", 0),
    ];
    for (stream, _) in streams {
        write(&served, stream).await;
    }
    let mut readers = Vec::new();
    for query in [
        "consumer=0&size=2",
        "consumerGroupMember=1&consumerGroupSize=2",
    ] {
        readers.push(Reader::open(&served, &format!("category=g&{query}")).await);
    }
    for (stream, _) in streams {
        write(&served, stream).await;
    }
    write(&served, "g").await;
    for (member, mut reader) in readers.into_iter().enumerate() {
        reader.places(6).await;
        silent(&mut reader).await;
        let expected: Vec<&str> = streams
            .iter()
            .filter(|(_, of)| *of == member)
            .map(|(stream, _)| *stream)
            .collect();
        let found: Vec<String> = reader
            .events()
            .iter()
            .map(|event| event["stream"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(found, [expected.clone(), expected].concat(), "{member}");
    }
}

async fn everything_is_only_what_is_new(database: TestDatabase) {
    let served = on(&database).await;
    write(&served, "a-1").await;
    let mut all = Reader::open(&served, "all=true").await;
    let mut later = Reader::open(&served, "all=true&position=3").await;
    for stream in ["b-1", "a-1"] {
        write(&served, stream).await;
    }
    assert_eq!(all.places(2).await, [2, 3]);
    assert_eq!(later.places(1).await, [3]);
    silent(&mut all).await;
    silent(&mut later).await;
}

async fn nothing_is_missed_and_nothing_doubled_while_many_write(database: TestDatabase) {
    let served = on(&database).await;
    let writing = async {
        let write = async |writer: usize| {
            for _ in 0..25 {
                write(&served, &format!("a-{writer}")).await;
            }
        };
        futures_util::future::join_all((0..8).map(write)).await;
    };
    let reading = async {
        let mut readers = Vec::new();
        for _ in 0..4 {
            readers.push(Reader::open(&served, "category=a").await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for reader in &mut readers {
            assert_eq!(reader.places(200).await, Vec::from_iter(1..=200));
            silent(reader).await;
        }
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn a_reader_that_is_gone_is_noticed_though_nothing_happens() {
    let settings = [("EVENTODB_TOKEN", TOKEN), ("MAX_CONNECTIONS", "1")];
    let served = serving::in_memory(&settings).await;
    let reader = Reader::open(&served, "all=true").await;
    drop(reader);
    // The only connection is free again.
    let begun = Instant::now();
    get(served.http, "/health").await.found();
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_stop_ends_what_is_followed() {
    let served = in_memory().await;
    let mut reader = Reader::open(&served, "category=a").await;
    let begun = Instant::now();
    served.tell(Stop::Drain);
    within(async {
        while !reader.ended {
            reader.read().await;
        }
    })
    .await;
    served.end().await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        reader.body(),
        ": ready\n\n",
        "in order, with the last chunk"
    );
}
