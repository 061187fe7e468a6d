//! `annals policy set`.

use annals_store::{
    Lifecycle,
    lifecycle::{Policy, PolicyKind},
};
use serde_json::{Value, json};

use super::{
    Place,
    command::PolicySet,
    due::Due,
    label,
    policy::{named, policy_json, status_json},
    shown::and,
};
use crate::{
    error::CliError,
    output::{confirm, print_json, print_line},
};

pub(super) async fn run(place: &Place, asked: &PolicySet, json: bool) -> Result<(), CliError> {
    let (table, policy) = match asked {
        PolicySet::Compression { table, after } => {
            (table, policy(PolicyKind::Compression, after, None))
        }
        PolicySet::Retention {
            table, after, only, ..
        } => (table, policy(PolicyKind::Retention, after, only.as_ref())),
        PolicySet::Refresh { table, every } => (table, policy(PolicyKind::Refresh, every, None)),
    };
    let life = place.table(&table.label()).await?;
    if let PolicySet::Retention { dry_run, yes, .. } = asked {
        return set_retention(&life, &policy, *dry_run, *yes, json).await;
    }
    life.set_policy(&policy).await?;
    if json {
        return print_json(&now(&life, &policy).await?);
    }
    print_line(&format!("{}: {}", label(&life), named(&policy)))?;
    print_line(&runner(&life, &policy).await?)
}

fn policy(kind: PolicyKind, interval: &annals_store::Interval, owner: Option<&String>) -> Policy {
    Policy {
        kind,
        owner: owner.cloned(),
        interval: Some(interval.clone()),
    }
}

async fn set_retention(
    life: &Lifecycle,
    policy: &Policy,
    dry_run: bool,
    yes: bool,
    json: bool,
) -> Result<(), CliError> {
    let name = label(life);
    // Before anybody counts, or is asked.
    life.check_policy(policy).await?;
    let due = due(life, policy).await?;
    if !dry_run {
        if !due.is_nothing() {
            let question = format!(
                "{name}: with {}, there go for good at its next run {}. Set it?",
                named(policy),
                due.told()
            );
            confirm(&question, yes)?;
        }
        life.set_policy(policy).await?;
    }
    if json {
        let document = if dry_run {
            policy_json(life, policy)
        } else {
            now(life, policy).await?
        };
        let more = json!({ "dry_run": dry_run, "due": due.json() });
        return print_json(&and(document, more));
    }
    let not_set = if dry_run { " (not set)" } else { "" };
    print_line(&format!("{name}: {}{not_set}", named(policy)))?;
    print_line(&format!("  at its next run go: {}", due.told()))?;
    if dry_run {
        return Ok(());
    }
    print_line(&runner(life, policy).await?)
}

/// What a policy of retention would let go now.
pub(super) async fn due(life: &Lifecycle, policy: &Policy) -> Result<Due, CliError> {
    match (&policy.owner, &policy.interval) {
        (Some(owner), age) => Due::of_owner(life, owner, age.as_ref()).await,
        (None, Some(age)) => Due::by_age(life, age).await,
        (None, None) => Ok(Due::default()),
    }
}

/// The policy as it is now.
async fn now(life: &Lifecycle, policy: &Policy) -> Result<Value, CliError> {
    let policies = life.policies().await?;
    let found = policies.iter().find(|one| is_same(&one.policy, policy));
    Ok(found.map_or_else(|| policy_json(life, policy), |one| status_json(life, one)))
}

/// Who runs it.
async fn runner(life: &Lifecycle, policy: &Policy) -> Result<String, CliError> {
    let policies = life.policies().await?;
    let found = policies.iter().find(|one| is_same(&one.policy, policy));
    Ok(match found.and_then(|one| one.runner) {
        Some("the database") => "  run by the database itself".to_owned(),
        Some(runner) => format!("  run by {runner}; where none runs, by `annals policy run`"),
        None => {
            "  nobody runs it on this database: `annals doctor` tells what it cannot do".to_owned()
        }
    })
}

fn is_same(one: &Policy, other: &Policy) -> bool {
    one.kind == other.kind && one.owner == other.owner
}
