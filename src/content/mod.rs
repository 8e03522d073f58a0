//! The content of a message, in memory or on disk.
//!
//! Whoever looks at content need not care where it is:
//!
//! ```
//! # use maiasaura::content::Content;
//! # fn look(content: &Content) -> std::io::Result<()> {
//! let first = content.head(1000)?; // the first octets, at most so many
//! let mut pieces = content.pieces(); // all of it, octet for octet
//! while let Some(piece) = pieces.next_piece()? {
//!     println!("{} of {}", piece.len(), content.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Draft`] is content that still comes in.

mod draft;
mod header;
mod pieces;
mod spool;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::iter;
use std::ops::Range;
use std::sync::OnceLock;

pub use draft::{Draft, WORTH};
pub use header::{begins_with_header, end_of_name};
pub use pieces::Pieces;
use spool::Spool;

use crate::maildir::{Tally, to_lf};

/// Octets that are read, converted and written at once; larger content is handled in
/// pieces of this size. What is no larger is kept with LF line ends as well, once they are asked for.
pub const PIECE: usize = 64 << 10;

/// Octets of content that are kept in memory; larger content is spooled to disk. A message
/// of this size takes about a millisecond to be written once more.
pub const KEPT: usize = 2 << 20;

/// Header and body as received: dots unstuffed, every other octet kept.
#[derive(Debug)]
pub struct Content(Place);

#[derive(Debug)]
enum Place {
    Memory {
        octets: Vec<u8>,
        /// The same with LF line ends, where it differs.
        text: OnceLock<Option<Vec<u8>>>,
    },
    Disk(Spool),
}

impl From<Vec<u8>> for Content {
    fn from(octets: Vec<u8>) -> Self {
        let text = OnceLock::new();
        Self(Place::Memory { octets, text })
    }
}

impl From<Spool> for Content {
    fn from(spool: Spool) -> Self {
        Self(Place::Disk(spool))
    }
}

impl Content {
    /// Its size in octets.
    pub fn len(&self) -> usize {
        match &self.0 {
            Place::Memory { octets, .. } => octets.len(),
            Place::Disk(spool) => spool.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it, if it is in memory.
    pub fn octets(&self) -> Option<&[u8]> {
        match &self.0 {
            Place::Memory { octets, .. } => Some(octets),
            Place::Disk(_) => None,
        }
    }

    /// The first octets, at most `most` of them. That is where the header is.
    ///
    /// # Errors
    ///
    /// Those of reading from disk.
    pub fn head(&self, most: usize) -> io::Result<Cow<'_, [u8]>> {
        let length = self.len().min(most);
        match &self.0 {
            Place::Memory { octets, .. } => Ok(Cow::Borrowed(&octets[..length])),
            Place::Disk(spool) => {
                let mut head = Vec::new();
                spool.read(0..length, &mut head)?;
                Ok(Cow::Owned(head))
            }
        }
    }

    /// All of it, piece by piece.
    pub fn pieces(&self) -> Pieces<'_> {
        self.parts(iter::once(0..self.len()))
    }

    /// Some parts of it, piece by piece. Each of them begins and ends within it.
    pub fn parts(&self, parts: impl IntoIterator<Item = Range<usize>>) -> Pieces<'_> {
        Pieces::new(self, parts.into_iter().collect())
    }

    /// Its octets and line ends, counted.
    pub fn tally(&self) -> Tally {
        match &self.0 {
            Place::Memory { octets, .. } => Tally::of(octets),
            Place::Disk(spool) => spool.tally(),
        }
    }

    /// All of it with LF line ends, if it is small. It is made once, however many copies are delivered.
    pub fn text(&self) -> Option<&[u8]> {
        match &self.0 {
            Place::Memory { octets, text } if octets.len() <= PIECE => {
                let text = text.get_or_init(|| match to_lf(octets) {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(text) => Some(text),
                });
                Some(text.as_deref().unwrap_or(octets))
            }
            _ => None,
        }
    }

    /// Reads a part of what is on disk.
    fn read(&self, part: Range<usize>, buffer: &mut Vec<u8>) -> io::Result<()> {
        match &self.0 {
            Place::Memory { octets, .. } => {
                buffer.clear();
                buffer.extend_from_slice(&octets[part]);
                Ok(())
            }
            Place::Disk(spool) => spool.read(part, buffer),
        }
    }
}
