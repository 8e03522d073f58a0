//! Who may work on one file system, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use smol::lock::{Semaphore, SemaphoreGuardArc};

/// Threads that all file systems share for work that blocks and is not done where sockets are
/// served. `smol::unblock` has 500.
const ASIDE: usize = 400;

/// The turns on one file system.
#[derive(Debug)]
pub(super) struct Turns {
    deliveries: Arc<Semaphore>,
    aside: Arc<Semaphore>,
    most: usize,
    under_way: Arc<AtomicUsize>,
}

/// The right to work on a file system, as long as it is kept.
#[derive(Debug)]
#[expect(dead_code, reason = "it counts as long as it lives")]
pub struct Turn(SemaphoreGuardArc, Option<UnderWay>);

/// One of the deliveries under way.
#[derive(Debug)]
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// So many deliveries, and one of `shares` of the threads for other work.
    pub(super) fn new(deliveries: usize, shares: usize) -> Self {
        Self {
            deliveries: Arc::new(Semaphore::new(deliveries)),
            aside: Arc::new(Semaphore::new((ASIDE / shares.max(1)).max(1))),
            most: deliveries,
            under_way: Arc::default(),
        }
    }

    pub(super) async fn delivery(&self) -> Turn {
        let turn = self.deliveries.acquire_arc().await;
        Turn(turn, Some(UnderWay::begin(&self.under_way)))
    }

    pub(super) async fn aside(&self) -> Turn {
        Turn(self.aside.acquire_arc().await, None)
    }

    /// How many deliveries there are now, and how many there may be.
    pub(super) fn deliveries(&self) -> (usize, usize) {
        (self.under_way.load(Ordering::Relaxed), self.most)
    }
}
