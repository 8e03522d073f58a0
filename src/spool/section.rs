//! A part of a file, read while it is written elsewhere: however large a letter is, it is never in
//! memory as a whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::content::PIECE;
use crate::maildir::{Stream, Tally};

/// What a file has from `start` on.
#[derive(Debug)]
pub(super) struct Section<'a> {
    file: &'a File,
    start: u64,
    octets: u64,
}

impl<'a> Section<'a> {
    pub(super) fn new(file: &'a File, start: u64, octets: u64) -> Self {
        Self {
            file,
            start,
            octets,
        }
    }

    /// How it begins: its first octets, as many as are looked at to tell a header.
    pub(super) fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; self.room(0)];
        self.file.read_exact_at(&mut head, self.start)?;
        Ok(head)
    }

    /// Its size if every line ended in CRLF; all of it is read for that.
    pub(super) fn crlf_size(&self) -> io::Result<u64> {
        let mut tally = Tally::default();
        self.each(&mut |piece| {
            tally.add(piece);
            Ok(())
        })?;
        Ok(tally.crlf_size())
    }

    /// Octets of the piece that begins at `at`.
    fn room(&self, at: u64) -> usize {
        usize::try_from(self.octets - at).map_or(PIECE, |rest| rest.min(PIECE))
    }
}

impl Stream for Section<'_> {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn each(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut piece = vec![0; self.room(0)];
        let mut at = 0;
        while at < self.octets {
            let length = self.room(at);
            self.file
                .read_exact_at(&mut piece[..length], self.start + at)?;
            take(&piece[..length])?;
            at += length as u64;
        }
        Ok(())
    }
}
