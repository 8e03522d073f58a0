//! The store: everything that is delivered goes through here.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, RwLock};
use std::thread;

use rustix::fs::Dir;

use super::commit::{publish, withdraw};
use super::file::{Attributes, Written, create_unique, write as write_file};
use super::flush::Flush;
use super::handle::{Maildir, READ, STAND, open_below, open_root};
use super::journal::{self, Backlog, Journal, Recovered, Workings};
use super::lane::Lanes;
use super::maildirs::{Maildirs, is_missing};
use super::message::Message;
use super::staged::{Place, Staged, State, Unfinished};
use super::{Durability, Location, Names, Owner, ProbeError, Settings, probe, quota};
use crate::locks::{read, write};

/// Delivers messages into Maildirs. To be shared by all threads.
#[derive(Debug)]
pub struct Store {
    pub(super) settings: Settings,
    /// Who this process is.
    pub(super) own: Owner,
    pub(super) names: Names,
    pub(super) maildirs: Arc<Maildirs>,
    lanes: Lanes,
    /// Files that are held open between stage and commit.
    unfinished: Arc<AtomicUsize>,
    /// The logs that are open, by root.
    pub(super) journals: RwLock<HashMap<Arc<Path>, Arc<Journal>>>,
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
            lanes: Lanes::default(),
            unfinished: Arc::default(),
            journals: RwLock::default(),
            settings,
        }
    }

    /// How it works.
    pub fn settings(&self) -> &Settings {
        &self.settings
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

    /// Writes a message into `tmp/`, or keeps it in memory for a log. The Maildir is opened, and made
    /// if it may be.
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

    /// Stages another name for the file of `original`, whose octets the message at `location` has
    /// too; none where the two cannot share a file: it has another owner, is on another file
    /// system, or goes into a log. The two are to be committed together.
    ///
    /// # Errors
    ///
    /// As those of [`stage`](Self::stage).
    pub fn stage_link(&self, location: &Location, original: &Staged) -> io::Result<Option<Staged>> {
        location.check()?;
        if original.state != State::Tmp || original.owner != location.owner.unwrap_or(self.own) {
            return Ok(None);
        }
        // What is wrong with it, `stage` will find out, and mend where that can be done.
        let Ok(maildir) = self.maildirs.get(location) else {
            return Ok(None);
        };
        let sizes = (original.octets, original.crlf_octets);
        self.check_quota(location, &maildir, sizes.0)?;
        let name = self.names.next(sizes.0, sizes.1);
        if original.link_to(&maildir.tmp, &name).is_err() {
            return Ok(None);
        }
        Ok(Some(self.in_tmp(location, maildir, name, sizes)))
    }

    /// Syncs all messages, links them into their `new/`, and syncs these folders; or puts all into a
    /// log. All become visible, or none.
    ///
    /// # Errors
    ///
    /// The first one that occurs; [`JournalFailed`](super::JournalFailed) within it when a log is
    /// used no more. Then those already linked were removed again as far as that was possible: a
    /// message can arrive twice after an error, it cannot be lost after success.
    pub fn commit(&self, staged: &mut Vec<Staged>) -> io::Result<()> {
        let recorded = self.record(staged);
        if let Err(error) = recorded.and_then(|()| publish(staged, &self.lanes, &self.names)) {
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
    /// delivers what is in them; with another only the latter. To be called before any message is
    /// staged below them: without it a store works as with [`Full`](Durability::Full). Logs that are
    /// open already are left alone.
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
            if read(&self.journals).contains_key(root) {
                continue;
            }
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

    /// How the logs are that are open, by the root that they are below.
    pub fn backlogs(&self) -> Vec<(Arc<Path>, Backlog)> {
        let journals = read(&self.journals);
        let all = journals.iter();
        all.map(|(root, journal)| (Arc::clone(root), journal.backlog()))
            .collect()
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

    /// A file without a name, to read and write, on the disk where mail for `location` goes: nothing of it is
    /// left when it is closed, or after a crash. The root is made if it may be.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn unnamed(&self, location: &Location) -> io::Result<OwnedFd> {
        super::unnamed::create(location, &self.maildirs, &self.names)
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
        self.check_quota(location, &maildir, octets)?;
        if let Some(staged) = self.hold(location, message, &maildir) {
            return Ok(staged);
        }
        let attributes = self.attributes(location, &maildir);
        let (name, file) = create_unique(&maildir.tmp, attributes.mode, || {
            self.names.next(octets, message.crlf_size)
        })?;
        // From here on the file is removed unless it is committed.
        let sizes = (octets, message.crlf_size);
        let mut staged = self.in_tmp(location, maildir, name, sizes);
        let file = write_file(file, message.parts, message.stream, attributes)?;
        self.keep_open(&mut staged, file)?;
        Ok(staged)
    }

    fn attributes(&self, location: &Location, maildir: &Maildir) -> Attributes {
        Attributes {
            mode: self.settings.file_mode,
            owner: location.owner.filter(|owner| *owner != self.own),
            flush: self.flush(maildir),
        }
    }

    fn check_quota(&self, location: &Location, maildir: &Maildir, octets: u64) -> io::Result<()> {
        let (Some(quota), Some(top)) = (&location.quota, &maildir.top) else {
            return Ok(());
        };
        let attributes = self.attributes(location, maildir);
        quota::check(top, quota, octets, attributes, &self.names)
    }

    pub(super) fn in_tmp(
        &self,
        location: &Location,
        maildir: Arc<Maildir>,
        name: String,
        (octets, crlf_octets): (u64, u64),
    ) -> Staged {
        Staged {
            maildir,
            name,
            octets,
            crlf_octets,
            owner: location.owner.unwrap_or(self.own),
            state: State::Tmp,
            file: None,
            sync: self.settings.durability.syncs_folders(),
            record: None,
            packed: None,
        }
    }

    /// Keeps a file open for the commit, or finishes it now when there are too many.
    pub(super) fn keep_open(&self, staged: &mut Staged, file: Written) -> io::Result<()> {
        match Place::take(&self.unfinished) {
            Some(place) => {
                staged.file = Some(Unfinished {
                    file,
                    _place: place,
                });
                Ok(())
            }
            None => file.finish(),
        }
    }

    /// How a message for `maildir` is made durable. Writing data back is enough only where the sync
    /// of the folder follows.
    pub(super) fn flush(&self, maildir: &Maildir) -> Option<Flush> {
        match self.settings.durability {
            Durability::Full | Durability::Journal => Some(maildir.flush),
            Durability::File => Some(Flush::File),
            Durability::None => None,
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
