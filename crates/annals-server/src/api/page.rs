//! Pages of a listing: where the next one begins is told in headers.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, Uri, header};
use serde::Serialize;

/// Where a listing goes on.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("annals-next-cursor");

/// Rows as a bare array, and where the next ones are: the same question with another cursor.
pub(crate) fn page<T: Serialize>(rows: &[T], asked: &Uri, next: Option<String>) -> Response {
    let mut response = Json(rows).into_response();
    if let Some(next) = next {
        let link = format!("<{}>; rel=\"next\"", next_link(asked, &next));
        let headers = response.headers_mut();
        for (name, value) in [(NEXT_CURSOR, next), (header::LINK, link)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
    response
}

fn next_link(asked: &Uri, cursor: &str) -> String {
    let others = asked.query().unwrap_or_default().split('&');
    let kept = others.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
    pairs.push(format!("cursor={cursor}"));
    format!("{}?{}", asked.path(), pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_asks_the_same_with_another_cursor() {
        let next = |asked: &str| next_link(&asked.parse().unwrap(), "b");
        assert_eq!(next("/spans"), "/spans?cursor=b");
        assert_eq!(
            next("/spans?model=gpt-4&cursor=a&limit=2"),
            "/spans?model=gpt-4&limit=2&cursor=b"
        );
        assert_eq!(next("/bars/BRK%2FB"), "/bars/BRK%2FB?cursor=b");
    }
}
