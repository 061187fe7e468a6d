//! What is asked of a month, with parameters that differ from one asking to the next.

use std::{sync::Arc, time::Duration};

use annals_record::Timestamp;
use annals_telemetry::{
    SpanFilter, SpanStore as _, Spans, TraceStatus,
    search::{AttributeEquals, TraceSearch},
    usage::{UsageBy, UsageQuery},
};
use fastrand::Rng;
use futures_util::future::BoxFuture;

use super::{
    agents::{RARE_TOOL, TENANTS, order_id, tenant_name},
    plan::{DAY, MODELS, Plan, RARE_MODEL, RETIRED_MODEL, SERVICES, trace_id},
};

/// What a read shall take at most, in milliseconds, as the median.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Listings, and filters that have an index.
    Indexed,
    /// Attributes and text within a day.
    Day,
    /// A trace by its id.
    Trace,
    /// What a month cost.
    Month,
    /// Told for comparison.
    None,
}

impl Goal {
    pub(super) fn millis(self) -> Option<f64> {
        match self {
            Self::Indexed => Some(20.0),
            Self::Day => Some(500.0),
            Self::Trace => Some(5.0),
            Self::Month => Some(200.0),
            Self::None => None,
        }
    }
}

type Asking = Box<dyn Fn(Arc<Spans>, Plan, Rng) -> BoxFuture<'static, usize> + Send + Sync>;

pub(super) enum Ask {
    /// A search; the second page of it, if that is asked for.
    Search {
        of: fn(&Plan, &mut Rng) -> TraceSearch,
        second: bool,
    },
    /// Anything else, which gives its rows.
    Other(Asking),
}

pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) goal: Goal,
    pub(super) ask: Ask,
}

impl Question {
    const fn search(
        name: &'static str,
        goal: Goal,
        of: fn(&Plan, &mut Rng) -> TraceSearch,
    ) -> Self {
        Self {
            name,
            goal,
            ask: Ask::Search { of, second: false },
        }
    }

    const fn second(name: &'static str, of: fn(&Plan, &mut Rng) -> TraceSearch) -> Self {
        Self {
            name,
            goal: Goal::Indexed,
            ask: Ask::Search { of, second: true },
        }
    }
}

pub(super) fn all() -> Vec<Question> {
    let mut all = of_traces();
    all.extend(of_spans());
    all.extend(within_a_day());
    all.extend(by_id());
    all.extend(spans_listed());
    all.extend(costs());
    all
}

/// What a cache of finished traces remembers.
pub(super) fn remembered() -> Vec<Question> {
    by_id()
}

/// By what a trace is itself.
fn of_traces() -> Vec<Question> {
    use Goal::Indexed;
    vec![
        Question::search("traces, newest first", Indexed, |_, _| {
            TraceSearch::default()
        }),
        Question::second("the second page of them", |_, _| TraceSearch::default()),
        Question::search("of a service", Indexed, of_service),
        Question::second("of a service, second page", of_service),
        Question::search("of the rarest service", Indexed, |_, _| TraceSearch {
            service_name: Some(SERVICES[SERVICES.len() - 1].to_owned()),
            ..TraceSearch::default()
        }),
        Question::search("status error", Indexed, failed),
        Question::second("status error, second page", failed),
        Question::search("errors only, of a service", Indexed, |plan, rng| {
            TraceSearch {
                errors: true,
                ..of_service(plan, rng)
            }
        }),
        Question::search("within some hour", Indexed, |plan, rng| {
            within(plan, rng, DAY / 24)
        }),
        Question::search("of a service within some day", Indexed, |plan, rng| {
            TraceSearch {
                service_name: of_service(plan, rng).service_name,
                ..within(plan, rng, DAY)
            }
        }),
        Question::search("that took 30 to 120 s or longer", Indexed, |_, rng| {
            longer(30..120, rng)
        }),
        Question::search("that took 6 minutes or longer", Indexed, |_, rng| {
            longer(360..480, rng)
        }),
        Question::search("that took longer than any", Indexed, |_, rng| {
            longer(7_200..9_000, rng)
        }),
        Question::search("of a user", Indexed, of_user),
        Question::second("of a user, second page", of_user),
        Question::search("of a conversation", Indexed, |plan, rng| TraceSearch {
            conversation_id: Some(plan.about(rng.u64(..plan.traces)).conversation),
            ..TraceSearch::default()
        }),
        Question::search("of a user that there is not", Indexed, |_, rng| {
            TraceSearch {
                user_id: Some(format!("nobody-{}", rng.u32(..))),
                ..TraceSearch::default()
            }
        }),
        Question::search("that cost 5 to 20 cents or more", Indexed, |_, rng| {
            dearer(rng.f64() * 0.15 + 0.05)
        }),
        Question::search("that cost a dollar or more", Indexed, |_, rng| {
            dearer(rng.f64() + 1.0)
        }),
        Question::search("that cost more than any", Indexed, |_, rng| {
            dearer(rng.f64() * 100.0 + 1_000.0)
        }),
    ]
}

/// By what a span of theirs is, where an index knows.
fn of_spans() -> Vec<Question> {
    use Goal::Indexed;
    vec![
        Question::search("with a model that many ask", Indexed, of_model),
        Question::second("with such a model, second page", of_model),
        Question::search("with a model that one of 10,000 asks", Indexed, |_, _| {
            TraceSearch {
                model_name: Some(RARE_MODEL.2.to_owned()),
                ..TraceSearch::default()
            }
        }),
        Question::search(
            "with a model that many asked until three weeks ago",
            Indexed,
            |_, _| TraceSearch {
                model_name: Some(RETIRED_MODEL.2.to_owned()),
                ..TraceSearch::default()
            },
        ),
        Question::search("with a model that there is not", Indexed, |_, rng| {
            TraceSearch {
                model_name: Some(format!("no-model-{}", rng.u32(..))),
                ..TraceSearch::default()
            }
        }),
        Question::search("with a provider that many ask", Indexed, |_, rng| {
            TraceSearch {
                provider: Some(MODELS[rng.usize(..3)].0.to_owned()),
                ..TraceSearch::default()
            }
        }),
        Question::search(
            "with a provider that one of 10,000 asks",
            Indexed,
            |_, _| TraceSearch {
                provider: Some(RARE_MODEL.0.to_owned()),
                ..TraceSearch::default()
            },
        ),
        Question::search("with a model, errors only", Indexed, |plan, rng| {
            TraceSearch {
                errors: true,
                ..of_model(plan, rng)
            }
        }),
        Question::search("with a model, of a user", Indexed, |plan, rng| {
            TraceSearch {
                user_id: of_user(plan, rng).user_id,
                ..of_model(plan, rng)
            }
        }),
    ]
}

/// What has no index, within a day.
fn within_a_day() -> Vec<Question> {
    use Goal::Day;
    vec![
        Question::search(
            "an attribute that many have, within some day",
            Day,
            |plan, rng| tenant_within(within(plan, rng, DAY), rng),
        ),
        Question::second("such an attribute, second page", |plan, rng| {
            tenant_within(within(plan, rng, DAY), rng)
        })
        .to(Day),
        Question::search(
            "an attribute of one trace, within its day",
            Day,
            |plan, rng| {
                let about = plan.about(rng.u64(..plan.traces));
                let order = AttributeEquals::new("app.order_id", order_id(about.seed));
                around(about.began, order)
            },
        ),
        Question::search("an attribute of none, within some day", Day, |plan, rng| {
            let at = plan.at(rng.u64(..plan.traces));
            around(
                at,
                AttributeEquals::new("app.order_id", format!("none-{}", rng.u32(..))),
            )
        }),
        Question::search(
            "an attribute that many have, no window given",
            Day,
            |_, rng| tenant_within(TraceSearch::default(), rng),
        ),
        Question::search("an attribute of none, no window given", Day, |_, rng| {
            TraceSearch {
                attributes: vec![AttributeEquals::new(
                    "app.order_id",
                    format!("none-{}", rng.u32(..)),
                )],
                ..TraceSearch::default()
            }
        }),
        Question::search(
            "text in names of many, within some day",
            Day,
            |plan, rng| TraceSearch {
                name: Some(["Lookup", "sql", "moderations"][rng.usize(..3)].to_owned()),
                ..within(plan, rng, DAY)
            },
        ),
        Question::search("text in names of few, within some day", Day, |plan, rng| {
            TraceSearch {
                name: Some("to_Human".to_owned()),
                ..within(plan, rng, DAY)
            }
        }),
        Question::search("text in no name, within some day", Day, |plan, rng| {
            TraceSearch {
                name: Some(format!("nothing {}", rng.u32(..))),
                ..within(plan, rng, DAY)
            }
        }),
        Question::search(
            "text in the root's name, within some day",
            Day,
            |plan, rng| TraceSearch {
                root_name: Some(SERVICES[rng.usize(..SERVICES.len())][2..8].to_owned()),
                ..within(plan, rng, DAY)
            },
        ),
        Question::search("a tool that few call, within some day", Day, |plan, rng| {
            TraceSearch {
                tool_name: Some(RARE_TOOL.to_owned()),
                ..within(plan, rng, DAY)
            }
        }),
        Question::search(
            "50,000 tokens or more, within some day",
            Day,
            |plan, rng| TraceSearch {
                min_tokens: Some(rng.u64(50_000..60_000)),
                ..within(plan, rng, DAY)
            },
        ),
        Question::search(
            "more tokens than any has, within some day",
            Day,
            |plan, rng| TraceSearch {
                min_tokens: Some(rng.u64(5_000_000..6_000_000)),
                ..within(plan, rng, DAY)
            },
        ),
    ]
}

fn by_id() -> Vec<Question> {
    let other = |name, goal, ask| Question {
        name,
        goal,
        ask: Ask::Other(ask),
    };
    vec![
        other(
            "a trace by id",
            Goal::Trace,
            trace(|plan, rng| rng.u64(..plan.traces)),
        ),
        other(
            "a trace of 200 spans by id",
            Goal::Trace,
            trace(|plan, rng| {
                let from = rng.u64(..plan.traces);
                let mut all = (from..plan.traces).chain(0..from);
                all.find(|number| plan.about(*number).size >= 200)
                    .unwrap_or(from)
            }),
        ),
        other(
            "a trace that there is not, by id",
            Goal::Trace,
            trace(|_, rng| rng.u64(1 << 50..1 << 51)),
        ),
    ]
}

fn spans_listed() -> Vec<Question> {
    let other = |name, goal, ask| Question {
        name,
        goal,
        ask: Ask::Other(ask),
    };
    vec![
        other(
            "spans, newest 100, without bodies",
            Goal::Indexed,
            summarised(|_, _| SpanFilter::default()),
        ),
        other(
            "spans of a model, newest 100, without bodies",
            Goal::Indexed,
            summarised(|plan, rng| SpanFilter {
                model_name: of_model(plan, rng).model_name,
                ..SpanFilter::default()
            }),
        ),
        other(
            "spans of a service within some hour, newest 100, without bodies",
            Goal::Indexed,
            summarised(|plan, rng| {
                let hour = within(plan, rng, DAY / 24);
                SpanFilter {
                    service_name: of_service(plan, rng).service_name,
                    since: hour.since,
                    until: hour.until,
                    ..SpanFilter::default()
                }
            }),
        ),
        other(
            "spans, newest 100, with their bodies",
            Goal::None,
            listed(|_| None),
        ),
        other(
            "spans of a service, newest 100, with their bodies",
            Goal::None,
            listed(|rng| Some(SERVICES[rng.usize(..4)].to_owned())),
        ),
    ]
}

impl Question {
    fn to(self, goal: Goal) -> Self {
        Self { goal, ..self }
    }
}

/// What a month cost: by what, and of whom.
fn costs() -> Vec<Question> {
    use UsageBy::{Conversation, Day, Hour, Model, Provider, Service, User};
    let month = |name, by: &'static [UsageBy]| Question {
        name,
        goal: Goal::Month,
        ask: Ask::Other(summed(move |plan, rng| a_month(plan, rng).by(by))),
    };
    let of = |name, of: fn(&Plan, &mut Rng) -> UsageQuery| Question {
        name,
        goal: Goal::Month,
        ask: Ask::Other(summed(of)),
    };
    vec![
        month("what a month cost", &[]),
        month("a month by model", &[Model]),
        month("a month by provider", &[Provider]),
        month("a month by service", &[Service]),
        month("a month by day", &[Day]),
        month("a month by hour", &[Hour]),
        month("a month by user, the 100 dearest", &[User]),
        month("a month by conversation, the 100 dearest", &[Conversation]),
        month("a month by model and day", &[Model, Day]),
        month("a month by user and model, the 100 dearest", &[User, Model]),
        of("a month of a user, by model", |plan, rng| UsageQuery {
            user: of_user(plan, rng).user_id,
            ..a_month(plan, rng).by(&[Model])
        }),
        of(
            "a month of a model, by user, the 100 dearest",
            |plan, rng| UsageQuery {
                model: of_model(plan, rng).model_name,
                ..a_month(plan, rng).by(&[User])
            },
        ),
        of("a day, by user, the 100 dearest", |plan, rng| {
            let since = plan.at(rng.u64(..plan.traces));
            UsageQuery::new(since, since + DAY / 1_000).by(&[User])
        }),
    ]
}

/// All there is; from a little before, which differs.
fn a_month(plan: &Plan, rng: &mut Rng) -> UsageQuery {
    let before = DAY.mul_f64(rng.f64());
    UsageQuery::new(plan.begin() - before, plan.end)
}

fn summed(of: impl Fn(&Plan, &mut Rng) -> UsageQuery + Send + Sync + 'static) -> Asking {
    Box::new(move |spans, plan, mut rng| {
        let query = of(&plan, &mut rng);
        Box::pin(async move { spans.usage(&query).await.expect("a summary").groups.len() })
    })
}

fn summarised(of: fn(&Plan, &mut Rng) -> SpanFilter) -> Asking {
    Box::new(move |spans, plan, mut rng| {
        let filter = of(&plan, &mut rng);
        Box::pin(async move {
            spans
                .list_summaries(filter)
                .await
                .expect("a page")
                .rows
                .len()
        })
    })
}

/// The spans of a trace by its number; none for a trace that there is not.
fn trace(of: fn(&Plan, &mut Rng) -> u64) -> Asking {
    Box::new(move |spans, plan, mut rng| {
        Box::pin(async move {
            let number = of(&plan, &mut rng);
            match spans.get_trace(&trace_id(number)).await {
                Ok(found) => found.len(),
                Err(_) if number >= plan.traces => 0,
                Err(error) => panic!("a trace that is there: {error}"),
            }
        })
    })
}

fn listed(service: fn(&mut Rng) -> Option<String>) -> Asking {
    Box::new(move |spans, _, mut rng| {
        Box::pin(async move {
            let filter = SpanFilter {
                service_name: service(&mut rng),
                ..SpanFilter::default()
            };
            spans.list_spans(filter).await.expect("a page").rows.len()
        })
    })
}

fn of_service(_: &Plan, rng: &mut Rng) -> TraceSearch {
    TraceSearch {
        service_name: Some(SERVICES[rng.usize(..SERVICES.len())].to_owned()),
        ..TraceSearch::default()
    }
}

fn failed(_: &Plan, _: &mut Rng) -> TraceSearch {
    TraceSearch {
        status: Some(TraceStatus::Error),
        ..TraceSearch::default()
    }
}

fn of_user(plan: &Plan, rng: &mut Rng) -> TraceSearch {
    TraceSearch {
        user_id: Some(plan.about(rng.u64(..plan.traces)).user),
        ..TraceSearch::default()
    }
}

fn of_model(_: &Plan, rng: &mut Rng) -> TraceSearch {
    TraceSearch {
        model_name: Some(MODELS[rng.usize(..10)].2.to_owned()),
        ..TraceSearch::default()
    }
}

/// A time of this length somewhere in the month.
fn within(plan: &Plan, rng: &mut Rng, length: Duration) -> TraceSearch {
    let since = plan.begin() + (DAY * plan.days as u32 - length).mul_f64(rng.f64());
    TraceSearch {
        since: Some(since),
        until: Some(since + length),
        ..TraceSearch::default()
    }
}

fn longer(seconds: std::ops::Range<u64>, rng: &mut Rng) -> TraceSearch {
    TraceSearch {
        min_duration: Some(Duration::from_secs(rng.u64(seconds))),
        ..TraceSearch::default()
    }
}

fn dearer(dollars: f64) -> TraceSearch {
    TraceSearch {
        min_cost: Some(dollars),
        ..TraceSearch::default()
    }
}

fn tenant_within(search: TraceSearch, rng: &mut Rng) -> TraceSearch {
    TraceSearch {
        attributes: vec![AttributeEquals::new(
            "app.tenant",
            tenant_name(rng.u64(..TENANTS)),
        )],
        ..search
    }
}

/// An attribute within the day around a time.
fn around(at: Timestamp, attribute: AttributeEquals) -> TraceSearch {
    TraceSearch {
        attributes: vec![attribute],
        since: Some(at - DAY / 2),
        until: Some(at + DAY / 2),
        ..TraceSearch::default()
    }
}
