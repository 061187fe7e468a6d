//! Spans as a tree, without a database.

use std::thread;

use annals_deploy::{DeploymentSpan, Tree};

use super::model::Chance;
use crate::support::row;

fn under(span: &str, parent: &str, millis: i64) -> DeploymentSpan {
    let mut row = row(1, "t", span, millis);
    row.parent_span_id = Some(parent.to_owned());
    row
}

/// Spans with their depth, as `root(child child(grandchild))`.
fn drawn(tree: &Tree) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for node in tree.walk() {
        if node.depth > depth {
            text.push('(');
        } else {
            text.push_str(&")".repeat(depth - node.depth));
            text.push(' ');
        }
        depth = node.depth;
        text.push_str(&node.span.span_id);
    }
    text.push_str(&")".repeat(depth));
    text.trim().to_owned()
}

#[test]
fn spans_hang_under_their_parents_in_the_order_of_starts() {
    let mut tied = [under("x", "a", 3), under("y", "a", 3), under("w", "a", 3)];
    tied[0].sequence = Some(9);
    tied[1].sequence = Some(8);
    tied[2].sequence = None;
    let [x, y, w] = tied;
    let spans = vec![
        under("b", "root", 4),
        w,
        x,
        under("a", "root", 2),
        y,
        row(1, "t", "root", 1),
        row(1, "t", "second", 0),
    ];
    let tree = Tree::of(spans);
    assert_eq!(drawn(&tree), "second root(a(y x w) b)");
    assert!(!tree.is_cut);
}

#[test]
fn no_spans_are_an_empty_tree() {
    assert_eq!(Tree::of(Vec::new()), Tree::default());
    assert_eq!(Tree::default().walk().count(), 0);
}

#[test]
fn a_span_whose_parent_is_missing_is_a_root() {
    let spans = vec![under("a", "missing", 2), under("b", "a", 1)];
    assert_eq!(drawn(&Tree::of(spans)), "a(b)");
}

#[test]
fn a_linked_trace_hangs_under_the_span_of_the_other_that_it_names() {
    let mut step = under("step", "job", 2);
    step.trace_id = "external".to_owned();
    step.parent_trace_id = Some("t".to_owned());
    let mut below = step.clone();
    below.span_id = "below".to_owned();
    below.parent_span_id = Some("step".to_owned());
    // What has the parent's id in its own trace hangs there, not in the other one.
    let mut own = step.clone();
    own.span_id = "own".to_owned();
    let mut same = step.clone();
    same.span_id = "job".to_owned();
    let spans = vec![row(1, "t", "job", 1), step, below, own.clone()];
    assert_eq!(drawn(&Tree::of(spans.clone())), "job(own step(below))");
    let with_job = [spans, vec![same]].concat();
    assert_eq!(drawn(&Tree::of(with_job)), "job(job(own step(below)))");
    // A trace that names no other is not searched for in one.
    own.parent_trace_id = None;
    assert_eq!(
        drawn(&Tree::of(vec![row(1, "t", "job", 1), own])),
        "job own"
    );
}

#[test]
fn a_circle_is_cut_at_its_earliest_span() {
    let alone = Tree::of(vec![under("a", "a", 1)]);
    assert_eq!(drawn(&alone), "a");
    let spans = vec![
        under("c", "b", 3),
        under("a", "c", 1),
        under("b", "a", 2),
        under("leaf", "c", 9),
        under("early", "b", 0),
    ];
    assert_eq!(drawn(&Tree::of(spans)), "a(b(early c(leaf)))");
    let two = vec![
        under("b", "a", 1),
        under("a", "b", 1),
        under("d", "c", 5),
        under("c", "d", 4),
    ];
    assert_eq!(drawn(&Tree::of(two)), "a(b) c(d)");
}

#[test]
fn two_traces_that_continue_each_other_are_a_circle_too() {
    let mut first = under("s", "s", 1);
    first.parent_trace_id = Some("u".to_owned());
    let mut second = under("s", "s", 2);
    second.trace_id = "u".to_owned();
    second.parent_trace_id = Some("t".to_owned());
    assert_eq!(drawn(&Tree::of(vec![second, first])), "s(s)");
}

#[test]
fn of_two_spans_of_one_id_the_earlier_is_the_parent_and_both_are_there() {
    let spans = vec![
        row(1, "t", "a", 5),
        row(1, "t", "a", 1),
        under("child", "a", 7),
    ];
    assert_eq!(drawn(&Tree::of(spans)), "a(child) a");
}

#[test]
fn every_span_of_any_heap_is_in_the_tree_once_and_under_its_parent() {
    for seed in 0..200 {
        let mut chance = Chance(seed);
        let count = 1 + chance.below(60);
        let spans: Vec<DeploymentSpan> = (0..count)
            .map(|n| {
                let mut span = row(1, chance.one(&["t", "u"]), &format!("{n}"), 0);
                span = super::model::began(span, crate::support::at(chance.below(5) as i64));
                span.sequence = Some(chance.below(3) as i32);
                if chance.below(8) > 0 {
                    span.parent_span_id = Some(chance.below(count + 3).to_string());
                }
                span.parent_trace_id = chance.perhaps(&["t", "u"]);
                span
            })
            .collect();
        let tree = Tree::of(spans.clone());
        let mut seen: Vec<&str> = tree.walk().map(|node| &*node.span.span_id).collect();
        assert_eq!(seen.len(), spans.len(), "seed {seed}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), spans.len(), "seed {seed}");
        for node in tree.walk() {
            for child in &node.children {
                assert_eq!(child.depth, node.depth + 1);
                assert_eq!(
                    child.span.parent_span_id.as_ref(),
                    Some(&node.span.span_id),
                    "seed {seed}"
                );
                assert!(
                    child.span.trace_id == node.span.trace_id
                        || child.span.parent_trace_id.as_ref() == Some(&node.span.trace_id)
                );
            }
            let starts = node
                .children
                .iter()
                .map(|child| (child.span.start_time, child.span.sequence));
            assert!(starts.is_sorted(), "seed {seed}");
        }
        assert!(tree.roots.iter().all(|root| root.depth == 0));
        // However the spans came.
        let reversed = Tree::of(spans.into_iter().rev().collect());
        assert_eq!(reversed, tree, "seed {seed}");
        assert_eq!(tree.clone(), tree);
        assert!(format!("{tree:?}").len() > 2);
    }
}

#[test]
fn equal_trees_are_equal_and_others_are_not() {
    let tree = |spans: &[DeploymentSpan]| Tree::of(spans.to_vec());
    let spans = [row(1, "t", "a", 1), under("b", "a", 2), under("c", "b", 3)];
    let mut flat = spans.clone();
    flat[2].parent_span_id = Some("a".to_owned());
    assert_eq!(tree(&spans), tree(&spans));
    assert_ne!(tree(&spans), tree(&flat));
    assert_ne!(tree(&spans), tree(&spans[..2]));
    assert_ne!(
        tree(&spans),
        Tree {
            is_cut: true,
            ..tree(&spans)
        }
    );
}

/// Copied, compared, shown, taken apart and dropped on a stack that would not hold one frame for each.
#[test]
fn a_chain_of_100_000_spans_does_not_take_the_stack() {
    let small = thread::Builder::new().stack_size(256 * 1_024);
    let deep = small.spawn(|| {
        let count = 100_000;
        let spans = (0..count)
            .rev()
            .map(|n| under(&format!("{n}"), &format!("{}", n - 1), n));
        let mut tree = Tree::of(spans.collect());
        let deepest = tree.walk().map(|node| node.depth).max();
        assert_eq!(deepest, Some(count as usize - 1));
        let copy = tree.clone();
        assert!(copy == tree);
        assert!(!format!("{:?}", copy.roots[0]).is_empty());
        let below = std::mem::take(&mut tree.roots[0].children);
        drop(copy);
        drop(tree);
        drop(below);
        // One circle of as many.
        let circle = (0..count).map(|n| under(&format!("{n}"), &format!("{}", (n + 1) % count), n));
        assert_eq!(Tree::of(circle.collect()).walk().count(), count as usize);
    });
    deep.unwrap().join().unwrap();
}
