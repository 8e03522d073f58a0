//! Content piece by piece.

use std::io;
use std::ops::Range;
use std::vec;

use super::{Content, PIECE};
use crate::maildir::{append_lf, make_lf};

/// Content, or parts of it, piece by piece: what is in memory as it lies there, what is on disk through one buffer.
#[derive(Debug)]
pub struct Pieces<'a> {
    content: &'a Content,
    parts: vec::IntoIter<Range<usize>>,
    /// What is left of the part at hand.
    part: Range<usize>,
    /// Whether line ends are made LF.
    lf: bool,
    /// Octets at once, at least 2.
    size: usize,
    buffer: Vec<u8>,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(content: &'a Content, parts: Vec<Range<usize>>) -> Self {
        Self {
            content,
            parts: parts.into_iter(),
            part: 0..0,
            lf: false,
            size: PIECE,
            buffer: Vec::new(),
        }
    }

    /// The same with every CRLF as LF.
    #[must_use]
    pub fn with_lf(mut self) -> Self {
        self.lf = true;
        self
    }

    #[cfg(test)]
    pub(super) fn of_size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// The next piece, never an empty one; nothing at the end.
    ///
    /// # Errors
    ///
    /// Those of reading from disk.
    pub fn next_piece(&mut self) -> io::Result<Option<&[u8]>> {
        while self.part.is_empty() {
            let Some(part) = self.parts.next() else {
                return Ok(None);
            };
            self.part = part;
        }
        match self.content.octets() {
            Some(octets) if !self.lf => {
                let part = std::mem::take(&mut self.part);
                return Ok(Some(&octets[part]));
            }
            Some(octets) => {
                let piece = uncut(&octets[self.next_range()], &self.part, self.size);
                self.buffer.clear();
                append_lf(&mut self.buffer, piece);
                self.part.start += piece.len();
            }
            None => {
                self.content.read(self.next_range(), &mut self.buffer)?;
                if self.lf {
                    let length = uncut(&self.buffer, &self.part, self.size).len();
                    self.buffer.truncate(length);
                    self.part.start += length;
                    make_lf(&mut self.buffer);
                } else {
                    self.part.start += self.buffer.len();
                }
            }
        }
        Ok(Some(&self.buffer))
    }

    /// Gives all that is left to `take`.
    ///
    /// # Errors
    ///
    /// Those of reading from disk, and those of `take`: the first one ends it.
    pub fn each(mut self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        while let Some(piece) = self.next_piece()? {
            take(piece)?;
        }
        Ok(())
    }

    fn next_range(&self) -> Range<usize> {
        self.part.start..self.part.end.min(self.part.start + self.size)
    }
}

/// A piece without a CR at its end: whether that belongs to a CRLF is told by the next one, if there is one.
fn uncut<'a>(piece: &'a [u8], part: &Range<usize>, size: usize) -> &'a [u8] {
    match piece.strip_suffix(b"\r") {
        Some(rest) if piece.len() == size && part.len() > size => rest,
        _ => piece,
    }
}
