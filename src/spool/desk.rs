//! What a worker knows while it works: what is due, what is under way, and whether the consumer
//! answers at all.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use smol::Timer;
use smol::future::or;

use super::agenda::Agenda;
use super::breaker::Breaker;
use super::watch::{Change, Watch};
use super::worker::{Ended, Outcome, Worker};
use super::{Pending, Queue, State, now};

/// How long it waits before it looks for a folder again that is not there or cannot be read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How many milliseconds it waits before it tries again to remove a letter.
const REMOVE_AGAIN: u64 = 10_000;
/// How many milliseconds it sleeps, at most: clocks are set, and machines wake up.
const LONGEST_SLEEP: u64 = 60_000;

/// How many milliseconds a letter waits, at most: a day and what is added to it.
const LONGEST_WAIT: u64 = 27 * 3_600_000;

/// The attempts under way.
pub(super) type UnderWay = FuturesUnordered<Pending<'static, Ended>>;

/// What a worker knows while it works.
pub(super) struct Desk {
    worker: Arc<Worker>,
    agenda: Agenda,
    breaker: Breaker,
    watch: Option<Watch>,
    /// Held as long as the queue is watched: one worker at a time.
    lock: Option<OwnedFd>,
    is_alone: bool,
    /// Letters that were handed over and could not be removed.
    done: HashSet<Arc<str>>,
}

enum Event {
    Changes(Vec<Change>),
    Ended(Ended),
    Time,
}

impl Desk {
    pub(super) fn new(worker: Worker) -> Self {
        let settings = &worker.settings;
        Self {
            breaker: Breaker::new(settings.failures, settings.longest_pause),
            agenda: Agenda::default(),
            watch: None,
            lock: None,
            is_alone: true,
            done: HashSet::new(),
            worker: Arc::new(worker),
        }
    }

    /// Works for ever.
    pub(super) async fn work(&mut self, under_way: &mut UnderWay) {
        loop {
            if self.watch.is_none() {
                self.open().await;
            }
            self.start(under_way);
            let sleep = self.sleep(under_way.len());
            let time = async {
                match sleep {
                    Some(sleep) => drop(Timer::after(sleep).await),
                    None => pending().await,
                }
                Event::Time
            };
            let ended = async {
                match under_way.next().await {
                    Some(ended) => Event::Ended(ended),
                    None => pending().await,
                }
            };
            let watch = &mut self.watch;
            let changes = async {
                match watch {
                    Some(watch) => Event::Changes(watch.changes().await),
                    None => pending().await,
                }
            };
            match or(or(ended, changes), time).await {
                Event::Ended(ended) => self.ended(ended),
                Event::Changes(changes) => self.changed(changes).await,
                Event::Time => {}
            }
        }
    }

    /// Begins to watch the queue, and looks at all that is there.
    async fn open(&mut self) {
        self.lock = None;
        let worker = Arc::clone(&self.worker);
        let opened = smol::unblock(move || {
            worker.queue.make()?;
            let lock = worker.queue.lock()?;
            Ok((lock, Watch::new(&worker.queue)?))
        });
        match opened.await {
            Ok((lock, watch)) => {
                self.lock = Some(lock);
                self.watch = Some(watch);
                self.is_alone = true;
                self.scan().await;
            }
            Err(error) if is_busy(&error) => {
                if self.is_alone {
                    log::warn!(consumer = self.worker.queue.name(); "another process hands over its letters: ours wait until it has ended");
                }
                self.is_alone = false;
            }
            Err(error) => {
                log::debug!(consumer = self.worker.queue.name(), error:% = error; "there is no queue to look at");
            }
        }
    }

    async fn scan(&mut self) {
        let worker = Arc::clone(&self.worker);
        match smol::unblock(move || worker.queue.scan()).await {
            Ok(found) => {
                let found: HashMap<String, Option<State>> = found.into_iter().collect();
                self.agenda.retain(|name| found.contains_key(name));
                for (name, state) in found {
                    self.enter(&name, state);
                }
            }
            Err(error) => {
                log::error!(consumer = self.worker.queue.name(), error:% = error; "cannot look at the queue");
                self.watch = None;
            }
        }
    }

    /// Begins attempts at what is due.
    fn start(&mut self, under_way: &mut UnderWay) {
        let now = now();
        while let Some(due) = self.agenda.due() {
            if under_way.len() >= self.room(due, now) {
                return;
            }
            let Some((name, attempts)) = self.agenda.next(now) else {
                return;
            };
            let worker = Arc::clone(&self.worker);
            under_way.push(if self.done.contains(&name) {
                Box::pin(worker.tidy(name, attempts))
            } else {
                Box::pin(worker.attempt(name, attempts))
            });
        }
    }

    /// How many attempts there may be at once if the next letter was due at `due`.
    fn room(&self, due: u64, now: u64) -> usize {
        let most = self.worker.settings.at_once;
        match due {
            State::NOW => most,
            _ => self.breaker.room(now, most),
        }
    }

    /// How long nothing is to be done unless something happens.
    fn sleep(&mut self, under_way: usize) -> Option<Duration> {
        if self.watch.is_none() {
            return Some(LOOK_AGAIN);
        }
        let due = self.agenda.due()?;
        let from = match due {
            State::NOW => due,
            _ => due.max(self.breaker.until()),
        };
        if under_way >= self.room(due, from) {
            return None;
        }
        Some(Duration::from_millis(
            from.saturating_sub(now()).min(LONGEST_SLEEP),
        ))
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

    async fn changed(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Letter(name) if self.agenda.has(&name) => {}
                Change::Letter(name) => self.enter(&name, None),
                Change::State(name) => {
                    // One that is gone tells so itself.
                    if let Some(state) = self.worker.queue.state(&name)
                        && self.agenda.has(&name)
                    {
                        self.enter(&name, Some(state));
                    }
                }
                Change::Gone(name) => self.agenda.forget(&name),
                Change::All => self.scan().await,
                Change::Lost => self.watch = None,
            }
        }
    }

    /// Takes note of what an attempt has come to.
    pub(super) fn ended(&mut self, ended: Ended) {
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
            Outcome::Dead { answered } => {
                self.agenda.forget(&name);
                if answered {
                    self.answered();
                } else {
                    self.failed();
                }
            }
            Outcome::Waits { next } => {
                // Who has asked for it since the attempt ended was not heard while it was under way.
                let is_asked =
                    |state: State| state.next == State::NOW && state.attempts == attempts;
                let asked = self.worker.queue.state(&name).is_some_and(is_asked);
                let due = if asked { State::NOW } else { next };
                self.agenda.again(name, due, attempts);
                self.failed();
            }
            Outcome::Stays => {
                self.done.insert(Arc::clone(&name));
                self.agenda.again(name, now() + REMOVE_AGAIN, attempts);
                self.answered();
            }
        }
    }

    fn answered(&mut self) {
        if self.breaker.answered() {
            log::info!(consumer = self.worker.queue.name(), letters = self.agenda.len(); "it answers again");
        }
    }

    fn failed(&mut self) {
        if self.breaker.failed(now()) {
            log::warn!(consumer = self.worker.queue.name(), letters = self.agenda.len(); "it seems to be down: one letter at a time is tried until it answers");
        }
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
