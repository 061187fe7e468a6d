//! What every listing of deployment traces takes and answers.

use annals_deploy::{Asked, Page};
use axum::response::Response;
use http::{HeaderName, HeaderValue, Uri};
use serde::Serialize;

use crate::api::{
    page::page,
    parameters::{count, time},
    problem::Problem,
};

/// What was looked through.
const WINDOW: HeaderName = HeaderName::from_static("annals-window");

/// Rows of a page at most.
const MOST: u64 = 1_000;

/// What was asked for, in the words of parameters.
#[derive(Default)]
pub(super) struct Words {
    pub(super) since: Option<String>,
    pub(super) until: Option<String>,
    pub(super) limit: Option<String>,
    pub(super) cursor: Option<String>,
}

impl Words {
    pub(super) fn asked(self) -> Result<Asked, Problem> {
        let limit = count("limit", self.limit.as_deref(), 100, (1, MOST))?;
        Ok(Asked {
            since: time("since", self.since.as_deref())?,
            until: time("until", self.until.as_deref())?,
            limit: u32::try_from(limit).ok(),
            after: self.cursor,
        })
    }
}

/// Rows as a bare array; where the next ones are and what was looked through stands in headers.
pub(super) fn answer<T, J: Serialize>(found: Page<T>, asked: &Uri, show: fn(T) -> J) -> Response {
    let rows: Vec<J> = found.rows.into_iter().map(show).collect();
    let mut response = page(&rows, asked, found.next);
    let window = format!("{}/{}", found.since, found.until);
    if let Ok(window) = HeaderValue::from_str(&window) {
        response.headers_mut().insert(WINDOW, window);
    }
    response
}

#[cfg(test)]
mod tests {
    use annals_record::Timestamp;

    use super::*;

    #[test]
    fn a_page_tells_its_window_and_where_the_next_one_begins() {
        let found = Page {
            rows: vec![1, 2],
            next: Some("abc".to_owned()),
            since: Timestamp::from_unix_nanos(0),
            until: Timestamp::from_unix_nanos(1),
        };
        let asked: Uri = "/workspaces/x/spans?limit=2&cursor=old".parse().unwrap();
        let response = answer(found, &asked, |row| row);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(
            header("annals-window"),
            "1970-01-01T00:00:00Z/1970-01-01T00:00:00.000000001Z"
        );
        assert_eq!(header("annals-next-cursor"), "abc");
        assert_eq!(
            header("link"),
            "</workspaces/x/spans?limit=2&cursor=abc>; rel=\"next\""
        );
    }

    #[test]
    fn what_is_asked_for_wrongly_is_named() {
        for (name, words) in [
            (
                "limit",
                Words {
                    limit: Some("0".to_owned()),
                    ..Words::default()
                },
            ),
            (
                "limit",
                Words {
                    limit: Some("1001".to_owned()),
                    ..Words::default()
                },
            ),
            (
                "since",
                Words {
                    since: Some("yesterday".to_owned()),
                    ..Words::default()
                },
            ),
            (
                "until",
                Words {
                    until: Some("x".to_owned()),
                    ..Words::default()
                },
            ),
        ] {
            let problem = words.asked().unwrap_err();
            assert!(problem.message().starts_with(name), "{problem:?}");
        }
    }
}
