//! How far something is, on a terminal.

use std::{borrow::Cow, io::Read, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long nobody wonders.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar of bytes on a terminal's standard error; nothing elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of an input whose length may be known.
    pub(crate) fn of(length: Option<u64>) -> Self {
        let template = match length {
            Some(_) => "{wide_bar} {bytes} of {total_bytes}, {msg}, {eta} left",
            None => "{spinner} {bytes}, {msg}",
        };
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// Of rows that nobody has counted.
    pub(crate) fn of_rows() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    /// Of something that is nearly always over at once: it is shown when it takes longer than a second.
    pub(crate) fn doing(what: impl Into<Cow<'static, str>>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what);
        let late = bar.downgrade();
        std::thread::spawn(move || {
            std::thread::sleep(PATIENCE);
            if let Some(bar) = late.upgrade().filter(|bar| !bar.is_finished()) {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.enable_steady_tick(Duration::from_millis(250));
            }
        });
        Self(bar)
    }

    /// The input, counted as it is read.
    pub(crate) fn reading<R: Read>(&self, input: R) -> impl Read + use<R> {
        self.0.wrap_read(input)
    }

    pub(crate) fn rows(&self, rows: u64) {
        self.tell(format!("{rows} rows"));
    }

    /// Says so beside the bar.
    pub(crate) fn tell(&self, text: String) {
        self.0.set_message(text);
    }

    /// Prints a line to standard error, which the bar does not overwrite.
    pub(crate) fn say(&self, line: &str) {
        self.beside(|| eprintln!("{line}"));
    }

    /// Lets something be printed that the bar does not overwrite.
    pub(crate) fn beside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
