//! The header of the PROXY protocol, with which a proxy tells who has connected to it.
//!
//! The specification is `proxy-protocol.txt` of `HAProxy`; version 1 is a line, version 2 is binary. Nothing
//! here does I/O: [`read`] looks at octets and says how many more it needs, never more than there
//! are, so that what follows the header is left for who comes next.

mod extras;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use core::net::SocketAddr;

pub use extras::{Extras, Ssl};

/// Octets of a header at most. One of version 1 is never longer than 107; the specification gives
/// version 2 no limit below 65,551, but what is behind its fixed part is short in practice.
pub const LONGEST: usize = v2::FIXED + 4096;

/// What is known after some octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The header is not whole; so many octets of it are missing at least.
    Missing(usize),
    /// It is whole, and so long.
    Whole(Box<Header>, usize),
}

/// What a proxy tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose connection it is.
    pub source: Source,
    /// What else it tells.
    pub extras: Extras,
}

/// Whose connection it is that comes through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The proxy's own, to see whether we are there (LOCAL).
    Proxy,
    /// Somebody's of whom the proxy tells no address of the Internet (UNKNOWN, UNSPEC, UNIX).
    Unknown,
    /// This client's.
    Client {
        /// Its address.
        client: SocketAddr,
        /// Where it connected to.
        server: SocketAddr,
    },
}

/// Why something is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It begins like neither version.
    #[error("no PROXY header")]
    None,
    /// A line over 107 octets, or a length over what is taken.
    #[error("a PROXY header that is too long")]
    TooLong,
    /// The line of version 1 is malformed.
    #[error("a malformed PROXY line")]
    Line,
    /// The version or the command is not one of version 2.
    #[error("a PROXY header of an unknown version or command")]
    Version,
    /// Other than a stream over IPv4, IPv6 or a Unix socket.
    #[error("a PROXY header for no stream, or of an unknown address family")]
    Family,
    /// The length leaves no room for the addresses, or a TLV ends behind it.
    #[error("a PROXY header whose lengths are wrong")]
    Length,
    /// A TLV that may be there once is there twice, or is no text.
    #[error("a PROXY header with a malformed TLV")]
    Tlv,
    /// The checksum is another one.
    #[error("a PROXY header with a wrong checksum")]
    Checksum,
}

/// Looks for a header at the beginning of `octets`.
pub fn read(octets: &[u8]) -> Result<Progress, Fault> {
    if begins(octets, v1::PREFIX) {
        v1::read(octets)
    } else if begins(octets, v2::SIGNATURE) {
        v2::read(octets)
    } else {
        Err(Fault::None)
    }
}

/// Whether the two are alike as far as both go.
fn begins(octets: &[u8], start: &[u8]) -> bool {
    octets.iter().zip(start).all(|(one, other)| one == other)
}
