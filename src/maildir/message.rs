//! What is written into a Maildir.

use std::fmt;
use std::io;

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The octets, in order, written as they are.
    pub parts: &'a [&'a [u8]],
    /// What follows them and is not in memory as it is to be written.
    pub stream: Option<&'a dyn Stream>,
    /// The size in octets if every end of line were CRLF, see [`crlf_size`](super::crlf_size).
    pub crlf_size: u64,
}

impl Message<'_> {
    /// The size in octets.
    pub(super) fn octets(&self) -> u64 {
        let parts: u64 = self.parts.iter().map(|part| part.len() as u64).sum();
        parts + self.stream.map_or(0, Stream::octets)
    }
}

/// Octets that come piece by piece: read from elsewhere, or brought into form on the way.
pub trait Stream: fmt::Debug {
    /// How many there are in all.
    fn octets(&self) -> u64;

    /// Gives all of them to `take`, in order and from the beginning each time it is called.
    ///
    /// # Errors
    ///
    /// Those of reading, and those of `take`: the first one ends it.
    fn each(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>;
}
