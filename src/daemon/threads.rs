//! The threads that serve clients.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use smol::Executor;

use crate::locks::lock;
use crate::server::Shutdown;

/// How long threads may take to end when all sessions have.
const PATIENCE: Duration = Duration::from_secs(1);

/// Threads that run the tasks of all connections, until all are served.
#[derive(Debug)]
pub(super) struct Threads {
    executor: Arc<Executor<'static>>,
    all_served: Shutdown,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// None yet.
    pub(super) fn new(executor: &Arc<Executor<'static>>, all_served: Shutdown) -> Self {
        Self {
            executor: Arc::clone(executor),
            all_served,
            handles: Mutex::default(),
        }
    }

    /// Sees to it that there are at least so many. Those that are too many stay: each may be busy
    /// with a delivery on a disk that does not answer, and idle ones cost nothing.
    pub(super) fn grow_to(&self, count: usize) -> io::Result<()> {
        let mut handles = lock(&self.handles);
        while handles.len() < count {
            let number = handles.len();
            handles.push(self.begin(number)?);
        }
        Ok(())
    }

    fn begin(&self, number: usize) -> io::Result<JoinHandle<()>> {
        let (executor, all_served) = (Arc::clone(&self.executor), self.all_served.clone());
        let work = move || {
            smol::block_on(smol::future::or(all_served.requested(), async {
                loop {
                    executor.tick().await;
                }
            }));
        };
        thread::Builder::new()
            .name(format!("serve-{number}"))
            .spawn(work)
    }

    /// Waits until all clients are served, and then a moment for the threads.
    pub(super) fn finish(&self) {
        smol::block_on(self.all_served.requested());
        let patience = Instant::now() + PATIENCE;
        for thread in lock(&self.handles).drain(..) {
            // A thread that hangs in a disk cannot be waited for.
            while !thread.is_finished() && Instant::now() < patience {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
