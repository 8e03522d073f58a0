//! The checkpointer: from the log into the Maildirs.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::desk::{Item, Trouble};
use super::letter::{Letter, Seen};
use super::{Fuse, Shared};
use crate::locks::{lock, woken};
use crate::maildir::Owner;
use crate::maildir::handle::{sync_file_system, sync_folder};
use crate::maildir::maildirs::Maildirs;
use crate::maildir::threads::in_threads;

/// Messages that are delivered together.
const BATCH: usize = 256;
/// How long the names of the last messages wait to be synced together with the next ones.
const LINGER: Duration = Duration::from_millis(50);
/// The longest time between two tries.
const RETRY: Duration = Duration::from_mins(1);

/// How messages are made durable in their Maildirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The whole file system is synced, once for the content of these messages and the names of
    /// those before. That is the same effort for one Maildir and for a thousand.
    Whole,
    /// Every file, and every folder.
    Each,
}

/// Delivers what is in the log.
#[derive(Debug)]
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    maildirs: Arc<Maildirs>,
    own: Owner,
    way: Way,
    /// The device of the root, which the way `Whole` is about.
    device: u64,
    /// In `new/`, with names that are not synced yet.
    shown: Vec<Letter>,
}

impl Checkpointer {
    pub(super) fn new(
        shared: Arc<Shared>,
        maildirs: Arc<Maildirs>,
        own: Owner,
        way: Way,
    ) -> io::Result<Self> {
        Ok(Self {
            device: rustix::fs::fstat(&shared.files.root)?.st_dev,
            shown: Vec::new(),
            shared,
            maildirs,
            own,
            way,
        })
    }

    /// Delivers until the log is closed.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _fuse = Fuse(&shared);
        while let Some(items) = self.next() {
            if items.is_empty() {
                self.settle();
            } else {
                self.deliver(items);
            }
        }
        self.settle();
    }

    /// Delivers what is in the log now, each message with one try, however long all of them take.
    pub(super) fn drain(&mut self) {
        let begun = Instant::now();
        loop {
            let items = lock(&self.shared.desk).take(BATCH, begun);
            if items.is_empty() {
                return self.settle();
            }
            self.deliver(items);
        }
    }

    /// Waits for messages. None at all means that the last ones have waited long enough for
    /// others; nothing that this is the end.
    fn next(&self) -> Option<Vec<Item>> {
        let shared = &self.shared;
        let mut desk = lock(&shared.desk);
        let mut lingered = false;
        loop {
            let items = desk.take(BATCH, Instant::now());
            if !items.is_empty() {
                return Some(items);
            }
            // Who has panicked while it wrote, or withdrew, does not come to an end with that.
            let is_in_use = desk.is_in_use() && shared.failed.get().is_none();
            if shared.closing.load(Ordering::Relaxed) && !is_in_use {
                return None;
            }
            let unsettled = !self.shown.is_empty() || desk.changed || desk.unsynced;
            if unsettled && lingered {
                return Some(items);
            }
            let retry = desk.parked().1;
            let retry = retry.map(|at| at.saturating_duration_since(Instant::now()));
            let wait = match retry {
                _ if unsettled => LINGER,
                Some(retry) => retry,
                None => Duration::MAX,
            };
            let waited = woken(shared.work.wait_timeout(desk, wait));
            lingered = unsettled && waited.1.timed_out();
            desk = waited.0;
        }
    }

    /// Delivers messages: all that can be done for all of them together is.
    fn deliver(&mut self, items: Vec<Item>) {
        let mut seen = Seen::default();
        let mut letters = Vec::with_capacity(items.len());
        for item in items {
            match Letter::open(&item, &self.maildirs, &mut seen) {
                Ok(letter) => letters.push(letter),
                Err(error) => self.park(&item, &error),
            }
        }
        let whole =
            |letter: &Letter| self.way == Way::Whole && letter.maildir.identity.0 == self.device;
        let (together, alone) = letters.into_iter().partition(whole);
        self.deliver_each(alone);
        self.deliver_together(together);
    }

    /// Writes all, syncs the file system, and shows all. Their names are synced with the content of
    /// the next ones.
    fn deliver_together(&mut self, letters: Vec<Letter>) {
        if letters.is_empty() {
            return;
        }
        let written = self.write(letters, false);
        match sync_file_system(&self.shared.files.root) {
            Ok(()) => {
                self.finish_shown();
                self.shown = self.show(written);
            }
            Err(error) => {
                self.distrust(error);
                // The error may be about any file, and is told only once.
                for letter in &written {
                    letter.discard();
                }
                self.settle();
                self.deliver_each(written);
            }
        }
    }

    fn deliver_each(&mut self, letters: Vec<Letter>) {
        if letters.is_empty() {
            return;
        }
        let written = self.write(letters, true);
        let shown = self.show(written);
        self.sync_folders(&shown);
        self.shared.save(false);
    }

    /// Makes the names of what is shown durable.
    fn settle(&mut self) {
        if !self.shown.is_empty() {
            let outcome = match self.way {
                Way::Whole => sync_file_system(&self.shared.files.root),
                Way::Each => Err(Errno::NOSYS),
            };
            match outcome {
                Ok(()) => self.finish_shown(),
                Err(error) => {
                    if self.way == Way::Whole {
                        self.distrust(error);
                    }
                    let shown = std::mem::take(&mut self.shown);
                    self.sync_folders(&shown);
                }
            }
        }
        self.shared.save(true);
    }

    /// From now on every file and every folder is synced by itself.
    fn distrust(&mut self, error: Errno) {
        log::error!(path:% = self.shared.files.path.display(), error:% = error; "the file system cannot be synced");
        self.way = Way::Each;
    }

    /// Writes messages into `tmp/`, and syncs them if that is asked for; the others wait for
    /// another try.
    fn write(&self, letters: Vec<Letter>, sync: bool) -> Vec<Letter> {
        let write = |letter: &Letter| letter.write(self.own, sync);
        let outcomes = if sync {
            in_threads(letters.iter().collect(), write)
        } else {
            letters.iter().map(write).collect()
        };
        self.sift(letters, outcomes)
    }

    /// Renames messages into `new/`.
    fn show(&self, letters: Vec<Letter>) -> Vec<Letter> {
        let outcomes = letters.iter().map(Letter::show).collect();
        self.sift(letters, outcomes)
    }

    /// Those with which all is well.
    fn sift(&self, letters: Vec<Letter>, outcomes: Vec<io::Result<()>>) -> Vec<Letter> {
        let mut good = Vec::with_capacity(letters.len());
        for (letter, outcome) in letters.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => good.push(letter),
                Err(error) => {
                    letter.discard();
                    self.maildirs
                        .may_be_stale(&letter.item.entry.location, &error);
                    self.park(&letter.item, &error);
                }
            }
        }
        good
    }

    /// Syncs every folder of these messages once.
    fn sync_folders(&self, letters: &[Letter]) {
        let mut seen = HashMap::new();
        let mut folders: Vec<&OwnedFd> = Vec::new();
        let places: Vec<usize> = letters
            .iter()
            .map(|letter| {
                *seen.entry(letter.maildir.identity).or_insert_with(|| {
                    folders.push(&letter.maildir.new);
                    folders.len() - 1
                })
            })
            .collect();
        let outcomes = in_threads(folders, |folder| Ok(sync_folder(folder)?));
        let mut desk = lock(&self.shared.desk);
        let mut failed = Vec::new();
        for (letter, place) in letters.iter().zip(places) {
            match &outcomes[place] {
                Ok(()) => desk.finish(letter.item.number),
                Err(error) => failed.push((letter, error)),
            }
        }
        drop(desk);
        for (letter, error) in failed {
            letter.take_back();
            self.park(&letter.item, error);
        }
        self.shared.done.notify_all();
    }

    /// What was shown is durable now.
    fn finish_shown(&mut self) {
        let mut desk = lock(&self.shared.desk);
        for letter in self.shown.drain(..) {
            letter.item.tell();
            desk.finish(letter.item.number);
        }
        drop(desk);
        self.shared.save(false);
        self.shared.done.notify_all();
    }

    /// Lets a message wait for another try; the log says so less and less often.
    fn park(&self, item: &Item, error: &io::Error) {
        let tries = item.tries.min(16);
        let wait = self
            .shared
            .workings
            .retry
            .saturating_mul(1 << tries)
            .min(RETRY);
        if item.tries.is_power_of_two() || item.tries == 0 {
            let path = item.entry.location.path();
            log::error!(maildir:% = path.display(), file = item.entry.name.as_str(), error:% = error; "a message that was accepted cannot be delivered yet, and is kept in the log");
        }
        let until = Instant::now() + wait;
        lock(&self.shared.desk).park(item.number, until, trouble(error));
        self.shared.done.notify_all();
    }
}

impl Shared {
    /// Writes the tail. It is synced when that makes room, or when there is time for it; until then
    /// a crash means that more is looked at again.
    pub(super) fn save(&self, at_rest: bool) {
        let mut desk = lock(&self.desk);
        if !(desk.changed || at_rest && desk.unsynced) {
            return;
        }
        let snapshot = desk.snapshot();
        let sync = at_rest || snapshot.frees();
        desk.unsynced = !sync;
        drop(desk);
        let mut tail = lock(&self.tail);
        match tail.as_mut().map(|tail| tail.write(&snapshot.tail, sync)) {
            Some(Ok(())) if sync => lock(&self.desk).saved(&snapshot),
            Some(Err(error)) => {
                // The tail before this one stays, and with it all that came after: the log fills
                // up, and messages go another way.
                *tail = None;
                log::error!(path:% = self.files.path.display(), error:% = error; "the tail of the log cannot be written");
            }
            _ => {}
        }
        self.done.notify_all();
    }
}

fn trouble(error: &io::Error) -> Trouble {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::IO) => Trouble::Everywhere,
        _ => Trouble::Here,
    }
}
