//! One reload at a time.

use std::sync::{Condvar, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::StartError;
use crate::locks::{lock, woken};

/// How long one reload waits for another. If that takes longer, it may be waiting for this one: a
/// processor that is being started has asked for it, on another thread.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<Option<ThreadId>>,
    free: Condvar,
}

/// A turn, until it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// This thread has one already, and would wait for itself; or another one for too long.
    pub(super) fn take(&self) -> Result<Turn<'_>, StartError> {
        let own = thread::current().id();
        let taken = lock(&self.taken);
        if *taken == Some(own) {
            return Err(StartError::Within);
        }
        let is_taken = |taken: &mut Option<_>| taken.is_some();
        let waited = self.free.wait_timeout_while(taken, PATIENCE, is_taken);
        let (mut taken, _) = woken(waited);
        if taken.is_some() {
            return Err(StartError::Busy);
        }
        *taken = Some(own);
        Ok(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.taken) = None;
        self.0.free.notify_one();
    }
}
