//! A bundle, octet by octet. Numbers are little-endian.
//!
//! ```text
//! head     16 octets "maia-bundle 1" and zeros, 32 octets key, 16 zeros; then an octet for each message,
//!          by number: 2 when it may be taken, 1 when it is done, 3 when it never may, 0 before; 4096
//!          octets in all
//! message  4 octets "mail", u32 octets, u64 time (microseconds since 1970), u32 number, u32 zero,
//!          16 octets of its BLAKE3, 8 octets of the BLAKE3 of these 40, both with the key; the message
//! ```
//!
//! What is written at once begins where a block does, and fills its blocks with zeros. The key is
//! drawn when the bundle is made: no message can hold what passes for another one.

use std::fmt;

/// What devices write at once.
pub(super) const BLOCK: usize = 4096;
/// The same, for places in a file.
pub(super) const BLOCK_OCTETS: u64 = 4096;
const MAGIC: &[u8; 16] = b"maia-bundle 1\0\0\0";
const KEY: std::ops::Range<usize> = 16..48;
/// Where the marks begin.
const MARKS: usize = 64;
/// As many messages as there are marks.
pub(super) const MOST: u32 = 4032;
/// The mark of a message that may be taken.
pub(super) const SHOWN: u8 = 2;
/// That of one that is done.
pub(super) const DONE: u8 = 1;
/// That of one that is void: it was perhaps never promised, nor all that came before it.
pub(super) const VOID: u8 = 3;
/// Octets before a message.
pub(super) const HEADER: usize = 48;
const MESSAGE: &[u8; 4] = b"mail";
const CHECKED: usize = 40;

/// The secret of a bundle.
pub(super) type Key = [u8; 32];

/// The first block, when nothing is done yet.
pub(super) fn head(key: &Key) -> Vec<u8> {
    let mut head = vec![0; BLOCK];
    head[..MAGIC.len()].copy_from_slice(MAGIC);
    head[KEY].copy_from_slice(key);
    head
}

/// The key in the first block, unless it is none.
pub(super) fn key(head: &[u8]) -> Option<Key> {
    let is_head = head.len() == BLOCK && head.starts_with(MAGIC);
    is_head.then(|| head[KEY].try_into().ok()).flatten()
}

/// Where the mark of a message is.
pub(super) fn mark(number: u32) -> u64 {
    MARKS as u64 + u64::from(number)
}

/// The mark of a message in the first block.
pub(super) fn marked(head: &[u8], number: u32) -> u8 {
    let at = usize::try_from(mark(number)).unwrap_or(usize::MAX);
    head.get(at).copied().unwrap_or(0)
}

/// Whether nobody takes what has this mark any more.
pub(super) fn is_over(mark: u8) -> bool {
    mark == DONE || mark == VOID
}

/// Whether what has this mark was promised, and all before it.
pub(super) fn was_promised(mark: u8) -> bool {
    mark == SHOWN || mark == DONE
}

/// What is before a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its octets.
    pub(super) octets: u32,
    /// When it came, in microseconds since 1970.
    pub(super) time: u64,
    /// Which one of its bundle it is.
    pub(super) number: u32,
    hash: [u8; 16],
}

impl Header {
    pub(super) fn new(message: &[u8], time: u64, number: u32, key: &Key) -> Self {
        Self {
            octets: u32::try_from(message.len()).unwrap_or(u32::MAX),
            time,
            number,
            hash: hash(message, key),
        }
    }

    pub(super) fn write(&self, key: &Key) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(MESSAGE);
        header[4..8].copy_from_slice(&self.octets.to_le_bytes());
        header[8..16].copy_from_slice(&self.time.to_le_bytes());
        header[16..20].copy_from_slice(&self.number.to_le_bytes());
        header[24..CHECKED].copy_from_slice(&self.hash);
        let check: [u8; 16] = hash(&header[..CHECKED], key);
        header[CHECKED..].copy_from_slice(&check[..HEADER - CHECKED]);
        header
    }

    /// Reads what begins with a header; none if it does not.
    pub(super) fn read(octets: &[u8], key: &Key) -> Option<Self> {
        let header: &[u8; HEADER] = octets.first_chunk()?;
        if !header.starts_with(MESSAGE) {
            return None;
        }
        let read = Self {
            octets: u32::from_le_bytes(header[4..8].try_into().ok()?),
            time: u64::from_le_bytes(header[8..16].try_into().ok()?),
            number: u32::from_le_bytes(header[16..20].try_into().ok()?),
            hash: header[24..CHECKED].try_into().ok()?,
        };
        (read.write(key) == *header).then_some(read)
    }

    /// Whether this is the message that was written.
    pub(super) fn is_of(&self, message: &[u8], key: &Key) -> bool {
        self.hash == hash(message, key)
    }
}

fn hash(octets: &[u8], key: &Key) -> [u8; 16] {
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::keyed_hash(key, octets).as_bytes()[..16]);
    hash
}

/// The name of a message: when it came, and where it is. Names are in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) time: u64,
    pub(super) number: u32,
    /// Where its header begins.
    pub(super) at: u64,
    pub(super) bundle: &'a str,
}

impl<'a> Name<'a> {
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let mut parts = name.splitn(3, ':');
        let (seconds, micros) = parts.next()?.split_once(".M")?;
        let (number, at) = parts.next()?.split_once('.')?;
        let seconds: u64 = seconds.parse().ok()?;
        let micros: u64 = micros.parse().ok()?;
        Some(Self {
            time: seconds.checked_mul(1_000_000)?.checked_add(micros)?,
            number: u32::from_str_radix(number, 16).ok()?,
            at: u64::from_str_radix(at, 16).ok()?,
            bundle: parts.next()?,
        })
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.time / 1_000_000, self.time % 1_000_000);
        let (number, at, bundle) = (self.number, self.at, self.bundle);
        write!(f, "{seconds}.M{micros:06}:{number:03x}.{at:07x}:{bundle}")
    }
}
