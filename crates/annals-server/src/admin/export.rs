//! A chunk as CSV.
//!
//! How many rows it has, and their hash, are known at its end. They come behind the body, as trailers: a line
//! more would make it something else than CSV. An export that breaks off has no end either, so nobody takes
//! half of a chunk for the whole.

use std::{io, sync::Arc, time::Duration};

use annals_store::{Error, lifecycle::Exported};
use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;

use super::{
    Shared,
    pipe::{Piece, Reader, pipe},
};
use crate::api::{
    parameters::PathTexts,
    problem::{self, Problem},
};

const ROWS: HeaderName = HeaderName::from_static("annals-rows");
const SHA256: HeaderName = HeaderName::from_static("annals-sha256");

/// How long a client may take nothing, while the database keeps a snapshot for it.
const PATIENCE: Duration = Duration::from_secs(60);

type End = Result<Exported, Error>;

/// The rows of a chunk as CSV with a head, from one snapshot, in the order of time and key: times in UTC, JSON
/// as text, bytes as \x and hexadecimal digits.
///
/// Behind the body come, as HTTP trailers, `Annals-Rows`, the number of rows without the head, and
/// `Annals-Sha256`, the SHA-256 of the body in hexadecimal, which is what `sha256sum` says of the file. By
/// HTTP/1.1 they are sent to whoever asks with `TE: trailers`. A body that is cut off is not ended.
#[utoipa::path(
    get,
    path = "/admin/tables/{label}/chunks/{chunk}/export",
    tag = "admin",
    params(
        ("label" = String, Path, description = "The table: spans, bars_1m, events:orders"),
        ("chunk" = String, Path, description = "The chunk's name")
    ),
    responses(
        (status = 200, body = String, content_type = "text/csv"),
        (status = 404, body = Problem),
        (status = 429, body = Problem, description = "Other chunks are being taken along; come again after Retry-After"),
        (status = 501, body = Problem, description = "This database has no chunks")
    )
)]
pub(super) async fn export(
    State(admin): Shared,
    PathTexts(label, chunk): PathTexts,
) -> Result<Response, Problem> {
    let life = admin.life(&label).await?;
    let leave = Arc::clone(&admin.exports).try_acquire_owned();
    let leave = leave.map_err(|_| {
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "as many chunks are being taken along as may be at once; come again in 1 s",
        )
    })?;
    let (mut writer, mut reader) = pipe::<End>(PATIENCE);
    let runtime = tokio::runtime::Handle::current();
    let name = file_name(&chunk);
    // The kernel writes as to a file. A thread may wait for the client, a task may not.
    tokio::task::spawn_blocking(move || {
        let left = writer.left();
        let exported = runtime.block_on(async {
            tokio::select! {
                exported = life.export_chunk(&chunk, &mut writer) => Some(exported),
                () = left.wait() => None,
            }
        });
        if let Some(Err(error)) = &exported {
            let error = error.report();
            tracing::warn!(table = life.table().label(), chunk, error, "not exported");
        }
        if let Some(exported) = exported {
            writer.end(exported);
        }
        drop(leave);
    });
    let first = match reader.next().await {
        Some(Piece::End(Err(error))) => return Err(error.into()),
        Some(first) => first,
        None => return Err(problem::internal()),
    };
    let frames = stream::unfold(Sending::Next(first, reader), Sending::frame);
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::TRAILER, "annals-rows, annals-sha256"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// A chunk's name as a file may be called.
fn file_name(chunk: &str) -> String {
    let safe = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => letter,
        _ => '_',
    };
    chunk.chars().map(safe).collect()
}

/// What of an export is to be sent.
enum Sending {
    Next(Piece<End>, Reader<End>),
    Rest(Reader<End>),
    Over,
}

impl Sending {
    async fn frame(self) -> Option<(io::Result<Frame<Bytes>>, Self)> {
        let (piece, reader) = match self {
            Self::Next(piece, reader) => (Some(piece), reader),
            Self::Rest(mut reader) => (reader.next().await, reader),
            Self::Over => return None,
        };
        Some(match piece {
            Some(Piece::Bytes(bytes)) => (Ok(Frame::data(bytes)), Self::Rest(reader)),
            Some(Piece::End(Ok(exported))) => {
                (Ok(Frame::trailers(trailers(&exported))), Self::Over)
            }
            // The connection is closed on it, which is how the client knows.
            Some(Piece::End(Err(_))) | None => (
                Err(io::Error::other("the export did not come to its end")),
                Self::Over,
            ),
        })
    }
}

fn trailers(exported: &Exported) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(ROWS, HeaderValue::from(exported.rows));
    if let Ok(hash) = HeaderValue::try_from(exported.sha256.as_str()) {
        trailers.insert(SHA256, hash);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_what_any_system_takes() {
        assert_eq!(file_name("_hyper_1_2_chunk"), "_hyper_1_2_chunk");
        assert_eq!(file_name("../a\"b\r\nc"), "___a_b__c");
    }
}
