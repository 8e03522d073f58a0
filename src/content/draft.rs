//! Content while it comes in.

use std::io;
use std::os::fd::OwnedFd;

use super::spool::Spool;
use super::{Content, KEPT, PIECE};

/// Octets that are written to a spool at once, where there is memory for so many.
const BUFFER: usize = 256 << 10;
/// Octets that are worth writing to a spool. Where there is memory for twice as many, content of any size has room.
pub const WORTH: usize = 16 << 10;

/// Content that comes in: in memory first, and spooled to disk when it is large, or memory is short.
///
/// [`fill`](Self::fill) it; what it does not take is given again after [`spill`](Self::spill).
#[derive(Debug, Default)]
pub struct Draft {
    octets: Vec<u8>,
    spool: Option<Spool>,
}

impl Draft {
    /// Takes octets, as many as there is room for in memory, and returns the others. Before memory is taken `allow` is
    /// asked for it: so many octets in all, as [`memory`](Self::memory) counts them.
    pub fn fill<'a>(&mut self, octets: &'a [u8], allow: impl FnMut(usize) -> bool) -> &'a [u8] {
        let most = if self.is_spooled() { BUFFER } else { KEPT };
        let needed = (self.octets.len() + octets.len()).min(most);
        if needed > self.octets.capacity() {
            self.grow(needed, most, allow);
        }
        let room = self.octets.capacity().min(most) - self.octets.len();
        let (taken, rest) = octets.split_at(octets.len().min(room));
        self.octets.extend_from_slice(taken);
        rest
    }

    /// Gets room for more to come, or where there is none, for what is here, or for what is worth a file.
    fn grow(&mut self, needed: usize, most: usize, mut allow: impl FnMut(usize) -> bool) {
        let roomy = needed.max(self.octets.capacity() * 2).min(most);
        let present = self.octets.capacity();
        let mut capacities = [roomy, needed, WORTH].into_iter();
        let fits = |&capacity: &usize| capacity > present && allow(memory(capacity));
        if let Some(capacity) = capacities.find(fits) {
            self.octets.reserve_exact(capacity - self.octets.len());
        }
    }

    /// The octets of memory that it takes: what it has allocated, and what will be needed for another form of it, or
    /// of a piece of it, when it is delivered.
    pub fn memory(&self) -> usize {
        memory(self.octets.capacity())
    }

    /// Whether writing it to disk would be worth while. If not, and there is no memory, there is no room for it.
    pub fn can_spill(&self) -> bool {
        self.octets.len() >= WORTH
    }

    /// Whether some of it is on disk.
    pub fn is_spooled(&self) -> bool {
        self.spool.is_some()
    }

    /// Writes what is in memory to disk, which may block; the first time into the file that `open` provides.
    ///
    /// # Errors
    ///
    /// Those of `open` and of writing: the draft is to be given up.
    pub fn spill(&mut self, open: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<()> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            spool => spool.insert(Spool::new(open()?)),
        };
        spool.append(&self.octets)?;
        self.octets.clear();
        self.octets.shrink_to(BUFFER);
        Ok(())
    }

    /// All of it has come. If some of it is on disk the rest is written there too, which may block.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn finish(self) -> io::Result<Content> {
        match self.spool {
            None => Ok(self.octets.into()),
            Some(mut spool) => {
                spool.append(&self.octets)?;
                Ok(spool.into())
            }
        }
    }
}

/// What `capacity` octets of content cost.
fn memory(capacity: usize) -> usize {
    capacity + capacity.min(PIECE)
}
