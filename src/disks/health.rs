//! Whether a file system is fit for mail.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::locks::lock;

/// How long an error counts.
const COUNTS_FOR: Duration = Duration::from_mins(1);
/// How long a file system that is ill is left alone before it is tried again.
pub(super) const REST: Duration = Duration::from_secs(10);

/// What is known of one file system.
#[derive(Debug)]
pub(super) struct Health {
    /// Errors that make it ill; 0 is no limit.
    most: AtomicUsize,
    /// Asked for every message, so without the lock.
    ill: AtomicBool,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// When the last errors were, `most` at most.
    errors: VecDeque<Instant>,
    /// When it is to be tried next.
    next: Option<Instant>,
}

/// What may be done with a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Use,
    /// It was left alone long enough: whoever hears this tries whether it works again. The others
    /// hear [`Leave`](Self::Leave).
    Try,
    Leave,
}

impl Health {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: AtomicUsize::new(most),
            ill: AtomicBool::new(false),
            record: Mutex::default(),
        }
    }

    /// Changes how many errors make it ill. One that is ill stays so until it works.
    pub(super) fn allow(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    pub(super) fn advice(&self, now: Instant) -> Advice {
        if !self.ill.load(Ordering::Acquire) {
            return Advice::Use;
        }
        match &mut lock(&self.record).next {
            None => Advice::Use,
            Some(next) if *next > now => Advice::Leave,
            Some(next) => {
                *next = now + REST;
                Advice::Try
            }
        }
    }

    /// Whether it is to be left alone.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.ill.load(Ordering::Acquire) && lock(&self.record).next.is_some_and(|next| next > now)
    }

    /// Counts an error, and says whether it has become ill with this one.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        let mut record = lock(&self.record);
        if most == 0 || record.next.is_some() {
            return false;
        }
        record.errors.push_back(now);
        while record.errors.len() > most {
            record.errors.pop_front();
        }
        let first = record.errors.front();
        let recent = first.is_some_and(|first| now.saturating_duration_since(*first) < COUNTS_FOR);
        if record.errors.len() < most || !recent {
            return false;
        }
        record.next = Some(now + REST);
        self.ill.store(true, Ordering::Release);
        true
    }

    /// It works again.
    pub(super) fn recovered(&self) {
        *lock(&self.record) = Record::default();
        self.ill.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn so_many_errors_in_a_minute_make_it_ill() {
        let (health, start) = (Health::new(3), Instant::now());
        let failed = |seconds| health.failed(start + seconds * SECOND);
        // Never three within a minute.
        for seconds in [0, 30, 61, 92, 122] {
            assert!(!failed(seconds), "{seconds}");
        }
        assert_eq!(health.advice(start + 122 * SECOND), Advice::Use);
        assert!(failed(151));
        assert!(!failed(151), "it is ill already");
        assert_eq!(health.advice(start + 151 * SECOND), Advice::Leave);
        assert!(health.rests(start + 151 * SECOND));
    }

    #[test]
    fn it_is_tried_by_one_at_a_time_until_it_works() {
        let (health, start) = (Health::new(1), Instant::now());
        assert!(health.failed(start));
        let later = start + REST;
        assert!(!health.rests(later));
        assert_eq!(health.advice(later), Advice::Try);
        assert_eq!(health.advice(later), Advice::Leave);
        assert_eq!(health.advice(later + REST), Advice::Try);
        health.recovered();
        assert_eq!(health.advice(later + REST), Advice::Use);
        assert!(health.failed(later + REST), "it may fall ill again");
    }

    #[test]
    fn without_a_limit_it_is_never_ill() {
        let (health, now) = (Health::new(0), Instant::now());
        for _ in 0..100 {
            assert!(!health.failed(now));
        }
        assert_eq!(health.advice(now), Advice::Use);
    }
}
