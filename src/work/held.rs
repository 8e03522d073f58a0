//! What a worker has taken and not yet finished: places and times, no content.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::locks::{lock, woken};
use crate::stream::{Entry, Parcel, Place};

/// Failures in a row after which nothing new is taken until something goes well.
const STORM: u32 = 5;

/// What a worker has taken and not yet finished.
#[derive(Debug, Default)]
pub(super) struct Held {
    known: Mutex<Known>,
    /// A thread is done with something.
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    tasks: HashMap<Place, Task>,
    working: usize,
    /// How often a thread has come to an end with something.
    ended: u64,
    /// Deliveries in a row that failed.
    failures: u32,
}

#[derive(Debug)]
struct Task {
    attempts: u32,
    stage: Stage,
    /// When Redis was last told that it is ours; none, if it is not any more.
    told: Option<Instant>,
    /// Another worker has left it, and this one has not begun with it yet.
    inherited: bool,
}

#[derive(Debug)]
enum Stage {
    /// A thread has it, or will have it at once.
    Working,
    /// It is tried again at this time, in milliseconds since 1970.
    Waits(u64),
    /// It is delivered, and Redis could not be told yet.
    Delivered(Box<Entry>),
}

impl Held {
    /// It is ours, as Redis was told at `told`; says whether that is new.
    pub(super) fn take(&self, place: Place, told: Instant, inherited: bool) -> bool {
        let mut known = lock(&self.known);
        let is_new = !known.tasks.contains_key(&place);
        known.tasks.entry(place).or_insert(Task {
            attempts: 0,
            stage: Stage::Waits(0),
            told: Some(told),
            inherited,
        });
        is_new
    }

    /// It goes to a thread; says whether it is here, and was not with one already.
    pub(super) fn begin(&self, place: &Place) -> bool {
        let mut known = lock(&self.known);
        let Some(task) = known.tasks.get_mut(place) else {
            return false;
        };
        let is_free = matches!(task.stage, Stage::Waits(_));
        if is_free {
            task.stage = Stage::Working;
            known.working += 1;
        }
        is_free
    }

    /// Whether another worker has left it, and this one has not begun with it yet.
    pub(super) fn is_inherited(&self, place: &Place) -> bool {
        let known = lock(&self.known);
        known.tasks.get(place).is_some_and(|task| task.inherited)
    }

    /// This worker has begun with it.
    pub(super) fn begun(&self, place: &Place) {
        if let Some(task) = lock(&self.known).tasks.get_mut(place) {
            task.inherited = false;
        }
    }

    /// Redis was told, at `when`, that these are ours.
    pub(super) fn told(&self, places: &[Place], when: Instant) {
        let mut known = lock(&self.known);
        for place in places {
            if let Some(task) = known.tasks.get_mut(place) {
                task.told = Some(when);
            }
        }
    }

    /// Redis says that these are not ours any more.
    pub(super) fn lose(&self, places: &[Place]) {
        let mut known = lock(&self.known);
        for place in places {
            let stage = known.tasks.get_mut(place).map(|task| {
                task.told = None;
                &task.stage
            });
            if matches!(stage, Some(Stage::Waits(_))) {
                known.tasks.remove(place);
            }
        }
    }

    /// Whether Redis was told within the last `time` that it is ours.
    pub(super) fn is_told(&self, place: &Place, time: Duration) -> bool {
        let known = lock(&self.known);
        let told = known.tasks.get(place).and_then(|task| task.told);
        told.is_some_and(|told| told.elapsed() < time)
    }

    /// How often it was tried, this time included.
    pub(super) fn attempt(&self, place: &Place) -> u32 {
        let mut known = lock(&self.known);
        let task = known.tasks.get_mut(place);
        task.map_or(1, |task| {
            task.attempts += 1;
            task.attempts
        })
    }

    /// It is done with, whatever became of it.
    pub(super) fn end(&self, place: &Place) {
        self.leave(place, None);
    }

    /// It is tried again at `next`.
    pub(super) fn wait(&self, place: &Place, next: u64) {
        self.leave(place, Some(Stage::Waits(next)));
    }

    /// It is delivered, and Redis is to be told.
    pub(super) fn delivered(&self, entry: &Entry) {
        let place = (entry.partition, entry.id.clone());
        let stripped = Entry {
            parcel: entry
                .parcel
                .as_ref()
                .map_err(Clone::clone)
                .map(|parcel| Parcel {
                    content: Vec::new(),
                    ..parcel.clone()
                }),
            ..entry.clone()
        };
        self.leave(&place, Some(Stage::Delivered(Box::new(stripped))));
    }

    fn leave(&self, place: &Place, stage: Option<Stage>) {
        let mut known = lock(&self.known);
        let Some(task) = known.tasks.get_mut(place) else {
            return;
        };
        let was_working = matches!(task.stage, Stage::Working);
        match stage {
            Some(stage) => task.stage = stage,
            None => drop(known.tasks.remove(place)),
        }
        known.working -= usize::from(was_working);
        known.ended += u64::from(was_working);
        self.freed.notify_one();
    }

    /// How a delivery went.
    pub(super) fn went(&self, well: bool) {
        let mut known = lock(&self.known);
        known.failures = if well {
            0
        } else {
            known.failures.saturating_add(1)
        };
    }

    /// How many more may be taken, of `most` at work and `waiting` that wait. None while half of them
    /// are at work still, so that several are taken at once.
    pub(super) fn room(&self, most: usize, waiting: usize) -> usize {
        let known = lock(&self.known);
        let waits = known.tasks.len() - known.working;
        if waits >= waiting || waits > 0 && known.failures >= STORM {
            return 0;
        }
        if known.working > most / 2 {
            return 0;
        }
        most.saturating_sub(known.working)
    }

    /// Waits while more than half of `most` are at work, so long at most; says whether they were.
    pub(super) fn pause(&self, most: usize, time: Duration) -> bool {
        let known = lock(&self.known);
        let was_busy = known.working > most / 2;
        let is_busy = |known: &mut Known| known.working > most / 2;
        drop(woken(self.freed.wait_timeout_while(known, time, is_busy)));
        was_busy
    }

    /// How often a thread has come to an end with something.
    pub(super) fn ended(&self) -> u64 {
        lock(&self.known).ended
    }

    /// How many more may go to threads, of `most`.
    pub(super) fn free(&self, most: usize) -> usize {
        most.saturating_sub(lock(&self.known).working)
    }

    /// Those whose time has come by `now`, at most `most`.
    pub(super) fn due(&self, now: u64, most: usize) -> Vec<Place> {
        let known = lock(&self.known);
        let due = known.tasks.iter().filter(|(_, task)| match task.stage {
            Stage::Waits(next) => next <= now,
            _ => false,
        });
        due.map(|(place, _)| place.clone()).take(most).collect()
    }

    /// Those of which Redis is still to be told.
    pub(super) fn untold(&self) -> Vec<Entry> {
        let known = lock(&self.known);
        let untold = known.tasks.values().filter_map(|task| match &task.stage {
            Stage::Delivered(entry) => Some(Entry::clone(entry)),
            _ => None,
        });
        untold.collect()
    }

    /// Those that wait: what was tried, and has come to an end, and what was not.
    pub(super) fn waiting(&self) -> (Vec<Place>, Vec<Place>) {
        let known = lock(&self.known);
        let tasks = known.tasks.iter();
        let waits = tasks.filter(|(_, task)| matches!(task.stage, Stage::Waits(_)));
        let (mut tried, mut untried) = (Vec::new(), Vec::new());
        for (place, task) in waits {
            let list = if task.attempts > 0 {
                &mut tried
            } else {
                &mut untried
            };
            list.push(place.clone());
        }
        (tried, untried)
    }

    /// Those that do not wait.
    pub(super) fn others(&self) -> Vec<Place> {
        let known = lock(&self.known);
        let tasks = known.tasks.iter();
        let others = tasks.filter(|(_, task)| !matches!(task.stage, Stage::Waits(_)));
        others.map(|(place, _)| place.clone()).collect()
    }
}
