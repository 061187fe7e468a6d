//! A dead letter and its row change places once, whoever replays it and how often.

use annals_record::{Record, Timestamp};
use annals_store::{Replayed, Store};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

on_every_backend!(
    letters_replayed_by_two_at_once_are_written_once,
    a_purged_letter_is_not_written_and_its_neighbours_are,
);

/// Without a key, so that nothing but the letters themselves can prevent doubles.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "lines", time = "at")]
struct Line {
    at: Timestamp,
    number: i64,
}

/// Parks `count` lines by a rule that is gone again.
async fn parked(database: &TestDatabase, count: i64) -> Store {
    let store = database.store().await;
    store.create_table::<Line>().await.unwrap();
    let (rule, no_rule) = match database.backend {
        Backend::Sqlite => (
            "CREATE TRIGGER no BEFORE INSERT ON lines BEGIN SELECT RAISE(ABORT, 'no'); END",
            "DROP TRIGGER no",
        ),
        _ => (
            "ALTER TABLE lines ADD CONSTRAINT no CHECK (number IS NULL)",
            "ALTER TABLE lines DROP CONSTRAINT no",
        ),
    };
    database.execute(rule).await;
    let at = Timestamp::from_unix_nanos(1_700_000_000_000_000_000);
    let lines = (0..count).map(|number| Line { at, number }).collect();
    let writer = store.writer::<Line>().await.unwrap();
    let written = writer.write(lines).await.unwrap();
    assert_eq!((written.committed, written.parked), (0, count as usize));
    database.execute(no_rule).await;
    store
}

async fn numbers(store: &Store) -> Vec<i64> {
    let lines = store.query::<Line>().order(Line::NUMBER.asc());
    let lines = lines.fetch().await.unwrap().rows;
    lines.into_iter().map(|line| line.number).collect()
}

async fn letters_replayed_by_two_at_once_are_written_once(database: TestDatabase) {
    let store = parked(&database, 1_200).await;
    let letters = store.dead_letters().list().fetch().await.unwrap().rows;
    let mut operators = Vec::new();
    for reversed in [false, true, false] {
        let store = database.store().await;
        let mut letters = letters.clone();
        if reversed {
            letters.reverse();
        }
        operators.push(tokio::spawn(async move {
            let writer = store.writer::<Line>().await.unwrap();
            writer.replay(letters).await.unwrap()
        }));
    }
    let mut total = Replayed::default();
    for operator in operators {
        let replayed = operator.await.unwrap();
        total.committed += replayed.committed;
        total.refused += replayed.refused;
        total.gone += replayed.gone;
    }
    assert_eq!(
        (total.committed, total.refused, total.gone),
        (1_200, 0, 2_400)
    );
    assert_eq!(numbers(&store).await, (0..1_200).collect::<Vec<_>>());
    assert_eq!(store.dead_letters().list().count().await.unwrap(), 0);
}

async fn a_purged_letter_is_not_written_and_its_neighbours_are(database: TestDatabase) {
    let store = parked(&database, 5).await;
    let letters = store.dead_letters().list().fetch().await.unwrap().rows;
    let purged = letters.iter().find(|letter| letter.batch_row == 2).unwrap();
    let by_id = annals_store::DeadLetter::ID.eq(purged.id);
    assert_eq!(store.dead_letters().purge(by_id).await.unwrap(), 1);
    let writer = store.writer::<Line>().await.unwrap();
    let replayed = writer.replay(letters).await.unwrap();
    assert_eq!((replayed.committed, replayed.gone), (4, 1));
    assert_eq!(numbers(&store).await, [0, 1, 3, 4]);
}
