//! One group, however often that has to be tried.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use annals_store::{Access, Dialect, Error as StoreError, Names, Store};

use super::{
    group::{Committed, Failure, Group},
    memory::Memory,
    plan::Request,
    postgres, sqlite,
};
use crate::{Error, namespace, subscribe::Tail};

/// The first and the longest pause before a group is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Where a sequencer writes, and whom it tells.
pub(crate) struct Seat {
    pub(crate) store: Store,
    pub(crate) names: Names,
    /// The namespace's id, for errors.
    pub(crate) id: String,
    pub(crate) tail: Tail,
    /// How long a group is tried before its callers are told that nobody knows.
    pub(crate) patience: Duration,
}

impl Seat {
    /// Commits a group with nothing in flight before it, and answers.
    pub(super) async fn commit(&self, memory: &mut Memory, group: Group) {
        let failure = match self.persist(memory, &group.requests).await {
            Ok(committed) => return self.answer(group, committed),
            Err(failure) => failure,
        };
        match failure {
            Failure::Unknown(source) => {
                for answer in group.answers {
                    answer.give(Err(Failure::Unknown(Arc::clone(&source)).into()));
                }
            }
            // One that cannot be stored must not take the others along.
            Failure::Refused(error) => {
                let mut error = Some(error).filter(|_| group.requests.len() == 1);
                for (request, answer) in group.requests.iter().zip(group.answers) {
                    answer.give(match error.take() {
                        Some(error) => Err(error),
                        None => self.commit_alone(memory, request.clone()).await,
                    });
                }
            }
        }
    }

    /// Tells everybody what was committed.
    pub(super) fn answer(&self, group: Group, committed: Committed) {
        self.tail.committed(committed.pokes);
        for (answer, verdict) in group.answers.into_iter().zip(committed.verdicts) {
            answer.give(verdict.into_answer());
        }
    }

    async fn commit_alone(
        &self,
        memory: &mut Memory,
        request: Request,
    ) -> Result<Vec<crate::Place>, Error> {
        let mut committed = self.persist(memory, &Arc::from([request])).await?;
        self.tail.committed(committed.pokes);
        let verdict = committed.verdicts.pop();
        verdict.map_or(Ok(Vec::new()), super::plan::Verdict::into_answer)
    }

    /// Messages have ids, so what an earlier try has written is found by the next.
    async fn persist(
        &self,
        memory: &mut Memory,
        group: &Arc<[Request]>,
    ) -> Result<Committed, Failure> {
        let give_up = Instant::now() + self.patience;
        let (mut pause, longest) = PAUSES;
        loop {
            let tried = match self.names.dialect() {
                Dialect::Sqlite => {
                    let take = sqlite::Take {
                        names: self.names.clone(),
                        group: Arc::clone(group),
                    };
                    self.store.run(Access::Write, take).await
                }
                _ => postgres::append(&self.store, &self.names, memory, group).await,
            };
            let error = match tried {
                Ok(committed) => return Ok(committed),
                Err(Error::Store(error)) => error,
                Err(error) => return Err(Failure::Refused(error)),
            };
            *memory = Memory::default();
            if !error.is_transient() {
                return Err(Failure::Refused(self.explain(error).await));
            }
            if Instant::now() + pause >= give_up {
                return Err(Failure::Unknown(Arc::new(error)));
            }
            tracing::warn!(
                namespace = self.id,
                error = error.report(),
                "appending again"
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// A table that is gone means a namespace that was deleted.
    async fn explain(&self, error: StoreError) -> Error {
        match namespace::find(&self.store, &self.id).await {
            Ok(None) => Error::NamespaceNotFound {
                id: self.id.clone(),
            },
            _ => Error::Store(error),
        }
    }
}
