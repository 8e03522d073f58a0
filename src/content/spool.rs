//! Content on disk, in a file without a name.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use crate::maildir::Tally;

/// A file and what was written into it. It is never synced: a crash takes it away, and nothing was promised by then.
#[derive(Debug)]
pub struct Spool {
    file: File,
    length: usize,
    tally: Tally,
}

impl Spool {
    /// Takes an empty file, open to read and write.
    pub(super) fn new(file: OwnedFd) -> Self {
        Self {
            file: file.into(),
            length: 0,
            tally: Tally::default(),
        }
    }

    /// Appends a piece.
    pub(super) fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)?;
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
        self.file.read_exact_at(buffer, part.start as u64)
    }
}
