//! Which stream a mailbox has, and what keys are called.

use super::Settings;

impl Settings {
    /// The partition of a mailbox: the same wherever it is asked.
    pub fn partition(&self, mailbox: &str) -> u16 {
        let digest = blake3::hash(mailbox.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        let partition = u64::from_le_bytes(first) % u64::from(self.partitions.max(1));
        u16::try_from(partition).unwrap_or_default()
    }

    /// The stream of a partition.
    pub(super) fn mail(&self, partition: u16) -> String {
        format!("{}:{{{partition}}}:mail", self.prefix)
    }

    /// The stream of those that nobody tries any more.
    pub(super) fn dead(&self, partition: u16) -> String {
        format!("{}:{{{partition}}}:dead", self.prefix)
    }

    /// What is known of a key.
    pub(super) fn mark(&self, partition: u16, key: &str) -> String {
        format!("{}:{{{partition}}}:mark:{key}", self.prefix)
    }
}
