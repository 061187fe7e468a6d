//! When something that fails is left alone, and for how long.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How much longer than the first a pause becomes at most.
const LONGEST: u32 = 16;

/// Who fails again within this after having been well is trusted for less, and is not told of again.
const CALM: Duration = Duration::from_secs(60);

/// Opens after failures that follow each other; then nobody is to try until it is closed.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    first_pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    failed: u32,
    opened: Option<Instant>,
    closed: Option<Instant>,
    pause: Duration,
    /// When its last failing was told of.
    told: Option<Instant>,
    /// Whether the failing that it is in was.
    is_told: bool,
}

/// What a change is to be answered with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Whether to tell of it: what comes and goes all the time must not fill a log.
    pub(crate) tell: bool,
}

impl Breaker {
    pub(crate) fn new(failures: u32, first_pause: Duration) -> Self {
        Self {
            failures: failures.max(1),
            first_pause,
            state: Mutex::new(State {
                failed: 0,
                opened: None,
                closed: None,
                pause: first_pause,
                told: None,
                is_told: false,
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().opened.is_none()
    }

    /// Whether one may try: it is closed, or has been open for its pause. Each pause gives leave once.
    pub(crate) fn may_try(&self) -> bool {
        let mut state = self.state();
        let Some(opened) = state.opened else {
            return true;
        };
        let is_over = opened.elapsed() >= state.pause;
        if is_over {
            state.opened = Some(Instant::now());
        }
        is_over
    }

    /// How long to wait before the next try.
    pub(crate) fn pause(&self) -> Duration {
        self.state().pause
    }

    /// Notes a failure; tells if this one opened it.
    pub(crate) fn failed(&self) -> Option<Changed> {
        let mut state = self.state();
        if state.opened.is_some() {
            state.pause = self.longer(state.pause);
            return None;
        }
        state.failed = state.failed.saturating_add(1);
        if state.failed < self.failures {
            return None;
        }
        let now = Instant::now();
        let is_again = state
            .closed
            .is_some_and(|closed| now.duration_since(closed) < CALM);
        state.pause = if is_again {
            self.longer(state.pause)
        } else {
            self.first_pause
        };
        state.opened = Some(now);
        state.is_told = state
            .told
            .is_none_or(|told| now.duration_since(told) >= CALM);
        if state.is_told {
            state.told = Some(now);
        }
        Some(Changed {
            tell: state.is_told,
        })
    }

    /// Notes that it went well; tells if this closed it.
    pub(crate) fn succeeded(&self) -> Option<Changed> {
        let mut state = self.state();
        state.failed = 0;
        state.opened.take()?;
        state.closed = Some(Instant::now());
        Some(Changed {
            tell: state.is_told,
        })
    }

    fn longer(&self, pause: Duration) -> Duration {
        (pause * 2).min(self.first_pause * LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_tells_once_of_what_comes_and_goes() {
        let breaker = Breaker::new(3, Duration::from_millis(10));
        assert_eq!(breaker.failed(), None);
        assert_eq!(breaker.failed(), None);
        assert_eq!(breaker.succeeded(), None);
        assert_eq!(breaker.failed(), None);
        assert_eq!(breaker.failed(), None);
        assert_eq!(breaker.failed(), Some(Changed { tell: true }));
        assert!(!breaker.is_closed());
        assert_eq!(breaker.pause(), Duration::from_millis(10));
        assert_eq!(breaker.failed(), None);
        assert_eq!(breaker.pause(), Duration::from_millis(20));
        assert_eq!(breaker.succeeded(), Some(Changed { tell: true }));
        assert!(breaker.is_closed());
        for _ in 0..2 {
            assert_eq!(breaker.failed(), None);
        }
        assert_eq!(breaker.failed(), Some(Changed { tell: false }));
        assert_eq!(breaker.pause(), Duration::from_millis(40));
        assert_eq!(breaker.succeeded(), Some(Changed { tell: false }));
    }

    #[test]
    fn leave_to_try_is_given_once_in_each_pause() {
        let breaker = Breaker::new(1, Duration::ZERO);
        assert!(breaker.may_try());
        breaker.failed();
        assert!(breaker.may_try());
        let breaker = Breaker::new(1, Duration::from_secs(3600));
        breaker.failed();
        assert!(!breaker.may_try());
    }
}
