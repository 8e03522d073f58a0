//! The worker: hands letters over, as often as it takes.

use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use smol::Timer;
use smol::channel::Receiver;
use smol::future::or;

use super::office::Office;
use super::{Answer, Consumer, DeadLetters, Letter, Queue, Reason, Schedule, State, now};
use crate::events::{self, Event, Events, LetterFate};
use crate::health::Part;

/// The shortest time after which it is tried again to bury a letter.
const BURY_AGAIN: Duration = Duration::from_secs(10);

/// How a worker works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Attempts at once.
    pub at_once: usize,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// When a letter is tried again.
    pub schedule: Schedule,
    /// Failures in a row after which the consumer counts as down; 0 is never.
    pub failures: u32,
    /// How long it is left alone then, at most.
    pub longest_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            at_once: 4,
            timeout: Duration::from_mins(1),
            schedule: Schedule::default(),
            failures: 5,
            longest_pause: Duration::from_mins(1),
        }
    }
}

/// Hands the letters of one queue to its consumer.
pub struct Worker {
    pub(super) queue: Queue,
    pub(super) settings: Settings,
    dead: DeadLetters,
    consumer: Arc<dyn Consumer>,
    events: Events,
    pub(super) part: Option<Part>,
}

/// What became of one attempt.
pub(super) struct Ended {
    pub(super) name: Arc<str>,
    pub(super) attempts: u32,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    /// It was not there any more.
    Gone,
    /// The consumer has it, and the queue not any more.
    Delivered,
    /// It waits: the consumer could not be reached or asked for it, or the letter is at fault.
    Waits { next: u64, told: Told },
    /// It is among the dead letters.
    Dead { told: Told },
    /// The consumer has it, but it cannot be removed.
    Stays,
}

/// What an attempt tells of the consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is there, and never wants the letter.
    Refuses,
    /// It could not be reached, or asks for patience.
    Fails,
    /// It was not asked.
    Nothing,
}

/// Why a letter was not handed over.
struct Setback {
    /// How long the consumer asks to be left alone.
    after: Option<Duration>,
    why: String,
    told: Told,
}

impl Worker {
    /// A worker for one queue. If there is another for it, in whatever process, this one waits until
    /// that has ended.
    pub fn new(
        queue: Queue,
        dead: DeadLetters,
        consumer: Arc<dyn Consumer>,
        settings: Settings,
    ) -> Self {
        Self {
            queue,
            settings,
            dead,
            consumer,
            events: Events::default(),
            part: None,
        }
    }

    /// The same, where each attempt is told, and whether the consumer answers is written down.
    #[must_use]
    pub fn telling(self, events: Events, part: Part) -> Self {
        Self {
            events,
            part: Some(part),
            ..self
        }
    }

    /// Works until `stop` is ready, and then until the attempts under way have ended. May be
    /// dropped at any time: what was under way is tried again by the next worker.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut office = Office::new(self);
        or(stop, office.work()).await;
        office.close().await;
    }

    /// One attempt at a letter, from the file to what follows from the answer; none when `patience`
    /// ends meanwhile.
    pub(super) fn attempt(
        &self,
        name: Arc<str>,
        attempts: u32,
        patience: &Receiver<()>,
    ) -> Option<Ended> {
        let (attempts, outcome) = match self.queue.letter(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (attempts, Outcome::Gone),
            Err(error) => {
                let setback = self.unreadable(&name, &error);
                let about = About::nothing(&name);
                (
                    attempts + 1,
                    self.keep(&name, attempts + 1, setback, &about),
                )
            }
            Ok(letter) => {
                let about = About::of(&letter);
                let asked = self.ask(Arc::new(letter), attempts + 1, patience);
                let answer = smol::future::block_on(asked)?;
                (
                    attempts + 1,
                    self.conclude(&name, attempts + 1, answer, &about),
                )
            }
        };
        Some(Ended {
            name,
            attempts,
            outcome,
        })
    }

    /// The letter is at fault, and not the consumer.
    fn unreadable(&self, name: &str, error: &io::Error) -> Setback {
        let file = self.queue.path(name);
        let file = file.display();
        let remedy = if error.kind() == io::ErrorKind::PermissionDenied {
            let uid = rustix::process::geteuid().as_raw();
            format!("; mend it with: chown {uid} {file}")
        } else {
            format!(" ({file})")
        };
        Setback {
            after: None,
            why: format!("the letter cannot be read: {error}{remedy}"),
            told: Told::Nothing,
        }
    }

    /// Asks the consumer, which may take too long and may panic.
    async fn ask(
        &self,
        letter: Arc<Letter>,
        attempt: u32,
        patience: &Receiver<()>,
    ) -> Option<Answer> {
        let later = |why: String| Some(Answer::Later { after: None, why });
        let asked = async { Some(self.consumer.hand(letter, attempt).await) };
        let too_late = async {
            Timer::after(self.settings.timeout).await;
            later(format!("no answer within {:?}", self.settings.timeout))
        };
        let left = async {
            let _ = patience.recv().await;
            None
        };
        AssertUnwindSafe(or(asked, or(too_late, left)))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| later("the consumer panicked".into()))
    }

    /// Does what follows from an answer. All of it may block.
    fn conclude(&self, name: &str, attempts: u32, answer: Answer, about: &About) -> Outcome {
        let setback = match answer {
            Answer::Delivered => {
                let (id, to) = (&about.id, &about.to);
                log::info!(id = id, consumer = self.queue.name(), to = to, attempts = attempts; "handed over");
                self.tell(about, attempts, || LetterFate::HandedOver);
                return self.remove(name);
            }
            Answer::Never { why } => Setback {
                after: None,
                why,
                told: Told::Refuses,
            },
            Answer::Later { after, why } => Setback {
                after,
                why,
                told: Told::Fails,
            },
        };
        self.keep(name, attempts, setback, about)
    }

    /// A letter that was not handed over waits, or is a dead one.
    fn keep(&self, name: &str, attempts: u32, setback: Setback, about: &About) -> Outcome {
        let Setback { after, why, told } = setback;
        let (id, to, consumer) = (&about.id, &about.to, self.queue.name());
        let time = now();
        let queued = Queue::time(name).unwrap_or(time);
        let schedule = &self.settings.schedule;
        let next = match told {
            Told::Refuses => None,
            _ => schedule.next(name, queued, attempts, time, after),
        };
        let Some(next) = next else {
            log::error!(id = id, consumer = consumer, to = to, attempts = attempts, cause = why; "not handed over: a dead letter");
            self.tell(about, attempts, || LetterFate::Dead { why: why.clone() });
            let why = match told {
                Told::Refuses => why,
                _ => format!("given up: {why}"),
            };
            return self.bury(name, attempts, why, told);
        };
        let pause = Duration::from_millis(next.saturating_sub(time));
        log::warn!(id = id, consumer = consumer, to = to, attempts = attempts, seconds = pause.as_secs(), cause = why; "not handed over yet");
        self.tell(about, attempts, || LetterFate::Waits {
            after: pause,
            why: why.clone(),
        });
        self.wait(name, attempts, why, next);
        Outcome::Waits { next, told }
    }

    fn tell(&self, about: &About, attempts: u32, fate: impl FnOnce() -> LetterFate) {
        self.events.tell(|| {
            Event::Letter(events::Letter {
                queue: self.queue.name().to_owned(),
                id: about.id.clone(),
                recipient: about.to.clone(),
                attempts,
                fate: fate(),
            })
        });
    }

    fn wait(&self, name: &str, attempts: u32, error: String, next: u64) {
        let state = State {
            attempts,
            next,
            last: now(),
            error,
        };
        if let Err(error) = self.queue.note(name, &state) {
            log::error!(file = name, error:% = error; "cannot note when a letter is tried again");
        }
    }

    fn bury(&self, name: &str, attempts: u32, why: String, told: Told) -> Outcome {
        let reason = Reason { why, attempts };
        match self.dead.bury(&self.queue, name, &reason) {
            Ok(()) => Outcome::Dead { told },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome::Gone,
            Err(error) => {
                let wait = self.settings.schedule.waits.last().copied();
                let wait = wait.unwrap_or_default().max(BURY_AGAIN).as_millis();
                let next = now().saturating_add(u64::try_from(wait).unwrap_or(u64::MAX));
                let why = format!("{}; it cannot become a dead letter: {error}", reason.why);
                log::error!(file = name, error:% = error; "cannot move a letter to the dead letters");
                self.wait(name, attempts, why, next);
                Outcome::Waits { next, told }
            }
        }
    }

    fn remove(&self, name: &str) -> Outcome {
        match self.queue.remove(name) {
            Ok(()) => Outcome::Delivered,
            Err(error) => {
                log::error!(file = name, error:% = error; "cannot remove a letter that was handed over");
                Outcome::Stays
            }
        }
    }

    /// Removes a letter that was handed over before.
    pub(super) fn tidy(&self, name: Arc<str>, attempts: u32) -> Ended {
        let outcome = self.remove(&name);
        Ended {
            name,
            attempts,
            outcome,
        }
    }
}

/// What the log tells of a letter.
struct About {
    id: String,
    to: String,
}

impl About {
    /// Of one that cannot be read its name is known.
    fn nothing(name: &str) -> Self {
        Self {
            id: name.to_owned(),
            to: String::new(),
        }
    }

    fn of(letter: &Letter) -> Self {
        Self {
            id: letter.slip.id.clone(),
            to: letter.slip.rcpt.clone(),
        }
    }
}
