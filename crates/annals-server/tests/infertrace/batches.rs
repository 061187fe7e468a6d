//! Whole requests: who is refused, and which ids are made.

use std::collections::HashSet;

use annals_server::infertrace::{
    Batch, MadeIds, from_v1, messages::planned::InferenceContext, planned_batch, v1_batch,
};

use crate::{planned, v1};

/// As HEAD's SDK sends them: no ids, operation or status.
fn bare() -> annals_server::infertrace::messages::v1::Span {
    annals_server::infertrace::messages::v1::Span {
        trace_id: String::new(),
        span_id: String::new(),
        ..v1::plain()
    }
}

fn ids(batch: &Batch) -> Vec<(&str, &str)> {
    batch
        .decoded
        .records
        .iter()
        .map(|span| (span.trace_id.as_str(), span.span_id.as_str()))
        .collect()
}

fn is_hex(id: &str, digits: usize) -> bool {
    id.len() == digits
        && id
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[test]
fn one_bad_span_of_three_refuses_only_itself() {
    let mut bad = v1::plain();
    bad.duration_nanos = 0;
    let batch = v1_batch(vec![v1::plain(), bad, v1::plain()]);
    assert_eq!(batch.decoded.records.len(), 2);
    assert_eq!(
        batch.decoded.refused[0].to_string(),
        "span 1 (trace \"trace-1\", id \"span-1\") refused: \
         duration_nanos is 0 where a number of nanoseconds above 0 is due"
    );

    let mut bad = planned::plain();
    bad.start_time_unix_nano = 0;
    bad.span_id = b"text".to_vec();
    let batch = planned_batch(vec![bad, planned::plain()]);
    assert_eq!(batch.decoded.records.len(), 1);
    let refused = &batch.decoded.refused[0];
    assert_eq!(refused.index, 0);
    assert_eq!(refused.trace_id, Some("ab".repeat(16)));
    assert_eq!(refused.span_id.as_deref(), Some("text"));
}

#[test]
fn an_empty_batch_is_empty() {
    assert_eq!(v1_batch(vec![]), Batch::default());
    assert_eq!(planned_batch(vec![]), Batch::default());
}

#[test]
fn spans_without_ids_get_ids_of_opentelemetrys_form() {
    let mut no_ids = planned::plain();
    no_ids.trace_id.clear();
    no_ids.span_id = vec![0; 8];
    for batch in [v1_batch(vec![bare()]), planned_batch(vec![no_ids])] {
        let span = &batch.decoded.records[0];
        assert!(is_hex(&span.trace_id, 32), "{}", span.trace_id);
        assert!(is_hex(&span.span_id, 16), "{}", span.span_id);
        assert_eq!(
            batch.made_ids,
            MadeIds {
                trace_ids: 1,
                span_ids: 1
            }
        );
    }
}

#[test]
fn only_what_is_absent_is_made() {
    let mut span = bare();
    span.trace_id = "mine".to_owned();
    let batch = v1_batch(vec![span, v1::plain()]);
    assert_eq!(batch.decoded.records[0].trace_id, "mine");
    assert!(is_hex(&batch.decoded.records[0].span_id, 16));
    assert_eq!(
        batch.made_ids,
        MadeIds {
            trace_ids: 0,
            span_ids: 1
        }
    );
}

#[test]
fn a_retry_of_a_batch_gets_the_same_ids() {
    let mut later = bare();
    later.start_time_unix_nano += 1;
    let batch = vec![bare(), later, bare(), bare()];
    let (first, second) = (v1_batch(batch.clone()), v1_batch(batch));
    assert_eq!(first, second);
    let different: HashSet<_> = ids(&first).into_iter().collect();
    assert_eq!(different.len(), 4);
    let traces: HashSet<_> = different.iter().map(|(trace, _)| trace).collect();
    assert_eq!(traces.len(), 4);
}

#[test]
fn a_span_gets_the_same_ids_alone_and_beside_others() {
    let alone = from_v1(bare()).unwrap();
    let batch = v1_batch(vec![v1::plain(), bare()]);
    assert_eq!(batch.decoded.records[1], alone);
}

#[test]
fn every_field_of_a_span_makes_its_ids() {
    let changes: [fn(&mut annals_server::infertrace::messages::planned::Span); 10] = [
        |_| (),
        |span| span.parent_span_id = vec![1; 8],
        |span| span.service_name.push('x'),
        |span| span.operation_name.push('x'),
        |span| span.start_time_unix_nano += 1,
        |span| span.duration_nanos += 1,
        |span| span.status.push('x'),
        |span| drop(span.tags.insert("a".to_owned(), "b".to_owned())),
        |span| span.inference = Some(InferenceContext::default()),
        |span| span.resources = Some(Default::default()),
    ];
    let spans = changes.map(|change| {
        let mut span = planned::plain();
        span.span_id.clear();
        change(&mut span);
        span
    });
    // Each in a batch of its own, so that no place in the batch helps.
    let made: HashSet<_> = spans
        .into_iter()
        .map(|span| planned_batch(vec![span]).decoded.records[0].span_id.clone())
        .collect();
    assert_eq!(made.len(), 10);
}

#[test]
fn ids_of_refused_spans_are_not_counted() {
    let mut bad = bare();
    bad.model_name.clear();
    let batch = v1_batch(vec![bad]);
    assert_eq!(batch.made_ids, MadeIds::default());
    assert_eq!(batch.decoded.refused[0].trace_id, None);
}
