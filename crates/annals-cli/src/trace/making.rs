//! `annals trace token`.

use annals_deploy::{Claims, TokenError, WorkspaceId};
use annals_record::Timestamp;
use annals_server::config::DeploymentsConfig;

use super::{command::TokenArgs, duration, error::TraceError};
use crate::{
    command::DatabaseArgs,
    database::sources,
    error::CliError,
    output::{print_json, print_line},
    workspaces::named,
};

pub(super) fn run(database: &DatabaseArgs, args: &TokenArgs, json: bool) -> Result<(), CliError> {
    let workspace: WorkspaceId =
        named(args.workspace.as_deref())?.ok_or(TraceError::NoWorkspace)?;
    for (flag, text) in [("trace", &args.trace), ("span", &args.span)] {
        if text.trim().is_empty() {
            return Err(TraceError::NoId { flag }.into());
        }
    }
    let life = duration("life", &args.life)?;
    if life.is_zero() {
        return Err(TraceError::NoLife.into());
    }
    let config = DeploymentsConfig::from_sources(&sources(database)?)?;
    let keys = config.tokens.ok_or(TokenError::NoSecret);
    let keys = keys.map_err(annals_deploy::Error::Token)?;
    let claims = Claims::lasting(
        &args.trace,
        &args.span,
        &args.job,
        workspace,
        life,
        Timestamp::now(),
    );
    let token = keys.sign(&claims);
    if json {
        return print_json(&serde_json::json!({
            "token": token.as_str(), "expires_at": claims.expires_at.to_string(),
        }));
    }
    print_line(token.as_str())
}
