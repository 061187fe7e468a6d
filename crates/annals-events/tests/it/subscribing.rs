//! Subscriptions: nothing twice, nothing left out, nothing out of order.

mod ends;
mod servers;
mod storm;

use std::time::Duration;

use annals_events::{ConsumerGroup, Message, Namespace, Poke, Selection, Subscription};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

use crate::support::*;

on_every_backend!(
    a_backlog_beyond_any_page_comes_first_and_then_what_is_new,
    a_stream_is_followed_by_its_own_positions,
    members_of_a_group_share_a_category_exactly,
    live_begins_when_it_was_asked_for,
    a_slow_reader_misses_nothing,
    waiting_may_be_given_up_at_any_time,
    dropped_messages_are_not_waited_for,
    imported_messages_come_too,
    names_that_nothing_can_have_are_followed_in_silence,
    a_checkpoint_is_kept_where_it_was_stored,
);

/// Nothing in these tests takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

async fn within<T>(future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("it takes too long"))
}

/// The next pokes, until there are so many.
async fn pokes(subscription: &mut Subscription, count: usize) -> Vec<Poke> {
    let mut all = Vec::new();
    while all.len() < count {
        let some = within(subscription.pokes()).await.unwrap();
        assert!(!some.is_empty());
        all.extend(some);
    }
    all
}

/// The next messages, until there are so many.
async fn messages(subscription: &mut Subscription, count: usize) -> Vec<Message> {
    let mut all = Vec::new();
    while all.len() < count {
        let some = within(subscription.messages()).await.unwrap();
        assert!(!some.is_empty());
        all.extend(some);
    }
    all
}

/// Places in the namespace.
fn places(pokes: &[Poke]) -> Vec<i64> {
    pokes
        .iter()
        .map(|poke| poke.place.global_position)
        .collect()
}

async fn is_silent(subscription: &mut Subscription) {
    let more = tokio::time::timeout(Duration::from_millis(100), subscription.pokes()).await;
    assert!(more.is_err(), "{more:?}");
}

fn of_category(name: &str, from: i64, group: Option<ConsumerGroup>) -> Selection {
    Selection::Category {
        category: name.to_owned(),
        from,
        group,
    }
}

fn names(category: &str, count: usize) -> Vec<String> {
    (0..count).map(|id| format!("{category}-{id}")).collect()
}

const BACKLOG: usize = 3_210;

async fn a_backlog_beyond_any_page_comes_first_and_then_what_is_new(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let mut streams = names("account", 7);
    streams.extend(names("order", 3));
    write_many(&namespace, &streams, BACKLOG).await;
    let selections = [
        (Selection::All { from: 0 }, "", 0),
        (Selection::All { from: -3 }, "", 0),
        (Selection::All { from: 1_001 }, "", 1_001),
        (of_category("", 0, None), "", 0),
        (of_category("account", 1, None), "account", 0),
        (of_category("account", 2_000, None), "account", 2_000),
    ];
    for (selection, name, from) in selections {
        let query = annals_events::CategoryQuery {
            from,
            ..category(name)
        };
        let expected = namespace.category(query).await.unwrap();
        let mut by_poke = namespace.subscribe(selection.clone());
        let mut by_message = namespace.subscribe(selection.clone());
        let mut by_both = namespace.subscribe(selection);
        let poked = places(&pokes(&mut by_poke, expected.len()).await);
        assert!(poked == global(&expected));
        assert!(messages(&mut by_message, expected.len()).await == expected);
        let first = within(by_both.messages()).await.unwrap();
        let rest = pokes(&mut by_both, expected.len() - first.len()).await;
        assert_eq!(first, expected[..first.len()]);
        assert_eq!(places(&rest), global(&expected[first.len()..]));
        for number in 0..3 {
            write(&namespace, "other-1", number).await;
            let place = write(&namespace, "account-1", number).await;
            for subscription in [&mut by_poke, &mut by_both] {
                let last = pokes(subscription, 1).await.pop().unwrap();
                let last = match &*last.stream {
                    "other-1" => pokes(subscription, 1).await.pop().unwrap(),
                    _ => last,
                };
                assert_eq!((&*last.stream, last.place), ("account-1", place));
            }
            let mut found = messages(&mut by_message, 1).await;
            if found.last().unwrap().stream == "other-1" {
                found = messages(&mut by_message, 1).await;
            }
            let found = found.pop().unwrap();
            assert_eq!((&*found.stream, found.place), ("account-1", place));
            assert_eq!(found.data, format!("{{\"n\":{number}}}"));
        }
        for subscription in [&mut by_poke, &mut by_message, &mut by_both] {
            is_silent(subscription).await;
        }
    }
}

async fn a_stream_is_followed_by_its_own_positions(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    write_many(&namespace, &names("a", 2), 5_000).await;
    for from in [-1, 0, 1_234, 2_500, 2_503] {
        let selection = Selection::Stream {
            stream: "a-1".to_owned(),
            from,
        };
        let mut by_poke = namespace.subscribe(selection.clone());
        let mut by_message = namespace.subscribe(selection);
        let version = namespace.stream_version("a-1").await.unwrap().unwrap();
        for number in 0..4 {
            write(&namespace, "a-0", number).await;
            write(&namespace, "a-1", number).await;
        }
        let expected: Vec<i64> = (from.max(0)..=version + 4).collect();
        let found = pokes(&mut by_poke, expected.len()).await;
        let positions_of = |pokes: &[Poke]| Vec::from_iter(pokes.iter().map(|p| p.place.position));
        assert_eq!(positions_of(&found), expected);
        let found = messages(&mut by_message, expected.len()).await;
        assert_eq!(positions(&found), expected);
        assert!(found.iter().all(|message| message.stream == "a-1"));
        is_silent(&mut by_poke).await;
        is_silent(&mut by_message).await;
    }
}

async fn members_of_a_group_share_a_category_exactly(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let mut streams = names("account", 20);
    streams.extend([
        "account-".to_owned(),
        "account".to_owned(),
        "order-1".to_owned(),
    ]);
    write_many(&namespace, &streams, 2_300).await;
    let members = (0..3).map(|member| ConsumerGroup::new(member, 3).unwrap());
    let members: Vec<_> = members.collect();
    let mut subscriptions: Vec<_> = members
        .iter()
        .map(|member| namespace.subscribe(of_category("account", 0, Some(*member))))
        .collect();
    let mut of_messages: Vec<_> = members
        .iter()
        .map(|member| namespace.subscribe(of_category("account", 0, Some(*member))))
        .collect();
    write_many(&namespace, &streams, 700).await;
    let all = namespace.category(category("account")).await.unwrap();
    for ((member, pokes_of), messages_of) in
        members.iter().zip(&mut subscriptions).zip(&mut of_messages)
    {
        let expected: Vec<_> = all
            .iter()
            .filter(|m| member.reads(&m.stream))
            .cloned()
            .collect();
        assert_eq!(
            places(&pokes(pokes_of, expected.len()).await),
            global(&expected)
        );
        assert_eq!(messages(messages_of, expected.len()).await, expected);
    }
    // Live.
    write_many(&namespace, &streams, 500).await;
    let all = namespace.category(category("account")).await.unwrap();
    let new = all.iter().filter(|m| m.place.global_position > 3_000);
    let new: Vec<_> = new.cloned().collect();
    for ((member, pokes_of), messages_of) in
        members.iter().zip(&mut subscriptions).zip(&mut of_messages)
    {
        let expected: Vec<_> = new
            .iter()
            .filter(|m| member.reads(&m.stream))
            .cloned()
            .collect();
        assert_eq!(
            places(&pokes(pokes_of, expected.len()).await),
            global(&expected)
        );
        assert_eq!(messages(messages_of, expected.len()).await, expected);
        is_silent(pokes_of).await;
        is_silent(messages_of).await;
    }
}

async fn live_begins_when_it_was_asked_for(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    write_many(&namespace, &names("a", 1), 10).await;
    // Whatever this process commits after the call comes, even when nobody has waited yet.
    let mut hasty = namespace.subscribe(Selection::Live { from: 0 });
    let mut picky = namespace.subscribe(Selection::Live { from: 13 });
    write(&namespace, "a-0", 0).await;
    let mut ready = namespace.subscribe(Selection::Live { from: 0 });
    within(ready.ready()).await.unwrap();
    for number in 0..3 {
        write(&namespace, "b-0", number).await;
    }
    assert_eq!(places(&pokes(&mut hasty, 4).await), [11, 12, 13, 14]);
    assert_eq!(places(&pokes(&mut ready, 3).await), [12, 13, 14]);
    assert_eq!(places(&pokes(&mut picky, 2).await), [13, 14]);
    let mut late = namespace.subscribe(Selection::Live { from: 0 });
    is_silent(&mut late).await;
    write(&namespace, "b-0", 3).await;
    assert_eq!(places(&pokes(&mut late, 1).await), [15]);
    assert_eq!(messages(&mut hasty, 1).await[0].place.global_position, 15);
}

async fn a_slow_reader_misses_nothing(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let selections = [
        Selection::All { from: 0 },
        Selection::Live { from: 0 },
        of_category("a", 0, None),
        Selection::Stream {
            stream: "a-0".to_owned(),
            from: 0,
        },
    ];
    let mut subscriptions: Vec<_> = selections
        .iter()
        .flat_map(|selection| [selection, selection])
        .map(|selection| namespace.subscribe(selection.clone()))
        .collect();
    for subscription in &mut subscriptions {
        within(subscription.ready()).await.unwrap();
    }
    write(&namespace, "a-0", 0).await;
    for subscription in &mut subscriptions {
        assert_eq!(places(&pokes(subscription, 1).await), [1]);
    }
    // More groups than are kept for those who are behind.
    for number in 0..300 {
        write(&namespace, "a-0", number).await;
    }
    let expected: Vec<i64> = (2..=301).collect();
    for pair in subscriptions.chunks_mut(2) {
        assert_eq!(places(&pokes(&mut pair[0], 300).await), expected);
        assert_eq!(global(&messages(&mut pair[1], 300).await), expected);
    }
    write(&namespace, "a-0", 0).await;
    for subscription in &mut subscriptions {
        assert_eq!(places(&pokes(subscription, 1).await), [302]);
        is_silent(subscription).await;
    }
}

async fn waiting_may_be_given_up_at_any_time(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let mut by_poke = namespace.subscribe(Selection::All { from: 0 });
    let mut by_message = namespace.subscribe(Selection::All { from: 0 });
    let (mut poked, mut read) = (Vec::new(), Vec::new());
    // Before anything is there, for certain; then whenever it happens.
    for micros in (0..600).step_by(50) {
        let patience = Duration::from_micros(micros);
        assert!(
            tokio::time::timeout(patience, by_poke.pokes())
                .await
                .is_err()
        );
        assert!(
            tokio::time::timeout(patience, by_message.messages())
                .await
                .is_err()
        );
    }
    let writing = tokio::spawn({
        let namespace = namespace.clone();
        async move {
            for number in 0..400 {
                write(&namespace, &format!("a-{}", number % 5), number).await;
            }
        }
    });
    let mut patience = 0;
    within(async {
        while poked.len() < 400 || read.len() < 400 {
            patience = (patience + 37) % 1_500;
            let patience = Duration::from_micros(patience);
            if let Ok(pokes) = tokio::time::timeout(patience, by_poke.pokes()).await {
                poked.extend(places(&pokes.unwrap()));
            }
            if let Ok(messages) = tokio::time::timeout(patience, by_message.messages()).await {
                read.extend(global(&messages.unwrap()));
            }
        }
    })
    .await;
    writing.await.unwrap();
    let expected: Vec<i64> = (1..=400).collect();
    assert_eq!(poked, expected);
    assert_eq!(read, expected);
}

/// The table of messages, as somebody with a shell names it.
pub(crate) fn table(database: &TestDatabase, namespace: &Namespace) -> String {
    match database.backend {
        Backend::Sqlite => format!("{}_messages", namespace.schema()),
        _ => format!("{}.messages", namespace.schema()),
    }
}

async fn dropped_messages_are_not_waited_for(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    write_many(&namespace, &names("a", 2), 1_500).await;
    let mut before = namespace.subscribe(Selection::All { from: 0 });
    assert_eq!(pokes(&mut before, 1_000).await.len(), 1_000);
    let table = table(&database, &namespace);
    database
        .execute(&format!(
            "DELETE FROM {table} WHERE global_position <= 1400"
        ))
        .await;
    let kept: Vec<i64> = (1_401..=1_500).collect();
    assert_eq!(places(&pokes(&mut before, 100).await), kept);
    for selection in [Selection::All { from: 0 }, of_category("a", 1, None)] {
        let mut subscription = namespace.subscribe(selection);
        assert_eq!(places(&pokes(&mut subscription, 100).await), kept);
        is_silent(&mut subscription).await;
    }
    let mut of_stream = namespace.subscribe(Selection::Stream {
        stream: "a-0".to_owned(),
        from: 3,
    });
    assert_eq!(pokes(&mut of_stream, 50).await[0].place.position, 700);
    write(&namespace, "a-0", 0).await;
    assert_eq!(places(&pokes(&mut of_stream, 1).await), [1_501]);
    assert_eq!(places(&pokes(&mut before, 1).await), [1_501]);
}

async fn imported_messages_come_too(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let mut by_poke = namespace.subscribe(Selection::All { from: 0 });
    let mut by_message = namespace.subscribe(Selection::Live { from: 0 });
    by_message.ready().await.unwrap();
    write(&namespace, "b-1", 0).await;
    assert_eq!(places(&pokes(&mut by_poke, 1).await), [1]);
    // Older than anything that is there, and with gaps.
    let records = [20, 70, 90].map(|place| crate::importing::record("a-1", place / 10, place));
    namespace.import(records.into()).await.unwrap();
    let place = write(&namespace, "b-1", 1).await;
    assert_eq!(place.global_position, 91);
    assert_eq!(places(&pokes(&mut by_poke, 4).await), [20, 70, 90, 91]);
    assert_eq!(
        global(&messages(&mut by_message, 5).await),
        [1, 20, 70, 90, 91]
    );
    write(&namespace, "b-1", 2).await;
    assert_eq!(places(&pokes(&mut by_poke, 1).await), [92]);
}

async fn names_that_nothing_can_have_are_followed_in_silence(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    write(&namespace, "a-1", 0).await;
    let nowhere = Selection::Stream {
        stream: "\0".to_owned(),
        from: 0,
    };
    for selection in [
        nowhere,
        of_category("a-1", 0, None),
        of_category("\0", 0, None),
    ] {
        let mut subscription = namespace.subscribe(selection);
        is_silent(&mut subscription).await;
        write(&namespace, "a-1", 0).await;
        is_silent(&mut subscription).await;
    }
}

async fn a_checkpoint_is_kept_where_it_was_stored(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let checkpoint = namespace.checkpoint("reader of “a”");
    assert_eq!(checkpoint.load().await.unwrap(), None);
    checkpoint.advance(7).await.unwrap();
    checkpoint.advance(5).await.unwrap();
    assert_eq!(checkpoint.load().await.unwrap(), Some(7));
    checkpoint.store(5).await.unwrap();
    assert_eq!(checkpoint.load().await.unwrap(), Some(5));
    let advances = (0..20).map(|position| {
        let checkpoint = checkpoint.clone();
        tokio::spawn(async move { checkpoint.advance(position).await.unwrap() })
    });
    for advance in Vec::from_iter(advances) {
        advance.await.unwrap();
    }
    let elsewhere = server(&database).await.namespace("test").await.unwrap();
    let again = elsewhere.checkpoint(checkpoint.name());
    assert_eq!(again.load().await.unwrap(), Some(19));
    assert_eq!(elsewhere.checkpoint("other").load().await.unwrap(), None);
    again.forget().await.unwrap();
    assert_eq!(checkpoint.load().await.unwrap(), None);
    let error = namespace.checkpoint("").store(1).await.unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint's name must not be empty");
    namespace.checkpoint("\0").load().await.unwrap_err();
}
