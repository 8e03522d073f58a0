//! The store: everything that is delivered goes through here.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

use rustix::fs::Dir;
use rustix::io::Errno;

use super::file::{Attributes, create, fill};
use super::flush::Flush;
use super::handle::{Maildir, READ, STAND, open_below, open_root, sync_folder};
use super::journal::{self, Journal, Recovered, Refusal, Workings};
use super::maildirs::{Maildirs, is_missing};
use super::staged::{Held, NAME_TRIES, Staged, State};
use super::threads::in_threads;
use super::{Durability, Location, Names, Owner, ProbeError, Settings, probe, quota};

/// Delivers messages into Maildirs. To be shared by all threads.
#[derive(Debug)]
pub struct Store {
    settings: Settings,
    /// Who this process is.
    own: Owner,
    names: Names,
    maildirs: Arc<Maildirs>,
    /// The logs that are open, by root.
    journals: RwLock<HashMap<Arc<Path>, Arc<Journal>>>,
}

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The octets, in order, written as they are.
    pub parts: &'a [&'a [u8]],
    /// The size in octets if every end of line were CRLF, see [`crlf_size`](super::crlf_size).
    pub crlf_size: u64,
}

impl Message<'_> {
    fn octets(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum()
    }
}

impl Store {
    /// A store for the user as whom the process now runs: privileges are to be given up before.
    pub fn new(settings: Settings) -> Self {
        let own = Owner {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        Self {
            own,
            names: Names::new(&settings.host),
            maildirs: Arc::new(Maildirs::new(&settings, own)),
            journals: RwLock::default(),
            settings,
        }
    }

    /// Whether there is a Maildir at `location`, that is, one with a `new/`.
    ///
    /// # Errors
    ///
    /// A link on the way (ELOOP, ENOTDIR), a name that is none (`InvalidInput`), a root that is
    /// missing although it is required (ENOENT): none of these means that the mailbox does not
    /// exist.
    pub fn exists(&self, location: &Location) -> io::Result<bool> {
        self.maildirs.exists(location)
    }

    /// How many Maildir++ folders the Maildir at the top of `location` has; 0 if it is not there.
    ///
    /// # Errors
    ///
    /// Those of the kernel, and a link on the way.
    pub fn folders(&self, location: &Location) -> io::Result<usize> {
        location.check()?;
        let opened = open_root(&location.root, STAND)
            .and_then(|root| open_below(root, &location.components, READ));
        let maildir = match opened {
            Err(error) if is_missing(&error) => return Ok(0),
            outcome => outcome?,
        };
        let mut folders = 0;
        for entry in Dir::read_from(&maildir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            folders += usize::from(name.starts_with(b".") && !matches!(name, b"." | b".."));
        }
        Ok(folders)
    }

    /// Writes a message into `tmp/` and syncs it, or keeps it in memory for a log. The Maildir is
    /// opened, and made if it may be.
    ///
    /// # Errors
    ///
    /// Those of the kernel; [`OverQuota`](super::OverQuota) within `QuotaExceeded` when the message
    /// has no room; `InvalidInput` for a location that is none. Nothing is left behind.
    pub fn stage(&self, location: &Location, message: &Message<'_>) -> io::Result<Staged> {
        location.check()?;
        match self.try_stage(location, message) {
            Err(error) if self.maildirs.may_be_stale(location, &error) => {
                self.try_stage(location, message)
            }
            outcome => outcome,
        }
    }

    /// Links all messages into their `new/`, and syncs each of these folders once; or puts all into
    /// a log. All become visible, or none.
    ///
    /// # Errors
    ///
    /// The first one that occurs; [`JournalFailed`](super::JournalFailed) within it when a log is
    /// used no more. Then those already linked were removed again as far as that was possible: a
    /// message can arrive twice after an error, it cannot be lost after success.
    pub fn commit(&self, staged: &mut [Staged]) -> io::Result<()> {
        let recorded = self.record(staged);
        if let Err(error) = recorded.and_then(|()| self.publish(staged)) {
            withdraw(staged);
            return Err(error);
        }
        for one in staged {
            if one.state == State::Linked {
                one.state = State::Committed;
                one.charge(1);
            }
        }
        Ok(())
    }

    /// Opens the logs below these roots, with durability [`Journal`](Durability::Journal), and
    /// delivers what is in them; with another only the latter. To be called once, before any
    /// message is staged: without it a store works as with [`Full`](Durability::Full).
    ///
    /// # Errors
    ///
    /// `InvalidData` when a log is damaged, with the file and the place. It is left as it is.
    pub fn recover(&self, roots: &[Arc<Path>]) -> io::Result<Vec<Recovered>> {
        self.recover_with(roots, &Workings::default())
    }

    pub(super) fn recover_with(
        &self,
        roots: &[Arc<Path>],
        workings: &Workings,
    ) -> io::Result<Vec<Recovered>> {
        let with = journal::Recover {
            maildirs: &self.maildirs,
            own: self.own,
            workings,
            keep: self.settings.durability == Durability::Journal,
        };
        let mut recovered = Vec::new();
        for root in roots {
            if let Some((outcome, journal)) = journal::recover(root, &with)? {
                let root = Arc::clone(root);
                if let Some(journal) = journal {
                    write(&self.journals).insert(Arc::clone(&root), Arc::new(journal));
                }
                recovered.push(Recovered { root, outcome });
            }
        }
        Ok(recovered)
    }

    /// Delivers what is in the logs, and closes them: all at once, as one may be on a disk that
    /// does not answer.
    pub fn close(&self) {
        let journals = std::mem::take(&mut *write(&self.journals));
        thread::scope(|scope| {
            for journal in journals.values() {
                let thread = thread::Builder::new().spawn_scoped(scope, || journal.close());
                if thread.is_err() {
                    journal.close();
                }
            }
        });
    }

    /// Tries in a folder of its own below `root`, or where the root would be made, all that a
    /// delivery needs.
    ///
    /// # Errors
    ///
    /// The step that failed, and how.
    pub fn probe(&self, root: &Path) -> Result<(), ProbeError> {
        probe::probe(root, self.settings.require_root, &self.names)
    }

    fn try_stage(&self, location: &Location, message: &Message<'_>) -> io::Result<Staged> {
        let maildir = self.maildirs.get(location)?;
        let octets = message.octets();
        let attributes = Attributes {
            mode: self.settings.file_mode,
            owner: location.owner.filter(|owner| *owner != self.own),
            flush: self.flush(&maildir),
        };
        if let (Some(quota), Some(top)) = (&location.quota, &maildir.top) {
            quota::check(top, quota, octets, attributes, &self.names)?;
        }
        if let Some(staged) = self.hold(location, message, &maildir) {
            return Ok(staged);
        }
        let (name, file) = create_unique(&maildir.tmp, self.settings.file_mode, || {
            self.names.next(octets, message.crlf_size)
        })?;
        // From here on the file is removed unless it is committed.
        let staged = Staged {
            maildir,
            name,
            octets,
            crlf_octets: message.crlf_size,
            state: State::Tmp,
            sync: self.settings.durability.syncs_folders(),
            record: None,
        };
        fill(file, message.parts, attributes)?;
        Ok(staged)
    }

    /// Keeps a message in memory, if there is a log for it with room.
    fn hold(
        &self,
        location: &Location,
        message: &Message<'_>,
        maildir: &Arc<Maildir>,
    ) -> Option<Staged> {
        let journal = read(&self.journals).get(&location.root).map(Arc::clone)?;
        let (octets, crlf_octets) = (message.octets(), message.crlf_size);
        let name = self.names.next(octets, crlf_octets);
        let entry = journal.entry(location, message, name.clone(), self.settings.file_mode)?;
        Some(Staged {
            maildir: Arc::clone(maildir),
            name,
            octets,
            crlf_octets,
            state: State::Held,
            sync: true,
            record: Some(Held {
                journal,
                entry,
                number: None,
            }),
        })
    }

    /// Puts messages into their logs: those of one log in one record.
    fn record(&self, staged: &mut [Staged]) -> io::Result<()> {
        let held = |one: &Staged| one.state == State::Held;
        while let Some(journal) = staged
            .iter()
            .filter(|one| held(one))
            .find_map(Staged::journal)
        {
            let copies = staged.iter_mut().filter(|one| held(one));
            let mut copies: Vec<_> = copies.filter(|one| one.is_for(&journal)).collect();
            let entries = copies.iter().filter_map(|copy| copy.entry()).collect();
            match journal.append(entries) {
                Ok(first) => {
                    for (copy, index) in copies.iter_mut().zip(0..) {
                        copy.recorded(first.plus(index));
                    }
                }
                Err(Refusal::Unknown(error)) => return Err(error),
                Err(Refusal::Unwritten) => {
                    for copy in copies {
                        self.write_out(copy)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes a message that a log has no room for into `tmp/` after all.
    fn write_out(&self, staged: &mut Staged) -> io::Result<()> {
        let Some(entry) = staged.entry() else {
            return Ok(());
        };
        let attributes = Attributes {
            mode: entry.mode,
            owner: entry.location.owner.filter(|owner| *owner != self.own),
            flush: self.flush(&staged.maildir),
        };
        let file = create(&staged.maildir.tmp, &staged.name, entry.mode)?;
        staged.state = State::Tmp;
        fill(file, &[&entry.head, &entry.body.octets], attributes)
    }

    /// How a message for `maildir` is made durable. Writing data back is enough only where the sync
    /// of the folder follows.
    fn flush(&self, maildir: &Maildir) -> Option<Flush> {
        match self.settings.durability {
            Durability::Full | Durability::Journal => Some(maildir.flush),
            Durability::File => Some(Flush::File),
            Durability::None => None,
        }
    }

    fn publish(&self, staged: &mut [Staged]) -> io::Result<()> {
        for one in staged
            .iter_mut()
            .filter(|one| !matches!(one.state, State::Committed | State::Recorded))
        {
            one.link(&self.names)?;
        }
        sync_folders(staged)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

/// Removes what a failed commit has left. All of this is best effort, the error is already on its
/// way.
fn withdraw(staged: &mut [Staged]) {
    for one in staged.iter_mut() {
        if matches!(one.state, State::Tmp | State::Held) {
            let _ = one.withdraw();
        }
    }
    for one in staged.iter_mut() {
        if matches!(one.state, State::Linked | State::Recorded) {
            let _ = one.revoke();
        }
    }
}

/// Syncs every distinct `new/` of the linked messages once.
fn sync_folders(staged: &[Staged]) -> io::Result<()> {
    let mut seen = HashSet::new();
    let folders: Vec<&OwnedFd> = staged
        .iter()
        .filter(|one| one.sync && one.state == State::Linked && seen.insert(one.maildir.identity))
        .map(|one| &one.maildir.new)
        .collect();
    in_threads(&folders, |folder| Ok(sync_folder(folder)?))
        .into_iter()
        .collect()
}

/// Creates a file in `tmp` under a name that no one has, with a few tries.
pub(super) fn create_unique(
    tmp: &OwnedFd,
    mode: u32,
    mut next: impl FnMut() -> String,
) -> io::Result<(String, OwnedFd)> {
    for _ in 0..NAME_TRIES {
        let name = next();
        match create(tmp, &name, mode) {
            Ok(file) => return Ok((name, file)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::EXIST.into())
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
