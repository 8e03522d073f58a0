//! Content on disk, in a file without a name.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::thread;

use crate::maildir::Tally;

/// A file and what was written into it. It is never synced: a crash takes it away, and nothing was promised by then.
#[derive(Debug)]
pub struct Spool {
    /// Always there, until it is closed.
    file: Option<File>,
    length: usize,
    tally: Tally,
}

impl Spool {
    /// Takes an empty file, open to read and write.
    pub(super) fn new(file: OwnedFd) -> Self {
        Self {
            file: Some(file.into()),
            length: 0,
            tally: Tally::default(),
        }
    }

    /// Appends a piece.
    pub(super) fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file()?.write_all(octets)?;
        self.length += octets.len();
        self.tally.add(octets);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// What it holds, counted while it came.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Reads a part into `buffer`, in place of what that holds. Several threads may do that at once.
    pub(super) fn read(&self, part: Range<usize>, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(part.len(), 0);
        // Not with the number of the error: whoever writes what is read here, to another disk
        // maybe, must not take it for one of that disk.
        let unreadable = |error| io::Error::other(format!("cannot read what was spooled: {error}"));
        let read = self.file()?.read_exact_at(buffer, part.start as u64);
        read.map_err(unreadable)
    }

    fn file(&self) -> io::Result<&File> {
        let closed = || io::Error::other("the spool is closed");
        self.file.as_ref().ok_or_else(closed)
    }
}

impl Drop for Spool {
    /// Whoever closes it last waits until the disk has taken its blocks back, and on a disk that
    /// hangs for ever. That must not be a thread that serves sockets, nor one of a few that others
    /// need.
    fn drop(&mut self) {
        let file = self.file.take();
        let closing = thread::Builder::new().name("close".into());
        // Without a thread it is closed here.
        let _ = closing.spawn(move || drop(file));
    }
}
