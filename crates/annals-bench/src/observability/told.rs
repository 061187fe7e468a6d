//! What was found out, as tables.

use super::{
    fill::Filled,
    ingest::How,
    plan::{CONVERSATIONS, DAYS, MODELS, Plan, SERVICES, USERS},
};
use crate::{
    Options,
    bed::SETTINGS,
    measure::Contest,
    report::{Report, thousands, two_digits},
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
