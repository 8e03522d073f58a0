//! Streams of Redis between those who receive mail and those who deliver it.
//!
//! A receiver has a [`Sink`]: a message for one mailbox becomes one entry. Which of the streams it goes
//! into, its *partition*, follows from the mailbox, so that mail of one mailbox is always in the same
//! one. A worker has a [`Source`] and takes entries from the partitions that are its own, as a member of
//! a consumer group.
//!
//! ```text
//! maiasaura:{7}:mail        the stream of partition 7
//! maiasaura:{7}:mark:KEY    an entry with this key is under way (the entry's id), or done
//! maiasaura:{7}:dead        the stream of those that nobody tries any more, for people
//! ```
//!
//! All keys of a partition have the same hash tag, so that a Redis Cluster keeps them on one node.
//!
//! An entry stays in its stream until it is delivered: it is acknowledged, marked as done and removed
//! after the commit. When its worker dies, another takes it over. So it may be delivered twice where a
//! worker dies between the two; and an entry whose key is marked as done is dropped.

mod entry;
mod marks;
mod morgue;
mod partition;
mod pending;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use entry::{Entry, Parcel};
pub use marks::Claim;
pub use morgue::{Count, Morgue};
pub use pending::START;
pub use sink::{Placed, Sink};
pub use source::{Fetched, Place, Source};

/// What receivers and workers have to agree on, and how sure a receiver wants to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What all keys begin with.
    pub prefix: String,
    /// How many partitions there are.
    pub partitions: u16,
    /// The consumer group.
    pub group: String,
    /// Replicas that must have a message before it is promised.
    pub replicas: u32,
    /// Whether Redis is asked for its sync before (WAITAOF).
    pub waitaof: bool,
    /// How long the keys of delivered messages are known.
    pub remember: Duration,
}
