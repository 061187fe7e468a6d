//! What is unusual in a model's spans is found, once, and nothing else is.

use annals_record::{Json, Timestamp};
use annals_telemetry::{Analysis, AnomalyKind, Severity, Span, Spans};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::{
    models::{call, write},
    spans::{at, open},
};

on_every_backend!(
    the_demo_s_faults_are_found_newest_first,
    tags_are_read_as_numbers_and_as_text_by_the_first_usable_name,
    the_mean_reaches_before_the_window_and_the_window_has_edges,
    the_mean_forgets_the_oldest_before_the_window_first,
    spans_of_negative_duration_and_of_other_models_are_left_out,
    a_limit_cuts_the_list_and_not_the_counts,
    a_window_of_more_spans_than_are_examined_says_so,
);

const MS: i64 = 1_000_000;
const DAY: i64 = 86_400_000_000_000;

fn usual(n: i64) -> Span {
    call("m", None, n * MS, 50 * MS)
}

fn tagged(n: i64, gpu: Option<f64>, tags: &str) -> Span {
    let mut span = usual(n);
    span.gpu_utilization = gpu;
    span.tags = Some(Json::parse(tags).unwrap());
    span
}

async fn analysed(spans: &Spans, from: i64, to: i64) -> Analysis {
    spans.analysis("m", at(from), at(to), 100).await.unwrap()
}

fn found(analysis: &Analysis) -> Vec<(AnomalyKind, Timestamp)> {
    let anomalies = analysis.anomalies.iter();
    anomalies.map(|one| (one.kind, one.start_time)).collect()
}

async fn the_demo_s_faults_are_found_newest_first(database: TestDatabase) {
    let spans = open(&database).await;
    let mut batch: Vec<Span> = (0..100).map(usual).collect();
    batch.push(call("m", None, 100 * MS + 1, 500 * MS));
    batch.push(tagged(101, Some(20.0), r#"{"queue_depth": 5}"#));
    batch.push(tagged(102, Some(20.0), r#"{"queue_depth": 0}"#));
    batch.push(tagged(103, None, r#"{"batch_fill_ratio": 0.25}"#));
    write(&spans, batch).await;
    let analysis = analysed(&spans, 0, DAY).await;
    assert_eq!((analysis.spans_examined, analysis.truncated), (104, false));
    assert_eq!((analysis.from, analysis.to), (at(0), at(DAY)));
    assert_eq!(
        found(&analysis),
        [
            (AnomalyKind::PoorBatching, at(103 * MS)),
            (AnomalyKind::GpuUnderutil, at(101 * MS)),
            (AnomalyKind::LatencySpike, at(100 * MS + 1)),
        ]
    );
    let [batching, gpu, spike] = &analysis.anomalies[..] else {
        panic!("{analysis:?}")
    };
    assert_eq!((spike.value, spike.baseline), (500e6, 50e6));
    assert_eq!(spike.severity, Severity::Critical);
    assert_eq!(
        (&*spike.model_name, &*spike.trace_id, &*spike.span_id),
        ("m", "m", "None-100000001")
    );
    assert_eq!((gpu.value, gpu.baseline), (20.0, 40.0));
    assert_eq!(gpu.severity, Severity::Warning);
    assert_eq!((batching.value, batching.baseline), (0.25, 0.3));
    let counts = analysis.counts;
    assert_eq!(
        (
            counts.latency_spike,
            counts.gpu_underutil,
            counts.poor_batching
        ),
        (1, 1, 1)
    );
}

async fn tags_are_read_as_numbers_and_as_text_by_the_first_usable_name(database: TestDatabase) {
    let spans = open(&database).await;
    let idle = Some(10.0);
    let unusual = [
        r#"{"annals.queue_depth": 1}"#,
        r#"{"infertrace.queue_depth": "2"}"#,
        r#"{"queue_depth": " 3.5 "}"#,
        r#"{"inference.queue_depth": 4e0}"#,
        r#"{"annals.queue_depth": "many", "infertrace.queue_depth": null, "queue_depth": {}, "inference.queue_depth": 1}"#,
        r#"{"annals.queue_depth": 1, "queue_depth": 0}"#,
        r#"{"annals.batch_fill_ratio": "0.1"}"#,
        r#"{"infertrace.batch_fill_ratio": 0.29999999999999993}"#,
        r#"{"batch_fill_ratio": "1e-3"}"#,
        r#"{"inference.batch_fill_ratio": 0.2, "batch_fill_ratio": "NaN"}"#,
    ];
    let good = [
        r#"{"annals.queue_depth": 0, "queue_depth": 9}"#,
        r#"{"annals": {"queue_depth": 9}, "batch_fill_ratio": 0.3}"#,
        r#"{"queue_depth": "inf", "batch_fill_ratio": true}"#,
        r#"{"queue_depth": [5], "batch_fill_ratio": [0.1]}"#,
        "[5]",
        "7",
        "{}",
    ];
    let both = unusual.iter().chain(&good).enumerate();
    let batch = both.map(|(n, tags)| tagged(n as i64, idle, tags));
    write(&spans, batch.collect()).await;
    let analysis = analysed(&spans, 0, DAY).await;
    let expected: Vec<_> = (0..10)
        .rev()
        .map(|n| match n {
            0..6 => (AnomalyKind::GpuUnderutil, at(n * MS)),
            _ => (AnomalyKind::PoorBatching, at(n * MS)),
        })
        .collect();
    assert_eq!(found(&analysis), expected);
    assert_eq!(analysis.spans_examined, 17);
}

async fn the_mean_reaches_before_the_window_and_the_window_has_edges(database: TestDatabase) {
    let spans = open(&database).await;
    let from = DAY;
    let spike = |start: i64| call("m", None, start, 500 * MS);
    let mut batch: Vec<Span> = (1..=9)
        .map(|n| call("m", None, from - n * MS, 50 * MS))
        .collect();
    // The tenth is a day before the window to the microsecond; a slow one before it is forgotten.
    batch.push(call("m", None, 0, 50 * MS));
    batch.push(call("m", None, -1_000, 5_000 * MS));
    batch.extend([spike(from), spike(from + 10 * MS)]);
    write(&spans, batch).await;
    let first = (AnomalyKind::LatencySpike, at(from));
    // At exactly `from` it counts, at exactly `to` it does not.
    let edges = analysed(&spans, from, from + 10 * MS).await;
    assert_eq!((edges.spans_examined, found(&edges)), (1, vec![first]));
    assert_eq!(edges.anomalies[0].baseline, 50e6);
    let beyond = analysed(&spans, from, from + 10 * MS + 1_000).await;
    let last = (AnomalyKind::LatencySpike, at(from + 10 * MS));
    assert_eq!(
        (beyond.spans_examined, found(&beyond)),
        (2, vec![last, first])
    );
    // A microsecond later the window has only ten spans before its one, of which one is the spike.
    let later = analysed(&spans, from + 1_000, from + 20 * MS).await;
    assert_eq!((later.spans_examined, found(&later)), (1, vec![last]));
    assert_eq!(later.anomalies[0].baseline, 95e6);
}

async fn the_mean_forgets_the_oldest_before_the_window_first(database: TestDatabase) {
    let spans = open(&database).await;
    let slow = (0..500).map(|n| call("m", None, n * MS, 1_000 * MS));
    let fast = (500..1_500).map(|n| call("m", None, n * MS, MS));
    let spike = call("m", None, 1_500 * MS, 4 * MS);
    write(&spans, slow.chain(fast).chain([spike]).collect()).await;
    // Half of the thousand spans before the window are slow, and have left the mean at its end.
    let analysis = analysed(&spans, 1_000 * MS, DAY).await;
    let last = (AnomalyKind::LatencySpike, at(1_500 * MS));
    assert_eq!(found(&analysis), [last]);
    assert_eq!(analysis.anomalies[0].baseline, 1e6);
}

async fn spans_of_negative_duration_and_of_other_models_are_left_out(database: TestDatabase) {
    let spans = open(&database).await;
    let mut batch: Vec<Span> = (0..10).map(usual).collect();
    batch.push(call("m", None, 20 * MS, -1_000_000 * MS));
    batch.push(call("other", None, 21 * MS, 5_000 * MS));
    batch.push(call("m", None, 22 * MS, 151 * MS));
    write(&spans, batch).await;
    let analysis = analysed(&spans, 0, DAY).await;
    assert_eq!(analysis.spans_examined, 11);
    assert_eq!(found(&analysis), [(AnomalyKind::LatencySpike, at(22 * MS))]);
    assert_eq!(analysis.anomalies[0].baseline, 50e6);
    // Nor are they in the mean when they lie before the window.
    let later = analysed(&spans, 22 * MS, DAY).await;
    assert_eq!(later.anomalies, analysis.anomalies);
    let nothing = spans.analysis("none", at(0), at(DAY), 100).await.unwrap();
    assert_eq!((nothing.spans_examined, nothing.anomalies), (0, vec![]));
}

async fn a_limit_cuts_the_list_and_not_the_counts(database: TestDatabase) {
    let spans = open(&database).await;
    let batch = (0..7).map(|n| {
        tagged(
            n,
            Some(1.0),
            r#"{"queue_depth": 1, "batch_fill_ratio": 0.1}"#,
        )
    });
    write(&spans, batch.collect()).await;
    for (limit, listed) in [(0, 0), (3, 3), (100, 14)] {
        let analysis = spans.analysis("m", at(0), at(DAY), limit).await.unwrap();
        assert_eq!(analysis.anomalies.len(), listed);
        assert_eq!(analysis.counts.of(AnomalyKind::GpuUnderutil), 7);
        assert_eq!(analysis.counts.of(AnomalyKind::PoorBatching), 7);
        let newest = analysis.anomalies.first().map(|one| one.start_time);
        assert_eq!(newest, (limit > 0).then(|| at(6 * MS)));
    }
}

async fn a_window_of_more_spans_than_are_examined_says_so(database: TestDatabase) {
    let spans = open(&database).await;
    write(&spans, (0..20_000).map(usual).collect()).await;
    let whole = analysed(&spans, 0, DAY).await;
    assert_eq!((whole.spans_examined, whole.truncated), (20_000, false));
    write(&spans, (20_000..20_010).map(usual).collect()).await;
    // A slow one among the oldest twelve, which are not examined any more, and one right behind them.
    let mut slow = tagged(9, Some(1.0), r#"{"queue_depth": 1}"#);
    slow.span_id = "slow".to_owned();
    slow.duration_nanos = 500 * MS;
    let spike = call("m", None, 10 * MS + 1_000, 280 * MS);
    write(&spans, vec![slow, spike]).await;
    let cut = analysed(&spans, 0, DAY).await;
    assert_eq!((cut.spans_examined, cut.truncated), (20_000, true));
    let first = (AnomalyKind::LatencySpike, at(10 * MS + 1_000));
    assert_eq!(found(&cut), [first]);
    // They are its history: eleven of 50 ms and one of 500 ms.
    assert_eq!(cut.anomalies[0].baseline, 87.5e6);
}
