//! What a log has before it, for people and figures.

use super::Journal;
use crate::locks::lock;

/// How an open log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Messages in it that are not in their Maildirs yet.
    pub waiting: usize,
    /// Why nothing is written to it any more, if that is so.
    pub failed: Option<String>,
}

impl Journal {
    pub(in super::super) fn backlog(&self) -> Backlog {
        Backlog {
            waiting: lock(&self.shared.desk).kept(),
            failed: self.shared.failed.get().map(ToString::to_string),
        }
    }
}
