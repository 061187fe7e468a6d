//! `annals policy`.

use std::process::ExitCode;

use annals_record::Timestamp;
use annals_store::{
    Lifecycle,
    lifecycle::{Policy, PolicyKind, PolicyStatus},
};
use serde_json::{Value, json};

use super::{
    Place,
    command::PolicyCommand,
    label, run, set,
    shown::{and, interval_json, time_json},
};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{add_row, confirm, print_json, print_line, print_table, table},
};

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &PolicyCommand,
    json: bool,
) -> Result<ExitCode, CliError> {
    let place = Place::of(args).await?;
    match command {
        PolicyCommand::Set { policy } => set::run(&place, policy, json).await?,
        PolicyCommand::Show { table } => {
            show(&place.some(table.label().as_deref()).await?, json).await?;
        }
        PolicyCommand::Remove {
            kind,
            table,
            only,
            yes,
        } => {
            let life = place.table(&table.label()).await?;
            remove(&life, (*kind).into(), only.as_deref(), *yes, json).await?;
        }
        PolicyCommand::Run {
            table,
            dry_run,
            yes,
        } => {
            let lives = place.some(table.label().as_deref()).await?;
            return run::run(lives, *dry_run, *yes, json).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A policy in a few words: `retention of "load-test" after 14 days`.
pub(super) fn named(policy: &Policy) -> String {
    let mut text = policy.kind.to_string();
    if let Some(owner) = &policy.owner {
        text += &format!(" of {owner:?}");
    }
    text + " " + &timing(policy)
}

fn timing(policy: &Policy) -> String {
    match (&policy.interval, policy.kind) {
        (None, _) => "never".to_owned(),
        (Some(interval), PolicyKind::Refresh) => format!("every {interval}"),
        (Some(interval), _) => format!("after {interval}"),
    }
}

/// What a policy is, for a program.
pub(super) fn policy_json(life: &Lifecycle, policy: &Policy) -> Value {
    json!({
        "table": life.table().label(),
        "kind": policy.kind.as_str(),
        "only": policy.owner,
        "interval": interval_json(policy.interval.as_ref()),
    })
}

/// The same, with where it comes from and how it went.
pub(super) fn status_json(life: &Lifecycle, status: &PolicyStatus) -> Value {
    let more = json!({
        "is_set": status.is_set,
        "runner": status.runner,
        "last_run": time_json(status.last_run),
        "last_outcome": status.last_outcome,
        "has_failed": status.has_failed,
        "next_run": time_json(status.next_run),
    });
    and(policy_json(life, &status.policy), more)
}

async fn show(lives: &[Lifecycle], json: bool) -> Result<(), CliError> {
    let mut all = Vec::new();
    let mut table = table(&[
        "TABLE", "POLICY", "ONLY", "WHEN", "FROM", "RUN BY", "LAST RUN", "NEXT RUN", "OUTCOME",
    ]);
    for life in lives {
        for status in life.policies().await? {
            all.push(status_json(life, &status));
            add_row(
                &mut table,
                [
                    life.table().label().to_owned(),
                    status.policy.kind.to_string(),
                    status.policy.owner.clone().unwrap_or_default(),
                    timing(&status.policy),
                    if status.is_set { "set" } else { "default" }.to_owned(),
                    status.runner.unwrap_or("nobody here").to_owned(),
                    status.last_run.map(second).unwrap_or_default(),
                    status.next_run.map(second).unwrap_or_default(),
                    outcome(&status),
                ],
            );
        }
    }
    if json {
        return print_json(&json!({ "policies": all }));
    }
    print_table(&table, "there are no policies")
}

/// A time to the second, which is as much as a person reads.
fn second(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => text,
    }
}

fn outcome(status: &PolicyStatus) -> String {
    let outcome = status.last_outcome.as_deref().unwrap_or_default();
    let outcome = outcome.lines().collect::<Vec<_>>().join(" ");
    if status.has_failed {
        format!("failed: {outcome}")
    } else {
        outcome
    }
}

async fn remove(
    life: &Lifecycle,
    kind: PolicyKind,
    only: Option<&str>,
    yes: bool,
    json: bool,
) -> Result<(), CliError> {
    let name = label(life);
    let policies = life.policies().await?;
    let found = policies.iter().map(|status| &status.policy).find(|policy| {
        policy.kind == kind && policy.owner.as_deref() == only && policy.interval.is_some()
    });
    let removed = match found {
        Some(policy) => {
            let question = format!("Remove the policy of {name}: {}?", named(policy));
            confirm(&question, yes)?;
            life.remove_policy(kind, only).await?
        }
        None => false,
    };
    if json {
        return print_json(&json!({
            "table": life.table().label(), "kind": kind.as_str(), "only": only, "removed": removed,
        }));
    }
    if removed {
        return print_line(&format!(
            "{name} has no policy of {kind} any more{}",
            of(only)
        ));
    }
    print_line(&format!(
        "nothing to do: {name} has no policy of {kind}{}",
        of(only)
    ))
}

fn of(only: Option<&str>) -> String {
    only.map(|only| format!(" for {only:?}"))
        .unwrap_or_default()
}
