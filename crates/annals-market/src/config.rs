//! The bar writer's settings, by the names of the stock scanner.

use std::{num::NonZeroUsize, time::Duration};

use annals_record::OnConflict;
use annals_store::{
    ConfigError, Overflow, WriterOptions,
    config::{Setting, Sources},
};

use crate::LatestBars;

/// Every setting of the bar writer, with its default.
pub const SETTINGS: &[Setting] = &[
    Setting::new(
        "BARS_DB_WRITE_BATCH_SIZE",
        &[],
        "1000",
        "bars in one batch at most",
    ),
    Setting::new(
        "BARS_DB_WRITE_INTERVAL",
        &[],
        "1s",
        "how long a finished bar of the tick aggregator waits at most before it goes to the writer, whose batches leave at once",
    ),
    Setting::new(
        "BARS_DB_WRITE_QUEUE_SIZE",
        &[],
        "10000",
        "bars held at most, in flight included",
    ),
    Setting::new(
        "BARS_DB_MAX_RETRIES",
        &[],
        "3",
        "retries of a batch whose statement fails on a live connection; while the database is away batches wait",
    ),
    Setting::new(
        "BARS_DB_RETRY_DELAY",
        &[],
        "100ms",
        "delay before the first retry; each further one doubles",
    ),
    Setting::new(
        "BARS_DB_CONFLICT",
        &[],
        "replace",
        "what a bar does whose symbol and minute are there already: replace, merge or ignore",
    ),
    Setting::new(
        "BARS_CHECKPOINT_INTERVAL",
        &[],
        "off",
        "how often running minutes of the tick aggregator are written too, which bounds what a crash loses; off for once they are closed",
    ),
    Setting::new(
        "BARS_ROLLUP_INTERVAL",
        &[],
        "10s",
        "how often longer bars are stored of hours that ended or were corrected, by one server at a time; reads are right before that too; off leaves it to other servers or to `annals bars refresh`",
    ),
    Setting::new(
        "BARS_DB_OVERFLOW",
        &[],
        "block",
        "what happens when the queue is full: block, reject or drop-oldest",
    ),
];

/// What a bar does when another of its symbol and minute is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflict {
    /// It replaces every value.
    #[default]
    Replace,
    /// The two become one: first open, last close, highest high, lowest low, volumes added up, prices
    /// weighted by them. A bar equal in every value to the one that is there is a repetition.
    Merge,
    /// The one that is there stays.
    Ignore,
}

impl Conflict {
    /// Each policy by its name.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("replace", Self::Replace),
        ("merge", Self::Merge),
        ("ignore", Self::Ignore),
    ];

    /// What names there are, for those who write another one.
    pub const EXPECTED: &'static str = "replace, merge or ignore";

    /// The policy of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut names = Self::NAMES.into_iter();
        names.find_map(|(known, policy)| (known == name).then_some(policy))
    }
}

impl From<Conflict> for OnConflict {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Replace => Self::Update,
            Conflict::Merge => Self::Merge,
            Conflict::Ignore => Self::Ignore,
        }
    }
}

/// How bars are written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BarsOptions {
    /// The writer; its policy for keys that are there already is `conflict`.
    pub writer: WriterOptions,
    /// What a bar does when another of its symbol and minute is there already.
    pub conflict: Conflict,
    /// How long a finished bar of the aggregator waits at most before it goes to the writer.
    pub interval: Duration,
    /// How latest bars are remembered; `None` reads them each time. Give the same to whatever else writes bars in this
    /// process.
    pub latest: Option<LatestBars>,
}

impl Default for BarsOptions {
    fn default() -> Self {
        let mut writer = WriterOptions::default();
        writer.batch_rows = const { NonZeroUsize::new(1_000).unwrap() };
        writer.queue_rows = const { NonZeroUsize::new(10_000).unwrap() };
        writer.max_retries = Some(3);
        Self {
            writer,
            conflict: Conflict::default(),
            interval: Duration::from_secs(1),
            latest: None,
        }
    }
}

impl BarsOptions {
    /// Reads the settings; zero and what cannot be read is refused by name.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used, by name and origin.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let above_zero = "a whole number above zero";
        let mut options = Self::default();
        let writer = &mut options.writer;
        writer.batch_rows = sources.parse("BARS_DB_WRITE_BATCH_SIZE", above_zero)?;
        writer.queue_rows = sources.parse("BARS_DB_WRITE_QUEUE_SIZE", above_zero)?;
        let retries: std::num::NonZeroU32 = sources.parse("BARS_DB_MAX_RETRIES", above_zero)?;
        writer.max_retries = Some(retries.get());
        writer.retry_delay = sources.duration("BARS_DB_RETRY_DELAY")?;
        writer.retry_delay_max = writer.retry_delay_max.max(writer.retry_delay);
        writer.overflow = sources.choice(
            "BARS_DB_OVERFLOW",
            &[
                ("block", Overflow::Block),
                ("reject", Overflow::Reject),
                ("drop-oldest", Overflow::DropOldest),
            ],
            "block, reject or drop-oldest",
        )?;
        options.conflict =
            sources.choice("BARS_DB_CONFLICT", &Conflict::NAMES, Conflict::EXPECTED)?;
        options.interval = sources.duration("BARS_DB_WRITE_INTERVAL")?;
        Ok(options)
    }

    /// Reads how often running minutes are written.
    ///
    /// # Errors
    ///
    /// It is neither `off` nor a time span above zero.
    pub fn checkpoint_from_sources(sources: &Sources) -> Result<Option<Duration>, ConfigError> {
        interval(sources, "BARS_CHECKPOINT_INTERVAL")
    }

    /// Reads how often longer bars are stored.
    ///
    /// # Errors
    ///
    /// It is neither `off` nor a time span above zero.
    pub fn rollup_from_sources(sources: &Sources) -> Result<Option<Duration>, ConfigError> {
        interval(sources, "BARS_ROLLUP_INTERVAL")
    }

    /// With another policy for bars that are there already.
    #[must_use]
    pub fn with_conflict(mut self, conflict: Conflict) -> Self {
        self.conflict = conflict;
        self
    }

    /// With another writer.
    #[must_use]
    pub fn with_writer(mut self, writer: WriterOptions) -> Self {
        self.writer = writer;
        self
    }
}

/// A time span, or none where it is off.
fn interval(sources: &Sources, name: &'static str) -> Result<Option<Duration>, ConfigError> {
    match sources.get(name) {
        Some(("off", _)) | None => Ok(None),
        Some(_) => sources.duration(name).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &str) -> Result<BarsOptions, String> {
        let sources = Sources::of(&[SETTINGS]).with_flag(name, value);
        BarsOptions::from_sources(&sources).map_err(|error| error.to_string())
    }

    #[test]
    fn the_table_has_the_defaults_of_the_options() {
        let read = BarsOptions::from_sources(&Sources::of(&[SETTINGS])).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", BarsOptions::default()));
    }

    #[test]
    fn zero_and_nonsense_are_refused_by_name() {
        for setting in SETTINGS {
            for value in ["0", "-1", "many", "0s", ""] {
                let sources = Sources::of(&[SETTINGS]).with_flag(setting.name, value);
                let read = BarsOptions::from_sources(&sources);
                let read = read.and_then(|_| BarsOptions::checkpoint_from_sources(&sources));
                let read = read.and_then(|_| BarsOptions::rollup_from_sources(&sources));
                let error = read.unwrap_err().to_string();
                assert!(
                    error.contains(setting.name),
                    "{} {value}: {error}",
                    setting.name
                );
            }
        }
    }

    #[test]
    fn intervals_can_be_off() {
        let rollup = |value| {
            let sources = Sources::of(&[SETTINGS]).with_flag("BARS_ROLLUP_INTERVAL", value);
            BarsOptions::rollup_from_sources(&sources).unwrap()
        };
        assert_eq!(rollup("off"), None);
        assert_eq!(rollup("2m"), Some(Duration::from_secs(120)));
        let sources = Sources::of(&[SETTINGS]);
        assert_eq!(
            BarsOptions::rollup_from_sources(&sources).unwrap(),
            Some(Duration::from_secs(10))
        );
        assert_eq!(
            BarsOptions::checkpoint_from_sources(&sources).unwrap(),
            None
        );
    }

    #[test]
    fn what_is_set_is_used() {
        let options = read("BARS_DB_OVERFLOW", "drop-oldest").unwrap();
        assert_eq!(options.writer.overflow, Overflow::DropOldest);
        let options = read("BARS_DB_CONFLICT", "merge").unwrap();
        assert_eq!(options.conflict, Conflict::Merge);
        let options = read("BARS_DB_RETRY_DELAY", "30s").unwrap();
        assert_eq!(options.writer.retry_delay_max, Duration::from_secs(30));
    }
}
