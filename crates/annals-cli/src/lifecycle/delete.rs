//! `annals delete`: the rows of one owner.

use serde_json::json;

use super::{Place, command::DeleteArgs, due::Due, label, lines::Lines};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{confirm, many},
};

pub(crate) async fn run(
    database: &DatabaseArgs,
    args: &DeleteArgs,
    json: bool,
) -> Result<(), CliError> {
    let place = Place::of(database).await?;
    let life = place.table(&args.table.label()).await?;
    // What is asked about and what is done then are of the same time.
    let now = life.now().await?;
    let life = life.at(now);
    let age = args.older_than.as_ref();
    let column = life.table().owner_column();
    let column = column.map_or("owner", |column| column.name);
    let mut whose = format!("{}, {column} {:?}", label(&life), args.only);
    if let Some(age) = age {
        whose += &format!(", older than {age}");
    }
    if !args.dry_run && !args.yes {
        let due = Due::of_owner(&life, &args.only, age).await?;
        if !due.is_nothing() {
            confirm(&format!("Delete {} for good ({whose})?", due.told()), false)?;
        }
    }
    let lines = Lines::of(format!("deleting from {whose}"), json);
    let mut gone = 0;
    let mut told = |rows: &u64| {
        gone += rows;
        lines.tell(many(gone, "row"));
    };
    let rows = life
        .delete_of(&args.only, age, args.dry_run, &mut told)
        .await?;
    let last = match rows {
        0 => format!("nothing to do: there are no rows ({whose})"),
        rows if args.dry_run => format!("{} would be deleted ({whose})", many(rows, "row")),
        rows => format!("{} deleted ({whose})", many(rows, "row")),
    };
    let document = json!({
        "table": life.table().label(),
        "only": args.only,
        "older_than": age.map(ToString::to_string),
        "dry_run": args.dry_run,
        "rows": rows,
    });
    lines.finish(&last, &document)
}
