//! Which traces somebody asks for.

use std::time::Duration;

use annals_store::config::parse_duration;
use annals_telemetry::{AttributeEquals, TraceSearch, TraceStatus};
use utoipa::IntoParams;

use crate::api::{parameters::time, problem::Problem};

/// Which traces to list; `attribute` can be repeated, and all have to hold of one span.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Asked` reads")]
pub(super) struct TraceListing {
    /// Only traces that are called by this service
    service: Option<String>,
    /// Only traces of this status: ok, error or unset
    status: Option<String>,
    /// true: only traces of which a span failed
    errors: Option<String>,
    /// Only what began then or later (RFC 3339): the trace, or the span that matches
    since: Option<String>,
    /// Only what began then or earlier (RFC 3339)
    until: Option<String>,
    /// Only traces that took so long or longer, such as 250ms
    min_duration: Option<String>,
    /// Only traces that took so long or less
    max_duration: Option<String>,
    /// Only traces with a span of this model
    model: Option<String>,
    /// Only traces with a call of a model of this provider
    provider: Option<String>,
    /// Only traces for this user
    user: Option<String>,
    /// Only traces of this conversation
    conversation: Option<String>,
    /// Only traces that cost so many US dollars or more
    min_cost: Option<String>,
    /// Only traces that cost so many US dollars or less
    max_cost: Option<String>,
    /// Only traces whose calls of models read and wrote so many tokens or more
    min_tokens: Option<String>,
    /// Only traces whose calls of models read and wrote so many tokens or less
    max_tokens: Option<String>,
    /// Only traces with a span that has this attribute: name=value; may be repeated
    attribute: Option<Vec<String>>,
    /// Only traces with a span whose name contains this, whatever its case
    name: Option<String>,
    /// Only traces whose root's name contains this, whatever its case
    root: Option<String>,
    /// Only traces with a call of this tool
    tool: Option<String>,
    /// Only traces in which this agent worked
    agent: Option<String>,
    /// At most so many, 1 to 1000; 50 when not given
    limit: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this
    cursor: Option<String>,
}

/// Parameters that may be given once.
const ONCE: [&str; 21] = [
    "service",
    "status",
    "errors",
    "since",
    "until",
    "min_duration",
    "max_duration",
    "model",
    "provider",
    "user",
    "conversation",
    "min_cost",
    "max_cost",
    "min_tokens",
    "max_tokens",
    "name",
    "root",
    "tool",
    "agent",
    "limit",
    "cursor",
];

/// What was asked.
pub(super) struct Asked {
    once: Vec<(&'static str, String)>,
    attributes: Vec<AttributeEquals>,
}

impl Asked {
    pub(super) fn of(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut asked = Self {
            once: Vec::new(),
            attributes: Vec::new(),
        };
        for (name, value) in pairs {
            if name == "attribute" {
                let (name, value) = value
                    .split_once('=')
                    .filter(|(name, _)| !name.is_empty())
                    .ok_or_else(|| {
                        Problem::parameter(
                            "attribute",
                            &value,
                            "a name and a value: http.method=GET",
                        )
                    })?;
                asked.attributes.push(AttributeEquals::reads(name, value));
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

    /// A value that is read by `read`, which says no to what is not as `expected`.
    fn value<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        let value = read(text.trim());
        value
            .map(Some)
            .ok_or_else(|| Problem::parameter(name, &text, expected))
    }

    fn duration(&mut self, name: &str) -> Result<Option<Duration>, Problem> {
        self.value(name, "a time span such as 250ms, 5s or 1m", parse_duration)
    }

    fn cost(&mut self, name: &str) -> Result<Option<f64>, Problem> {
        let is_cost = |cost: &f64| cost.is_finite() && *cost >= 0.0;
        self.value(name, "a number of US dollars, zero or more", |text| {
            text.parse().ok().filter(is_cost)
        })
    }

    fn tokens(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        self.value(name, "a whole number of tokens", |text| text.parse().ok())
    }

    /// What is searched for; limit and cursor must have been taken out.
    pub(super) fn search(mut self) -> Result<TraceSearch, Problem> {
        let status = self.value("status", "ok, error or unset", |text| match text {
            "ok" => Some(TraceStatus::Ok),
            "error" => Some(TraceStatus::Error),
            "unset" => Some(TraceStatus::Unset),
            _ => None,
        })?;
        let errors = self.value("errors", "true or false", |text| text.parse().ok())?;
        Ok(TraceSearch {
            service_name: self.take("service"),
            status,
            errors: errors.unwrap_or(false),
            since: time("since", self.take("since").as_deref())?,
            until: time("until", self.take("until").as_deref())?,
            min_duration: self.duration("min_duration")?,
            max_duration: self.duration("max_duration")?,
            model_name: self.take("model"),
            provider: self.take("provider"),
            user_id: self.take("user"),
            conversation_id: self.take("conversation"),
            min_cost: self.cost("min_cost")?,
            max_cost: self.cost("max_cost")?,
            min_tokens: self.tokens("min_tokens")?,
            max_tokens: self.tokens("max_tokens")?,
            name: self.take("name"),
            root_name: self.take("root"),
            tool_name: self.take("tool"),
            agent_name: self.take("agent"),
            attributes: self.attributes,
            limit: None,
            after: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(pairs: &[(&str, &str)]) -> Result<TraceSearch, Problem> {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Asked::of(pairs.collect())?.search()
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        for (name, value) in [
            ("status", "failed"),
            ("errors", "yes"),
            ("since", "yesterday"),
            ("min_duration", "fast"),
            ("max_duration", "-1s"),
            ("min_cost", "-0.5"),
            ("max_cost", "NaN"),
            ("min_tokens", "1.5"),
            ("attribute", "no-value"),
            ("attribute", "=x"),
            ("modle", "gpt-4"),
        ] {
            let problem = search(&[(name, value)]).unwrap_err();
            assert!(
                problem.message().contains(name),
                "{name}={value}: {problem:?}"
            );
        }
        let twice = search(&[("model", "a"), ("model", "b")]).unwrap_err();
        assert!(twice.message().contains("model"), "{twice:?}");
    }

    #[test]
    fn every_parameter_is_a_condition() {
        let found = search(&[
            ("min_duration", "250ms"),
            ("attribute", "a=b=c"),
            ("attribute", "n=3"),
            ("errors", "true"),
            ("status", "ok"),
        ])
        .unwrap();
        assert_eq!(found.min_duration, Some(Duration::from_millis(250)));
        assert!(found.errors);
        let names: Vec<&str> = found
            .attributes
            .iter()
            .map(|attribute| &*attribute.name)
            .collect();
        assert_eq!(names, ["a", "n"]);
        assert_eq!(found.attributes[0].values, ["b=c"]);
        assert_eq!(found.attributes[1].values.len(), 2);
    }
}
