//! The letters that wait for one consumer.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::dead::DEAD;
use super::{Letter, Place, Slip, State};
use crate::maildir::{Bundles, Look, Message, Staged, Store, Stream, bundle_of};

/// Where the states are.
pub(super) const STATE: &str = "state";
/// Where the bundles are.
pub(super) const BUNDLES: &str = "bundles";

/// The queue of one consumer: a folder of letters.
#[derive(Clone, Debug)]
pub struct Queue {
    store: Arc<Store>,
    place: Place,
    name: String,
    bundles: Arc<Bundles>,
}

impl Queue {
    /// The queue of the consumer `name`, whose case does not matter.
    ///
    /// # Errors
    ///
    /// A name that cannot be that of a folder, with what would do.
    pub fn new(store: Arc<Store>, place: Place, name: &str) -> Result<Self, String> {
        let folder = name.to_ascii_lowercase();
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        let fits = (1..=64).contains(&folder.len());
        if !fits || folder == DEAD || !folder.chars().all(is_plain) {
            return Err(format!(
                "{name:?} cannot be the name of a queue; use letters, digits, - and _, and not {DEAD}"
            ));
        }
        let bundles = Bundles::new(&place.path().join(&folder).join(BUNDLES));
        Ok(Self {
            store,
            place,
            name: folder,
            bundles: Arc::new(bundles),
        })
    }

    /// All queues in a spool, in order.
    ///
    /// # Errors
    ///
    /// Those of the kernel. A spool that is not there has none.
    pub fn all(store: &Arc<Store>, place: &Place) -> io::Result<Vec<Self>> {
        let mut queues: Vec<Self> = names(&place.path())?
            .iter()
            .filter_map(|name| Self::new(Arc::clone(store), place.clone(), name).ok())
            .filter(|queue| queue.letters_folder().is_dir())
            .collect();
        queues.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(queues)
    }

    /// Its name, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its letters are committed with.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The root that it is below.
    pub fn root(&self) -> &Arc<Path> {
        self.place.root()
    }

    /// Where the letters are that have a file of their own.
    pub fn letters_folder(&self) -> PathBuf {
        self.place.path().join(&self.name).join("new")
    }

    pub(super) fn states_folder(&self) -> PathBuf {
        self.place.path().join(&self.name).join(STATE)
    }

    pub(super) fn bundles_folder(&self) -> PathBuf {
        self.place.path().join(&self.name).join(BUNDLES)
    }

    /// Makes what is missing of its folder.
    pub fn make(&self) -> io::Result<()> {
        self.place.make(&self.name, &[STATE, BUNDLES])
    }

    /// Keeps other workers away as long as it lives.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when there is one.
    pub(super) fn lock(&self) -> io::Result<OwnedFd> {
        let folder = File::open(self.place.path().join(&self.name))?;
        flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
        Ok(folder.into())
    }

    /// Writes a letter, to be committed with what else its message becomes. `stream` follows the
    /// content that is in memory; lines end in CRLF.
    ///
    /// # Errors
    ///
    /// As [`Store::stage`]. Nothing is left behind.
    pub fn stage(
        &self,
        mut slip: Slip,
        content: &[&[u8]],
        stream: Option<&dyn Stream>,
    ) -> io::Result<Staged> {
        let octets: u64 = content.iter().map(|piece| piece.len() as u64).sum();
        slip.size = octets + stream.map_or(0, Stream::octets);
        let head = match content.iter().find(|piece| !piece.is_empty()) {
            Some(first) => Letter::head(&slip, first)?,
            None => Letter::head(&slip, &first_piece(stream)?)?,
        };
        let mut parts = vec![head.as_slice()];
        parts.extend(content);
        let message = Message {
            parts: &parts,
            stream,
            // Only readers of a Maildir want to know it.
            crlf_size: slip.size,
        };
        let location = self.place.location(&self.name);
        let stage = || self.store.stage_bundled(&location, &message, &self.bundles);
        match stage() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make()?;
                stage()
            }
            outcome => outcome,
        }
    }

    /// Puts a letter into the queue by itself.
    ///
    /// # Errors
    ///
    /// As [`stage`](Self::stage) and [`Store::commit`]; then it is not there.
    pub fn put(&self, slip: Slip, content: &[&[u8]]) -> io::Result<()> {
        let mut staged = Vec::from([self.stage(slip, content, None)?]);
        self.store.commit(&mut staged)
    }

    /// The names of all letters, in order of time.
    pub fn letters(&self) -> io::Result<Vec<String>> {
        Ok(self.list()?.0)
    }

    /// The same, and the bundles that cannot be looked at.
    fn list(&self) -> io::Result<(Vec<String>, HashSet<String>)> {
        let mut letters = names(&self.letters_folder())?;
        let mut unseen = HashSet::new();
        for bundle in self.bundles.all()? {
            match self.look(&bundle, 0) {
                Ok(look) => letters.extend(look.names),
                Err(error) => {
                    self.complain(&bundle, &error);
                    unseen.insert(bundle);
                }
            }
        }
        letters.sort();
        Ok((letters, unseen))
    }

    /// The names of all bundles.
    pub(super) fn bundles(&self) -> io::Result<Vec<String>> {
        self.bundles.all()
    }

    /// The letters in a bundle, behind the place `from`.
    pub(super) fn look(&self, bundle: &str, from: u64) -> io::Result<Look> {
        match self.bundles.look(bundle, from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Look::default()),
            outcome => outcome,
        }
    }

    /// Removes the bundles in which no letter waits any more, and gives back what others need no more.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn tidy(&self) -> io::Result<()> {
        for bundle in self.bundles.all()? {
            let discarded = self.bundles.discard(&bundle);
            let tidied = discarded.and_then(|is_gone| {
                if is_gone {
                    Ok(())
                } else {
                    self.bundles.reclaim(&bundle)
                }
            });
            if let Err(error) = tidied {
                self.complain(&bundle, &error);
            }
        }
        Ok(())
    }

    /// One bundle that the disk cannot read holds up no letter elsewhere.
    fn complain(&self, bundle: &str, error: &io::Error) {
        let path = self.bundles_folder().join(bundle);
        log::error!(file:% = path.display(), error:% = error; "cannot look at a bundle of letters: they wait");
    }

    /// Removes a bundle, unless a letter waits in it.
    pub(super) fn discard(&self, bundle: &str) -> io::Result<()> {
        self.bundles.discard(bundle).map(drop)
    }

    /// All letters, and what is known of those that were tried. States without a letter are removed; of
    /// those in a bundle that cannot be looked at nobody knows that.
    pub(super) fn scan(&self) -> io::Result<Vec<(String, Option<State>)>> {
        // In this order: a letter is there before its state is.
        let tried = self.tried()?;
        let (letters, unseen) = self.list()?;
        let known: HashSet<&String> = letters.iter().collect();
        let may_wait = |name: &str| bundle_of(name).is_some_and(|bundle| unseen.contains(bundle));
        let orphans = tried.iter().filter(|name| !known.contains(name));
        for orphan in orphans.filter(|name| !may_wait(name)) {
            State::remove(&self.states_folder(), orphan)?;
        }
        let state = |name: &String| tried.contains(name).then(|| self.state(name)).flatten();
        Ok(letters
            .iter()
            .map(|name| (name.clone(), state(name)))
            .collect())
    }

    /// Opens a letter.
    ///
    /// # Errors
    ///
    /// `NotFound` when it is not there any more, `InvalidData` when it cannot be made sense of.
    pub fn letter(&self, name: &str) -> io::Result<Letter> {
        let (file, start, octets) = self.open(name)?;
        Letter::read(file, start, octets)
    }

    /// The file that a letter is in, where it begins there, and its octets.
    pub(super) fn open(&self, name: &str) -> io::Result<(File, u64, u64)> {
        if bundle_of(name).is_some() {
            return self.bundles.open(name);
        }
        let file = File::open(self.path(name))?;
        let octets = file.metadata()?.len();
        Ok((file, 0, octets))
    }

    /// The file of a letter, or the bundle that it is in.
    pub fn path(&self, name: &str) -> PathBuf {
        match bundle_of(name) {
            Some(bundle) => self.bundles_folder().join(bundle),
            None => self.letters_folder().join(name),
        }
    }

    /// The names of the letters of which [`state`](Self::state) knows something, and perhaps of some that are gone.
    pub fn tried(&self) -> io::Result<HashSet<String>> {
        Ok(names(&self.states_folder())?.into_iter().collect())
    }

    /// What is known of the attempts at a letter; `None` before the first one.
    pub fn state(&self, name: &str) -> Option<State> {
        State::read(&self.states_folder(), name)
    }

    /// Notes what is known of the attempts at a letter; a worker sees it at once.
    pub fn note(&self, name: &str, state: &State) -> io::Result<()> {
        let is_there = match self.open(name) {
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
            Ok(_) => true,
        };
        if is_there {
            state.write(&self.states_folder(), name)?;
        }
        Ok(())
    }

    /// Removes a letter and its state. Neither is synced: should a crash bring it back it is handed
    /// over once more.
    ///
    /// # Errors
    ///
    /// Those of the kernel, but not that it is gone already.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        if bundle_of(name).is_some() {
            self.bundles.done(name)?;
            return State::remove(&self.states_folder(), name);
        }
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        State::remove(&self.states_folder(), name)
    }

    /// When a letter was put into the queue, in milliseconds since 1970: its name says so.
    pub(super) fn time(name: &str) -> Option<u64> {
        let (seconds, _) = name.split_once('.')?;
        seconds.parse::<u64>().ok()?.checked_mul(1000)
    }
}

/// How a stream begins.
fn first_piece(stream: Option<&dyn Stream>) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    let read = stream.map_or(Ok(()), |stream| {
        stream.each(&mut |piece| {
            first.extend_from_slice(piece);
            // Enough is seen: this ends it.
            Err(io::ErrorKind::Interrupted.into())
        })
    });
    match read {
        Err(error) if first.is_empty() => Err(error),
        _ => Ok(first),
    }
}

/// The names in a folder, without those that begin with a dot; none if it is not there.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        // What is no UTF-8 is none of ours.
        if let Ok(name) = entry?.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    Ok(names)
}
