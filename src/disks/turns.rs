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
    deliveries: Arc<Pool>,
    aside: Arc<Pool>,
}

/// Turns of one kind, whose number can be changed.
#[derive(Debug)]
struct Pool {
    semaphore: Arc<Semaphore>,
    size: AtomicUsize,
    /// How many of those that are taken are not to come back.
    surplus: AtomicUsize,
    taken: AtomicUsize,
}

/// The right to work on a file system, as long as it is kept.
#[derive(Debug)]
pub struct Turn {
    guard: Option<SemaphoreGuardArc>,
    pool: Arc<Pool>,
}

impl Turns {
    /// So many deliveries, and one of `shares` of the threads for other work.
    pub(super) fn new(deliveries: usize, shares: usize) -> Self {
        Self {
            deliveries: Pool::new(deliveries),
            aside: Pool::new(aside(shares)),
        }
    }

    /// The same from now on. Who works keeps the turn; where there are too many, they count until
    /// they end.
    pub(super) fn resize(&self, deliveries: usize, shares: usize) {
        self.deliveries.resize(deliveries);
        self.aside.resize(aside(shares));
    }

    pub(super) async fn delivery(&self) -> Turn {
        self.deliveries.turn().await
    }

    pub(super) async fn aside(&self) -> Turn {
        self.aside.turn().await
    }

    /// How many deliveries have their turn, and how many may.
    pub(super) fn deliveries(&self) -> (usize, usize) {
        let Pool { taken, size, .. } = &*self.deliveries;
        (taken.load(Ordering::Relaxed), size.load(Ordering::Relaxed))
    }
}

fn aside(shares: usize) -> usize {
    (ASIDE / shares.max(1)).max(1)
}

impl Pool {
    fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            semaphore: Arc::new(Semaphore::new(size)),
            size: AtomicUsize::new(size),
            surplus: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
        })
    }

    async fn turn(self: &Arc<Self>) -> Turn {
        let guard = Some(self.semaphore.acquire_arc().await);
        self.taken.fetch_add(1, Ordering::Relaxed);
        let pool = Arc::clone(self);
        Turn { guard, pool }
    }

    /// To be called by one at a time.
    fn resize(&self, size: usize) {
        let before = self.size.swap(size, Ordering::AcqRel);
        for _ in before..size {
            if !self.takes_one_off() {
                self.semaphore.add_permits(1);
            }
        }
        for _ in size..before {
            match self.semaphore.try_acquire_arc() {
                Some(free) => free.forget(),
                None => drop(self.surplus.fetch_add(1, Ordering::AcqRel)),
            }
        }
    }

    /// Whether there was one too many.
    fn takes_one_off(&self) -> bool {
        let less = |surplus: usize| surplus.checked_sub(1);
        self.surplus
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less)
            .is_ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pool.taken.fetch_sub(1, Ordering::Relaxed);
        if let Some(guard) = self.guard.take()
            && self.pool.takes_one_off()
        {
            guard.forget();
        }
    }
}
