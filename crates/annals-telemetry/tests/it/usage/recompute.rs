//! Costs anew: exact, repeatable, and right whatever happens meanwhile.

use std::sync::Mutex;

use annals_telemetry::{
    PriceList, Span, Spans,
    cost::REPORTED,
    usage::{Recompute, Recomputed, UsageQuery},
};
use annals_testkit::{TestDatabase, on_community, on_every_backend};

use super::{DAY, HOUR, LIST, agrees_with_its_spans, call, drawn, list, open_with, stored};
use crate::{models::write, spans::at};

on_every_backend!(
    a_changed_price_changes_spans_traces_and_usage_alike,
    a_recomputation_that_was_cut_off_is_finished_by_the_next,
    spans_that_come_meanwhile_count_once,
    a_window_and_a_model_bound_what_is_recomputed,
);

/// The same models at other prices, one more, and one less.
const OTHER: &str = r#"
    price = [
        { provider = "acme", model = "anvil", input = 7, output = 9 },
        { provider = "acme", model = "unheard-of", input = 0.001, output = 0 },
    ]
"#;

fn everything() -> Recompute {
    Recompute {
        from: at(-30 * DAY),
        to: at(30 * DAY),
        model: None,
        dry_run: false,
    }
}

async fn recompute(spans: &Spans, prices: &PriceList, asked: &Recompute) -> Recomputed {
    spans.recompute(prices, asked, &|_| {}).await.unwrap()
}

async fn a_changed_price_changes_spans_traces_and_usage_alike(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    write(&spans, drawn(300)).await;
    agrees_with_its_spans(&spans).await;
    // The same prices change nothing.
    let same = recompute(&spans, &list(LIST), &everything()).await;
    assert_eq!((same.changed, same.before_nanos), (0, same.after_nanos));
    let before = stored(&spans).await;
    let dry = Recompute {
        dry_run: true,
        ..everything()
    };
    let told = recompute(&spans, &list(OTHER), &dry).await;
    assert_eq!(format!("{:?}", stored(&spans).await), format!("{before:?}"));
    let done = recompute(&spans, &list(OTHER), &everything()).await;
    assert_eq!(done, told);
    assert!(
        done.changed > 100 && done.unpriced_before > 0 && done.unpriced_after > 0,
        "{done:?}"
    );
    agrees_with_its_spans(&spans).await;
    let after = stored(&spans).await;
    let source = |span: &Span| span.cost_source.clone();
    assert!(
        after
            .iter()
            .any(|span| source(span).as_deref() == Some("file:acme/anvil"))
    );
    assert!(
        after
            .iter()
            .all(|span| source(span).as_deref() != Some("file:acme/rocket"))
    );
    let reported = |spans: &[Span]| {
        let reported = spans
            .iter()
            .filter(|span| source(span).as_deref() == Some(REPORTED));
        reported
            .map(|span| (span.span_id.clone(), span.cost))
            .collect::<Vec<_>>()
    };
    assert!(!reported(&before).is_empty());
    assert_eq!(reported(&before), reported(&after));
    let again = recompute(&spans, &list(OTHER), &everything()).await;
    assert_eq!((again.changed, again.before_nanos), (0, done.after_nanos));
    // And back: as if nothing had been.
    recompute(&spans, &list(LIST), &everything()).await;
    assert_eq!(format!("{:?}", stored(&spans).await), format!("{before:?}"));
    agrees_with_its_spans(&spans).await;
}

async fn a_recomputation_that_was_cut_off_is_finished_by_the_next(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    // More than one step, many of them at one instant.
    for round in 0..3 {
        let batch =
            (0..4_000).map(|n| call(round * 4_000 + n, "anvil", (n as i64 % 3) * HOUR, 1_000, 10));
        write(&spans, batch.collect()).await;
    }
    let (asked, prices) = (everything(), list(OTHER));
    let (first, heard) = tokio::sync::oneshot::channel();
    let first = Mutex::new(Some(first));
    let told = |_: &Recomputed| {
        if let Some(first) = first.lock().unwrap().take() {
            let _ = first.send(());
        }
    };
    tokio::select! {
        biased;
        _ = heard => {}
        _ = spans.recompute(&prices, &asked, &told) => panic!("it was to be cut off"),
    }
    let done = recompute(&spans, &prices, &asked).await;
    assert_eq!(done.calls, 12_000);
    assert!((1..12_000).contains(&done.changed), "{done:?}");
    let total = spans
        .usage(&UsageQuery::new(at(0), at(DAY)))
        .await
        .unwrap()
        .total;
    assert_eq!((total.calls, total.unpriced_calls), (12_000, 0));
    assert_eq!(
        total.cost_nanos,
        Some(12_000 * (1_000 * 7_000 + 10 * 9_000))
    );
    agrees_with_its_spans(&spans).await;
}

async fn spans_that_come_meanwhile_count_once(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    let all = drawn(1_200);
    write(&spans, all[..300].to_vec()).await;
    let write = async {
        for batch in all[300..].chunks(60) {
            write(&spans, batch.to_vec()).await;
            // What is there already comes again, and waits for nobody for long.
            write(&spans, all[..30].to_vec()).await;
        }
    };
    let prices = [list(OTHER), list(LIST)];
    let reprice = async {
        for round in 0..10 {
            recompute(&spans, &prices[round % 2], &everything()).await;
        }
    };
    let reprice_too = async {
        for _ in 0..5 {
            recompute(&spans, &prices[0], &everything()).await;
        }
    };
    tokio::join!(write, reprice, reprice_too);
    agrees_with_its_spans(&spans).await;
    recompute(&spans, &prices[0], &everything()).await;
    agrees_with_its_spans(&spans).await;
}

async fn a_window_and_a_model_bound_what_is_recomputed(database: TestDatabase) {
    let spans = open_with(&database, LIST).await;
    let batch = (0..4).flat_map(|n| {
        [
            call(n, "anvil", n as i64 * HOUR, 1, 0),
            call(10 + n, "unheard-of", n as i64 * HOUR, 1, 0),
        ]
    });
    write(&spans, batch.collect()).await;
    let asked = Recompute {
        from: at(HOUR),
        to: at(3 * HOUR),
        model: Some("unheard-of".into()),
        dry_run: false,
    };
    let done = recompute(&spans, &list(OTHER), &asked).await;
    assert_eq!(
        (
            done.calls,
            done.changed,
            done.unpriced_before,
            done.unpriced_after
        ),
        (2, 2, 2, 0)
    );
    assert_eq!((done.before_nanos, done.after_nanos), (0, 2));
    agrees_with_its_spans(&spans).await;
}

#[test]
fn compressed_spans_are_priced_anew() {
    on_community(async |database| {
        let spans = open_with(&database, LIST).await;
        write(&spans, drawn(600)).await;
        let chunks = "SELECT count(compress_chunk(chunk)) FROM show_chunks('spans') AS chunk";
        database.execute("ALTER TABLE spans SET (timescaledb.compress, timescaledb.compress_segmentby = '', timescaledb.compress_orderby = 'trace_id, start_time')").await;
        assert_eq!(database.number(chunks).await, 4);
        let done = recompute(&spans, &list(OTHER), &everything()).await;
        assert!(done.changed > 200, "{done:?}");
        agrees_with_its_spans(&spans).await;
        let again = recompute(&spans, &list(OTHER), &everything()).await;
        assert_eq!((again.changed, again.calls), (0, done.calls));
    });
}
