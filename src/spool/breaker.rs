//! A consumer that is down is left alone.

use std::time::Duration;

/// The first pause.
const SHORTEST: Duration = Duration::from_secs(1);

/// Counts failures in a row. After so many the breaker is open: one letter at a time is tried, at
/// growing intervals, until the consumer answers again. All times are milliseconds.
#[derive(Debug)]
pub(super) struct Breaker {
    /// How many failures open it; 0 is none.
    threshold: u32,
    longest: u64,
    failures: u32,
    pause: u64,
    until: u64,
}

impl Breaker {
    pub(super) fn new(threshold: u32, longest: Duration) -> Self {
        Self {
            threshold,
            longest: milliseconds(longest),
            failures: 0,
            pause: 0,
            until: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.threshold > 0 && self.failures >= self.threshold
    }

    /// How many letters may be under way `now`, of `most`.
    pub(super) fn room(&self, now: u64, most: usize) -> usize {
        if self.is_open() {
            usize::from(now >= self.until).min(most)
        } else {
            most
        }
    }

    /// From when on one letter may be tried.
    pub(super) fn until(&self) -> u64 {
        if self.is_open() { self.until } else { 0 }
    }

    /// The consumer has answered; says whether that closes the breaker.
    pub(super) fn answered(&mut self) -> bool {
        let was_open = self.is_open();
        self.failures = 0;
        self.pause = 0;
        was_open
    }

    /// An attempt has failed; says whether that opens the breaker.
    pub(super) fn failed(&mut self, now: u64) -> bool {
        let was_open = self.is_open();
        self.failures = self.failures.saturating_add(1);
        if !self.is_open() || was_open && now < self.until {
            return false;
        }
        let next = self.pause.saturating_mul(2);
        self.pause = next.max(milliseconds(SHORTEST)).min(self.longest);
        self.until = now.saturating_add(self.pause);
        !was_open
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
