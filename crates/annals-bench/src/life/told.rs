//! What was found out, as tables.

use super::{
    Life,
    expiry::{Cost, Expiry, State},
    family::{Layout, Timed},
    sizes::Sizes,
};
use crate::report::{Report, median, spread, thousands, two_digits, verdict};

/// Rows of so many bytes shall become a tenth.
const LARGE: f64 = 540.0;

/// How many times smaller large rows shall become.
const SMALLER: f64 = 10.0;

/// How many times faster a drop shall be.
const FASTER: f64 = 100.0;

pub(super) fn segmenting(report: &mut Report, version: &str, lives: &[Life]) {
    report.paragraph(&format!(
        "**Layouts.** The same rows compressed by each layout, on {version}: bytes a row of the hypertable with its indexes \
         and without the tables beside it, the seconds that compressing took, and medians of reads in ms, by the \
         library's statements. Found by: what batches can be left out by beside segments and order; \"auto\" is the \
         server's choice. Packed by: what PostgreSQL packs long values with (`default_toast_compression`). A bucket is \
         a hash of the stream's or trace's name in a copy of the table with one column more. The winner is bold.",
    ));
    for life in lives {
        let questions = life.family.questions.iter().map(|question| question.name);
        let head: Vec<&str> = [
            "segments",
            "order",
            "found by",
            "packed by",
            "bytes a row",
            "s",
        ]
        .into_iter()
        .chain(questions)
        .collect();
        let rows: Vec<Vec<String>> = (life.layouts.iter())
            .map(|measured| {
                let numbers = [measured.bytes, measured.seconds];
                let reads = measured.reads.iter().map(|read| read.median);
                let numbers = numbers.into_iter().chain(reads).map(two_digits);
                let cells = named(&measured.layout).into_iter().chain(numbers);
                if measured.layout.wins {
                    cells.map(|cell| format!("**{cell}**")).collect()
                } else {
                    cells.collect()
                }
            })
            .collect();
        report.paragraph(&format!(
            "{}, {} rows:",
            life.family.name,
            thousands(life.family.rows as f64)
        ));
        report.table(&head, &rows);
    }
}

fn named(layout: &Layout) -> [String; 4] {
    let or = |text: &str, none: &str| if text.is_empty() { none } else { text }.to_owned();
    [
        layout
            .bucket
            .map_or_else(|| or(layout.segment_by, "none"), str::to_owned),
        layout.order_by.to_owned(),
        or(layout.sparse.unwrap_or_default(), "auto"),
        if layout.lz4 { "lz4" } else { "pglz" }.to_owned(),
    ]
}

pub(super) fn sizes(report: &mut Report, lives: &[Life]) {
    report.paragraph(&format!(
        "**Sizes.** Bytes a row with all indexes and the tables beside it, hot and with every chunk compressed by the \
         layout that won. Goal: {SMALLER} times smaller where a row had {LARGE} bytes or more.",
    ));
    let row = |life: &Life| {
        let rows = life.family.rows as f64;
        let (hot, compressed) = (life.hot.total() / rows, life.compressed.total() / rows);
        let times = hot / compressed;
        vec![
            life.family.name.to_owned(),
            thousands(rows),
            two_digits(hot),
            two_digits(compressed),
            two_digits(times),
            if hot >= LARGE {
                verdict(times >= SMALLER, &format!("≥ {SMALLER}"))
            } else {
                "none".to_owned()
            },
        ]
    };
    let rows: Vec<Vec<String>> = lives.iter().map(row).collect();
    let head = [
        "family",
        "rows",
        "hot",
        "compressed",
        "times smaller",
        "goal",
    ];
    report.table(&head, &rows);
    report.paragraph("Of which, in bytes for each row of the family:");
    let mut rows = Vec::new();
    for life in lives {
        let of = |bytes: f64| two_digits(bytes / life.family.rows as f64);
        for (hot, compressed) in life.hot.tables.iter().zip(&life.compressed.tables) {
            rows.push(vec![
                life.family.name.to_owned(),
                hot.0.clone(),
                of(hot.1),
                of(compressed.1),
            ]);
        }
    }
    report.table(&["family", "table", "hot", "compressed"], &rows);
    for life in lives {
        let rows = life.family.rows as f64;
        report.paragraph(&format!(
            "What remains of `{}`: {}.",
            life.family.table,
            columns(&life.compressed, rows)
        ));
    }
}

fn columns(sizes: &Sizes, rows: f64) -> String {
    let columns = sizes.columns.iter();
    let parts: Vec<String> = columns
        .map(|(name, bytes)| format!("{name} {}", two_digits(bytes / rows)))
        .collect();
    parts.join(", ")
}

pub(super) fn reads(report: &mut Report, lives: &[Life]) {
    report.paragraph(
        "**Reads.** Through the library, one after the other, all of it in memory; medians in ms. Compressed is every \
         chunk, the newest too.",
    );
    let mut rows = Vec::new();
    for life in lives {
        for (hot, compressed) in life.reads_hot.iter().zip(&life.reads_compressed) {
            rows.push(read(life.family.name, hot, compressed));
        }
    }
    let head = [
        "family",
        "read",
        "rows",
        "hot, ms",
        "compressed, ms",
        "times",
    ];
    report.table(&head, &rows);
}

fn read(family: &str, hot: &Timed, compressed: &Timed) -> Vec<String> {
    vec![
        family.to_owned(),
        hot.name.to_owned(),
        thousands(hot.rows),
        two_digits(hot.median),
        two_digits(compressed.median),
        two_digits(compressed.median / hot.median),
    ]
}

/// What is counted of an end, and whether what is beside is part of it.
type Counted = (&'static str, fn(&Cost) -> f64, bool);

const COUNTED: [Counted; 4] = [
    ("rows", Cost::alone, false),
    ("rows, VACUUM", |cost| cost.alone() + cost.vacuum, false),
    ("rows, beside", |cost| cost.alone() + cost.beside, true),
    (
        "rows, beside, VACUUM",
        |cost| cost.alone() + cost.beside + cost.vacuum,
        true,
    ),
];

pub(super) fn ends(report: &mut Report, ends: &[(&'static str, Expiry)]) {
    report.paragraph(&format!(
        "**Expiry of a tenth.** The same rows in one transaction each, in ms: `drop_chunks` of the first chunk against \
         DELETE of its rows, with the COMMIT. VACUUM is what a DELETE needs before its space can be used again. Beside \
         are the traces of those spans, which both ways delete from the directory in the same transaction. Goal: \
         {FASTER} times.",
    ));
    let mut rows = Vec::new();
    for (edition, end) in ends {
        for (what, cost, beside) in COUNTED {
            if beside && !end.has_beside {
                continue;
            }
            let drops: Vec<f64> = end.drops.iter().map(cost).collect();
            let deletes: Vec<f64> = end.deletes.iter().map(cost).collect();
            let times = median(&deletes) / median(&drops);
            rows.push(vec![
                (*edition).to_owned(),
                end.family.to_owned(),
                match end.state {
                    State::Hot => "hot",
                    State::Compressed => "compressed",
                }
                .to_owned(),
                thousands(end.rows),
                what.to_owned(),
                spread(drops, two_digits),
                spread(deletes, two_digits),
                two_digits(times),
                verdict(times >= FASTER, &format!("≥ {FASTER}")),
            ]);
        }
    }
    let head = [
        "server", "family", "chunk", "rows", "counted", "drop", "DELETE", "times", "goal",
    ];
    report.table(&head, &rows);
}
