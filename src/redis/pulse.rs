//! Whether Redis answers. One that is down is left alone: nobody waits for it but one that tries.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::Fault;
use crate::health::Part;
use crate::locks::lock;

/// The first pause after a failure, and the longest.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Whether Redis answers.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<Beat>);

#[derive(Debug, Default)]
struct Beat {
    /// Failures in a row.
    failures: u32,
    /// Until when nobody tries.
    until: Option<Instant>,
    /// Whether one tries.
    tried: bool,
    why: String,
    /// Its line on the board, if it has one.
    part: Option<Part>,
}

/// Leave to ask Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// As ever.
    Plain,
    /// Alone, to see whether it answers again.
    Try,
}

impl Pulse {
    /// Whether it may be asked `now`; while it is down only one may at a time, and not at once again.
    pub(super) fn leave(&self, now: Instant) -> Result<Leave, Fault> {
        let mut beat = lock(&self.0);
        if beat.failures == 0 {
            return Ok(Leave::Plain);
        }
        if beat.tried || beat.until.is_some_and(|until| now < until) {
            return Err(Fault::Down(beat.why.clone()));
        }
        beat.tried = true;
        Ok(Leave::Try)
    }

    /// What those hear who had leave before it went down.
    pub(super) fn down(&self, now: Instant) -> Option<Fault> {
        let beat = lock(&self.0);
        let is_down = beat.failures > 0 && beat.until.is_some_and(|until| now < until);
        is_down.then(|| Fault::Down(beat.why.clone()))
    }

    /// What Redis suffers from, if it does.
    pub(super) fn why(&self) -> Option<String> {
        let beat = lock(&self.0);
        (beat.failures > 0).then(|| beat.why.clone())
    }

    /// It has answered.
    pub(super) fn beats(&self) {
        let mut beat = lock(&self.0);
        if beat.failures == 0 {
            return;
        }
        log::info!("Redis answers again");
        let part = beat.part.take();
        if let Some(part) = &part {
            part.well();
        }
        *beat = Beat {
            part,
            ..Beat::default()
        };
    }

    /// It has not.
    pub(super) fn stops(&self, now: Instant, why: &str) {
        let mut beat = lock(&self.0);
        if beat.failures == 0 {
            log::error!(cause = why; "Redis is down: mail that needs it is deferred");
        }
        let part = beat.part.take();
        if let Some(part) = &part {
            part.ill(why);
        }
        let pause = SHORTEST.saturating_mul(1 << beat.failures.min(10));
        *beat = Beat {
            failures: beat.failures.saturating_add(1),
            until: Some(now + pause.min(LONGEST)),
            tried: false,
            why: why.to_owned(),
            part,
        };
    }

    /// Writes down there how it is.
    pub(super) fn telling(&self, part: Part) {
        let mut beat = lock(&self.0);
        if beat.failures > 0 {
            part.ill(&beat.why);
        }
        beat.part = Some(part);
    }

    /// Who had leave to try did not come to it.
    pub(super) fn give_back(&self) {
        lock(&self.0).tried = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_it_is_down_one_at_a_time_tries() {
        let (pulse, now) = (Pulse::default(), Instant::now());
        assert_eq!(pulse.leave(now), Ok(Leave::Plain));
        pulse.stops(now, "gone");
        assert!(pulse.leave(now).is_err(), "at once");
        assert_eq!(pulse.down(now), Some(Fault::Down("gone".into())));
        let later = now + SHORTEST;
        assert_eq!(pulse.leave(later), Ok(Leave::Try));
        assert!(pulse.leave(later).is_err(), "two at a time");
        pulse.stops(later, "still gone");
        assert!(pulse.leave(later + SHORTEST).is_err(), "the pause grows");
        assert_eq!(pulse.leave(later + SHORTEST * 2), Ok(Leave::Try));
        pulse.give_back();
        assert_eq!(pulse.leave(later + SHORTEST * 2), Ok(Leave::Try));
        pulse.beats();
        assert_eq!(pulse.leave(later), Ok(Leave::Plain));
        assert_eq!(pulse.down(later), None);
    }

    #[test]
    fn the_pause_has_an_end() {
        let (pulse, now) = (Pulse::default(), Instant::now());
        for _ in 0..100 {
            pulse.stops(now, "gone");
        }
        assert_eq!(pulse.leave(now + LONGEST), Ok(Leave::Try));
    }
}
