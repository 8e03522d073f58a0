//! One reload at a time.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::StartError;
use crate::locks::{lock, woken};

/// How long one reload waits for another. If that takes longer, it may be waiting for this one: a
/// processor that is being started has asked for it, on another thread.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose turn it is, and what only that one may change.
#[derive(Default)]
pub(super) struct Turns<T> {
    taken: Mutex<Option<ThreadId>>,
    free: Condvar,
    current: Mutex<T>,
}

/// A turn, until it is dropped.
pub(super) struct Turn<'a, T> {
    turns: &'a Turns<T>,
    current: MutexGuard<'a, T>,
}

impl<T> Turns<T> {
    pub(super) fn new(current: T) -> Self {
        Self {
            taken: Mutex::default(),
            free: Condvar::new(),
            current: Mutex::new(current),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// This thread has one already, and would wait for itself; or another one for too long.
    pub(super) fn take(&self) -> Result<Turn<'_, T>, StartError> {
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
        drop(taken);
        Ok(Turn {
            turns: self,
            current: lock(&self.current),
        })
    }

    /// What the last turn has left.
    #[cfg(feature = "redis")]
    pub(super) fn into_inner(self) -> T {
        woken(self.current.into_inner())
    }
}

impl<T> Deref for Turn<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.current
    }
}

impl<T> DerefMut for Turn<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.current
    }
}

impl<T> Drop for Turn<'_, T> {
    /// The lock is let go of right after this, and nobody has it for longer.
    fn drop(&mut self) {
        *lock(&self.turns.taken) = None;
        self.turns.free.notify_one();
    }
}
