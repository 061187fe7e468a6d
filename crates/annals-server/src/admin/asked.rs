//! What a request asks for.

use annals_store::{Error, Interval};
use axum::extract::Request;
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::Admin;
use crate::api::{object::object, problem::Problem};

/// The JSON object of a request as a `T`, which should deny unknown fields.
pub(super) async fn body<T: DeserializeOwned>(
    admin: &Admin,
    request: Request,
) -> Result<T, Problem> {
    object(&admin.roads.gate, request, "{\"older_than\": \"90 days\"}").await
}

/// An age that must be there.
pub(super) fn age(name: &str, value: Option<&str>) -> Result<Interval, Problem> {
    let Some(text) = value else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!(
                "{name} is missing, and nothing was done: say from which age on, such as {{\"{name}\": \"90 days\"}}"
            ),
        ));
    };
    text.parse()
        .map_err(|error| Problem::from(Error::from(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_that_is_missing_or_wrong_is_named() {
        let missing = age("older_than", None).unwrap_err();
        assert!(missing.message().contains("older_than"), "{missing:?}");
        let wrong = age("older_than", Some("soon")).unwrap_err();
        assert!(wrong.message().contains("soon"), "{wrong:?}");
        assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    }
}
