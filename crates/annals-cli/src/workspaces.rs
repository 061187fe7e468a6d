//! `annals workspaces`, and which workspace a command is about.

use annals_deploy::{DeploymentSpan, Deployments, DeploymentsOptions, Workspace, WorkspaceId};
use annals_record::Uuid;
use clap::{Args, Subcommand};

use crate::{
    command::DatabaseArgs,
    database::connect,
    error::CliError,
    output::{
        Shown, add_row, confirm, many, print_json, print_line, print_table, printable, table,
    },
};

/// Workspaces that are told to whoever did not say which.
const TOLD: u32 = 5;

#[derive(Debug, Subcommand)]
pub(crate) enum WorkspacesCommand {
    /// List workspaces by id
    List {
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        /// Go on behind the page that printed this cursor
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
    },
    /// Make a workspace; one that is there gets the name, if one is given
    #[command(
        after_help = "Examples:\n  annals workspaces create --name Shop\n  annals workspaces create 7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e"
    )]
    Create {
        /// Its id, a UUID; a random one without it
        id: Option<WorkspaceId>,
        /// What people call it
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete a workspace with every trace in it
    #[command(
        after_help = "Example: annals workspaces delete 7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e"
    )]
    Delete {
        /// Its id
        id: WorkspaceId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Whose traces.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkspaceArg {
    /// The workspace, a UUID; may be left out where there is exactly one [env: ANNALS_WORKSPACE]
    #[arg(long, value_name = "ID", global = true)]
    pub(crate) workspace: Option<String>,
}

/// The workspace that a flag or the environment names.
pub(crate) fn named(flag: Option<&str>) -> Result<Option<WorkspaceId>, CliError> {
    let set = || std::env::var("ANNALS_WORKSPACE").ok();
    let named = flag.map(str::to_owned).or_else(set);
    let named = named.filter(|id| !id.is_empty());
    Ok(named.map(|id| id.parse()).transpose()?)
}

impl WorkspaceArg {
    /// The one that is named, or else the only one that there is.
    pub(crate) async fn find(&self, deployments: &Deployments) -> Result<WorkspaceId, CliError> {
        if let Some(named) = named(self.workspace.as_deref())? {
            return Ok(named);
        }
        let page = deployments.workspaces(TOLD, None).await?;
        match page.rows.as_slice() {
            [] => Err(CliError::NoWorkspaceYet),
            [only] => Ok(only.id.into()),
            several => {
                let ids: Vec<String> = several.iter().map(told).collect();
                let more = if page.next.is_some() { ", …" } else { "" };
                Err(CliError::WhichWorkspace(ids.join(", ") + more))
            }
        }
    }
}

fn told(workspace: &Workspace) -> String {
    match &workspace.name {
        Some(name) => format!("{} ({})", workspace.id, printable(name)),
        None => workspace.id.to_string(),
    }
}

/// Deployment traces in the database.
pub(crate) async fn open(args: &DatabaseArgs) -> Result<Deployments, CliError> {
    Ok(Deployments::new(connect(args).await?, DeploymentsOptions::default()).await?)
}

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &WorkspacesCommand,
    json: bool,
) -> Result<(), CliError> {
    let deployments = open(args).await?;
    match command {
        WorkspacesCommand::List { limit, after } => {
            list(&deployments, *limit, after.clone(), json).await
        }
        WorkspacesCommand::Create { id, name } => {
            let id = id.unwrap_or_else(|| Uuid::new_v4().into());
            let made = deployments.create_workspace(id, name.as_deref()).await?;
            if json {
                return print_json(&Shown(&made));
            }
            // The id alone, for scripts.
            print_line(&made.id.to_string())
        }
        WorkspacesCommand::Delete { id, yes } => delete(&deployments, *id, *yes, json).await,
    }
}

async fn list(
    deployments: &Deployments,
    limit: u32,
    after: Option<String>,
    json: bool,
) -> Result<(), CliError> {
    let page = deployments.workspaces(limit, after).await?;
    if json {
        let workspaces: Vec<_> = page.rows.iter().map(Shown).collect();
        return print_json(&serde_json::json!({ "workspaces": workspaces, "next": page.next }));
    }
    let mut table = table(&["WORKSPACE", "MADE", "NAME"]);
    for one in page.rows {
        let cells = [
            one.id.to_string(),
            one.created_at.to_string(),
            one.name.unwrap_or_default(),
        ];
        add_row(&mut table, cells);
    }
    print_table(
        &table,
        "there are no workspaces; annals workspaces create makes one, and so does its first trace",
    )?;
    match page.next {
        Some(next) => print_line(&format!("\nmore: --after {next}")),
        None => Ok(()),
    }
}

async fn delete(
    deployments: &Deployments,
    id: WorkspaceId,
    yes: bool,
    json: bool,
) -> Result<(), CliError> {
    let absent = || CliError::from(annals_deploy::Error::NoSuchWorkspace { workspace: id });
    let workspace = deployments.find_workspace(id).await?.ok_or_else(absent)?;
    if !yes {
        let spans = deployments.store().query::<DeploymentSpan>();
        let spans = spans.filter(DeploymentSpan::WORKSPACE_ID.eq(id.uuid()));
        let count = spans.count().await?;
        let question = format!(
            "Delete workspace {} and its {} for good?",
            told(&workspace),
            many(count, "span")
        );
        confirm(&question, false)?;
    }
    let spans = deployments.delete_workspace(id).await?.ok_or_else(absent)?;
    if json {
        return print_json(&serde_json::json!({ "id": id.to_string(), "deleted_spans": spans }));
    }
    print_line(&format!(
        "deleted workspace {} with {}",
        told(&workspace),
        many(spans, "span")
    ))
}
