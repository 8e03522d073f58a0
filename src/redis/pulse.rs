//! Whether Redis answers. One that is down is left alone: nobody waits for it but one that tries.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::Fault;
use crate::health::Part;
use crate::locks::lock;

/// The first pause after a failure, and the longest.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Whether Redis, or a node of it, answers.
#[derive(Debug)]
pub(super) struct Pulse {
    /// What it is called in the log.
    name: &'static str,
    beat: Mutex<Beat>,
}

#[derive(Debug, Default)]
struct Beat {
    /// Failures in a row.
    failures: u32,
    /// Until when nobody tries.
    until: Option<Instant>,
    /// The trial under way, by its number.
    trial: Option<u64>,
    /// Trials so far.
    trials: u64,
    why: String,
    /// Its line on the board, if it has one.
    part: Option<Part>,
}

/// Leave to ask Redis. Who had leave to try gives it back with it, whatever has come of that.
#[derive(Debug)]
pub(super) struct Leave<'a> {
    pulse: &'a Pulse,
    trial: Option<u64>,
}

impl Leave<'_> {
    /// Whether it is for one alone, to see whether Redis answers again.
    pub(super) fn is_trial(&self) -> bool {
        self.trial.is_some()
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let Some(trial) = self.trial else {
            return;
        };
        let mut beat = lock(&self.pulse.beat);
        // Another trial may have begun after ours.
        if beat.trial == Some(trial) {
            beat.trial = None;
        }
    }
}

impl Pulse {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            beat: Mutex::default(),
        }
    }

    /// Whether it may be asked `now`; while it is down only one may at a time, and not at once again.
    pub(super) fn leave(&self, now: Instant) -> Result<Leave<'_>, Fault> {
        let mut beat = lock(&self.beat);
        let mut trial = None;
        if beat.failures > 0 {
            if beat.trial.is_some() || beat.until.is_some_and(|until| now < until) {
                return Err(Fault::Down(beat.why.clone()));
            }
            beat.trials += 1;
            beat.trial = Some(beat.trials);
            trial = beat.trial;
        }
        Ok(Leave { pulse: self, trial })
    }

    /// What those hear who had leave before it went down.
    pub(super) fn down(&self, now: Instant) -> Option<Fault> {
        let beat = lock(&self.beat);
        let is_down = beat.failures > 0 && beat.until.is_some_and(|until| now < until);
        is_down.then(|| Fault::Down(beat.why.clone()))
    }

    /// What Redis suffers from, if it does.
    pub(super) fn why(&self) -> Option<String> {
        let beat = lock(&self.beat);
        (beat.failures > 0).then(|| beat.why.clone())
    }

    /// It has answered; `trouble` is what hampers it all the same.
    pub(super) fn beats(&self, trouble: Option<String>) {
        let mut beat = lock(&self.beat);
        if let Some(part) = &beat.part {
            // Always: another pulse may have had this line, and left it as it was.
            match trouble {
                None => part.well(),
                Some(trouble) => part.hampered(trouble),
            };
        }
        if beat.failures == 0 {
            return;
        }
        log::info!("{} answers again", self.name);
        *beat = Beat {
            part: beat.part.take(),
            trials: beat.trials,
            ..Beat::default()
        };
    }

    /// It has not.
    pub(super) fn stops(&self, now: Instant, why: &str) {
        let mut beat = lock(&self.beat);
        if beat.failures == 0 {
            log::error!(cause = why; "{} is down: mail that needs it is deferred", self.name);
        }
        if let Some(part) = &beat.part {
            part.ill(why);
        }
        let pause = SHORTEST.saturating_mul(1 << beat.failures.min(10));
        beat.failures = beat.failures.saturating_add(1);
        beat.until = Some(now + pause.min(LONGEST));
        beat.trial = None;
        why.clone_into(&mut beat.why);
    }

    /// Writes down there how it is.
    pub(super) fn telling(&self, part: Part) {
        let mut beat = lock(&self.beat);
        if beat.failures > 0 {
            part.ill(&beat.why);
        } else {
            part.well();
        }
        beat.part = Some(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Health, State};

    fn pulse() -> Pulse {
        Pulse::new("Redis")
    }

    #[test]
    fn while_it_is_down_one_at_a_time_tries() {
        let (pulse, now) = (pulse(), Instant::now());
        let is_trial = |now| pulse.leave(now).map(|leave| leave.is_trial());
        assert_eq!(is_trial(now), Ok(false));
        pulse.stops(now, "gone");
        assert!(is_trial(now).is_err(), "at once");
        assert_eq!(pulse.down(now), Some(Fault::Down("gone".into())));
        let later = now + SHORTEST;
        let trial = pulse.leave(later).expect("it is time");
        assert!(trial.is_trial());
        assert!(is_trial(later).is_err(), "two at a time");
        pulse.stops(later, "still gone");
        assert!(is_trial(later + SHORTEST).is_err(), "the pause grows");
        let next = pulse.leave(later + SHORTEST * 2).expect("it is time");
        drop(trial);
        assert!(is_trial(later + SHORTEST * 2).is_err(), "the next goes on");
        drop(next);
        pulse.beats(None);
        assert_eq!(is_trial(later), Ok(false));
        assert_eq!(pulse.down(later), None);
    }

    /// As when whoever worked for the one who tries has panicked.
    #[test]
    fn a_trial_of_which_nothing_has_come_is_no_end() {
        let (pulse, now) = (pulse(), Instant::now());
        pulse.stops(now, "gone");
        let later = now + SHORTEST;
        drop(pulse.leave(later).expect("it is time"));
        assert!(pulse.leave(later).is_ok_and(|leave| leave.is_trial()));
    }

    #[test]
    fn the_pause_has_an_end() {
        let (pulse, now) = (pulse(), Instant::now());
        for _ in 0..100 {
            pulse.stops(now, "gone");
        }
        assert!(pulse.leave(now + LONGEST).is_ok());
    }

    /// After a reload that leads elsewhere the line is that of the new one.
    #[test]
    fn what_was_ill_before_a_reload_is_well_after_it() {
        let board = Health::default();
        let (before, after) = (pulse(), pulse());
        before.telling(board.part("redis"));
        before.stops(Instant::now(), "refused");
        let state = || board.states().remove(0).1;
        assert_eq!(state(), State::Ill("refused".into()));
        after.telling(board.part("redis"));
        assert_eq!(state(), State::Well);
        // Whoever still had the old one.
        before.stops(Instant::now(), "refused");
        after.beats(None);
        assert_eq!(state(), State::Well);
        after.beats(Some("a node is away".into()));
        assert_eq!(state(), State::Hampered("a node is away".into()));
    }
}
