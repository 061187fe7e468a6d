//! `annals policy run`: what policies say, now.

use std::process::ExitCode;

use annals_store::{
    Lifecycle,
    lifecycle::{Policy, PolicyKind},
};
use serde_json::{Value, json};

use super::{
    due::Due,
    label,
    policy::{named, policy_json},
    set,
    shown::and,
};
use crate::{
    error::{CliError, with_causes},
    output::{confirm, many, print_json, print_line, printable},
    progress::Progress,
};

/// One policy that somebody runs here, and what it would let go.
struct Pending {
    life: Lifecycle,
    policy: Policy,
    would: Would,
}

enum Would {
    /// Rows go for good.
    Delete(Due),
    /// So many chunks are compressed.
    Compress(usize),
    /// What is made of rows is made.
    Refresh,
}

pub(super) async fn run(
    lives: Vec<Lifecycle>,
    dry_run: bool,
    yes: bool,
    json: bool,
) -> Result<ExitCode, CliError> {
    let mut at_one_time = Vec::new();
    for life in lives {
        // What is asked about and what is done then are of the same time.
        let now = life.now().await?;
        at_one_time.push(life.at(now));
    }
    if dry_run {
        let pending = pending(&at_one_time, |_| true).await?;
        return print_pending(&pending, json).map(|()| ExitCode::SUCCESS);
    }
    if !yes {
        let pending = pending(&at_one_time, |kind| kind == PolicyKind::Retention).await?;
        let gone: Vec<String> = pending.iter().filter_map(Pending::question).collect();
        if !gone.is_empty() {
            confirm(
                &format!("Let go of {}, for good?", gone.join("; of ")),
                false,
            )?;
        }
    }
    run_all(&at_one_time, json).await
}

async fn run_all(lives: &[Lifecycle], json: bool) -> Result<ExitCode, CliError> {
    let mut all = Vec::new();
    let mut failed = false;
    for life in lives {
        let progress = Progress::doing(format!("running the policies of {}", label(life)));
        let outcomes = async {
            // Where no server runs, nobody else looks for chunks that others dropped.
            life.reconcile().await?;
            life.run_policies().await
        }
        .await;
        progress.finish();
        let outcomes = match outcomes {
            Ok(outcomes) => outcomes,
            // The next table may be in nobody's hands.
            Err(error) => {
                failed = true;
                let error = CliError::from(error).report();
                all.push(json!({ "table": life.table().label(), "error": error }));
                eprintln!("annals: {}: {error}", label(life));
                continue;
            }
        };
        for (policy, outcome) in outcomes {
            let line = format!("{}: {}: ", label(life), named(&policy));
            let came = match outcome {
                Ok(outcome) => {
                    if !json {
                        print_line(&(line + &printable(&outcome)))?;
                    }
                    json!({ "outcome": outcome })
                }
                Err(error) => {
                    failed = true;
                    let told = with_causes(&error);
                    eprintln!("annals: {line}{}", CliError::from(error).report());
                    json!({ "error": told })
                }
            };
            all.push(and(policy_json(life, &policy), came));
        }
    }
    if json {
        print_json(&json!({ "dry_run": false, "policies": all }))?;
    } else if all.is_empty() {
        print_line("nothing to do: there are no policies that are run here")?;
    }
    Ok(ExitCode::from(if failed { crate::REFUSED } else { 0 }))
}

/// What policies of some kinds would do.
async fn pending(
    lives: &[Lifecycle],
    which: impl Fn(PolicyKind) -> bool,
) -> Result<Vec<Pending>, CliError> {
    let mut all = Vec::new();
    for life in lives {
        for status in life.policies().await? {
            let policy = status.policy;
            let Some(interval) = &policy.interval else {
                continue;
            };
            if status.runner.is_none() || !which(policy.kind) {
                continue;
            }
            let would = match policy.kind {
                PolicyKind::Retention => Would::Delete(set::due(life, &policy).await?),
                PolicyKind::Compression => {
                    let due = life.compress_chunks(interval, true, &mut |_| {}).await?;
                    Would::Compress(due.len())
                }
                _ => Would::Refresh,
            };
            all.push(Pending {
                life: life.clone(),
                policy,
                would,
            });
        }
    }
    Ok(all)
}

impl Pending {
    /// What would be gone for good, if anything would.
    fn question(&self) -> Option<String> {
        match &self.would {
            Would::Delete(due) if !due.is_nothing() => {
                Some(format!("{}, {}", label(&self.life), due.told()))
            }
            _ => None,
        }
    }

    fn told(&self) -> String {
        let what = match &self.would {
            Would::Delete(due) => format!("would let go: {}", due.told()),
            Would::Compress(chunks) => format!("would compress {}", many(*chunks as u64, "chunk")),
            Would::Refresh => "would store what has changed".to_owned(),
        };
        format!("{}: {}: {what}", label(&self.life), named(&self.policy))
    }

    fn json(&self) -> Value {
        let due = match &self.would {
            Would::Delete(due) => due.json(),
            Would::Compress(chunks) => json!({ "chunks": chunks }),
            Would::Refresh => Value::Null,
        };
        and(policy_json(&self.life, &self.policy), json!({ "due": due }))
    }
}

fn print_pending(pending: &[Pending], json: bool) -> Result<(), CliError> {
    if json {
        let all: Vec<Value> = pending.iter().map(Pending::json).collect();
        return print_json(&json!({ "dry_run": true, "policies": all }));
    }
    for one in pending {
        print_line(&one.told())?;
    }
    if pending.is_empty() {
        print_line("nothing to do: there are no policies that are run here")?;
    }
    Ok(())
}
