//! Lines of the log that strangers cause, as many as they like: only some are written.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::locks::lock;

/// Lines that are written in one [`WHILE`].
const LINES: u32 = 5;
const WHILE: Duration = Duration::from_mins(1);

/// Lets a few lines a minute through, and counts the others for the next one.
#[derive(Debug, Default)]
pub struct Restraint(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the first line was written of those that count.
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

/// How many lines were left out before one that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut(u64);

impl LeftOut {
    /// For the line; nothing if there was none.
    pub fn told(self) -> Option<u64> {
        Some(self.0).filter(|&count| count > 0)
    }
}

impl Restraint {
    /// Whether a line is to be written now.
    pub fn line(&self) -> Option<LeftOut> {
        self.line_at(Instant::now())
    }

    fn line_at(&self, now: Instant) -> Option<LeftOut> {
        let mut state = lock(&self.0);
        let is_over = |since| now.saturating_duration_since(since) >= WHILE;
        if state.since.is_none_or(is_over) {
            (state.since, state.written) = (Some(now), 0);
        }
        if state.written >= LINES {
            state.left_out += 1;
            return None;
        }
        state.written += 1;
        Some(LeftOut(std::mem::take(&mut state.left_out)))
    }
}

#[test]
fn a_few_lines_a_minute() {
    let restraint = Restraint::default();
    let begun = Instant::now();
    let written = |seconds| restraint.line_at(begun + Duration::from_secs(seconds));
    let first: Vec<_> = (0..10).filter_map(written).collect();
    assert_eq!(first, [LeftOut(0); 5]);
    assert_eq!(written(59), None);
    assert_eq!(written(60), Some(LeftOut(6)));
    let next: Vec<_> = (61..200).filter_map(written).collect();
    let told: Vec<u64> = next.iter().filter_map(|it| it.told()).collect();
    // Four more of that minute, and five of each of the next two, of which the first tells.
    assert_eq!((next.len(), told), (4 + 5 + 5, vec![55, 55]));
}
