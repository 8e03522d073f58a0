//! Threads that sync files for others, so that the syncs of one message run side by side.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::fsync;

/// Threads of the pool. More of them gained nothing where this was tried.
const THREADS: usize = 32;

/// One file or folder to sync, and where to say how that went.
type Job = (Arc<OwnedFd>, Sender<io::Result<()>>);

/// The pool; its threads end when it is dropped.
pub struct Pool {
    jobs: Mutex<Sender<Job>>,
}

impl Pool {
    pub fn new() -> Self {
        let (jobs, taken) = channel();
        let taken = Arc::new(Mutex::new(taken));
        for _ in 0..THREADS {
            let taken = Arc::clone(&taken);
            std::thread::spawn(move || work(&taken));
        }
        Self {
            jobs: Mutex::new(jobs),
        }
    }

    /// Syncs all of `files`; returns when the last one is done.
    pub fn sync(&self, files: impl IntoIterator<Item = Arc<OwnedFd>>) -> io::Result<()> {
        let (done, outcomes) = channel();
        {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            for file in files {
                jobs.send((file, done.clone())).map_err(io::Error::other)?;
            }
        }
        drop(done);
        outcomes.into_iter().collect()
    }
}

/// One thread of the pool: does what comes until nothing can come any more.
fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((file, done)) = job else { return };
        let outcome = fsync(&file).map_err(io::Error::from);
        // The file is closed before its owner hears of it; who does not wait any more has failed already.
        drop(file);
        let _ = done.send(outcome);
    }
}
