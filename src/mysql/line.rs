//! Those who wait for the server, of whom there may be so many: the others have their turns for mail that
//! does not need it.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::fault::{Fault, Kind};
use crate::locks::{lock, woken};

/// How long one waits for a place: enough where many come at once to a server that works, and so little that
/// one that hangs keeps no more turns than there are places.
const PATIENCE: Duration = Duration::from_millis(100);

/// Those who wait.
#[derive(Debug)]
pub(super) struct Line {
    waiting: Mutex<usize>,
    left: Condvar,
    most: usize,
}

/// A place among them.
pub(super) struct Place<'a>(&'a Line);

impl Line {
    pub(super) fn new(most: usize) -> Self {
        Self {
            waiting: Mutex::new(0),
            left: Condvar::new(),
            most: most.max(1),
        }
    }

    pub(super) fn enter(&self) -> Result<Place<'_>, Fault> {
        let deadline = Instant::now() + PATIENCE;
        let mut waiting = lock(&self.waiting);
        while *waiting >= self.most {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let message = format!("{waiting} messages wait for the server already");
                return Err(Fault::new(Kind::Down, message));
            }
            waiting = woken(self.left.wait_timeout(waiting, left)).0;
        }
        *waiting += 1;
        Ok(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *lock(&self.0.waiting) -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn only_so_many_wait() {
        let line = Line::new(2);
        let first = line.enter().ok();
        let second = line.enter().ok();
        assert!(line.enter().is_err() && line.enter().is_err());
        drop(first);
        let third = line.enter();
        assert!(third.is_ok() && second.is_some());
    }

    #[test]
    fn many_at_once_are_all_served() {
        let line = Line::new(2);
        let all = thread::scope(|scope| {
            let threads: Vec<_> = (0..40)
                .map(|_| scope.spawn(|| line.enter().is_ok()))
                .collect();
            threads.into_iter().all(|it| it.join().is_ok_and(|it| it))
        });
        assert!(all && *lock(&line.waiting) == 0);
    }
}
