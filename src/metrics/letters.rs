//! How much waits in the spool, counted in its folders: who waits there need not have a worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::Timer;
use smol::future::or;

use super::Sources;
use crate::locks::lock;
use crate::spool::{Census, DeadLetters, Queue};

/// How long an answer waits for a spool on a disk that is slow or hangs.
const PATIENCE: Duration = Duration::from_secs(1);
/// Counting takes one part of so many of the time, at most, however often it is asked for.
const SHARE: u32 = 20;

/// What waits, as it was when it was last looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// By the name of the queue; without those that cannot be read.
    pub(super) queues: Vec<(String, Census)>,
    /// Dead letters of all queues.
    pub(super) dead: Option<u64>,
}

/// Counts letters, and remembers what it has counted.
#[derive(Debug, Default)]
pub(super) struct Letters(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_counting: AtomicBool,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    waiting: Waiting,
    /// From when on it is old.
    until: Option<Instant>,
}

impl Letters {
    /// What waits now, or what did a moment ago.
    pub(super) async fn count(&self, sources: &Arc<Sources>) -> Waiting {
        if self.0.is_old() && !self.0.is_counting.swap(true, Ordering::AcqRel) {
            let (shared, sources) = (Arc::clone(&self.0), Arc::clone(sources));
            let (done, is_done) = smol::channel::bounded::<()>(1);
            let count = move || {
                shared.recount(&sources);
                drop(done);
            };
            // It goes on when nobody waits for it any more.
            smol::unblock(count).detach();
            let late = async {
                Timer::after(PATIENCE).await;
            };
            let counted = async {
                // Nothing is sent: the end closes the channel.
                let _ = is_done.recv().await;
            };
            or(counted, late).await;
        }
        lock(&self.0.last).waiting.clone()
    }
}

impl Shared {
    fn is_old(&self) -> bool {
        let until = lock(&self.last).until;
        until.is_none_or(|until| until <= Instant::now())
    }

    fn recount(&self, sources: &Sources) {
        let begun = Instant::now();
        let waiting = sources.spool.as_ref().map(|place| {
            let store = &sources.store;
            let census = |queue: Queue| Some((queue.name().to_owned(), queue.census().ok()?));
            let dead = DeadLetters::new(Arc::clone(store), place.clone()).files();
            Waiting {
                queues: Queue::all(store, place)
                    .into_iter()
                    .flatten()
                    .filter_map(census)
                    .collect(),
                dead: dead.ok().map(|files| files.len() as u64),
            }
        });
        let until = Instant::now() + begun.elapsed() * SHARE;
        *lock(&self.last) = Last {
            waiting: waiting.unwrap_or_default(),
            until: Some(until),
        };
        self.is_counting.store(false, Ordering::Release);
    }
}
