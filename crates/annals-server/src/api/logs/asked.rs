//! Which log records somebody asks for.

use annals_telemetry::{LogFilter, LogOrder};
use utoipa::IntoParams;

use crate::api::{parameters::time, problem::Problem};

/// Which records to list; one of `attribute` can be repeated, and all have to hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Asked` reads")]
pub(super) struct LogListing {
    /// Only records of this service
    service: Option<String>,
    /// Only records at least so grave: trace, debug, info, warn, error, fatal, or 1 to 24
    severity: Option<String>,
    /// Only records of then or later (RFC 3339)
    since: Option<String>,
    /// Only records of then or earlier (RFC 3339)
    until: Option<String>,
    /// Only what was said in this trace
    trace: Option<String>,
    /// Only what was said in this span
    span: Option<String>,
    /// Only records whose body contains this, whatever its case
    text: Option<String>,
    /// Only records with this attribute: name=value; may be repeated
    attribute: Option<Vec<String>>,
    /// Only events of this name
    event: Option<String>,
    /// Only records of this scope
    scope: Option<String>,
    /// newest (first, the default) or oldest
    order: Option<String>,
    /// At most so many, 1 to 10000; 100 when not given
    limit: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this
    cursor: Option<String>,
}

/// Parameters that may be given once.
const ONCE: [&str; 12] = [
    "service", "severity", "since", "until", "trace", "span", "text", "event", "scope", "order",
    "limit", "cursor",
];

/// What was asked.
pub(super) struct Asked {
    once: Vec<(&'static str, String)>,
    attributes: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn of(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut asked = Self {
            once: Vec::new(),
            attributes: Vec::new(),
        };
        for (name, value) in pairs {
            if name == "attribute" {
                let (name, value) = value.split_once('=').ok_or_else(|| {
                    Problem::parameter("attribute", &value, "a name and a value: user.id=7")
                })?;
                asked.attributes.push((name.to_owned(), value.to_owned()));
                continue;
            }
            let Some(known) = ONCE.into_iter().find(|known| *known == name) else {
                let known = ONCE.join(", ");
                return Err(Problem::unreadable(&format!(
                    "unknown field `{name}`, expected one of {known}, attribute"
                )));
            };
            if asked.once.iter().any(|(name, _)| *name == known) {
                return Err(Problem::unreadable(&format!("duplicate field `{known}`")));
            }
            asked.once.push((known, value));
        }
        Ok(asked)
    }

    /// Takes a parameter out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let place = self.once.iter().position(|(known, _)| *known == name)?;
        Some(self.once.swap_remove(place).1)
    }

    pub(super) fn order(&mut self) -> Result<LogOrder, Problem> {
        match self.take("order").as_deref() {
            None | Some("newest") => Ok(LogOrder::NewestFirst),
            Some("oldest") => Ok(LogOrder::OldestFirst),
            Some(other) => Err(Problem::parameter("order", other, "newest or oldest")),
        }
    }

    /// The conditions; every other parameter must have been taken out.
    pub(super) fn filter(mut self) -> Result<LogFilter, Problem> {
        let filter = LogFilter {
            service_name: self.take("service"),
            severity: severity(self.take("severity").as_deref())?,
            since: time("since", self.take("since").as_deref())?,
            until: time("until", self.take("until").as_deref())?,
            trace_id: self.take("trace").map(|id| id.to_ascii_lowercase()),
            span_id: self.take("span").map(|id| id.to_ascii_lowercase()),
            text: self.take("text"),
            event_name: self.take("event"),
            scope_name: self.take("scope"),
            attributes: self.attributes,
            ..LogFilter::default()
        };
        match self.once.first() {
            None => Ok(filter),
            Some((name, _)) => Err(Problem::unreadable(&format!(
                "{name} has no meaning for this question"
            ))),
        }
    }
}

/// A severity.
pub(super) fn severity(text: Option<&str>) -> Result<Option<i32>, Problem> {
    text.map(|text| {
        annals_telemetry::log::severity(text).map_err(|_| {
            let expected = "trace, debug, info, warn, error, fatal or a number from 1 to 24";
            Problem::parameter("severity", text, expected)
        })
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn parameters_are_read_strictly() {
        for (wrong, told) in [
            (vec![("servise", "a")], "unknown field `servise`"),
            (vec![("service", "a"), ("service", "b")], "duplicate field"),
            (vec![("attribute", "a")], "name and a value"),
            (vec![("severity", "loud")], "trace, debug"),
            (vec![("since", "noon")], "RFC 3339"),
            (vec![("limit", "5")], "no meaning"),
        ] {
            let read = Asked::of(pairs(&wrong)).and_then(Asked::filter);
            let problem = read.err().map(|problem| problem.message().to_owned());
            assert!(
                problem
                    .as_ref()
                    .is_some_and(|problem| problem.contains(told)),
                "{wrong:?}: {problem:?}"
            );
        }
    }

    #[test]
    fn an_attribute_may_hold_an_equals_sign_and_be_repeated() {
        let given = pairs(&[("attribute", "a=b=c"), ("attribute", "d="), ("trace", "AB")]);
        let filter = Asked::of(given).and_then(Asked::filter).ok().unwrap();
        let attribute = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            filter.attributes,
            [attribute("a", "b=c"), attribute("d", "")]
        );
        assert_eq!(filter.trace_id.as_deref(), Some("ab"));
    }
}
