//! What has to be there before the first request: the namespace `default`, and a token that opens it.

use annals_events::{Error as EventsError, Events, NewNamespace, Token};

use super::access::DEFAULT;
use crate::{Error, Result, config::EventsConfig};

/// Tells the token of a new `default`, which nobody can read later.
pub(crate) type Tell = Box<dyn FnOnce(&Token) + Send>;

/// Makes `default` where it is not there, and refuses a token that would not open it.
///
/// Without a token, one is made if there is somebody to tell it to; in test mode it is made anyway, since
/// nobody is asked for it.
pub(crate) async fn ensure_default(
    events: &Events,
    config: &EventsConfig,
    tell: Option<Tell>,
) -> Result<()> {
    if config.test_mode {
        tracing::warn!(
            "TEST MODE: event store requests are not asked for a token, and whoever reaches this server \
             may read, write and delete every namespace of this database"
        );
    }
    // Twice, for two servers that start on a new database at once.
    for _ in 0..2 {
        match events.namespace(DEFAULT).await {
            Ok(namespace) => {
                let given = config.token.as_ref();
                // In test mode it opens the namespace without being the right one. It is not stored then:
                // a test's token, which everybody knows, must never open this database later.
                return match given.filter(|token| !namespace.admits(token)) {
                    Some(_) if !config.test_mode => Err(Error::DefaultToken),
                    _ => Ok(()),
                };
            }
            Err(EventsError::NamespaceNotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if config.token.is_none() && tell.is_none() && !config.test_mode {
            tracing::warn!(
                "there is no namespace {DEFAULT:?} yet: set EVENTODB_TOKEN, and the next start makes it"
            );
            return Ok(());
        }
        let mut new = NewNamespace::new(DEFAULT).with_description("Default namespace");
        new.token = config.token.clone();
        match events.create_namespace(new).await {
            Ok((_, token)) => {
                if let Some(tell) = tell.filter(|_| config.token.is_none()) {
                    tell(&token);
                }
                return Ok(());
            }
            Err(EventsError::NamespaceExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
