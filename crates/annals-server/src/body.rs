//! Bodies from outside: bounded in size and in time.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::Sleep;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(
        "the request is larger than {most} bytes, unpacked (MAX_REQUEST_BYTES); send it in parts"
    )]
    TooLarge { most: usize },
    #[error("the request did not arrive within {} s (READ_TIMEOUT)", .within.as_secs())]
    TooSlow { within: Duration },
    #[error("the request's body cannot be read")]
    Broken(#[source] axum::Error),
    #[error("the request cannot be unpacked")]
    Packed(#[source] std::io::Error),
}

/// The body did not end in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body did not end in time")]
struct Late {
    within: Duration,
}

/// A body that ends in an error unless it ends in time.
struct Hurried {
    body: Body,
    within: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl http_body::Body for Hurried {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            let within = self.within;
            return Poll::Ready(Some(Err(axum::Error::new(Late { within }))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// The same body, which fails when it has not ended `within` a time from now.
pub(crate) fn hurried(body: Body, within: Duration) -> Body {
    Body::new(Hurried {
        body,
        within,
        deadline: Box::pin(tokio::time::sleep(within)),
    })
}

/// The whole of a body of at most `most` bytes.
pub(crate) async fn collect(body: Body, most: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if find::<LengthLimitError>(&*error).is_some() => {
            Err(BodyError::TooLarge { most })
        }
        Err(error) => match find::<Late>(&*error) {
            Some(late) => Err(BodyError::TooSlow {
                within: late.within,
            }),
            None => Err(BodyError::Broken(axum::Error::new(error))),
        },
    }
}

/// The first of an error and its causes that is an `E`.
fn find<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
