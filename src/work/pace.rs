//! How much the threads get done, and how much may wait for them.

use std::time::{Duration, Instant};

/// What is taken should be with a thread within this time: another worker might be sooner.
const SOON: Duration = Duration::from_millis(50);
/// So much is taken ahead, however few and fast the threads are: what is asked of Redis together costs
/// it and us little more than one.
const AHEAD: usize = 16;

/// What the threads have done of late.
#[derive(Debug)]
pub(super) struct Pace {
    at_once: usize,
    since: Instant,
    /// How many deliveries had ended then.
    ended: u64,
    most: usize,
}

impl Pace {
    /// Of so many threads, which have done nothing yet.
    pub(super) fn new(at_once: usize, now: Instant) -> Self {
        Self {
            at_once,
            since: now,
            ended: 0,
            most: at_once * 2,
        }
    }

    /// How many messages may be with the threads, or on their way to them, now that so many deliveries have
    /// ended: two for each, or as many as they have got done within the time, if that is more.
    pub(super) fn most(&mut self, ended: u64, now: Instant) -> usize {
        let time = now.saturating_duration_since(self.since);
        if time < SOON {
            return self.most;
        }
        let done = u128::from(ended.saturating_sub(self.ended));
        let soon = done * SOON.as_micros() / time.as_micros();
        let (least, most) = (self.at_once * 2, Self::capacity(self.at_once));
        self.most = usize::try_from(soon).unwrap_or(most).clamp(least, most);
        (self.since, self.ended) = (now, ended);
        self.most
    }

    /// The most that it ever is.
    pub(super) fn capacity(at_once: usize) -> usize {
        (at_once * 2).max(AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_fast_takes_more_ahead() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut pace = Pace::new(1, begin);
        assert_eq!(pace.most(10, after(10)), 2, "it is too early to tell");
        assert_eq!(pace.most(8, after(100)), 4);
        assert_eq!(pace.most(1000, after(200)), 16);
        // One that has taken long, and ends just now, is no sign of speed.
        assert_eq!(pace.most(1001, after(260)), 2);
        assert_eq!(pace.most(1001, after(10_000)), 2);
        let mut pace = Pace::new(16, begin);
        assert_eq!(pace.most(1000, after(100)), 32);
    }
}
