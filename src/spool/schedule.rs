//! When a letter is tried again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// No consumer can put a letter off for longer, unless the schedule does so anyway.
const LONGEST: Duration = Duration::from_hours(24);

/// The waits between the attempts at one letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The wait after the first attempt, after the second, and so on; the last one stays.
    pub waits: Vec<Duration>,
    /// How old a letter becomes.
    pub give_up_after: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        let minutes = [1, 2, 5, 15, 30, 60].map(Duration::from_mins);
        let seconds = [10, 30].map(Duration::from_secs);
        Self {
            waits: seconds.into_iter().chain(minutes).collect(),
            give_up_after: Duration::from_hours(3 * 24),
        }
    }
}

impl Schedule {
    /// When the next attempt at the letter `name` is due, after `attempts` of which the last one
    /// was `now`; `None` when the letter would be too old by then. `queued` is when it was put into
    /// the queue; all in milliseconds since 1970. The consumer may ask for another
    /// wait than the planned one: a longer one, up to a day, or a shorter one, down to the shortest of
    /// the schedule.
    ///
    /// A tenth of the wait, at most, is added: letters that came together shall not come together
    /// for ever. How much depends on the letter and the attempt alone.
    pub fn next(
        &self,
        name: &str,
        queued: u64,
        attempts: u32,
        now: u64,
        asked: Option<Duration>,
    ) -> Option<u64> {
        let index = (attempts.max(1) as usize - 1).min(self.waits.len().saturating_sub(1));
        let planned = self.waits.get(index).copied().unwrap_or_default();
        let wait = asked.map_or(planned, |asked| self.bound(asked));
        let mut hasher = DefaultHasher::new();
        (name, attempts).hash(&mut hasher);
        let jitter = milliseconds(wait) / 10 * (hasher.finish() % 1000) / 1000;
        let next = now
            .saturating_add(milliseconds(wait))
            .saturating_add(jitter);
        let last = queued.saturating_add(milliseconds(self.give_up_after));
        // One last attempt is made when it is time.
        match (now >= last, next > last) {
            (true, _) => None,
            (false, true) => Some(last),
            (false, false) => Some(next),
        }
    }

    /// Nobody is hammered, whatever it asks for.
    fn bound(&self, asked: Duration) -> Duration {
        let shortest = self.waits.iter().min().copied().unwrap_or_default();
        asked.max(shortest).min(LONGEST.max(shortest))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4)
}
