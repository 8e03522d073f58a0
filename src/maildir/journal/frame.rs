//! The frame around the records that are written, and synced, as one.
//!
//! ```text
//! frame    8 octets "maia-log", u64 sequence number, u64 length of the records,
//!          8 octets of the BLAKE3 of these 24, 32 octets BLAKE3 of these 24 and the records, both
//!          with the key of this log; the records; zeros up to a multiple of 4096
//! ```
//!
//! A frame begins where a block does, so that writing one never touches a block that another is in.
//! The next frame is written only after this one is on the disk: so if a frame is whole, all
//! before it were promised. The key is drawn when the log is made: no message can hold what passes
//! for a frame.

use std::ops::Range;

use super::record::Reader;

/// What devices write at once.
pub(super) const BLOCK: u64 = 4096;
/// The same, for what is in memory.
pub(super) const BLOCK_SIZE: usize = 4096;
const MAGIC: [u8; 8] = *b"maia-log";
const HEADER: usize = 64;
const HASHED: usize = 24;

/// The secret of a log.
pub(super) type Key = [u8; 32];
/// The first octets of a frame.
pub(super) type Header = [u8; HEADER];

/// A frame that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) sequence: u64,
    /// Where its records are.
    pub(super) records: Range<usize>,
}

impl Frame {
    /// Where all of it is, without what fills its last block.
    pub(super) fn whole(&self) -> Range<usize> {
        self.records.start - HEADER..self.records.end
    }
}

/// The octets that a frame takes, filled up to blocks.
pub(super) fn size(records: u64) -> u64 {
    (records + HEADER as u64).next_multiple_of(BLOCK)
}

/// What fills a frame with these records up to blocks.
pub(super) fn padding(records: u64) -> &'static [u8] {
    const ZEROS: &[u8] = &[0; BLOCK_SIZE];
    let missing = size(records) - records - HEADER as u64;
    &ZEROS[..usize::try_from(missing).unwrap_or(0)]
}

/// What goes before `records`.
pub(super) fn header(sequence: u64, records: &[&[u8]], key: &Key) -> Header {
    let length: usize = records.iter().map(|slice| slice.len()).sum();
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    header[16..24].copy_from_slice(&(length as u64).to_le_bytes());
    let check = blake3::keyed_hash(key, &header[..HASHED]);
    header[HASHED..32].copy_from_slice(&check.as_bytes()[..8]);
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&header[..HASHED]);
    for slice in records {
        hasher.update(slice);
    }
    header[32..].copy_from_slice(hasher.finalize().as_bytes());
    header
}

/// The sequence number and the length of the records that a frame at `offset` of `segment` has, if
/// its header is whole.
pub(super) fn begun(segment: &[u8], offset: usize, key: &Key) -> Option<(u64, u64)> {
    let mut reader = Reader(segment.get(offset..)?);
    let hashed = reader.take(HASHED)?;
    let mut fields = Reader(hashed.strip_prefix(&MAGIC)?);
    let check = blake3::keyed_hash(key, hashed);
    (reader.take(8)? == &check.as_bytes()[..8]).then_some((fields.u64()?, fields.u64()?))
}

/// The frame at `offset` of `segment`, if it is whole.
pub(super) fn parse(segment: &[u8], offset: usize, key: &Key) -> Option<Frame> {
    let (sequence, length) = begun(segment, offset, key)?;
    let header = segment.get(offset..offset + HEADER)?;
    let start = offset + HEADER;
    let records = start..start.checked_add(usize::try_from(length).ok()?)?;
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&header[..HASHED]);
    hasher.update(segment.get(records.clone())?);
    let whole = hasher.finalize().as_bytes()[..] == header[32..];
    whole.then_some(Frame { sequence, records })
}
