//! `annals events tail`: messages as they come.

use std::time::Duration;

use annals_events::{Error, Message, Selection, Subscription, name};

use super::{
    command::{TailArgs, WhichMessages},
    get::check,
    line, namespace,
};
use crate::{
    command::DatabaseArgs,
    error::{CliError, with_causes},
    output::{print_line, printable},
};

/// How long a database that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(
    database: &DatabaseArgs,
    args: &TailArgs,
    json: bool,
) -> Result<(), CliError> {
    check(&args.which)?;
    let namespace = namespace(database, &args.of.namespace).await?;
    let mut subscription = namespace.subscribe(selection(args));
    subscription.ready().await?;
    if !json {
        eprintln!("following; Ctrl-C ends it");
    }
    loop {
        for message in next(&mut subscription).await? {
            if is_wanted(&args.which, &message) {
                show(&message, json)?;
            }
        }
    }
}

/// Where nobody says where to begin, that is now, for which there is one selection: of everything.
fn selection(args: &TailArgs) -> Selection {
    let Some(from) = args.from else {
        return Selection::Live { from: 0 };
    };
    match args.which.clone() {
        WhichMessages {
            stream: Some(stream),
            ..
        } => Selection::Stream { stream, from },
        WhichMessages {
            category: Some(category),
            ..
        } => Selection::Category {
            category,
            from,
            group: None,
        },
        _ => Selection::All { from },
    }
}

fn is_wanted(which: &WhichMessages, message: &Message) -> bool {
    let of_stream = which.stream.as_ref();
    let of_category = which.category.as_ref();
    of_stream.is_none_or(|stream| *stream == message.stream)
        && of_category.is_none_or(|category| category == name::category(&message.stream))
}

/// The next messages. A database that is away is waited for: the subscription goes on where it was.
async fn next(subscription: &mut Subscription) -> Result<Vec<Message>, CliError> {
    let mut is_told = false;
    loop {
        match subscription.messages().await {
            Ok(messages) => return Ok(messages),
            Err(Error::Store(error)) => {
                if !is_told {
                    let why = with_causes(&error);
                    eprintln!("annals: waiting for the database: {}", printable(&why));
                    is_told = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn show(message: &Message, json: bool) -> Result<(), CliError> {
    if json {
        return print_line(&line::of(message)?);
    }
    print_line(&format!(
        "{}  {}  {}  {}  {}  {}",
        message.place.global_position,
        message.time,
        printable(&message.stream),
        message.place.position,
        printable(&message.kind),
        printable(&message.data),
    ))
}
