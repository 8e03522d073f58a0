//! Waiting a moment on the spot for a client that was just answered.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::counts::Counts;

/// How long: a client on the same network speaks again within a few milliseconds.
const MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

/// Lets a thread wait for one client instead of going back to the reactor.
///
/// Most clients answer a reply at once. A thread that waits for that in the
/// kernel is woken by the octets themselves: no hand-over from thread to thread
/// in between, which costs more than the rest of a short command. Only so many
/// threads may wait, so that some are left for other clients.
#[derive(Debug)]
pub struct Linger {
    most: usize,
    waiting: Arc<AtomicUsize>,
}

impl Linger {
    /// At most so many threads wait at the same time.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            waiting: Arc::default(),
        }
    }

    /// The same, where those count that wait already.
    #[must_use]
    pub fn sharing(self, counts: &Counts) -> Self {
        let waiting = Arc::clone(&counts.lingering);
        Self { waiting, ..self }
    }

    /// Blocks until there is something to read, for a moment at most.
    pub(super) fn wait(&self, stream: &impl AsFd) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.most {
            // Whether it came, and what, shows when it is read.
            let _ = poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&MOMENT));
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
