//! Whether namespaces with equal category names wait for each other.

use std::time::Instant;

use annals_events::Namespace;

use super::{FLAVORS, TIME, message, namespace, stream};
use crate::{
    Options,
    bed::{Bed, execute},
    report::{Report, median, two_digits},
};

pub(crate) async fn run(options: &Options, report: &mut Report) {
    report.heading(
        "Events of two namespaces with equal category names",
        "events",
    );
    report.paragraph(
        "One writer of a namespace, with nobody else, and while a transaction by SQL holds the turn of another \
         namespace whose category has the same name: mean time of an append.",
    );
    let mut rows = Vec::new();
    for flavor in FLAVORS {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        let one = namespace(&bed, "one").await;
        let other = namespace(&bed, "other").await;
        let mut ratios = Vec::new();
        for _ in 0..options.rounds {
            let free = mean(&one).await;
            let mut holder = bed.connect().await;
            execute(&mut holder, "BEGIN".to_owned()).await;
            let hold = format!(
                "SELECT {}.write_message(NULL, 'account0-1', 'Held', '{{}}')",
                other.schema()
            );
            execute(&mut holder, hold).await;
            let held = mean(&one).await;
            execute(&mut holder, "ROLLBACK".to_owned()).await;
            ratios.push(held / free);
            rows.push(vec![
                flavor.to_string(),
                format!("{} ms", two_digits(free * 1e3)),
                format!("{} ms", two_digits(held * 1e3)),
                two_digits(held / free),
            ]);
        }
        eprintln!(
            "{flavor}: {:.2} times while another is held",
            median(&ratios)
        );
    }
    report.table(&["server", "alone", "another is held", "ratio"], &rows);
}

/// Seconds that an append takes.
async fn mean(namespace: &Namespace) -> f64 {
    let mut rng = fastrand::Rng::with_seed(7);
    let began = Instant::now();
    let mut appends = 0_u32;
    while began.elapsed() < TIME / 2 {
        namespace
            .write_message(&stream(&mut rng, 1), message(), None)
            .await
            .expect("a place");
        appends += 1;
    }
    began.elapsed().as_secs_f64() / f64::from(appends)
}
