//! Who asks, and what that one may.
//!
//! A token of a namespace reaches that namespace and no other. Making, deleting and listing namespaces is
//! for administrators: whoever has the token of `default`, or the server's own API token, which stands for
//! `default` here. In test mode nobody is asked for anything.

use std::borrow::Cow;

use annals_events::{Error, Events, Namespace, NewNamespace, Token};
use axum::extract::Query;
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::json;

use super::{call::Call, fault::Fault};
use crate::auth::{ApiToken, BEARER};

/// The namespace that is always there, whose token is an administrator's.
pub(crate) const DEFAULT: &str = "default";

/// Decides who may come in.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) events: Events,
    /// The server's own token.
    pub(crate) api_token: Option<ApiToken>,
    /// Nobody is asked for a token.
    pub(crate) test_mode: bool,
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct Caller {
    home: Home,
    is_admin: bool,
    /// By which the caller came in; nothing for the server's own token, and in test mode.
    token: Option<Token>,
}

/// The caller's namespace.
#[derive(Debug)]
enum Home {
    There(Namespace),
    /// An administrator came in though `default` was deleted.
    Gone,
}

impl Caller {
    /// The namespace that the caller works in.
    pub(crate) fn namespace(&self) -> Result<&Namespace, Fault> {
        match &self.home {
            Home::There(namespace) => Ok(namespace),
            Home::Gone => Err(Fault::from(Error::NamespaceNotFound {
                id: DEFAULT.to_owned(),
            })),
        }
    }

    /// Whether the caller may ask for that.
    pub(crate) fn may(&self, call: &Call) -> Result<(), Fault> {
        let own = match &self.home {
            Home::There(namespace) => Some(namespace.id()),
            Home::Gone => None,
        };
        let what = match call {
            _ if self.is_admin => return Ok(()),
            Call::NsDelete(id) | Call::NsInfo(id) if own == Some(id.as_str()) => return Ok(()),
            Call::NsCreate(_) => "make a namespace",
            Call::NsDelete(_) => "delete another namespace",
            Call::NsList => "list namespaces",
            Call::NsInfo(_) => "ask for another namespace",
            _ => return Ok(()),
        };
        Err(Fault::forbidden(format!(
            "this token reaches its own namespace only: to {what}, send the token of namespace \
             {DEFAULT:?} or the server's API token"
        )))
    }
}

impl Access {
    /// Lets a request in, by its address and headers alone.
    pub(crate) async fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Fault> {
        let presented = presented(uri, headers);
        if let (Ok(text), Some(token)) = (&presented, &self.api_token)
            && token.is(text)
        {
            let home = match self.events.namespace(DEFAULT).await {
                Ok(namespace) => Home::There(namespace),
                Err(Error::NamespaceNotFound { .. }) => Home::Gone,
                Err(error) => return Err(error.into()),
            };
            return Ok(Caller {
                home,
                is_admin: true,
                token: None,
            });
        }
        let token = presented.and_then(|text| {
            Token::parse(&text).map_err(|error| {
                let code = "AUTH_INVALID_TOKEN";
                let fault = Fault::new(StatusCode::UNAUTHORIZED, code, "Invalid token format");
                fault.with_details(&json!({ "error": error.to_string() }))
            })
        });
        if self.test_mode {
            return self.admit_anybody(token.ok()).await;
        }
        let token = token?;
        let id = token.namespace();
        match self.events.namespace(id).await {
            Ok(namespace) if namespace.admits(&token) => Ok(Caller {
                is_admin: id == DEFAULT,
                home: Home::There(namespace),
                token: Some(token),
            }),
            // Whether there is such a namespace is not told to whoever has no token of it.
            Ok(_) | Err(Error::NamespaceNotFound { .. }) => {
                let fault = Fault::forbidden("Unauthorized: this token opens no namespace here");
                Err(fault.with_details(&json!({ "namespace": id })))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Test mode: a namespace that is named and missing is made.
    async fn admit_anybody(&self, token: Option<Token>) -> Result<Caller, Fault> {
        let id = token.as_ref().map_or(DEFAULT, Token::namespace).to_owned();
        let namespace = match self.events.namespace(&id).await {
            Err(Error::NamespaceNotFound { .. }) => {
                let mut new = NewNamespace::new(&id);
                new.token = token;
                match self.events.create_namespace(new).await {
                    // Another request was first.
                    Ok(_) | Err(Error::NamespaceExists { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                self.events.namespace(&id).await?
            }
            found => found?,
        };
        Ok(Caller {
            home: Home::There(namespace),
            is_admin: true,
            token: None,
        })
    }

    /// Whether a caller who came in a while ago would still be let in.
    pub(crate) async fn still_admits(&self, caller: &Caller) -> bool {
        let Home::There(known) = &caller.home else {
            return false;
        };
        match self.events.namespace(known.id()).await {
            Ok(now) => {
                now.schema() == known.schema()
                    && caller.token.as_ref().is_none_or(|token| now.admits(token))
            }
            Err(Error::NamespaceNotFound { .. }) => false,
            // A database that is away is no reason to send anybody away.
            Err(_) => true,
        }
    }
}

/// The token that a request brings: that of its address before that of its head.
fn presented<'a>(uri: &Uri, headers: &'a HeaderMap) -> Result<Cow<'a, str>, Fault> {
    if let Some(token) = parameter(uri, "token").filter(|token| !token.is_empty()) {
        return Ok(Cow::Owned(token));
    }
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| Fault::nobody("Missing token: send Authorization: Bearer TOKEN"))?;
    let text = value
        .to_str()
        .ok()
        .and_then(|value| value.split_at_checked(BEARER.len()))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BEARER))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| Fault::nobody("Authorization must be Bearer TOKEN"))?;
    if text.is_empty() {
        return Err(Fault::nobody("The token after Bearer is empty"));
    }
    Ok(Cow::Borrowed(text))
}

/// A parameter of an address; of several with that name the first.
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    uri.query()?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    pairs
        .into_iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, authorization: Option<&str>) -> Result<String, Fault> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        presented(&uri.parse().unwrap(), &headers).map(Cow::into_owned)
    }

    #[test]
    fn the_token_of_the_address_wins() {
        for (uri, authorization, token) in [
            ("/rpc?token=a", Some("Bearer b"), "a"),
            ("/rpc?x=1&token=a%5Fb", None, "a_b"),
            ("/rpc?token=", Some("Bearer b"), "b"),
            ("/rpc", Some("Bearer b"), "b"),
            ("/rpc", Some("bearer b "), "b"),
        ] {
            assert_eq!(of(uri, authorization).unwrap(), token, "{uri}");
        }
    }

    #[test]
    fn without_a_token_nobody_is_somebody() {
        for authorization in [
            None,
            Some("Bearer "),
            Some("Bearer"),
            Some("Basic x"),
            Some("x"),
        ] {
            let fault = of("/rpc", authorization).unwrap_err();
            assert_eq!(fault.code(), "AUTH_REQUIRED", "{authorization:?}");
            assert_eq!(fault.status(), StatusCode::UNAUTHORIZED);
        }
    }
}
