//! A record on its way into the log, and how many go in one frame.

use super::record::{Encoded, Record};
use super::tail::Number;

/// Octets and records of one frame, unless a single record has more.
const OCTETS: usize = 4 << 20;
const RECORDS: usize = 512;

/// A record, and what becomes of it.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) record: Record,
    pub(super) encoded: Encoded,
    pub(super) verdict: Verdict,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    /// It is durable; its first entry has this number.
    Durable(Number),
    /// Nothing was written: there is no room, or no log any more.
    Refused,
    /// Nobody knows whether it was written.
    Unknown,
}

impl Ticket {
    pub(super) fn new(record: Record, encoded: Encoded) -> Self {
        Self {
            record,
            encoded,
            verdict: Verdict::Unknown,
        }
    }

    /// Whether it fits beside those that this was asked about before.
    pub(super) fn fits() -> impl FnMut(&Self) -> bool {
        let (mut octets, mut count) = (0, 0);
        move |ticket| {
            octets += ticket.encoded.len();
            count += ticket.record.count();
            octets <= OCTETS && count <= RECORDS
        }
    }
}
