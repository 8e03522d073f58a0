//! One message, from the stream to what follows from its fate.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Worker;
use super::mail::mail;
use crate::chain::Fate;
use crate::failure::Failure;
use crate::redis::Fault;
use crate::smtp::reply;
use crate::stream::{Entry, Place};

/// How long what Redis could not be told waits, in milliseconds.
pub(super) const SOON: u64 = 1000;
/// How long a message rests that somebody panicked over.
const AFTER_PANIC: u64 = 60_000;

impl Worker {
    /// Delivers it, and does what follows. A panic is a fault that may pass.
    pub(super) fn deliver(&self, entry: &Entry) {
        let place = (entry.partition, entry.id.clone());
        let handled = AssertUnwindSafe(|| self.attempt(entry, &place));
        if catch_unwind(handled).is_err() {
            log::error!(id = id(entry), partition = entry.partition; "a panic while it was delivered");
            self.held.wait(&place, now() + AFTER_PANIC);
        }
    }

    fn attempt(&self, entry: &Entry, place: &Place) {
        if !self.is_ours(place) {
            return;
        }
        let attempts = self.held.attempt(place);
        let fate = smol::block_on(self.fate(entry));
        let to = entry
            .parcel
            .as_ref()
            .map_or("?", |parcel| &*parcel.slip.rcpt);
        match fate {
            Ok(()) => {
                self.held.went(true);
                log::info!(id = id(entry), to = to, partition = entry.partition, attempts = attempts; "delivered");
                self.finish(entry, place);
            }
            Err(failure) if failure.reply.is_permanent() => {
                // It says nothing of what is to come.
                self.held.went(true);
                self.bury(entry, place, &failure.to_string());
            }
            Err(failure) => {
                self.held.went(false);
                self.put_off(entry, place, attempts, &failure);
            }
        }
    }

    /// Whether nobody else may have taken it over while it waited for this thread; Redis is asked only
    /// where that took long. What may be another's is put back.
    fn is_ours(&self, place: &Place) -> bool {
        let after = self.settings.take_over_after;
        if self.held.is_told(place, after / 2) {
            return true;
        }
        let told = Instant::now();
        match self.source.keep(slice::from_ref(place), after, None) {
            Ok(lost) if lost.is_empty() => {
                self.held.told(slice::from_ref(place), told);
                true
            }
            Ok(_) => {
                log::info!(id = &*place.1, partition = place.0; "another worker has taken it over");
                self.held.end(place);
                false
            }
            Err(fault) => {
                log::debug!(id = &*place.1, fault:% = fault; "it may be another worker's by now");
                self.held.wait(place, now() + SOON);
                false
            }
        }
    }

    async fn fate(&self, entry: &Entry) -> Fate {
        let parcel = entry.parcel.as_ref();
        let parcel = parcel.map_err(|why| Failure::new(reply::BAD_RECIPIENT, why))?;
        let mail = Arc::new(mail(parcel, &self.recipients).await?);
        let turn = self.chain.turn(&mail.envelope.recipients).await;
        self.chain.deliver(mail, turn).await
    }

    /// Tells Redis that it is delivered; later, if that fails.
    pub(super) fn finish(&self, entry: &Entry, place: &Place) {
        match self.source.finish(entry) {
            Ok(()) => self.held.end(place),
            Err(fault) => {
                log::warn!(id = id(entry), fault:% = fault; "delivered, and Redis cannot be told yet");
                self.held.delivered(entry);
            }
        }
    }

    /// Tells Redis of what is delivered, and it could not be told of before.
    pub(super) fn tell(&self) {
        for entry in self.held.untold() {
            match self.source.finish(&entry) {
                Ok(()) => self.held.end(&(entry.partition, entry.id.clone())),
                // The other nodes are as well as ever.
                Err(Fault::Away(_)) => {}
                Err(_) => return,
            }
        }
    }

    /// Nobody tries it any more.
    pub(super) fn bury(&self, entry: &Entry, place: &Place, why: &str) {
        match self.source.bury(entry, why) {
            Ok(()) => {
                log::error!(id = id(entry), partition = entry.partition, cause = why; "not delivered: among the dead ones");
                self.held.end(place);
            }
            Err(fault) => {
                log::error!(id = id(entry), cause = why, fault:% = fault; "cannot put a message among the dead ones");
                self.held.wait(place, now() + SOON);
            }
        }
    }

    fn put_off(&self, entry: &Entry, place: &Place, attempts: u32, failure: &Failure) {
        let (time, schedule) = (now(), &self.settings.schedule);
        match schedule.next(&entry.id, entry.time(), attempts, time, None) {
            Some(next) => {
                let seconds = next.saturating_sub(time) / 1000;
                log::warn!(id = id(entry), partition = entry.partition, attempts = attempts, seconds = seconds, cause:% = failure; "not delivered yet");
                self.held.wait(place, next);
            }
            None => self.bury(entry, place, &format!("given up: {failure}")),
        }
    }
}

/// What it is called in the log.
pub(super) fn id(entry: &Entry) -> &str {
    let parcel = entry.parcel.as_ref();
    parcel.map_or(&entry.id, |parcel| &parcel.slip.id)
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
