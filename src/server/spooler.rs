//! Where large content goes while it comes in, and who may wait for that disk.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::slice;
use std::sync::Arc;

use crate::disks::Disks;
use crate::envelope::Recipient;
use crate::failure::Failure;
use crate::smtp::reply;

/// Opens an unnamed file on the disk where the mail of a recipient goes.
type Open = Box<dyn Fn(&Recipient) -> io::Result<OwnedFd> + Send + Sync>;

/// Opens spools, and does what blocks on threads for that: as many as the disk has turns aside, and none of those that
/// serve sockets.
pub struct Spooler {
    open: Open,
    disks: Arc<Disks>,
}

impl Spooler {
    /// `open` gives a file without a name, to read and write.
    pub fn new(
        disks: Arc<Disks>,
        open: impl Fn(&Recipient) -> io::Result<OwnedFd> + Send + Sync + 'static,
    ) -> Self {
        Self {
            open: Box::new(open),
            disks,
        }
    }

    /// An empty file for content that is for `recipient`, and maybe others.
    pub fn open(&self, recipient: &Recipient) -> io::Result<OwnedFd> {
        (self.open)(recipient)
    }

    /// Does what the disk of `recipient` can hold up. Once begun it runs to its end, and has its turn until then, even
    /// if nobody waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        recipient: &Recipient,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let turn = self.disks.turn_aside(slice::from_ref(recipient)).await;
        let (result, _turn) = smol::unblock(move || (work(), turn)).await;
        result
    }
}

impl fmt::Debug for Spooler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spooler")
            .field("disks", &self.disks)
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
