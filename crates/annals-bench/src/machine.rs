//! The machine, as far as it explains numbers.

use std::{env, fs, thread};

/// Name and value of each fact.
pub(crate) fn facts() -> Vec<(&'static str, String)> {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_default();
    let kilobytes = field("/proc/meminfo", "MemTotal")
        .and_then(|memory| memory.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or_default();
    let mut facts = vec![
        ("Processor", format!("{cores} cores, {model}")),
        ("Memory", format!("{} GiB", kilobytes.div_ceil(1 << 20))),
        (
            "Kernel",
            read("/proc/sys/kernel/osrelease").trim().to_owned(),
        ),
        (
            "Load before",
            read("/proc/loadavg")
                .split(' ')
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
        ),
    ];
    if let Ok(commit) = env::var("ANNALS_BENCH_COMMIT") {
        facts.push(("Commit", commit));
    }
    facts
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first value of a field in a file of lines like `name : value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path);
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}
