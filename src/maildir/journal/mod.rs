//! A log before the Maildirs.
//!
//! A message is promised when its record is in the log, which takes one write and one sync for all
//! messages that come at the same time, over however many Maildirs they are spread. A thread
//! behind it, the checkpointer, then delivers them in the order that [`super`] describes, and only
//! when that is durable may the log overwrite their records. After a crash what is in the log is
//! delivered first of all, under the names that the records have: what is there already is not
//! delivered again.
//!
//! | module | is |
//! |---|---|
//! | `record`, `frame`, `tail` | the format |
//! | `files`, `disk` | the files of a log, and what is done with them |
//! | `scan` | reading it after a restart |
//! | `desk` | what is in it, where, and what has become of it |
//! | `ticket` | one write for all who wait |
//! | `checkpoint`, `letter` | from the log into the Maildirs |

mod backlog;
mod checkpoint;
mod desk;
mod disk;
mod files;
mod frame;
mod letter;
mod open;
mod record;
mod scan;
mod tail;
#[cfg(test)]
mod tests;
mod ticket;

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use backlog::Backlog;
use desk::{Desk, Withdrawal};
use files::{Files, TailFile};
pub(super) use open::{Recover, recover};
pub use open::{Recovered, Recovery};
pub(super) use record::Entry;
use record::{Body, Record};
pub(super) use tail::Number;
use tail::Place;
use ticket::{Ticket, Verdict};

use super::{Location, Message};
use crate::group::Group;
use crate::locks::{lock, woken};

/// The size of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) segments: usize,
    /// Octets of each, a multiple of 4096.
    pub(super) octets: u64,
}

/// How a log works.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workings {
    pub(super) layout: Layout,
    /// Whether anything is delivered from it.
    pub(super) checkpoint: bool,
    /// Whether every file and every folder is synced by itself, whatever the kernel can do.
    pub(super) each: bool,
    /// Octets of messages that may be in memory.
    pub(super) memory: usize,
    /// Messages that may wait for their delivery before the next one has to wait itself.
    pub(super) queue: usize,
    /// How long one waits for room in the log.
    pub(super) patience: Duration,
    /// After how long a delivery that failed is tried again; then twice as long each time.
    pub(super) retry: Duration,
}

impl Default for Workings {
    fn default() -> Self {
        Self {
            layout: Layout {
                segments: 4,
                octets: 16 << 20,
            },
            checkpoint: true,
            each: false,
            memory: 64 << 20,
            queue: 256,
            patience: Duration::from_secs(1),
            retry: Duration::from_secs(1),
        }
    }
}

/// A log that can no longer be written to: what is promised from now on is promised without it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the journal {0}; until a restart messages are delivered without it")]
pub struct JournalFailed(String);

/// Why a record is not in the log.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It does not fit; another way is open.
    Unwritten,
    /// It is unknown whether it is there, so that nothing may be promised.
    Unknown(io::Error),
}

/// A log that is ours, and the thread that delivers from it.
#[derive(Debug)]
pub(super) struct Journal {
    shared: Arc<Shared>,
    checkpointer: Mutex<Option<JoinHandle<()>>>,
}

/// What those who write and those who deliver have in common.
#[derive(Debug)]
struct Shared {
    files: Files,
    /// Nothing when it could not be written.
    tail: Mutex<Option<TailFile>>,
    group: Group<Ticket>,
    desk: Mutex<Desk>,
    /// There is something to deliver, or to stop.
    work: Condvar,
    /// Something was delivered.
    done: Condvar,
    /// Set once and for all when a write has failed.
    failed: OnceLock<JournalFailed>,
    /// The log was full and nobody should wait for it again.
    full: AtomicBool,
    closing: AtomicBool,
    /// Octets of messages in memory.
    memory: Arc<AtomicUsize>,
    workings: Workings,
}

/// Octets of a message beyond which the log is no gain: one sync less is worth less than that all
/// of it is written once more, and it would have to be in memory.
const LARGEST: usize = 2 << 20;

thread_local! {
    /// The message that this thread has staged last. Its copies come one after the other.
    static LAST: RefCell<Weak<Body>> = const { RefCell::new(Weak::new()) };
}

impl Journal {
    /// A message as it would be in the log; nothing if that has no room for it, or what was put
    /// there before for this Maildir cannot be delivered.
    pub(super) fn entry(
        &self,
        location: &Location,
        message: &Message<'_>,
        name: String,
        mode: u32,
    ) -> Option<Arc<Entry>> {
        if lock(&self.shared.desk).is_troubled(location) {
            return None;
        }
        let (head, rest) = message.parts.split_first().unzip();
        let head = head.copied().unwrap_or_default();
        let rest = rest.unwrap_or_default();
        let body = self.shared.body(rest, message.stream, head.len())?;
        Some(Arc::new(Entry {
            location: location.clone(),
            mode,
            name,
            head: head.to_vec(),
            body,
        }))
    }

    /// Puts messages into the log, all or none, and returns when they are durable: the number of
    /// the first one; the others follow.
    pub(super) fn append(&self, entries: Vec<Arc<Entry>>) -> Result<Number, Refusal> {
        self.shared.wait_for_the_queue();
        self.shared.submit(Record::Deliver(entries))
    }

    /// Takes a message out of the log that is not delivered yet, and says whether it was there. If
    /// it is being delivered, that is waited for.
    pub(super) fn cancel(&self, number: Number, name: &str) -> io::Result<bool> {
        let shared = &self.shared;
        let mut desk = lock(&shared.desk);
        loop {
            match desk.withdraw(number) {
                Withdrawal::Held => break,
                Withdrawal::TooLate => return Ok(false),
                Withdrawal::Busy if shared.failed.get().is_some() => return Ok(false),
                Withdrawal::Busy => desk = woken(shared.done.wait(desk)),
            }
        }
        drop(desk);
        let cancelled = shared.submit(Record::Cancel(vec![name.to_string()]));
        let mut desk = lock(&shared.desk);
        desk.finish(number);
        // The cancellation has served when what it cancels is forgotten.
        if let Ok(cancellation) = cancelled {
            desk.finish(cancellation);
        }
        drop(desk);
        shared.work.notify_one();
        match cancelled {
            Ok(_) => Ok(true),
            Err(Refusal::Unwritten) => Err(io::Error::other("the log takes no more")),
            Err(Refusal::Unknown(error)) => Err(error),
        }
    }

    /// Delivers all that can be delivered, and stops. What cannot stays in the log.
    pub(super) fn close(&self) {
        {
            let _desk = lock(&self.shared.desk);
            self.shared.closing.store(true, Ordering::Relaxed);
        }
        self.shared.work.notify_all();
        self.shared.done.notify_all();
        if let Some(thread) = lock(&self.checkpointer).take() {
            // A panic in it was told where it occurred; what it leaves is in the log.
            let _ = thread.join();
        }
        self.shared.files.unlock();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// What copies share, taken from the copy before if this is another of the same message.
    fn body(
        &self,
        parts: &[&[u8]],
        stream: Option<&dyn super::Stream>,
        head: usize,
    ) -> Option<Arc<Body>> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = length + usize::try_from(stream.map_or(0, super::Stream::octets)).ok()?;
        if self.failed.get().is_some() || self.closing.load(Ordering::Relaxed) {
            return None;
        }
        let last = LAST.with_borrow(Weak::upgrade);
        if let Some(body) =
            last.filter(|body| body.belongs_to(&self.memory) && body.is(parts, stream))
        {
            return Some(body);
        }
        let kept = self.memory.load(Ordering::Relaxed);
        let fits = length <= LARGEST && frame::size((length + head) as u64) <= self.files.size;
        if !fits || kept.saturating_add(length) > self.workings.memory {
            return None;
        }
        let body = Arc::new(Body::collect(parts, stream, length, &self.memory)?);
        LAST.set(Arc::downgrade(&body));
        Some(body)
    }

    /// Waits until the checkpointer has not too much before it: what is promised shall be seen
    /// soon.
    fn wait_for_the_queue(&self) {
        let waits = |desk: &mut Desk| {
            self.workings.checkpoint
                && self.failed.get().is_none()
                && desk.queued() >= self.workings.queue
        };
        let desk = lock(&self.desk);
        let desk = self.done.wait_while(desk, waits);
        drop(desk);
    }

    fn submit(&self, record: Record) -> Result<Number, Refusal> {
        let encoded = record.encode();
        let fits = frame::size(encoded.len() as u64) <= self.files.size
            && record.count() < Number::PER_FRAME;
        if !fits {
            return Err(Refusal::Unwritten);
        }
        let ticket = Ticket::new(record, encoded);
        let write = |batch: &mut [Ticket]| self.write(batch);
        match self.group.join(ticket, Ticket::fits(), write).verdict {
            Verdict::Durable(number) => Ok(number),
            Verdict::Refused => Err(Refusal::Unwritten),
            Verdict::Unknown => {
                let failed = self.failed.get().cloned();
                let failed = failed.unwrap_or_else(|| JournalFailed(String::new()));
                Err(Refusal::Unknown(io::Error::other(failed)))
            }
        }
    }

    /// Writes records as one frame. An error of the disk leaves it unknown what is there, so
    /// nothing is ever written after it.
    fn write(&self, batch: &mut [Ticket]) {
        let _fuse = Fuse(self);
        let written = match self.failed.get() {
            Some(_) => Err(Verdict::Refused),
            None => self.write_frame(batch),
        };
        let mut index = 0;
        for ticket in batch {
            ticket.verdict = match written {
                Ok(sequence) => Verdict::Durable(Number::new(sequence, index)),
                Err(verdict) => verdict,
            };
            index += ticket.record.count();
        }
    }

    /// Writes a frame, and says its sequence number.
    fn write_frame(&self, batch: &[Ticket]) -> Result<u64, Verdict> {
        let records: Vec<&[u8]> = batch.iter().flat_map(|it| it.encoded.slices()).collect();
        let octets: usize = batch.iter().map(|ticket| ticket.encoded.len()).sum();
        let Some((sequence, place)) = self.find_place(octets as u64, batch) else {
            return Err(Verdict::Refused);
        };
        let header = frame::header(sequence, &records, &self.files.key);
        let padding = frame::padding(octets as u64);
        let mut slices = vec![header.as_slice()];
        slices.extend(records);
        slices.push(padding);
        let outcome = self.files.append(place, &slices);
        let mut desk = lock(&self.desk);
        if let Err(error) = outcome {
            desk.failed(sequence);
            drop(desk);
            let path = self.files.segment_path(place.segment);
            self.fail(format!("{} cannot be written: {error}", path.display()));
            return Err(Verdict::Unknown);
        }
        desk.durable(sequence);
        drop(desk);
        self.work.notify_one();
        Ok(sequence)
    }

    /// A place for a frame. If the log is full that is waited for a while, and the next time not at
    /// all: there is another way for messages, and it is open.
    fn find_place(&self, octets: u64, batch: &[Ticket]) -> Option<(u64, Place)> {
        let deadline = Instant::now() + self.workings.patience;
        let mut desk = lock(&self.desk);
        loop {
            if self.closing.load(Ordering::Relaxed) {
                return None;
            }
            let records = batch.iter().map(|ticket| &ticket.record);
            if let Some(found) = desk.place(octets, records) {
                self.full.store(false, Ordering::Relaxed);
                return Some(found);
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() || self.full.load(Ordering::Relaxed) {
                self.full.store(true, Ordering::Relaxed);
                return None;
            }
            desk = woken(self.done.wait_timeout(desk, rest)).0;
        }
    }

    fn fail(&self, what: String) {
        let failed = JournalFailed(what);
        log::error!("{failed}");
        // Nobody who has just looked goes to sleep after this.
        let desk = lock(&self.desk);
        let _ = self.failed.set(failed);
        drop(desk);
        self.done.notify_all();
        self.work.notify_all();
    }
}

/// Ends the log if its thread panics, so that nobody builds on what it has left, or waits for it.
struct Fuse<'a>(&'a Shared);

impl Drop for Fuse<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = self.0.files.path.display();
            self.0
                .fail(format!("{path} has met a fault of this program"));
        }
    }
}
