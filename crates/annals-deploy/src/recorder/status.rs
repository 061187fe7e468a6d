//! What children say about whatever contains them.

use crate::Status;

const ALL: [Status; 6] = [
    Status::Running,
    Status::Completed,
    Status::Failed,
    Status::Skipped,
    Status::Unset,
    Status::Aborted,
];

/// How many children there are of each status; those that run say nothing yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally([u32; ALL.len()]);

impl Tally {
    pub(super) fn add(&mut self, status: Status) {
        if let Some(count) = self.count(status) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn remove(&mut self, status: Status) {
        if let Some(count) = self.count(status) {
            *count = count.saturating_sub(1);
        }
    }

    /// The status of the worst, if any says something.
    pub(super) fn worst(&self) -> Option<Status> {
        let said = ALL.into_iter().zip(self.0);
        said.filter(|(_, count)| *count > 0)
            .map(|(status, _)| status)
            .reduce(Status::worse)
    }

    fn count(&mut self, status: Status) -> Option<&mut u32> {
        let place = ALL.iter().position(|one| *one == status)?;
        self.0.get_mut(place).filter(|_| status != Status::Running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_child_speaks_and_those_that_run_are_silent() {
        let mut children = Tally::default();
        children.add(Status::Running);
        assert_eq!(children.worst(), None);
        children.add(Status::Unset);
        assert_eq!(children.worst(), Some(Status::Unset));
        for status in [
            Status::Skipped,
            Status::Completed,
            Status::Aborted,
            Status::Failed,
        ] {
            children.add(status);
            assert_eq!(children.worst(), Some(status));
        }
        children.remove(Status::Failed);
        assert_eq!(children.worst(), Some(Status::Aborted));
    }
}
