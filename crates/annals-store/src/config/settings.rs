//! The sources in which values of settings are looked up.

use std::{
    collections::BTreeMap, fmt, num::NonZeroUsize, path::Path, str::FromStr, time::Duration,
};

use super::{
    ConfigError, SETTINGS, Setting,
    units::{parse_bytes, parse_duration},
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// An environment variable, by the name that was set.
    Environment(&'static str),
    /// The configuration file.
    File,
    /// The table of defaults.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("from a flag"),
            Self::Environment(name) => write!(f, "from the environment variable {name}"),
            Self::File => f.write_str("from the configuration file"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// The places in which values are looked up, the first that has one winning.
#[derive(Clone)]
pub struct Sources {
    tables: Vec<&'static [Setting]>,
    flags: BTreeMap<&'static str, String>,
    environment: BTreeMap<&'static str, String>,
    file: BTreeMap<&'static str, String>,
}

impl Default for Sources {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Sources {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("flags", &self.flags.keys())
            .field("environment", &self.environment.keys())
            .field("file", &self.file.keys())
            .finish_non_exhaustive()
    }
}

impl Sources {
    /// No flags, no environment, no file: defaults only, of the database's settings only.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(&[SETTINGS])
    }

    /// Defaults only, of the settings in these tables.
    #[must_use]
    pub fn of(tables: &[&'static [Setting]]) -> Self {
        Self {
            tables: tables.to_vec(),
            flags: BTreeMap::new(),
            environment: BTreeMap::new(),
            file: BTreeMap::new(),
        }
    }

    /// Every setting, table by table.
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> + '_ {
        self.tables.iter().copied().flatten()
    }

    fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.settings().find(|setting| setting.name == name)
    }

    /// Adds this process's environment and the file at `path`, if it is there.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not TOML, or sets something that is no setting.
    pub fn with_process(self, path: &Path) -> Result<Self, ConfigError> {
        let sources = self.with_environment(|name| std::env::var(name).ok());
        match std::fs::read_to_string(path) {
            Ok(text) => sources.with_file(&path.display().to_string(), &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(sources),
            Err(source) => Err(ConfigError::Read {
                path: path.display().to_string(),
                source,
            }),
        }
    }

    /// Adds a flag; one that is no [`setting`](Self::settings) is ignored.
    #[must_use]
    pub fn with_flag(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.flags.insert(name, value.into());
        self
    }

    /// Looks every setting, and every alias, up in an environment. An empty variable is not set.
    #[must_use]
    pub fn with_environment(mut self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let found: Vec<(&'static str, String)> = self
            .settings()
            .flat_map(Setting::names)
            .filter_map(|name| Some((name, lookup(name).filter(|value| !value.is_empty())?)))
            .collect();
        self.environment.extend(found);
        self
    }

    /// Adds the text of a configuration file: settings in lower case, as top-level keys.
    ///
    /// # Errors
    ///
    /// It is not TOML, or sets something that is no setting.
    pub fn with_file(mut self, path: &str, text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = text.parse().map_err(|source| ConfigError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        for (key, value) in table {
            let setting = self
                .settings()
                .find(|setting| setting.name.eq_ignore_ascii_case(&key));
            let Some(setting) = setting else {
                let nearest = self.nearest(&key);
                return Err(ConfigError::Unknown {
                    path: path.to_owned(),
                    name: key,
                    nearest,
                });
            };
            let value = match value {
                toml::Value::String(text) => text,
                other => other.to_string(),
            };
            self.file.insert(setting.name, value);
        }
        Ok(self)
    }

    /// The value of a setting and where it came from; `None` when it has not even a default.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<(&str, Origin)> {
        let setting = self.setting(name)?;
        self.set_value(setting)
            .or_else(|| (!setting.default.is_empty()).then_some((setting.default, Origin::Default)))
    }

    /// Whether somebody set this, rather than leaving it at its default.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.setting(name)
            .is_some_and(|setting| self.set_value(setting).is_some())
    }

    fn set_value(&self, setting: &'static Setting) -> Option<(&str, Origin)> {
        if let Some(value) = self.flags.get(setting.name) {
            return Some((value, Origin::Flag));
        }
        for name in setting.names() {
            if let Some(value) = self.environment.get(name) {
                return Some((value, Origin::Environment(name)));
            }
        }
        self.file
            .get(setting.name)
            .map(|value| (value.as_str(), Origin::File))
    }

    /// The setting that shares the longest beginning with `key`, if that is most of it.
    fn nearest(&self, key: &str) -> Option<&'static str> {
        let key = key.to_ascii_uppercase();
        let common = |name: &str| {
            name.bytes()
                .zip(key.bytes())
                .take_while(|(a, b)| a == b)
                .count()
        };
        self.settings()
            .map(|setting| setting.name)
            .max_by_key(|name| common(name))
            .filter(|name| common(name) * 2 > key.len())
    }

    /// The value of a setting that has a default, made into a `T` by `read`.
    fn read<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let (value, origin) = self.get(name).unwrap_or(("", Origin::Default));
        read(value.trim()).ok_or_else(|| {
            let secret = self.setting(name).is_none_or(Setting::is_secret);
            let shown = if secret {
                "set".to_owned()
            } else {
                format!("{value:?}")
            };
            ConfigError::Invalid {
                name,
                origin,
                shown,
                expected,
            }
        })
    }

    /// The value of a setting that has a default, parsed.
    ///
    /// # Errors
    ///
    /// It cannot be parsed; the error says that it must be `expected`.
    pub fn parse<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        self.read(name, expected, |value| value.parse().ok())
    }

    /// The value of a setting that has a default, as it is.
    ///
    /// # Errors
    ///
    /// `check` says no; the error says that it must be `expected`.
    pub fn checked(
        &self,
        name: &'static str,
        check: impl FnOnce(&str) -> bool,
        expected: &'static str,
    ) -> Result<String, ConfigError> {
        self.read(name, expected, |value| {
            check(value).then(|| value.to_owned())
        })
    }

    /// The value of a setting that has a default, as a whole number from 1 to `most`.
    ///
    /// # Errors
    ///
    /// It is not; the error says that it must be `expected`.
    pub fn limited_count(
        &self,
        name: &'static str,
        most: usize,
        expected: &'static str,
    ) -> Result<usize, ConfigError> {
        self.read(name, expected, |value| {
            value
                .parse()
                .ok()
                .filter(|count| (1..=most).contains(count))
        })
    }

    /// The value of a setting that has a default, as one of several.
    ///
    /// # Errors
    ///
    /// It is none of them; the error says that it must be `expected`.
    pub fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
        expected: &'static str,
    ) -> Result<T, ConfigError> {
        self.read(name, expected, |value| {
            choices
                .iter()
                .find(|(text, _)| *text == value)
                .map(|(_, choice)| *choice)
        })
    }

    /// A file that is named, and can be read; `None` when nobody names one.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn readable_file(&self, name: &'static str) -> Result<Option<&str>, ConfigError> {
        let Some((path, origin)) = self.get(name) else {
            return Ok(None);
        };
        match std::fs::File::open(path) {
            Ok(_) => Ok(Some(path)),
            Err(_) => Err(ConfigError::Invalid {
                name,
                origin,
                shown: format!("{path:?}"),
                expected: "a file that can be read",
            }),
        }
    }

    /// The value of a setting that is a time above zero: `500ms`, `30s`, `5m`, `1h`, or a plain number
    /// of seconds.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn duration(&self, name: &'static str) -> Result<Duration, ConfigError> {
        self.read(
            name,
            "a time above zero such as 500ms, 30s, 5m or 1h",
            |value| parse_duration(value).filter(|duration| !duration.is_zero()),
        )
    }

    /// The value of a setting that is a number of bytes above zero: `512KiB`, `16MiB`, `1GiB`, or a
    /// plain number.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn bytes(&self, name: &'static str) -> Result<NonZeroUsize, ConfigError> {
        self.read(name, "a size above zero such as 512KiB or 16MiB", |value| {
            parse_bytes(value).and_then(NonZeroUsize::new)
        })
    }
}
