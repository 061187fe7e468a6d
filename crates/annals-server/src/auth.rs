//! The one optional token that guards every road to data.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use subtle::ConstantTimeEq as _;

/// Characters that a token must have at least.
const SHORTEST: usize = 16;

/// The token that requests must bring as `Authorization: Bearer TOKEN`. Never shown.
#[derive(Clone)]
pub struct ApiToken(Box<str>);

impl std::fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

impl ApiToken {
    /// A token of at least 16 printable ASCII characters without spaces; `None` for another.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        let fits = token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(token.into()))
    }

    /// Whether a request brings it. Takes as long for a token that is nearly right as for one that
    /// is quite wrong.
    #[must_use]
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes)
            .and_then(|value| value.split_at_checked(BEARER.len()))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BEARER.as_bytes()))
            .map(|(_, token)| token.trim_ascii());
        given.is_some_and(|token| token.ct_eq(self.0.as_bytes()).into())
    }

    /// Whether a text is it.
    pub(crate) fn is(&self, text: &str) -> bool {
        text.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

/// What stands before a token.
pub(crate) const BEARER: &str = "Bearer ";

/// What a request without the right token hears. It does not say whether there was one.
pub(crate) const UNAUTHORIZED: &str =
    "this server wants its API token: send the header Authorization: Bearer TOKEN";

/// How a protocol says no.
pub(crate) type Refuse = fn(StatusCode, &str, &HeaderMap) -> Response;

/// Lets requests pass that bring the token, and answers others in the protocol's own way.
pub(crate) async fn guard(
    State((token, refuse)): State<(Option<ApiToken>, Refuse)>,
    request: Request,
    next: Next,
) -> Response {
    match token {
        Some(token) if !token.is_in(request.headers()) => {
            let mut response = refuse(StatusCode::UNAUTHORIZED, UNAUTHORIZED, request.headers());
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        _ => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn only_the_whole_token_passes() {
        let token = ApiToken::new("correct-horse-battery").unwrap();
        for right in [
            "Bearer correct-horse-battery",
            "bearer correct-horse-battery",
            "Bearer  correct-horse-battery",
        ] {
            assert!(token.is_in(&headers(right)), "{right}");
        }
        for wrong in [
            "Bearer correct-horse-batter",
            "Bearer correct-horse-battery2",
            "Bearer ",
            "Bearer",
            "Basic correct-horse-battery",
            "correct-horse-battery",
        ] {
            assert!(!token.is_in(&headers(wrong)), "{wrong}");
        }
        assert!(!token.is_in(&HeaderMap::new()));
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = ApiToken::new("correct-horse-battery").unwrap();
        assert!(!format!("{token:?}").contains("horse"));
    }

    #[test]
    fn a_token_that_could_be_guessed_or_mistyped_is_none() {
        assert!(ApiToken::new("short").is_none());
        assert!(ApiToken::new("with spaces in between").is_none());
    }
}
