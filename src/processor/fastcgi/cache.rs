//! What PHP said of recipients, for a while.
//!
//! A recipient is asked about once at a time: who asks meanwhile waits and gets the
//! same answer. When PHP cannot say, the last thing it said counts for some time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::lock::Mutex as Turn;

use crate::fastcgi::Verdict;
use crate::locks::lock;

/// How often a full cache is looked through, at most.
const PURGE_EVERY: Duration = Duration::from_secs(1);

/// How long answers are believed.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Good recipients.
    pub positive: Duration,
    /// Refused ones.
    pub negative: Duration,
    /// Beyond that, while PHP cannot say.
    pub stale_if_error: Duration,
    /// Recipients that are remembered.
    pub entries: usize,
}

#[derive(Debug)]
pub(super) struct Cache {
    times: Times,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    slots: HashMap<String, Arc<Turn<Slot>>>,
    purged: Option<Instant>,
}

/// What is known of one recipient.
#[derive(Debug, Default)]
struct Slot {
    /// The last thing PHP said.
    said: Option<(Instant, Verdict)>,
    /// The last time that it could not say.
    failed: Option<(Instant, Verdict)>,
}

impl Cache {
    pub(super) fn new(times: Times) -> Self {
        let known = Known {
            slots: HashMap::new(),
            purged: None,
        };
        Self {
            times,
            known: Mutex::new(known),
        }
    }

    /// What is known of a recipient, or else what `ask` finds out.
    pub(super) async fn verdict(
        &self,
        name: String,
        ask: impl Future<Output = Verdict>,
    ) -> Verdict {
        let began = Instant::now();
        let slot = self.slot(name, began);
        let mut slot = slot.lock().await;
        let now = Instant::now();
        if let Some((at, verdict)) = &slot.said
            && now < *at + self.fresh(verdict)
        {
            return verdict.clone();
        }
        // Who waited while PHP could not say does not wait once more.
        let shared = slot.failed.take_if(|(at, _)| *at >= began);
        let (verdict, is_shared) = match shared {
            Some((at, verdict)) => {
                slot.failed = Some((at, verdict.clone()));
                (verdict, true)
            }
            None => (ask.await, false),
        };
        let now = Instant::now();
        if !matches!(verdict, Verdict::Unknown { .. }) {
            slot.said = Some((now, verdict.clone()));
            return verdict;
        }
        if !is_shared {
            slot.failed = Some((now, verdict.clone()));
        }
        match &slot.said {
            Some((at, said)) if now < *at + self.fresh(said) + self.times.stale_if_error => {
                log::warn!("PHP cannot say whether it knows a recipient; its last answer counts");
                said.clone()
            }
            _ => verdict,
        }
    }

    fn fresh(&self, verdict: &Verdict) -> Duration {
        match verdict {
            Verdict::Passed => self.times.positive,
            Verdict::Refused { .. } => self.times.negative,
            Verdict::Unknown { .. } => Duration::ZERO,
        }
    }

    /// The place of a recipient; one that is forgotten at once when there is no room.
    fn slot(&self, name: String, now: Instant) -> Arc<Turn<Slot>> {
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
        }
        let slot = Arc::default();
        if known.slots.len() < self.times.entries {
            known.slots.insert(name, Arc::clone(&slot));
        }
        slot
    }

    fn is_of_use(&self, slot: &Turn<Slot>, now: Instant) -> bool {
        // Somebody is asking.
        let Some(slot) = slot.try_lock() else {
            return true;
        };
        let said = slot.said.as_ref();
        said.is_some_and(|(at, said)| now < *at + self.fresh(said) + self.times.stale_if_error)
    }
}

#[cfg(test)]
mod tests;
