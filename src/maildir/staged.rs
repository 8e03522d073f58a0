//! A message on its way into one Maildir.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, linkat};
use rustix::io::Errno;

use super::bundle::{Bundles, Packed, Written as Bundled};
use super::file::{Written, publish, remove};
use super::handle::{Maildir, sync_folder};
use super::journal::{Entry, Journal, Number};
use super::{Names, Owner, quota};

/// How often another name is tried when one is taken, which only a fault or ill will can bring
/// about.
pub(super) const NAME_TRIES: u32 = 3;

/// A message that is written in `tmp/`, or on its way into a log, and not visible yet.
///
/// [`Store::commit`](super::Store::commit) syncs and shows it; dropped before that, it is removed
/// (abort).
#[derive(Debug)]
pub struct Staged {
    pub(super) maildir: Arc<Maildir>,
    pub(super) name: String,
    pub(super) octets: u64,
    pub(super) crlf_octets: u64,
    /// Whose file it is.
    pub(super) owner: Owner,
    pub(super) state: State,
    /// Its file, until that is as durable as it shall be.
    pub(super) file: Option<Unfinished>,
    /// Whether folders are synced.
    pub(super) sync: bool,
    /// Where it is while it is [`State::Held`] or [`State::Recorded`].
    pub(super) record: Option<Held>,
    /// The same, if it goes into a bundle.
    pub(super) packed: Option<Packed>,
}

/// A file that is held open, and its place among those that may be.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) file: Written,
    pub(super) _place: Place,
}

/// How many files may be held open between stage and commit. With 100 deliveries at once that is
/// one for each; a message for a thousand Maildirs does without.
const MOST_UNFINISHED: usize = 256;

/// The right to hold one file open.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    pub(super) fn take(taken: &Arc<AtomicUsize>) -> Option<Self> {
        let free = |taken| (taken < MOST_UNFINISHED).then_some(taken + 1);
        let more = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
        more.ok().map(|_| Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A message for a log, and where it is in it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) journal: Arc<Journal>,
    pub(super) entry: Arc<Entry>,
    pub(super) number: Option<Number>,
}

impl Held {
    fn cancel(&self) -> io::Result<bool> {
        match self.number {
            Some(number) => self.journal.cancel(number, &self.entry.name),
            None => Ok(false),
        }
    }
}

/// Where the message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In memory, on its way into a log or a bundle.
    Held,
    /// In a log or a bundle, and promised.
    Recorded,
    /// In `tmp/`, or on its way there.
    Tmp,
    /// In `new/`, not yet promised.
    Linked,
    /// In `new/`, and its folder was synced.
    Committed,
    /// In neither.
    Gone,
}

impl Staged {
    /// The unique name, the same in `tmp/` and in `new/`. (If someone has taken it in `new/`
    /// meanwhile, the commit chooses another.)
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a committed message out of `new/` again, because something else that was to happen
    /// with it failed. Before the commit this is the same as dropping it. It is no error if a
    /// reader was quicker and has moved the message on: it then arrives twice, not never.
    ///
    /// # Errors
    ///
    /// Those of `unlink` and of the sync of the folder; the message may then come back after a
    /// crash.
    pub fn revoke(&mut self) -> io::Result<()> {
        let committed = matches!(self.state, State::Committed | State::Recorded);
        let cancelled = self.cancel();
        let visible = self.withdraw()?;
        if committed && (visible || matches!(cancelled, Ok(true))) {
            self.charge(-1);
        }
        if visible {
            self.sync_folder()?;
        }
        cancelled.map(drop)
    }

    /// Takes the message out of its log, and says whether it was there. What is delivered from
    /// there already, and what a delivery that failed half-way has left, is in `new/`.
    fn cancel(&mut self) -> io::Result<bool> {
        if self.state != State::Recorded {
            return Ok(false);
        }
        self.state = State::Committed;
        match (&self.record, &mut self.packed) {
            (Some(held), _) => held.cancel(),
            (None, Some(packed)) => packed.strike(),
            (None, None) => Ok(false),
        }
    }

    /// The log that it is for.
    pub(super) fn journal(&self) -> Option<Arc<Journal>> {
        self.record.as_ref().map(|held| Arc::clone(&held.journal))
    }

    pub(super) fn is_for(&self, journal: &Arc<Journal>) -> bool {
        let held = self.record.as_ref();
        held.is_some_and(|held| Arc::ptr_eq(&held.journal, journal))
    }

    /// What is, or would be, in the log.
    pub(super) fn entry(&self) -> Option<Arc<Entry>> {
        self.record.as_ref().map(|held| Arc::clone(&held.entry))
    }

    /// Whether it is on its way into a bundle.
    pub(super) fn is_packed(&self) -> bool {
        self.state == State::Held && self.packed.is_some()
    }

    /// The bundles that it is to be written into.
    pub(super) fn bundles(&self) -> Option<&Arc<Bundles>> {
        let packed = self.packed.as_ref().filter(|_| self.is_packed());
        packed
            .filter(|packed| !packed.is_written())
            .map(Packed::bundles)
    }

    /// What is to be written into one of these bundles.
    pub(super) fn packed_for(&mut self, bundles: &Arc<Bundles>) -> Option<&mut Packed> {
        let packed = self.packed.as_mut().filter(|_| self.state == State::Held);
        packed.filter(|packed| !packed.is_written() && packed.is_for(bundles))
    }

    pub(super) fn is_packed_for(&self, bundles: &Arc<Bundles>) -> bool {
        let packed = self.packed.as_ref();
        packed.is_some_and(|packed| packed.is_for(bundles))
    }

    /// Whether it is among what was written into a bundle.
    pub(super) fn is_in(&self, bundle: &Bundled) -> bool {
        let packed = self.packed.as_ref().filter(|_| self.is_packed());
        packed.is_some_and(|packed| bundle.has(packed))
    }

    /// What is in a bundle is promised.
    pub(super) fn shown(&mut self) {
        if self.is_packed() {
            self.state = State::Recorded;
        }
    }

    /// It is in the log, and promised.
    pub(super) fn recorded(&mut self, number: Number) {
        if let Some(held) = &mut self.record {
            held.number = Some(number);
        }
        self.state = State::Recorded;
        self.charge(1);
    }

    /// Gives its file in `tmp/` another name, in another `tmp/`.
    pub(super) fn link_to(&self, tmp: &OwnedFd, name: &str) -> rustix::io::Result<()> {
        linkat(&self.maildir.tmp, &self.name, tmp, name, AtFlags::empty())
    }

    /// Lets the device begin with its file.
    pub(super) fn begin(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |open| open.file.begin())
    }

    /// Makes its file durable.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), |open| open.file.finish())
    }

    /// Links the message into `new/`, unless it is there or in a log.
    pub(super) fn link(&mut self, names: &Names) -> io::Result<()> {
        match self.state {
            State::Gone => return Err(Errno::NOENT.into()),
            State::Linked | State::Committed | State::Recorded => return Ok(()),
            State::Held if self.is_packed() => return Ok(()),
            State::Tmp | State::Held => {}
        }
        let mut to = self.name.clone();
        for _ in 0..NAME_TRIES {
            match publish(&self.maildir.tmp, &self.name, &self.maildir.new, &to) {
                Ok(()) => {
                    self.name = to;
                    self.state = State::Linked;
                    return Ok(());
                }
                Err(Errno::EXIST) => to = names.next(self.octets, self.crlf_octets),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Removes the message from wherever it is, and says whether it was visible.
    pub(super) fn withdraw(&mut self) -> io::Result<bool> {
        let visible = matches!(self.state, State::Linked | State::Committed);
        let folder = match self.state {
            State::Gone => return Ok(false),
            State::Held => {
                self.state = State::Gone;
                // A commit that failed may have left it in a bundle.
                return self.packed.as_mut().map_or(Ok(false), Packed::strike);
            }
            State::Tmp => &self.maildir.tmp,
            // It was struck out.
            _ if self.packed.is_some() => {
                self.state = State::Gone;
                return Ok(false);
            }
            State::Linked | State::Committed | State::Recorded => &self.maildir.new,
        };
        self.state = State::Gone;
        match remove(folder, &self.name) {
            Ok(()) => Ok(visible),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Enters the message into the account of its quota, if there is one; with -1 it is taken out
    /// again.
    ///
    /// The account is neither synced nor worth a failed delivery: it is an estimate that is counted
    /// afresh regularly, by every program that keeps it.
    pub(super) fn charge(&self, sign: i64) {
        if let Some(top) = &self.maildir.top {
            let octets = i64::try_from(self.octets).unwrap_or(i64::MAX);
            let _ = quota::append(top, sign * octets, sign);
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        if self.sync {
            sync_folder(&self.maildir.new)?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What is committed stays. A file that cannot be removed is swept later.
        if !matches!(self.state, State::Committed | State::Recorded) {
            let _ = self.withdraw();
        }
    }
}
