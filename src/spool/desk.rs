//! What a worker knows while it works: what is due, what is under way, and whether the consumer
//! answers at all.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::agenda::Agenda;
use super::breaker::Breaker;
use super::worker::{Ended, Outcome, Settings, Told};
use super::{Queue, State, now};
use crate::health::Part;
use crate::maildir::{Look, bundle_of};

/// How many milliseconds it waits before it tries again to remove a letter.
const REMOVE_AGAIN: u64 = 10_000;
/// How many milliseconds it sleeps, at most: clocks are set, and machines wake up.
const LONGEST_SLEEP: u64 = 60_000;
/// How many milliseconds a letter waits, at most: a day and what is added to it.
const LONGEST_WAIT: u64 = 27 * 3_600_000;

/// What a worker knows while it works.
pub(super) struct Desk {
    queue: Queue,
    at_once: usize,
    agenda: Agenda,
    breaker: Breaker,
    under_way: usize,
    /// Held as long as the queue is watched: one worker at a time.
    lock: Option<OwnedFd>,
    is_closed: bool,
    /// Letters that were handed over and could not be removed.
    done: HashSet<Arc<str>>,
    /// How far bundles were looked through.
    looked: HashMap<String, u64>,
    /// Where it is written down whether the consumer answers.
    part: Option<Part>,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Next {
    /// An attempt at this letter, after so many.
    Attempt(Arc<str>, u32),
    /// Removing this one, which the consumer has.
    Tidy(Arc<str>, u32),
    /// Nothing for so long, unless something happens.
    Wait(Option<Duration>),
    /// Nothing any more.
    Stop,
}

impl Desk {
    pub(super) fn new(queue: Queue, settings: &Settings, part: Option<Part>) -> Self {
        Self {
            queue,
            at_once: settings.at_once,
            breaker: Breaker::new(settings.failures, settings.longest_pause),
            agenda: Agenda::default(),
            under_way: 0,
            lock: None,
            is_closed: false,
            done: HashSet::new(),
            looked: HashMap::new(),
            part,
        }
    }

    /// Takes the queue, or gives it up: without its lock nothing is begun.
    pub(super) fn take(&mut self, lock: Option<OwnedFd>) {
        self.lock = lock;
    }

    /// How many hands are of use: one for each letter, up to what is allowed.
    pub(super) fn hands(&self) -> usize {
        self.agenda.len().min(self.at_once)
    }

    /// From now on nothing is begun.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// What is due; it is under way from now on, until it has [`ended`](Self::ended).
    pub(super) fn next(&mut self) -> Next {
        if self.is_closed {
            return Next::Stop;
        }
        let now = now();
        let Some(due) = self.agenda.due().filter(|_| self.lock.is_some()) else {
            return Next::Wait(None);
        };
        if self.under_way >= self.room(due, now) {
            return Next::Wait(self.sleep(due, now));
        }
        let Some((name, attempts)) = self.agenda.next(now) else {
            return Next::Wait(self.sleep(due, now));
        };
        self.under_way += 1;
        if self.done.contains(&name) {
            Next::Tidy(name, attempts)
        } else {
            Next::Attempt(name, attempts)
        }
    }

    /// Whether another could begin something at once.
    pub(super) fn has_more(&mut self) -> bool {
        let now = now();
        let due = self.agenda.due().filter(|due| *due <= now);
        let due = due.filter(|_| self.lock.is_some() && !self.is_closed);
        due.is_some_and(|due| self.under_way < self.room(due, now))
    }

    /// How many attempts there may be at once if the next letter was due at `due`.
    fn room(&self, due: u64, now: u64) -> usize {
        match due {
            State::NOW => self.at_once,
            _ => self.breaker.room(now, self.at_once),
        }
    }

    /// How long nothing is to be done unless something happens.
    fn sleep(&self, due: u64, now: u64) -> Option<Duration> {
        let from = match due {
            State::NOW => due,
            _ => due.max(self.breaker.until()),
        };
        if self.under_way >= self.room(due, from) {
            return None;
        }
        let sleep = from.saturating_sub(now).min(LONGEST_SLEEP);
        Some(Duration::from_millis(sleep))
    }

    /// All letters that there are, and what is known of those that were tried.
    pub(super) fn enter_all(&mut self, found: Vec<(String, Option<State>)>) {
        let found: HashMap<String, Option<State>> = found.into_iter().collect();
        self.agenda.retain(|name| found.contains_key(name));
        for (name, state) in found {
            self.enter(&name, state);
        }
        let agenda = &self.agenda;
        self.looked.retain(|bundle, _| agenda.has_of(bundle));
    }

    /// How far a bundle was looked through.
    pub(super) fn looked(&self, bundle: &str) -> u64 {
        self.looked.get(bundle).copied().unwrap_or(0)
    }

    /// What was found in a bundle from there on.
    pub(super) fn enter_bundle(&mut self, bundle: String, look: &Look) {
        for name in &look.names {
            self.enter_new(name);
        }
        if self.agenda.has_of(&bundle) {
            self.looked.insert(bundle, look.end);
        }
    }

    /// A letter that is new.
    pub(super) fn enter_new(&mut self, name: &str) {
        if !self.agenda.has(name) {
            self.enter(name, None);
        }
    }

    /// What is new about a letter. One that is not there any more tells so itself.
    pub(super) fn enter_state(&mut self, name: &str, state: State) {
        if self.agenda.has(name) {
            self.enter(name, Some(state));
        }
    }

    /// A letter that somebody has removed.
    pub(super) fn forget(&mut self, name: &str) {
        self.agenda.forget_idle(name);
    }

    fn enter(&mut self, name: &str, state: Option<State>) {
        let (due, attempts) = match state {
            // However the clock was when that was written.
            Some(state) => (state.next.min(now() + LONGEST_WAIT), state.attempts),
            // In the order in which they came; and nobody has asked for them by hand.
            None => (
                Queue::time(name)
                    .unwrap_or(0)
                    .min(now())
                    .max(State::NOW + 1),
                0,
            ),
        };
        self.agenda.enter(name.into(), due, attempts);
    }

    /// Takes note of what an attempt has come to; says which bundle nothing waits in any more.
    pub(super) fn ended(&mut self, ended: Ended) -> Option<String> {
        let bundle = bundle_of(&ended.name).map(str::to_owned);
        self.under_way -= 1;
        self.conclude(ended);
        let bundle = bundle.filter(|bundle| !self.agenda.has_of(bundle))?;
        self.looked.remove(&bundle);
        Some(bundle)
    }

    fn conclude(&mut self, ended: Ended) {
        let Ended {
            name,
            attempts,
            outcome,
        } = ended;
        match outcome {
            Outcome::Gone => self.agenda.forget(&name),
            Outcome::Delivered => {
                self.done.remove(&name);
                self.agenda.forget(&name);
                self.answered();
            }
            Outcome::Dead { told } => {
                self.agenda.forget(&name);
                self.heard(told);
            }
            Outcome::Waits { next, told } => {
                // Who has asked for it since the attempt ended was not heard while it was under way.
                let is_asked =
                    |state: State| state.next == State::NOW && state.attempts == attempts;
                let asked = self.queue.state(&name).is_some_and(is_asked);
                let due = if asked { State::NOW } else { next };
                self.agenda.again(name, due, attempts);
                self.heard(told);
            }
            Outcome::Stays => {
                self.done.insert(Arc::clone(&name));
                self.agenda.again(name, now() + REMOVE_AGAIN, attempts);
                self.answered();
            }
        }
    }

    fn heard(&mut self, told: Told) {
        match told {
            Told::Refuses => self.answered(),
            Told::Fails => self.failed(),
            Told::Nothing => {}
        }
    }

    fn answered(&mut self) {
        // Always: a worker from before may have had this line, and left it as it was.
        self.part.as_ref().map(Part::well);
        if self.breaker.answered() {
            log::info!(consumer = self.queue.name(), letters = self.agenda.len(); "it answers again");
        }
    }

    fn failed(&mut self) {
        if self.breaker.failed(now()) {
            let down = "the application does not answer, its letters wait";
            self.part.as_ref().map(|part| part.hampered(down));
            log::warn!(consumer = self.queue.name(), letters = self.agenda.len(); "it seems to be down: one letter at a time is tried until it answers");
        }
    }
}
