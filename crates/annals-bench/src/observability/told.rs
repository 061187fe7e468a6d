//! What was found out, as tables.

use super::{
    fill::Filled,
    indexes::{Indexed, Measured},
    ingest::How,
    mapping::Mapping,
    plan::{CONVERSATIONS, DAYS, MODELS, Plan, SERVICES, USERS},
    reads::Timed,
};
use crate::{
    Options,
    bed::SETTINGS,
    measure::{Contest, Turn},
    report::{Report, median, spread, thousands, two_digits, verdict},
};

pub(super) fn introduce(report: &mut Report, plan: &Plan) {
    report.heading("LLM observability", "observability");
    report.paragraph(&format!(
        "About {} spans in {} traces, spread evenly over {DAYS} days that end now: agents of {} services, for {} users in {} \
         conversations, that ask {} models (the first some twenty times as often as the last, and one more is asked by one trace \
         of {}), call tools and fetch documents. Three traces of ten are one call, one of two hundred has 200 spans; one of fifty \
         fails. Attributes have about 400 bytes; one span of twenty has a prompt of 4 to 50 KB in them. Servers of our own: fsync \
         on; {}.",
        thousands(plan.spans as f64),
        thousands(plan.traces as f64),
        SERVICES.len(),
        thousands(USERS as f64),
        thousands(CONVERSATIONS.min(plan.conversations()) as f64),
        MODELS.len(),
        thousands(plan.rare_every() as f64),
        SETTINGS.join(", "),
    ));
}

pub(super) fn ingest(
    report: &mut Report,
    options: &Options,
    version: &str,
    contest: &Contest<How>,
) {
    report.paragraph(&format!(
        "**Writing** {} spans of two days in calls of {} into empty tables, on {version}. The ceiling is `psql \\copy … (format \
         binary)` of what is in `spans`, `traces`, `usage_hourly`, `usage_daily` and `usage_days` when the library has written the \
         same spans, one table after the other, into the same empty tables with the same indexes: rows of `traces` and of usage \
         are then written once, where the library adds to them batch by batch. Its clock is the sum of psql's own. The library \
         has one connection unless it says otherwise, applies prices, and its clock runs until the last span is acknowledged.",
        thousands(options.rows as f64),
        thousands(options.call_rows as f64),
    ));
    report.contest(contest, 0);
}

pub(super) fn filled(report: &mut Report, version: &str, filled: &Filled) {
    let [traces, hourly, daily] = filled.beside;
    report.paragraph(&format!(
        "**A month** on {version}: {} spans in {} traces, written by the library with everything switched on, 2 connections, \
         chunks made ahead, in {:.0} s, that is {} spans/s ({:.0} s of a processor beside it made the spans); VACUUM ANALYZE \
         and CHECKPOINT took {:.0} s more. `usage_hourly` has {} rows then, `usage_daily` {}.",
        thousands(filled.spans as f64),
        thousands(traces),
        filled.wall.as_secs_f64(),
        thousands(filled.rate()),
        filled.generating.as_secs_f64(),
        filled.settled.as_secs_f64(),
        thousands(hourly),
        thousands(daily),
    ));
    let rows: Vec<Vec<String>> = (filled.sizes.iter())
        .map(|size| {
            vec![
                format!("`{}`", size.table),
                thousands(size.rows / 1e6),
                thousands(size.indexes / 1e6),
                two_digits((size.rows + size.indexes) / filled.spans as f64),
            ]
        })
        .collect();
    report.table(&["table", "rows, MB", "indexes, MB", "bytes a span"], &rows);
}

pub(super) fn reads(report: &mut Report, state: &str, times: &[Timed]) {
    report.paragraph(&format!(
        "**Asking**, {state}: milliseconds of up to 200 askings with parameters of their own, each asked twice, of which the \
         second counts. A page has 50 traces, or what there is. A question that nothing answers says what looking costs.",
    ));
    let rows: Vec<Vec<String>> = (times.iter())
        .map(|timed| {
            let goal = timed.goal.millis();
            vec![
                timed.name.to_owned(),
                thousands(timed.rows),
                two_digits(timed.median),
                two_digits(timed.p99),
                thousands(timed.askings as f64),
                goal.map_or_else(String::new, |goal| {
                    verdict(timed.median < goal, &format!("< {goal} ms"))
                }),
            ]
        })
        .collect();
    let head = [
        "what",
        "rows",
        "median, ms",
        "99 of 100, ms",
        "askings",
        "goal, median",
    ];
    report.table(&head, &rows);
    let with_goal = times
        .iter()
        .filter_map(|timed| Some(timed.median < timed.goal.millis()?));
    let met: Vec<bool> = with_goal.collect();
    report.paragraph(&format!(
        "{} of {} goals are met.",
        met.iter().filter(|met| **met).count(),
        met.len(),
    ));
}

pub(super) fn indexes(report: &mut Report, options: &Options, version: &str, measured: &Measured) {
    report.paragraph(&format!(
        "**What indexes of `traces` cost** on {version}: {} spans without attributes, ten a trace, into `spans` with its key alone \
         and `traces` with its key and what is said; one connection, no usage. Microseconds are of the server's processor, for a \
         trace, and beyond those of the key alone in the same round.",
        thousands(options.rows as f64),
    ));
    let per_trace = |turn: &Turn| {
        turn.server
            .map_or(0.0, |server| server.as_secs_f64() * 1e6 / measured.traces)
    };
    let base = &measured.contest.turns[0];
    let rows: Vec<Vec<String>> = (measured.contest.ways.iter().zip(&measured.contest.turns))
        .map(|(way, turns)| {
            let bytes = match way.how {
                Indexed::Bare => 0.0,
                Indexed::By(number) => measured.indexes[number].bytes,
                Indexed::All => measured.indexes.iter().map(|index| index.bytes).sum(),
            };
            let beyond = turns
                .iter()
                .zip(base)
                .map(|(turn, base)| per_trace(turn) - per_trace(base));
            vec![
                way.name.to_owned(),
                spread(turns.iter().map(Turn::rate), thousands),
                two_digits(median(&turns.iter().map(per_trace).collect::<Vec<_>>())),
                spread(beyond, two_digits),
                two_digits(bytes / measured.traces),
            ]
        })
        .collect();
    let head = [
        "`traces` has",
        "spans/s",
        "server CPU, µs a trace",
        "of it beyond the key's",
        "bytes a trace",
    ];
    report.table(&head, &rows);
}

pub(super) fn mapping(report: &mut Report, mapping: &Mapping) {
    report.paragraph(&format!(
        "**From OTLP to spans**, on one thread, the same spans in requests of 512 ({} bytes a span): {} µs a span for decoding \
         protobuf, {} µs for making spans of it (ids, attributes as JSON, the dialects of GenAI), {} µs for prices.",
        thousands(mapping.bytes),
        two_digits(mapping.decoding),
        two_digits(mapping.mapping),
        two_digits(mapping.pricing),
    ));
}
