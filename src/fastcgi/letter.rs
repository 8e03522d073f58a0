//! A message for one recipient, as it is handed to PHP.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::SystemTime;

/// What is said about a message: plain texts, so that whoever keeps a letter for
/// later can write them down and read them back. Nothing here is trusted: what
/// cannot be in a parameter is cleaned where it becomes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Our name for the message.
    pub id: String,
    /// When it was received.
    pub received: SystemTime,
    /// The argument of MAIL; empty for a bounce.
    pub mail_from: String,
    /// The recipient as the client gave it.
    pub rcpt: String,
    /// The mailbox that stands for; the first of several.
    pub mailbox: String,
    /// What the captures of the host pattern matched, by name.
    pub captures: BTreeMap<String, String>,
    /// The name that the client gave itself.
    pub helo: Option<String>,
    /// The client's address; none for a Unix socket or a pipe.
    pub client: Option<IpAddr>,
    /// The client's port.
    pub client_port: Option<u16>,
    /// Where the client connected to.
    pub server: Option<SocketAddr>,
    /// Our name there.
    pub host: String,
    /// The version of TLS, such as `TLSv1.3`; none for a plain connection.
    pub tls: Option<String>,
    /// Who the client has proved to be, if it has logged in.
    pub login: Option<String>,
    /// Where the client has the message from, as far as it has told (XFORWARD), by name.
    pub origin: BTreeMap<String, String>,
    /// [`idempotency_key`] of the message: the same on every attempt.
    pub key: String,
}

/// What a message says.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// In memory, in pieces that follow each other.
    Pieces(&'a [&'a [u8]]),
    /// On a disk. It is read where it is needed, in blocks, on the thread that
    /// hands it over.
    Stored(&'a dyn Stored),
}

/// Content that is kept somewhere else.
pub trait Stored: fmt::Debug + Sync {
    /// How many octets there are.
    fn octets(&self) -> u64;

    /// Copies what there is from `at` on into `buffer`, and returns how much; 0
    /// at the end.
    ///
    /// # Errors
    ///
    /// Those of reading.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// A message on its way to PHP.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// What is said about it.
    pub envelope: &'a Envelope,
    /// Trace fields that are put before it, their lines ending as its lines do;
    /// empty where it has them.
    pub trace: &'a str,
    /// What it says.
    pub content: Content<'a>,
    /// Where it lies, for a PHP that reads the file itself.
    pub path: Option<&'a Path>,
}

impl Envelope {
    /// That of no message.
    pub(super) fn of_nothing(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            received: SystemTime::now(),
            mail_from: String::new(),
            rcpt: String::new(),
            mailbox: String::new(),
            captures: BTreeMap::new(),
            helo: None,
            client: None,
            client_port: None,
            server: None,
            host: String::new(),
            tls: None,
            login: None,
            origin: BTreeMap::new(),
            key: String::new(),
        }
    }
}

impl Content<'_> {
    /// How many octets there are.
    pub fn size(&self) -> u64 {
        match self {
            Self::Pieces(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            Self::Stored(stored) => stored.octets(),
        }
    }

    /// All of it in memory, where it is not there already.
    pub(super) fn whole(&self) -> io::Result<Cow<'_, [u8]>> {
        if let Self::Pieces([all]) = self {
            return Ok(Cow::Borrowed(all));
        }
        self.start(usize::MAX).map(Cow::Owned)
    }

    /// Its first octets: as many as there are, up to `most`.
    pub(super) fn start(&self, most: usize) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.size()).map_err(io::Error::other)?;
        let mut start = vec![0; size.min(most)];
        let mut at = 0;
        while at < start.len() {
            at += self.read_at(at as u64, &mut start[at..])?;
        }
        Ok(start)
    }

    /// Copies what there is from `at` on into `buffer`, and returns how much; 0
    /// at the end. What is shorter than it should be is an error.
    pub fn read_at(&self, mut at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || at >= self.size() {
            return Ok(0);
        }
        match self {
            Self::Pieces(pieces) => {
                for piece in *pieces {
                    let Some(rest) = usize::try_from(at).ok().and_then(|at| piece.get(at..)) else {
                        at -= piece.len() as u64;
                        continue;
                    };
                    if rest.is_empty() {
                        at = 0;
                        continue;
                    }
                    let length = rest.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&rest[..length]);
                    return Ok(length);
                }
                Ok(0)
            }
            Self::Stored(stored) => match stored.read_at(at, buffer)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                read => Ok(read),
            },
        }
    }
}

/// What names a message for a recipient: 64 hexadecimal digits of BLAKE3 over the
/// content as received, the reverse-path and the recipient. Who sees it twice has
/// the same message twice.
pub fn idempotency_key(content: &[u8], mail_from: &str, rcpt: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    // The length keeps content and addresses apart.
    hasher.update(&(content.len() as u64).to_le_bytes());
    hasher.update(content);
    hasher.update(format!("<{mail_from}><{rcpt}>").as_bytes());
    hasher.finalize().to_hex().to_string()
}
