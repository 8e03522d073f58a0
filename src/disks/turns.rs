//! Who may work on one file system, and when.

use std::sync::Arc;

use smol::lock::{Semaphore, SemaphoreGuardArc};

/// Threads that all file systems share for work that blocks and is not done where sockets are
/// served. `smol::unblock` has 500.
const ASIDE: usize = 400;

/// The turns on one file system.
#[derive(Debug)]
pub(super) struct Turns {
    deliveries: Arc<Semaphore>,
    aside: Arc<Semaphore>,
}

/// The right to work on a file system, as long as it is kept.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "it counts as long as it lives")] SemaphoreGuardArc);

impl Turns {
    /// So many deliveries, and one of `shares` of the threads for other work.
    pub(super) fn new(deliveries: usize, shares: usize) -> Self {
        Self {
            deliveries: Arc::new(Semaphore::new(deliveries)),
            aside: Arc::new(Semaphore::new((ASIDE / shares.max(1)).max(1))),
        }
    }

    pub(super) async fn delivery(&self) -> Turn {
        Turn(self.deliveries.acquire_arc().await)
    }

    pub(super) async fn aside(&self) -> Turn {
        Turn(self.aside.acquire_arc().await)
    }
}
