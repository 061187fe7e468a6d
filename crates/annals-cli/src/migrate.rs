//! `annals migrate`.

use annals_server::MIGRATIONS;
use annals_store::migrate::MigrationStatus;

use crate::{
    command::{DatabaseArgs, MigrateCommand},
    database::{config, connect},
    error::CliError,
    lifecycle,
    output::{confirm, print_json, print_line, print_table, table},
};

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &MigrateCommand,
    json: bool,
) -> Result<(), CliError> {
    let target = config(args)?.target;
    let store = connect(args).await?;
    let migrator = store.migrator(&MIGRATIONS);
    let (done, verb) = match command {
        MigrateCommand::Status => return print_status(&migrator.status().await?, json),
        MigrateCommand::Up => {
            let done = migrator.up().await?;
            lifecycle::apply_policies(args, store.clone()).await;
            (done, "applied")
        }
        MigrateCommand::Down { steps, yes } => {
            let question = format!(
                "Undo {steps} migration(s) of {target}, and drop their tables with everything in them?"
            );
            confirm(&question, *yes)?;
            (migrator.down(*steps).await?, "undone")
        }
    };
    if json {
        return print_status(&done, true);
    }
    for one in &done {
        print_line(&format!("{verb} {}/{}", one.set, one.file))?;
    }
    if done.is_empty() {
        print_line(&format!("nothing to do: {target} is as it should be"))?;
    }
    Ok(())
}

fn print_status(migrations: &[MigrationStatus], json: bool) -> Result<(), CliError> {
    if json {
        let all: Vec<_> = migrations
            .iter()
            .map(|one| serde_json::json!({ "set": one.set, "migration": one.file, "applied": one.applied }))
            .collect();
        return print_json(&all);
    }
    let mut table = table(&["SET", "MIGRATION", "STATE"]);
    for one in migrations {
        table.add_row([
            one.set.as_str(),
            &one.file,
            if one.applied { "applied" } else { "pending" },
        ]);
    }
    print_table(&table, "there are no migrations")
}
