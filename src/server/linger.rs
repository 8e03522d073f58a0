//! Waiting a moment on the spot for a client that was just answered.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long: a client on the same network speaks again within a few milliseconds.
const MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

/// Lets a thread wait for one client instead of going back to the reactor.
///
/// Most clients answer a reply at once. A thread that waits for that in the
/// kernel is woken by the octets themselves: no hand-over from thread to thread
/// in between, which costs more than the rest of a short command. Where deliveries
/// take the threads, nobody lingers, so that some are left for other clients.
#[derive(Debug)]
pub struct Linger {
    most: usize,
    /// Threads that wait for a client or deliver.
    busy: AtomicUsize,
}

/// A thread that is busy, as long as this lives.
pub(super) struct Busy<'a>(&'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Linger {
    /// No thread waits while so many wait or deliver.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            busy: AtomicUsize::new(0),
        }
    }

    /// Counts a thread that will deliver.
    pub(super) fn occupy(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(&self.busy)
    }

    /// Blocks until there is something to read, for a moment at most.
    pub(super) fn wait(&self, stream: &impl AsFd) {
        if self.busy.load(Ordering::Relaxed) < self.most {
            let _busy = self.occupy();
            // Whether it came, and what, shows when it is read.
            let _ = poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&MOMENT));
        }
    }
}
