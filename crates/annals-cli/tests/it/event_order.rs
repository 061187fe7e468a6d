//! Two servers and somebody in psql write to one database, and one of the servers is killed.

use std::{
    io::BufRead as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use annals_record::Uuid;
use annals_store::sqlx;
use annals_testkit::{Backend, TestDatabase, on_every_server};
use serde_json::{Value, json};

use crate::{
    event_server::{TOKEN, call, follow},
    serving::{Served, http_with},
};

on_every_server!(whoever_dies_a_reader_sees_each_message_once_and_in_order);

/// How long is written, and when in it one server dies.
const WRITING: Duration = Duration::from_secs(5);
const DYING: Duration = Duration::from_secs(2);

/// Writers of each server.
const WRITERS: usize = 6;

/// Writes until it is told to stop or its server is gone; gives the ids and places that were acknowledged.
fn write(served: std::net::SocketAddr, stop: &AtomicBool, writer: usize) -> Vec<(String, i64)> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = Uuid::now_v7().to_string();
        let stream = format!("account-{}", (writer + number) % 9);
        let message = json!({ "type": "T", "data": { "writer": writer, "n": number } });
        let write = json!(["stream.write", stream, message, { "id": id }]).to_string();
        let token = format!("Authorization: Bearer {TOKEN}\r\n");
        let Ok(answer) = http_with(served, "POST", "/rpc", &token, &write) else {
            break;
        };
        let Ok(said) = serde_json::from_str::<Value>(&answer.body) else {
            break;
        };
        if answer.status == 200 {
            acknowledged.push((id, said["globalPosition"].as_i64().unwrap()));
        }
    }
    acknowledged
}

/// Writes by the function, and takes every third write back.
async fn write_by_sql(url: String, schema: &str, stop: Arc<AtomicBool>) -> usize {
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let sql = format!("SELECT {schema}.write_message(NULL, 'account-sql', 'T', '{{}}')");
    let mut kept = 0;
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut transaction = pool.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.as_str()))
            .execute(&mut *transaction)
            .await
            .unwrap();
        // Between having a place and committing.
        tokio::time::sleep(Duration::from_millis(number % 7 * 5)).await;
        if number % 3 == 0 {
            transaction.rollback().await.unwrap();
        } else {
            transaction.commit().await.unwrap();
            kept += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    kept
}

async fn whoever_dies_a_reader_sees_each_message_once_and_in_order(database: TestDatabase) {
    let settings = [("DATABASE_URL", &*database.url), ("EVENTODB_TOKEN", TOKEN)];
    let survivor = Served::start_with(&settings);
    let mut victim = Served::start_with(&settings);
    let schema = match database.backend {
        Backend::Timescale => "tsdb_default",
        _ => "eventodb_default",
    };
    let mut reader = follow(survivor.http);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2 * WRITERS)
        .map(|writer| {
            let address = [survivor.http, victim.http][writer % 2];
            let stop = Arc::clone(&stop);
            thread::spawn(move || write(address, &stop, writer))
        })
        .collect();
    let by_sql = tokio::spawn(write_by_sql(
        database.url.clone(),
        schema,
        Arc::clone(&stop),
    ));
    let began = Instant::now();
    tokio::time::sleep(DYING).await;
    victim.program.signal("KILL");
    assert!(!victim.program.end().success());
    tokio::time::sleep(WRITING.saturating_sub(began.elapsed())).await;
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Vec<_> = writers
        .into_iter()
        .flat_map(|writer| writer.join().unwrap())
        .collect();
    let kept = by_sql.await.unwrap();

    let all = json!(["category.get", "", { "batchSize": -1 }]);
    let (status, stored) = call(survivor.http, TOKEN, &all);
    assert_eq!(status, 200);
    let stored = stored.as_array().unwrap();
    let places: Vec<i64> = stored.iter().map(|m| m[4].as_i64().unwrap()).collect();
    let expected: Vec<i64> = (1..=i64::try_from(places.len()).unwrap()).collect();
    assert_eq!(places, expected, "places have holes or doubles");
    for (id, place) in &acknowledged {
        let stored = &stored[usize::try_from(place - 1).unwrap()];
        assert_eq!(stored[0], **id, "what was acknowledged is somewhere else");
    }
    let sql = stored.iter().filter(|m| m[1] == "account-sql").count();
    assert_eq!(sql, kept);
    println!(
        "{:?}: {} acknowledged of {} stored, {kept} by SQL",
        database.backend,
        acknowledged.len(),
        stored.len()
    );
    assert!(acknowledged.len() > 100, "hardly anything was written");

    // Each was told to the reader, once, in this order.
    let mut seen = Vec::new();
    let mut line = String::new();
    while seen.len() < places.len() {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "it ended");
        let Some(data) = line.strip_prefix("data: ") else {
            continue;
        };
        let poke: Value = serde_json::from_str(data).unwrap();
        seen.push(poke["globalPosition"].as_i64().unwrap());
    }
    assert_eq!(seen, places);
    let _ = survivor.stop();
}
