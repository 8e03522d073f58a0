//! What dead workers have left: it becomes ours by name, and is read when there is room for it.

use std::time::Instant;

use super::Worker;
use super::hand::now;
use super::reader::WAITING;
use crate::redis::Fault;
use crate::stream::START;

/// Looks at all partitions after which streams are tidied.
const TIDY: u32 = 20;

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
}

impl Worker {
    /// Takes over some of it, if there is any and room for it; says how much it was.
    pub(super) fn inherit(&self, legacy: &mut Legacy) -> Result<usize, Fault> {
        let most = self.most();
        // More than there is work for is for others.
        if self.held.room(most, WAITING) == 0 || self.held.due(now(), most).len() == most {
            return Ok(0);
        }
        let begin = Instant::now();
        let Some(partition) = legacy.partition(&self.settings.partitions, begin) else {
            return Ok(0);
        };
        let after = self.settings.take_over_after;
        let (places, next) = self.source.take_over(partition, &legacy.from, after)?;
        let new = places.into_iter();
        let mut found = new
            .filter(|place| self.held.take(place.clone(), begin, true))
            .count();
        match next {
            Some(next) => {
                legacy.from = next;
                // There is more to look at, at once.
                found = found.max(1);
            }
            None => self.looked(legacy, partition)?,
        }
        Ok(found)
    }

    /// All of this partition was seen.
    fn looked(&self, legacy: &mut Legacy, partition: u16) -> Result<(), Fault> {
        let after = self.settings.take_over_after;
        legacy.from = START.into();
        legacy.ahead.pop();
        let is_tidied = legacy.looks.is_multiple_of(TIDY);
        if legacy.ahead.is_empty() {
            legacy.looks = legacy.looks.wrapping_add(1);
            legacy.next = Instant::now() + after / 3;
        }
        if is_tidied {
            self.source.tidy(partition, after * TIDY)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn after_an_outage_nothing_is_taken_over_for_a_while() {
        let (begin, hour) = (Instant::now(), Duration::from_hours(1));
        let mut legacy = Legacy::new(begin);
        assert_eq!(legacy.partition(&[3, 4], begin), Some(3));
        legacy.rest(begin + hour);
        assert_eq!(legacy.partition(&[3, 4], begin + hour / 2), None);
        assert_eq!(legacy.partition(&[3, 4], begin + hour), Some(3));
    }
}
