//! `annals costs`: what models were used for, what it cost, and prices.

use std::{sync::Arc, time::Duration};

use annals_record::Timestamp;
use annals_store::config::{Sources, parse_duration};
use annals_telemetry::{
    PriceList, Spans, SpansOptions,
    cost::{Price, Rates, dollars},
    usage::{Recompute, Recomputed, Usage, UsageBy, UsageGroup, UsageQuery, UsageSummary},
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::{
    command::DatabaseArgs,
    database::{connect, sources},
    error::CliError,
    output::{add_row, print_json, print_line, print_table, table},
};

/// The window of a summary when none is given.
const WINDOW: Duration = Duration::from_secs(30 * 24 * 3_600);

/// `annals costs`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CostsArgs {
    #[command(subcommand)]
    command: Option<CostsCommand>,
    #[command(flatten)]
    question: CostQuestion,
}

#[derive(Debug, Args)]
struct CostQuestion {
    /// By what: one or two of model, provider, service, user, conversation, day and hour, with a comma between
    #[arg(long, value_delimiter = ',', value_parser = by, default_value = "model")]
    by: Vec<UsageBy>,
    /// Calls that began then or later (RFC 3339), or so long ago, such as 7d; 30d when not given
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Calls that began before then; now when not given
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only calls of this model
    #[arg(long)]
    model: Option<String>,
    /// Only of this provider
    #[arg(long)]
    provider: Option<String>,
    /// Only by this service
    #[arg(long)]
    service: Option<String>,
    /// Only for this user
    #[arg(long)]
    user: Option<String>,
    /// Only in this conversation
    #[arg(long)]
    conversation: Option<String>,
    /// Groups at most, of those that cost most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

#[derive(Debug, Subcommand)]
enum CostsCommand {
    /// Give calls the costs that they have by PRICES_FILE and the shipped prices; reported costs stay
    ///
    /// Corrects spans, traces and sums alike, in steps: when it is broken off, doing it again goes on. A server goes on with
    /// the prices that it has read; POST /costs/recompute makes it read them again.
    Recompute {
        /// Calls that began then or later (RFC 3339), or so long ago, such as 7d
        #[arg(long, value_name = "TIME", value_parser = moment)]
        since: Timestamp,
        /// Calls that began before then; now when not given
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<Timestamp>,
        /// Only calls of this model, by the name that spans have
        #[arg(long)]
        model: Option<String>,
        /// Only tell what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// List prices, in US dollars per million tokens: those of PRICES_FILE, then the shipped ones
    Prices {
        /// Only the price that a call of this model has, by whatever name
        #[arg(long)]
        model: Option<String>,
        /// Only prices of this provider
        #[arg(long)]
        provider: Option<String>,
        /// Only prices that are valid then (RFC 3339); now when a model is given
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Timestamp>,
    },
}

fn by(text: &str) -> Result<UsageBy, String> {
    UsageBy::named(text.trim()).ok_or_else(|| {
        "write one or two of model, provider, service, user, conversation, day and hour".to_owned()
    })
}

/// A time, or how long ago it was.
fn moment(text: &str) -> Result<Timestamp, String> {
    match parse_duration(text) {
        Some(ago) => Ok(Timestamp::now() - ago),
        None => text.parse().map_err(|_| {
            "write a time such as 2026-01-31T09:30:00Z, or how long ago it was, such as 30d"
                .to_owned()
        }),
    }
}

/// The prices that settings name.
pub(crate) fn price_list(sources: &Sources) -> Result<PriceList, CliError> {
    Ok(match sources.readable_file("PRICES_FILE")? {
        Some(path) => PriceList::with_file(path.as_ref())?,
        None => PriceList::shipped().clone(),
    })
}

pub(crate) async fn run(
    args: &DatabaseArgs,
    costs: &CostsArgs,
    json: bool,
) -> Result<(), CliError> {
    match &costs.command {
        None => summary(args, &costs.question, json).await,
        Some(CostsCommand::Recompute {
            since,
            until,
            model,
            dry_run,
        }) => {
            let asked = Recompute {
                from: *since,
                to: until.unwrap_or_else(Timestamp::now),
                model: model.clone(),
                dry_run: *dry_run,
            };
            recompute(args, &asked, json).await
        }
        Some(CostsCommand::Prices {
            model,
            provider,
            at,
        }) => {
            let list = price_list(&sources(args)?)?;
            print_prices(
                &listed(&list, provider.as_deref(), model.as_deref(), *at),
                json,
            )
        }
    }
}

async fn open(args: &DatabaseArgs) -> Result<Spans, CliError> {
    Ok(Spans::new(connect(args).await?, SpansOptions::default()).await?)
}

fn ordered(from: Timestamp, to: Timestamp) -> Result<(), CliError> {
    if from < to {
        Ok(())
    } else {
        Err(CliError::UntilBeforeSince)
    }
}

async fn summary(args: &DatabaseArgs, asked: &CostQuestion, json: bool) -> Result<(), CliError> {
    let to = asked.until.unwrap_or_else(Timestamp::now);
    let from = asked.since.unwrap_or(to - WINDOW);
    ordered(from, to)?;
    let query = UsageQuery {
        model: asked.model.clone(),
        provider: asked.provider.clone(),
        service: asked.service.clone(),
        user: asked.user.clone(),
        conversation: asked.conversation.clone(),
        limit: asked.limit,
        ..UsageQuery::new(from, to).by(&asked.by)
    };
    let summary = open(args).await?.usage(&query).await?;
    if json {
        print_json(&summary_json(&summary))
    } else {
        print_summary(summary)
    }
}

fn usage_json(usage: &Usage) -> Map<String, Value> {
    let Value::Object(mut members) = json!({
        "calls": usage.calls, "errors": usage.errors, "unpriced_calls": usage.unpriced_calls,
        "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }) else {
        return Map::new();
    };
    for (name, value) in [
        ("cost", usage.cost()),
        ("mean_ms", usage.mean_ms),
        ("stddev_ms", usage.stddev_ms),
    ] {
        members.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    members
}

/// What a group is called by one of what it was summed up by.
fn label(group: &UsageGroup, by: UsageBy) -> String {
    let text = match by {
        UsageBy::Model => group.model.clone(),
        UsageBy::Provider => group.provider.clone(),
        UsageBy::Service => group.service.clone(),
        UsageBy::User => group.user.clone(),
        UsageBy::Conversation => group.conversation.clone(),
        _ => group.time.map(|time| time.to_string()),
    };
    text.unwrap_or_default()
}

fn summary_json(summary: &UsageSummary) -> Value {
    let groups = summary.groups.iter().map(|group| {
        let mut members: Map<String, Value> = summary
            .by
            .iter()
            .map(|by| (by.name().to_owned(), json!(label(group, *by))))
            .collect();
        members.append(&mut usage_json(&group.usage));
        members
    });
    json!({
        "from": summary.from.to_string(), "to": summary.to.to_string(),
        "total": usage_json(&summary.total), "groups": groups.collect::<Vec<_>>(), "more": !summary.is_all,
    })
}

fn money(nanos: Option<i64>) -> String {
    nanos.map_or_else(|| "?".to_owned(), |nanos| format!("{:.4}", dollars(nanos)))
}

fn cells(usage: &Usage) -> [String; 7] {
    [
        usage.calls.to_string(),
        usage.errors.to_string(),
        usage.input_tokens.to_string(),
        usage.output_tokens.to_string(),
        money(usage.cost_nanos),
        usage.unpriced_calls.to_string(),
        usage
            .mean_ms
            .map_or_else(String::new, |ms| format!("{ms:.0} ms")),
    ]
}

fn print_summary(mut summary: UsageSummary) -> Result<(), CliError> {
    // Days and hours are read in their order.
    if summary
        .by
        .iter()
        .any(|by| matches!(by, UsageBy::Day | UsageBy::Hour))
    {
        summary.groups.sort_by_key(|group| group.time);
    }
    print_line(&format!("{} to {}", summary.from, summary.to))?;
    let mut table = table(&[
        "WHAT", "CALLS", "ERRORS", "IN", "OUT", "USD", "UNPRICED", "MEAN",
    ]);
    let mut add = |what: String, usage: &Usage| {
        let [calls, errors, input, output, cost, unpriced, mean] = cells(usage);
        add_row(
            &mut table,
            [what, calls, errors, input, output, cost, unpriced, mean],
        );
    };
    for group in &summary.groups {
        let labels: Vec<String> = summary.by.iter().map(|by| label(group, *by)).collect();
        let what = labels.join("  ");
        add(
            if what.trim().is_empty() {
                "(none)".to_owned()
            } else {
                what
            },
            &group.usage,
        );
    }
    add("total".to_owned(), &summary.total);
    print_table(&table, "")?;
    if !summary.is_all {
        print_line("there are more; --limit shows more of them, and the total has them all")?;
    }
    if summary.total.unpriced_calls > 0 {
        print_line(
            "unpriced calls have no known price or tell no tokens, and are in no sum of money; PRICES_FILE and `annals costs recompute` mend the first",
        )?;
    }
    Ok(())
}

async fn recompute(args: &DatabaseArgs, asked: &Recompute, json: bool) -> Result<(), CliError> {
    ordered(asked.from, asked.to)?;
    let prices = price_list(&sources(args)?)?;
    let spans = open(args).await?;
    let told = |done: &Recomputed| {
        if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            eprint!("\r{} calls ", done.calls);
        }
    };
    let done = spans.recompute(&prices, asked, &told).await?;
    if json {
        return print_json(&json!({
            "from": asked.from.to_string(), "to": asked.to.to_string(), "dry_run": asked.dry_run,
            "calls": done.calls, "changed": done.changed,
            "cost_before": dollars(done.before_nanos), "cost_after": dollars(done.after_nanos),
            "unpriced_before": done.unpriced_before, "unpriced_after": done.unpriced_after,
        }));
    }
    print_line(&format!(
        "{} of {} call(s) {}: {:.4} USD {} {:.4} USD; without a price {}, before {}",
        done.changed,
        done.calls,
        if asked.dry_run {
            "would change"
        } else {
            "changed"
        },
        dollars(done.before_nanos),
        if asked.dry_run {
            "would become"
        } else {
            "became"
        },
        dollars(done.after_nanos),
        done.unpriced_after,
        done.unpriced_before,
    ))
}

/// The price of a model, or those of a provider or of all, at a time or at all.
fn listed(
    list: &PriceList,
    provider: Option<&str>,
    model: Option<&str>,
    at: Option<Timestamp>,
) -> Vec<Arc<Price>> {
    if let Some(model) = model {
        let price = list.find(provider, model, at.unwrap_or_else(Timestamp::now));
        return price.into_iter().collect();
    }
    let fits = |price: &&Arc<Price>| {
        provider.is_none_or(|provider| price.provider.eq_ignore_ascii_case(provider))
            && at.is_none_or(|at| price.is_valid(at))
    };
    list.prices().iter().filter(fits).map(Arc::clone).collect()
}

fn rates_json(rates: &Rates) -> Value {
    json!({
        "input": dollars(rates.input), "output": dollars(rates.output), "cached": dollars(rates.cached),
        "cache_write": dollars(rates.cache_write), "reasoning": dollars(rates.reasoning),
    })
}

fn print_prices(prices: &[Arc<Price>], json: bool) -> Result<(), CliError> {
    if json {
        let prices = prices.iter().map(|price| {
            let mut shown = rates_json(&price.rates);
            if let Value::Object(members) = &mut shown {
                members.insert("id".to_owned(), json!(price.id));
                members.insert("provider".to_owned(), json!(price.provider));
                members.insert("model".to_owned(), json!(price.model));
                members.insert("aliases".to_owned(), json!(price.aliases));
                for (name, time) in [
                    ("valid_from", price.valid_from),
                    ("valid_until", price.valid_until),
                ] {
                    members.extend(time.map(|time| (name.to_owned(), json!(time.to_string()))));
                }
                if let Some((above, rates)) = &price.long {
                    let mut long = rates_json(rates);
                    if let Value::Object(members) = &mut long {
                        members.insert("above".to_owned(), json!(above));
                    }
                    members.insert("long".to_owned(), long);
                }
            }
            shown
        });
        return print_json(&prices.collect::<Vec<_>>());
    }
    let mut table = table(&[
        "PRICE",
        "INPUT",
        "OUTPUT",
        "CACHED",
        "CACHE WRITE",
        "REASONING",
        "UNTIL",
        "LONG CALLS",
    ]);
    let shown = |nanos: i64| dollars(nanos).to_string();
    for price in prices {
        let rates = price.rates;
        let long = price.long.map(|(above, rates)| {
            format!(
                "above {above}: {} / {}",
                shown(rates.input),
                shown(rates.output)
            )
        });
        add_row(
            &mut table,
            [
                price.id.clone(),
                shown(rates.input),
                shown(rates.output),
                shown(rates.cached),
                shown(rates.cache_write),
                shown(rates.reasoning),
                price
                    .valid_until
                    .map_or_else(String::new, |time| time.to_string()),
                long.unwrap_or_default(),
            ],
        );
    }
    print_table(
        &table,
        "no price is known for that; a file of your own may give one: PRICES_FILE",
    )
}
