//! What dead workers have left: it becomes ours by name, and is read when there is room for it.

use std::time::{Duration, Instant};

use super::Worker;
use super::hand::now;
use super::reader::WAITING;
use crate::redis::Fault;
use crate::stream::START;

/// Looks at all partitions after which streams are tidied.
const TIDY: u32 = 20;
/// Partitions that are looked at in one go, while nothing is found.
const PARTITIONS: usize = 16;

/// Where the search for it is.
#[derive(Debug)]
pub(super) struct Legacy {
    /// When it begins anew.
    next: Instant,
    /// Partitions that are still to be looked at, the next one last, and where that one goes on.
    ahead: Vec<u16>,
    from: String,
    looks: u32,
}

impl Legacy {
    /// Begins at `next`.
    pub(super) fn new(next: Instant) -> Self {
        Self {
            next,
            ahead: Vec::new(),
            from: START.into(),
            looks: 0,
        }
    }

    /// Leaves everything to its owners until then: they say what is theirs.
    pub(super) fn rest(&mut self, until: Instant) {
        *self = Self {
            looks: self.looks,
            ..Self::new(until)
        };
    }

    /// The next partition, and whether there is one by `now`.
    fn partition(&mut self, partitions: &[u16], now: Instant) -> Option<u16> {
        if self.ahead.is_empty() && now >= self.next {
            self.ahead = partitions.iter().rev().copied().collect();
        }
        self.ahead.last().copied()
    }

    /// All of this partition was seen.
    fn pass(&mut self, after: Duration) {
        self.from = START.into();
        self.ahead.pop();
        if self.ahead.is_empty() {
            self.looks = self.looks.wrapping_add(1);
            self.next = Instant::now() + after / 3;
        }
    }
}

impl Worker {
    /// Takes over some of it, if there is any and room for it; says how much it was.
    pub(super) fn inherit(&self, legacy: &mut Legacy) -> Result<usize, Fault> {
        let most = self.most();
        // More than there is work for is for others.
        if self.held.room(most, WAITING) == 0 || self.held.due(now(), most).len() == most {
            return Ok(0);
        }
        for _ in 0..PARTITIONS {
            let now = Instant::now();
            let Some(partition) = legacy.partition(&self.settings.partitions, now) else {
                break;
            };
            let found = match self.inherit_of(partition, legacy) {
                // The others have nothing to do with it.
                Err(fault @ Fault::Refused { .. }) => {
                    log::debug!(partition = partition, fault:% = fault; "nothing can be taken over");
                    legacy.pass(self.settings.take_over_after);
                    0
                }
                found => found?,
            };
            if found > 0 {
                return Ok(found);
            }
        }
        Ok(0)
    }

    /// The same, of this partition; not 0 where there is more to look at.
    fn inherit_of(&self, partition: u16, legacy: &mut Legacy) -> Result<usize, Fault> {
        let (after, told) = (self.settings.take_over_after, Instant::now());
        let (places, next) = self.source.take_over(partition, &legacy.from, after)?;
        let places = places.into_iter();
        let new = places.filter(|place| self.held.take(place.clone(), told, true));
        let found = new.count();
        if let Some(next) = next {
            legacy.from = next;
            return Ok(found.max(1));
        }
        if legacy.looks.is_multiple_of(TIDY) {
            self.source.tidy(partition, after * TIDY)?;
        }
        legacy.pass(after);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_outage_nothing_is_taken_over_for_a_while() {
        let (begin, hour) = (Instant::now(), Duration::from_hours(1));
        let mut legacy = Legacy::new(begin);
        assert_eq!(legacy.partition(&[3, 4], begin), Some(3));
        legacy.rest(begin + hour);
        assert_eq!(legacy.partition(&[3, 4], begin + hour / 2), None);
        assert_eq!(legacy.partition(&[3, 4], begin + hour), Some(3));
        legacy.pass(hour);
        assert_eq!(legacy.partition(&[3, 4], begin + hour), Some(4));
    }
}
