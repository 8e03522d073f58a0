//! Where large content goes while it comes in, and who may wait for that disk.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use smol::lock::Semaphore;

use crate::envelope::Recipient;
use crate::failure::Failure;
use crate::smtp::reply;

/// Opens an unnamed file on the disk where the mail of a recipient goes.
type Open = Box<dyn Fn(&Recipient) -> io::Result<OwnedFd> + Send + Sync>;

/// Opens spools, and does what blocks on threads for that. A disk that hangs keeps no more of them than there are
/// lanes, and none of those that serve sockets.
pub struct Spooler {
    open: Open,
    lanes: Arc<Semaphore>,
}

impl Spooler {
    /// At most `lanes` threads write at once; `open` gives a file without a name, to read and write.
    pub fn new(
        lanes: usize,
        open: impl Fn(&Recipient) -> io::Result<OwnedFd> + Send + Sync + 'static,
    ) -> Self {
        Self {
            open: Box::new(open),
            lanes: Arc::new(Semaphore::new(lanes)),
        }
    }

    /// An empty file for content that is for `recipient`, and maybe others.
    pub fn open(&self, recipient: &Recipient) -> io::Result<OwnedFd> {
        (self.open)(recipient)
    }

    /// Does what may block. Once begun it runs to its end, and has its lane until then, even if nobody waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let lane = self.lanes.acquire_arc().await;
        let work = move || {
            let result = work();
            drop(lane);
            result
        };
        smol::unblock(work).await
    }
}

impl fmt::Debug for Spooler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spooler")
            .field("lanes", &self.lanes)
            .finish_non_exhaustive()
    }
}

/// What the client hears when content cannot be written: nothing that is about a mailbox.
pub fn spool_failure(error: io::Error) -> Failure {
    let cause = format!("cannot spool the message: {error}");
    let reply = match Failure::from(error).reply {
        full if full == reply::STORAGE_FULL => full,
        _ => reply::LOCAL_FAULT,
    };
    Failure::new(reply, cause)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_spool_that_fails_is_a_fault_that_may_pass() {
        for (errno, expected) in [
            (Errno::NOSPC, reply::STORAGE_FULL),
            (Errno::DQUOT, reply::STORAGE_FULL),
            (Errno::MFILE, reply::STORAGE_FULL),
            (Errno::ACCESS, reply::LOCAL_FAULT),
            (Errno::NOENT, reply::LOCAL_FAULT),
            (Errno::FBIG, reply::LOCAL_FAULT),
            (Errno::IO, reply::LOCAL_FAULT),
        ] {
            let failure = spool_failure(errno.into());
            assert_eq!(failure.reply, expected, "{errno:?}");
            assert!(failure.cause.is_some());
        }
    }
}
