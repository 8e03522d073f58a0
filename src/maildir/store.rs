//! The store: everything that is delivered goes through here.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::Dir;
use rustix::io::Errno;

use super::cache::Cache;
use super::file::{Attributes, create, fill};
use super::flush::Flush;
use super::handle::{Maildir, READ, STAND, open_below, open_root, sync_folder};
use super::make::Maker;
use super::staged::{NAME_TRIES, Staged, State};
use super::{Location, Names, Owner, ProbeError, probe, quota};

/// Folders that one thread syncs before another is asked to help.
const FOLDERS_PER_THREAD: usize = 4;
/// Threads that sync folders for one message, at most.
const SYNC_THREADS: usize = 16;

/// Delivers messages into Maildirs. To be shared by all threads.
#[derive(Debug)]
pub struct Store {
    settings: Settings,
    /// Who this process is.
    own: Owner,
    names: Names,
    cache: Cache,
    maker: Maker,
}

/// What is synced before a message counts as delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// The message, its folder, and every folder made for it: what was committed is there after a
    /// power cut.
    #[default]
    Full,
    /// The message only, so that it is whole if it is there; a power cut can take away its name.
    File,
    /// Nothing.
    None,
}

/// How a [`Store`] works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is synced.
    pub durability: Durability,
    /// The mode of messages.
    pub file_mode: u32,
    /// The mode of the folders that are made.
    pub directory_mode: u32,
    /// The name of this host, for unique names.
    pub host: String,
    /// Whether a root that is missing is an error (a disk that is not mounted, say) rather than
    /// made.
    pub require_root: bool,
    /// How many Maildirs are kept open; each takes two descriptors, with a quota three.
    pub cached_maildirs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            file_mode: 0o600,
            directory_mode: 0o700,
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            require_root: false,
            cached_maildirs: 1000,
        }
    }
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
            cache: Cache::new(settings.cached_maildirs),
            maker: Maker {
                mode: settings.directory_mode,
                sync: settings.durability == Durability::Full,
                require_root: settings.require_root,
                own,
                making_root: Mutex::default(),
            },
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
        location.check()?;
        let root = match open_root(&location.root, STAND) {
            Err(error) if is_missing(&error) && !self.settings.require_root => return Ok(false),
            outcome => outcome?,
        };
        let mut path = location.components.clone();
        path.extend(location.folder_name());
        path.push("new".to_string());
        match open_below(root, &path, STAND) {
            Err(error) if is_missing(&error) => Ok(false),
            outcome => outcome.map(|_| true),
        }
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

    /// Writes a message into `tmp/` and syncs it. The Maildir is opened, and made if it may be.
    ///
    /// # Errors
    ///
    /// Those of the kernel; [`OverQuota`](super::OverQuota) within `QuotaExceeded` when the message
    /// has no room; `InvalidInput` for a location that is none. Nothing is left behind.
    pub fn stage(&self, location: &Location, message: &Message<'_>) -> io::Result<Staged> {
        location.check()?;
        match self.try_stage(location, message) {
            Err(error) if self.is_worth_a_retry(location, &error) => {
                self.try_stage(location, message)
            }
            outcome => outcome,
        }
    }

    /// Links all messages into their `new/`, and syncs each of these folders once: all become
    /// visible, or none.
    ///
    /// # Errors
    ///
    /// The first one that occurs. Then those already linked were removed again as far as that was
    /// possible: a message can arrive twice after an error, it cannot be lost after success.
    pub fn commit(&self, staged: &mut [Staged]) -> io::Result<()> {
        if let Err(error) = self.publish(staged) {
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
        let maildir = self.maildir(location)?;
        let octets = message.octets();
        let attributes = Attributes {
            mode: self.settings.file_mode,
            owner: location.owner.filter(|owner| *owner != self.own),
            flush: self.flush(&maildir),
        };
        if let (Some(quota), Some(top)) = (&location.quota, &maildir.top) {
            quota::check(top, quota, octets, attributes, &self.names)?;
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
            sync: self.settings.durability == Durability::Full,
        };
        fill(file, message.parts, attributes)?;
        Ok(staged)
    }

    /// How a message for `maildir` is made durable. Writing data back is enough only where the sync
    /// of the folder follows.
    fn flush(&self, maildir: &Maildir) -> Option<Flush> {
        match self.settings.durability {
            Durability::Full => Some(maildir.flush),
            Durability::File => Some(Flush::File),
            Durability::None => None,
        }
    }

    /// An open Maildir, from the cache if it is there and still alive.
    fn maildir(&self, location: &Location) -> io::Result<Arc<Maildir>> {
        if let Some(maildir) = self.cache.get(location) {
            if maildir.is_alive()? {
                return Ok(maildir);
            }
            self.cache.remove(location);
        }
        let _gate = self.cache.gate(location);
        if let Some(maildir) = self.cache.get(location) {
            return Ok(maildir);
        }
        let maildir = Arc::new(self.open(location)?);
        self.cache.insert(location, &maildir);
        Ok(maildir)
    }

    /// Opens a Maildir. What is missing is made: all of it if the location allows it, else only
    /// what a Maildir that is there has lost. What a crash has left ours gets its owner.
    fn open(&self, location: &Location) -> io::Result<Maildir> {
        match Maildir::open(location) {
            Ok(maildir) if self.maker.is_half_given(location, &maildir.new)? => {
                self.maker.make(location)?;
                Maildir::open(location)
            }
            Err(error) if is_missing(&error) && (location.create || self.exists(location)?) => {
                self.maker.make(location)?;
                Maildir::open(location)
            }
            outcome => outcome,
        }
    }

    /// Whether an error can come from our cache: it holds a Maildir whose `tmp/` was removed
    /// (ENOENT, ESTALE), or too many descriptors.
    fn is_worth_a_retry(&self, location: &Location, error: &io::Error) -> bool {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => {
                self.cache.clear();
                true
            }
            Some(Errno::NOENT | Errno::STALE) => self.cache.remove(location),
            _ => false,
        }
    }

    fn publish(&self, staged: &mut [Staged]) -> io::Result<()> {
        for one in staged
            .iter_mut()
            .filter(|one| one.state != State::Committed)
        {
            one.link(&self.names)?;
        }
        sync_folders(staged)
    }
}

/// Removes what a failed commit has left. All of this is best effort, the error is already on its
/// way.
fn withdraw(staged: &mut [Staged]) {
    for one in staged.iter_mut().filter(|one| one.state == State::Tmp) {
        let _ = one.withdraw();
    }
    for one in staged.iter_mut().filter(|one| one.state == State::Linked) {
        let _ = one.revoke();
    }
}

/// Syncs every distinct `new/` of the linked messages once. The kernel merges the syncs that are in
/// flight together, so with many folders several threads take far less time than one.
fn sync_folders(staged: &[Staged]) -> io::Result<()> {
    let mut seen = HashSet::new();
    let folders: Vec<&OwnedFd> = staged
        .iter()
        .filter(|one| one.sync && one.state == State::Linked && seen.insert(one.maildir.identity))
        .map(|one| &one.maildir.new)
        .collect();
    let sync = |folders: &[&OwnedFd]| folders.iter().try_for_each(sync_folder);
    if folders.len() <= FOLDERS_PER_THREAD {
        return Ok(sync(&folders)?);
    }
    let share = folders.len().div_ceil(SYNC_THREADS).max(FOLDERS_PER_THREAD);
    thread::scope(|scope| {
        let threads: Vec<_> = folders
            .chunks(share)
            .map(|folders| thread::Builder::new().spawn_scoped(scope, move || sync(folders)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| match thread?.join() {
                Ok(outcome) => Ok(outcome?),
                Err(_) => Err(io::Error::other("the sync of a folder panicked")),
            })
    })
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

/// Whether nothing has that name.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
