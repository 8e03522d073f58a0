//! The content of a message while it comes in, counted against the limit of memory.

use std::io;
use std::os::fd::OwnedFd;

use super::limits::Share;
use crate::content::{Content, Draft};

/// Memory that a message takes whatever the others do; more is taken only while at least half of all memory is free,
/// so that many large messages leave room for small ones.
const MODEST: u64 = 128 << 10;

/// A draft and the memory that is counted for it.
#[derive(Debug)]
pub(super) struct Intake {
    draft: Draft,
    share: Share,
}

impl Intake {
    pub fn new(share: Share) -> Self {
        let draft = Draft::default();
        Self { draft, share }
    }

    /// Takes octets, and returns those for which there is no room in memory.
    pub fn take<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        let share = &mut self.share;
        self.draft.fill(octets, |octets| {
            let octets = octets as u64;
            share.grow(octets, octets <= MODEST)
        })
    }

    /// Whether it is worth while to write what is here to disk.
    pub fn can_spill(&self) -> bool {
        self.draft.can_spill()
    }

    /// Whether some of it is on disk, so that finishing it and dropping it may block.
    pub fn is_spooled(&self) -> bool {
        self.draft.is_spooled()
    }

    /// Writes what is in memory to disk. This blocks.
    pub fn spill(&mut self, open: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<()> {
        self.draft.spill(open)?;
        self.share.shrink(self.draft.memory() as u64);
        Ok(())
    }

    /// The whole content, and the memory that is counted for it until its delivery is over.
    pub fn finish(self) -> io::Result<(Content, Share)> {
        let Self { draft, mut share } = self;
        let spooled = draft.is_spooled();
        let content = draft.finish()?;
        if spooled {
            // The buffer is gone; a piece is in memory while it is delivered.
            share.shrink(crate::content::PIECE as u64);
        }
        Ok((content, share))
    }
}
