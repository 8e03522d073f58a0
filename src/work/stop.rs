//! The end of a worker, which wakes who pauses.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::locks::{lock, woken};

#[derive(Debug, Default)]
pub(super) struct Stop {
    pulled: Mutex<bool>,
    woken: Condvar,
}

impl Stop {
    pub(super) fn pull(&self) {
        *lock(&self.pulled) = true;
        self.woken.notify_all();
    }

    pub(super) fn is_pulled(&self) -> bool {
        *lock(&self.pulled)
    }

    /// Waits for so long, or until it is pulled.
    pub(super) fn pause(&self, time: Duration) {
        let pulled = lock(&self.pulled);
        if !*pulled {
            drop(woken(self.woken.wait_timeout(pulled, time)));
        }
    }
}
