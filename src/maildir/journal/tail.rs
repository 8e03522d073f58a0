//! The tail: what of the log is still to be delivered.
//!
//! ```text
//! block    8 octets "maiatail", u64 generation, u64 sequence number, u64 segment and u64 offset of
//!          the next frame, u64 entries; each: u64 its number, u32 segment, u32 block of its frame;
//!          zeros; the last 32 octets are the BLAKE3 of all before, with the key of this log
//! ```

use super::frame::{BLOCK, BLOCK_SIZE, Key};
use super::record::Reader;

const MAGIC: [u8; 8] = *b"maiatail";
const HASHED: usize = BLOCK_SIZE - 32;
/// Entries that a block has room for.
pub(super) const ROOM: usize = (HASHED - 48) / 16;

/// Where a frame is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: usize,
    pub(super) offset: u64,
}

/// The number of an entry: that of its frame, and its own in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct Number(pub(super) u64);

impl Number {
    /// Entries in a frame, at most.
    pub(super) const PER_FRAME: usize = 1 << 16;

    pub(super) fn new(sequence: u64, index: usize) -> Self {
        Self(sequence << 16 | index as u64 & 0xffff)
    }

    /// That of an entry further on in the same frame.
    pub(in super::super) fn plus(self, entries: u64) -> Self {
        Self(self.0 + entries)
    }

    pub(super) fn sequence(self) -> u64 {
        self.0 >> 16
    }
}

/// All that is in the log is delivered, but what begins at `place` with the frame `sequence`, and
/// the entries in `waiting`, which are from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) sequence: u64,
    pub(super) place: Place,
    pub(super) waiting: Vec<(Number, Place)>,
}

impl Tail {
    pub(super) fn encode(&self, generation: u64, key: &Key) -> Vec<u8> {
        let place = [self.place.segment as u64, self.place.offset];
        let mut block = MAGIC.to_vec();
        for number in [generation, self.sequence]
            .into_iter()
            .chain(place)
            .chain([self.waiting.len() as u64])
        {
            block.extend(number.to_le_bytes());
        }
        for (number, place) in &self.waiting {
            block.extend(number.0.to_le_bytes());
            for half in [place.segment as u64, place.offset / BLOCK] {
                block.extend(u32::try_from(half).unwrap_or(u32::MAX).to_le_bytes());
            }
        }
        block.resize(HASHED, 0);
        let hash = blake3::keyed_hash(key, &block);
        block.extend(hash.as_bytes());
        block
    }

    /// The tail in a block, with its generation; nothing if the block is not whole.
    pub(super) fn decode(block: &[u8], key: &Key) -> Option<(u64, Self)> {
        let (hashed, hash) = block.split_at_checked(HASHED)?;
        if blake3::keyed_hash(key, hashed).as_bytes()[..] != *hash {
            return None;
        }
        let mut reader = Reader(hashed);
        if reader.take(8)? != MAGIC {
            return None;
        }
        let (generation, sequence) = (reader.u64()?, reader.u64()?);
        let place = Place {
            segment: usize::try_from(reader.u64()?).ok()?,
            offset: reader.u64()?,
        };
        let waiting = (0..reader.u64()?).map(|_| {
            let number = Number(reader.u64()?);
            let segment = reader.count()?;
            let offset = u64::from(reader.u32()?) * BLOCK;
            Some((number, Place { segment, offset }))
        });
        let waiting = waiting.collect::<Option<_>>()?;
        let tail = Self {
            sequence,
            place,
            waiting,
        };
        Some((generation, tail))
    }
}
