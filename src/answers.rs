//! What somebody outside said of recipients, for a while.
//!
//! A recipient is asked about once at a time: who asks meanwhile waits and gets the
//! same answer. When the one who is asked cannot say, the last thing it said counts for some time.
//! An answer may say itself how long it holds, or that it is for one question alone; then, and where the
//! configuration gives it no time, nobody waits for another's answer about that recipient.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::lock::Mutex as Turn;

use crate::locks::lock;

/// How often a full cache is looked through, at most.
const PURGE_EVERY: Duration = Duration::from_secs(1);

/// How long answers about recipients are believed.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Those about recipients that there are.
    pub positive: Duration,
    /// Those about recipients that were refused.
    pub negative: Duration,
    /// How much longer those about recipients that there are, while nobody can say.
    pub stale_if_error: Duration,
    /// How many recipients are remembered.
    pub entries: usize,
}

/// What kind of answer one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Yes,
    No,
    /// It cannot be said now.
    Unknown,
}

/// What is said of a recipient.
pub(crate) trait Answer: Clone {
    fn kind(&self) -> Kind;

    /// How long it holds, where it says so itself; with no time at all it is for one question alone.
    fn lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The answers of one who is asked.
#[derive(Debug)]
pub(crate) struct Answers<A> {
    /// Who that is, for the log.
    who: String,
    times: Times,
    known: Mutex<Known<A>>,
}

#[derive(Debug)]
struct Known<A> {
    slots: HashMap<String, Arc<Turn<Slot<A>>>>,
    purged: Option<Instant>,
}

/// What is known of one recipient.
#[derive(Debug)]
struct Slot<A> {
    /// The last thing that was said.
    said: Option<(Instant, A)>,
    /// The last time that it could not be said.
    failed: Option<(Instant, A)>,
    /// What was said last is not for whoever asks next.
    is_asked_each_time: bool,
}

impl<A> Default for Slot<A> {
    fn default() -> Self {
        Self {
            said: None,
            failed: None,
            is_asked_each_time: false,
        }
    }
}

impl<A: Answer> Answers<A> {
    pub(crate) fn new(who: &str, times: Times) -> Self {
        let known = Known {
            slots: HashMap::new(),
            purged: None,
        };
        Self {
            who: who.to_owned(),
            times,
            known: Mutex::new(known),
        }
    }

    /// What is known of a recipient, or else what `ask` finds out.
    pub(crate) async fn answer(&self, name: String, ask: impl Future<Output = A>) -> A {
        let began = Instant::now();
        let place = self.slot(name, began);
        let mut slot = place.lock().await;
        let now = Instant::now();
        if let Some((at, answer)) = &slot.said
            && now < *at + self.fresh(answer)
        {
            return answer.clone();
        }
        // Who waited while it could not be said does not wait once more.
        if let Some((at, answer)) = &slot.failed
            && *at >= began
        {
            return self.or_last(&slot, answer.clone());
        }
        let answer = if slot.is_asked_each_time {
            drop(slot);
            let answer = ask.await;
            slot = place.lock().await;
            answer
        } else {
            ask.await
        };
        let now = Instant::now();
        if answer.kind() == Kind::Unknown {
            slot.failed = Some((now, answer.clone()));
            return self.or_last(&slot, answer);
        }
        slot.is_asked_each_time = self.fresh(&answer).is_zero();
        let is_for_others = answer.lifetime() != Some(Duration::ZERO);
        slot.said = is_for_others.then(|| (now, answer.clone()));
        answer
    }

    /// What counts while it cannot be said: the last thing that was, if that holds still.
    fn or_last(&self, slot: &Slot<A>, answer: A) -> A {
        match &slot.said {
            Some((at, said)) if Instant::now() < *at + self.fresh(said) + self.stale(said) => {
                log::warn!(
                    "{} cannot say whether it knows a recipient; its last answer counts",
                    self.who
                );
                said.clone()
            }
            _ => answer,
        }
    }

    fn fresh(&self, answer: &A) -> Duration {
        answer.lifetime().unwrap_or(match answer.kind() {
            Kind::Yes => self.times.positive,
            Kind::No => self.times.negative,
            Kind::Unknown => Duration::ZERO,
        })
    }

    /// How much longer an answer counts while nobody can say: whom nobody knew may have a mailbox by now,
    /// and would lose mail for good.
    fn stale(&self, answer: &A) -> Duration {
        match answer.kind() {
            Kind::Yes => self.times.stale_if_error,
            Kind::No | Kind::Unknown => Duration::ZERO,
        }
    }

    /// The place of a recipient; one that is forgotten at once when there is no room.
    fn slot(&self, name: String, now: Instant) -> Arc<Turn<Slot<A>>> {
        let mut known = lock(&self.known);
        if let Some(slot) = known.slots.get(&name) {
            return Arc::clone(slot);
        }
        let is_due = known
            .purged
            .is_none_or(|purged| now >= purged + PURGE_EVERY);
        if known.slots.len() >= self.times.entries && is_due {
            known.purged = Some(now);
            known.slots.retain(|_, slot| self.is_of_use(slot, now));
            // Those that somebody guesses keep no place from those that are there.
            if known.slots.len() >= self.times.entries {
                known.slots.retain(|_, slot| is_no_refusal(slot));
            }
        }
        let slot = Arc::default();
        if known.slots.len() < self.times.entries {
            known.slots.insert(name, Arc::clone(&slot));
        }
        slot
    }

    fn is_of_use(&self, slot: &Turn<Slot<A>>, now: Instant) -> bool {
        // Somebody is asking.
        let Some(slot) = slot.try_lock() else {
            return true;
        };
        let said = slot.said.as_ref();
        said.is_some_and(|(at, said)| now < *at + self.fresh(said) + self.stale(said))
    }
}

fn is_no_refusal<A: Answer>(slot: &Turn<Slot<A>>) -> bool {
    let Some(slot) = slot.try_lock() else {
        return true;
    };
    let said = slot.said.as_ref();
    said.is_none_or(|(_, said)| said.kind() != Kind::No)
}

#[cfg(test)]
mod tests;
