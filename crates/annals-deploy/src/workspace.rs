//! Whose traces are together: ids of workspaces, and their making and deletion.

use std::{fmt, str::FromStr};

use annals_record::Uuid;

use crate::Error;

/// The id of a workspace: a UUID, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkspaceId(Uuid);

impl WorkspaceId {
    /// The UUID.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for WorkspaceId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for WorkspaceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Hyphens as people write them: a UUID has other forms too, and an id should have one.
        let parsed = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
        parsed.map(Self).ok_or_else(|| Error::NoWorkspaceId {
            text: text.chars().take(64).collect(),
        })
    }
}

/// What becomes of spans of a workspace that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkspacePolicy {
    /// The workspace is made.
    #[default]
    OnFirstUse,
    /// They are refused: workspaces are made by name.
    MustExist,
}
