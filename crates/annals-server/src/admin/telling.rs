//! What takes long is told as it goes: a line of JSON for each step, and one at the end.
//!
//! An operation runs in a task of its own, so that a step that is under way is finished though nobody listens
//! any more; the one behind it is not begun then. It ends so, too, when the server is told to stop.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    api::problem::{self, Problem},
    server::Stop,
};

/// How long the answer's head waits for the first step. What is refused is refused within this by its
/// status; later than that, clients should see that something is going on.
const FIRST: Duration = Duration::from_secs(2);

/// What is sent.
pub(super) const LINES: &str = "application/x-ndjson";

/// Operations that are under way.
pub(super) struct Operations {
    stop: watch::Receiver<Stop>,
    running: Mutex<JoinSet<()>>,
}

/// Tells what an operation has done.
pub(super) struct Teller {
    // Not bounded: steps are few, each is work of the database, and whoever reads slowly holds nothing up.
    sender: mpsc::UnboundedSender<Said>,
    stop: watch::Receiver<Stop>,
    is_over: Arc<AtomicBool>,
}

enum Said {
    Line(Bytes),
    Failed(Problem),
}

impl Teller {
    /// Tells of a step that is done.
    pub(super) fn tell(&self, step: &impl Serialize) {
        let is_alone = self.sender.send(Said::Line(line(step))).is_err();
        if is_alone || *self.stop.borrow() != Stop::No {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }
}

impl Operations {
    pub(super) fn new(stop: watch::Receiver<Stop>) -> Self {
        Self {
            stop,
            running: Mutex::default(),
        }
    }

    /// Ends all of them; a step in the middle is rolled back.
    pub(super) fn end(&self) {
        self.lock().abort_all();
    }

    /// Begins an operation, and answers with what it tells. What is refused before the first step is
    /// answered with its status.
    pub(super) async fn run<T, Operation>(
        &self,
        what: &'static str,
        table: String,
        begin: impl FnOnce(Teller) -> Operation,
    ) -> Response
    where
        T: Serialize,
        Operation: Future<Output = Result<T, annals_store::Error>> + Send + 'static,
    {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let operation = begin(Teller {
            sender: sender.clone(),
            stop: self.stop.clone(),
            is_over: Arc::clone(&is_over),
        });
        let running = async move {
            tracing::info!(table, "begun: {what}");
            let mut operation = pin!(operation);
            let ended = poll_fn(|context| match operation.as_mut().poll(context) {
                // It waits for what comes behind the step that was told.
                Poll::Pending if is_over.load(Ordering::Relaxed) => Poll::Ready(None),
                polled => polled.map(Some),
            });
            let last = match ended.await {
                Some(Ok(totals)) => {
                    let totals = line(&totals);
                    let told = String::from_utf8_lossy(&totals);
                    tracing::info!(table, done = told.trim_end(), "ended: {what}");
                    Said::Line(totals)
                }
                Some(Err(error)) => {
                    tracing::warn!(table, error = error.report(), "ended: {what}");
                    Said::Failed(problem_of(error, &table))
                }
                None => {
                    tracing::info!(table, "not gone on with: {what}");
                    Said::Failed(Problem::new(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "this server stops: what was told is done, ask another one for the rest",
                    ))
                }
            };
            let _ = sender.send(last);
        };
        {
            let mut all = self.lock();
            while all.try_join_next().is_some() {}
            all.spawn(running);
        }
        let first = match tokio::time::timeout(FIRST, receiver.recv()).await {
            Ok(Some(Said::Failed(problem))) => return problem.into_response(),
            Ok(Some(said)) => Some(said),
            Ok(None) => return problem::internal().into_response(),
            Err(_) => None,
        };
        let rest = stream::unfold(receiver, |mut receiver| async {
            Some((receiver.recv().await?, receiver))
        });
        let lines = stream::iter(first).chain(rest);
        let mut response = Response::new(Body::from_stream(
            lines.map(|said| Ok::<_, Infallible>(said.into_line())),
        ));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    fn into_line(self) -> Bytes {
        match self {
            Self::Line(line) => line,
            Self::Failed(problem) => line(&json!({
                "error": problem.message(),
                "status": problem.status().as_u16(),
            })),
        }
    }
}

fn problem_of(error: annals_store::Error, table: &str) -> Problem {
    // insufficient_privilege
    if error.code().as_deref() == Some("42501") {
        return Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "the database's user may not do this to {table}: connect as the table's owner, or have it granted"
            ),
        );
    }
    error.into()
}

fn line(told: &impl Serialize) -> Bytes {
    // What is told are texts and numbers, which always become JSON.
    let mut line = serde_json::to_vec(told).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::oneshot;

    use super::*;

    fn operations() -> (watch::Sender<Stop>, Operations) {
        let (stop, told) = watch::channel(Stop::No);
        (stop, Operations::new(told))
    }

    async fn text(response: Response) -> String {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn steps_come_as_they_are_done_and_the_totals_last() {
        let (_stop, operations) = operations();
        let response = operations.run("test", "t".into(), |teller| async move {
            teller.tell(&1);
            teller.tell(&2);
            Ok(json!({ "done": true }))
        });
        let response = response.await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], LINES);
        assert_eq!(text(response).await, "1\n2\n{\"done\":true}\n");
    }

    #[tokio::test]
    async fn what_fails_first_has_a_status_and_what_fails_later_a_line() {
        let failure = || annals_store::Error::TableMissing { table: "x".into() };
        let (_stop, operations) = operations();
        let first = operations.run(
            "test",
            "t".into(),
            |_| async move { Err::<(), _>(failure()) },
        );
        assert_eq!(first.await.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let later = operations.run("test", "t".into(), |teller| async move {
            teller.tell(&1);
            Err::<(), _>(failure())
        });
        let told = text(later.await).await;
        assert!(told.starts_with("1\n{\"error\":\""), "{told}");
        assert!(told.ends_with("\"status\":500}\n"), "{told}");
    }

    /// Two steps with a wait between and inside each, that says how far it came when it is dropped.
    async fn two_steps(
        teller: Teller,
        go_on: oneshot::Receiver<()>,
        mut far: watch::Sender<&'static str>,
    ) -> Result<(), annals_store::Error> {
        struct Tells<'a>(&'a mut watch::Sender<&'static str>);
        impl Drop for Tells<'_> {
            fn drop(&mut self) {
                let far = *self.0.borrow();
                self.0
                    .send_replace(if far == "one" { "one only" } else { far });
            }
        }
        let tells = Tells(&mut far);
        let _ = go_on.await;
        tells.0.send_replace("one");
        teller.tell(&1);
        tokio::task::yield_now().await;
        tells.0.send_replace("two");
        teller.tell(&2);
        Ok(())
    }

    #[tokio::test]
    async fn who_hangs_up_stops_it_behind_the_step_that_is_under_way() {
        let (_stop, operations) = operations();
        let (go, go_on) = oneshot::channel();
        let (far, mut came) = watch::channel("");
        {
            let mut asked = pin!(operations.run("test", "t".into(), |teller| {
                two_steps(teller, go_on, far)
            }));
            let early = tokio::time::timeout(Duration::from_millis(50), &mut asked).await;
            assert!(early.is_err());
        }
        go.send(()).unwrap();
        let came = came.wait_for(|far| *far == "one only" || *far == "two");
        assert_eq!(*came.await.unwrap(), "one only");
    }

    #[tokio::test]
    async fn a_server_that_stops_says_so_behind_the_step_that_is_under_way() {
        let (stop, operations) = operations();
        let (go, go_on) = oneshot::channel();
        let (far, _came) = watch::channel("");
        stop.send(Stop::Drain).unwrap();
        go.send(()).unwrap();
        let response = operations.run("test", "t".into(), |teller| two_steps(teller, go_on, far));
        let told = text(response.await).await;
        assert!(
            told.starts_with("1\n{\"error\":\"this server stops"),
            "{told}"
        );
    }
}
