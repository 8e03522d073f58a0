//! Group commit: who comes while something is being written waits, and goes with all others that
//! wait in the next frame. Nobody waits for a timer.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};

use super::lock;
use super::record::{Encoded, Record};
use super::tail::Number;

/// Octets and records of one frame, unless a single record has more.
const OCTETS: usize = 4 << 20;
const RECORDS: usize = 512;

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Group(Mutex<Line>);

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Arc<Ticket>>,
    /// Whether one of them is writing.
    led: bool,
}

/// A record on its way into the log.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) record: Record,
    pub(super) encoded: Encoded,
    verdict: Mutex<Verdict>,
    told: Condvar,
}

/// What becomes of a record.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Waiting,
    /// Its thread is to write for all.
    Lead,
    /// It is durable; its first entry has this number.
    Durable(Number),
    /// Nothing was written: there is no room, or no log any more.
    Refused,
    /// Nobody knows whether it was written.
    Failed,
}

impl Group {
    /// Has a record written, by this thread or by another, and says what became of it. `write` gets
    /// the records of a frame and has one verdict for each.
    pub(super) fn submit(
        &self,
        record: Record,
        encoded: Encoded,
        write: impl FnOnce(&[Arc<Ticket>]) -> Vec<Verdict>,
    ) -> Verdict {
        let ticket = Arc::new(Ticket {
            record,
            encoded,
            verdict: Mutex::new(Verdict::Waiting),
            told: Condvar::new(),
        });
        let leads = {
            let mut line = lock(&self.0);
            line.waiting.push_back(Arc::clone(&ticket));
            !std::mem::replace(&mut line.led, true)
        };
        if !leads {
            let verdict = ticket.wait();
            if !matches!(verdict, Verdict::Lead) {
                return verdict;
            }
        }
        self.lead(write);
        ticket.wait()
    }

    /// Writes what waits, and lets the next one lead. Whoever leads is the first of those who wait.
    fn lead(&self, write: impl FnOnce(&[Arc<Ticket>]) -> Vec<Verdict>) {
        let batch = Batch {
            group: self,
            tickets: lock(&self.0).take(),
        };
        let verdicts = write(&batch.tickets);
        for (ticket, verdict) in batch.tickets.iter().zip(verdicts) {
            ticket.tell(verdict);
        }
    }
}

/// The records of a frame; nobody waits for ever, even if writing panics.
struct Batch<'a> {
    group: &'a Group,
    tickets: Vec<Arc<Ticket>>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut line = lock(&self.group.0);
        match line.waiting.front() {
            Some(next) => next.tell(Verdict::Lead),
            None => line.led = false,
        }
        drop(line);
        for ticket in &self.tickets {
            ticket.tell(Verdict::Failed);
        }
    }
}

impl Line {
    fn take(&mut self) -> Vec<Arc<Ticket>> {
        let (mut octets, mut count) = (0, 0);
        let fits = |ticket: &&Arc<Ticket>| {
            octets += ticket.encoded.len();
            count += ticket.record.count();
            octets <= OCTETS && count <= RECORDS
        };
        let taken = self.waiting.iter().take_while(fits).count();
        let taken = taken.max(1).min(self.waiting.len());
        self.waiting.drain(..taken).collect()
    }
}

impl Ticket {
    /// The first verdict counts.
    fn tell(&self, verdict: Verdict) {
        let mut told = lock(&self.verdict);
        if matches!(*told, Verdict::Waiting | Verdict::Lead) {
            *told = verdict;
            drop(told);
            self.told.notify_one();
        }
    }

    fn wait(&self) -> Verdict {
        let told = lock(&self.verdict);
        let waits = |verdict: &mut Verdict| matches!(verdict, Verdict::Waiting);
        let told = self
            .told
            .wait_while(told, waits)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        told.clone()
    }
}
