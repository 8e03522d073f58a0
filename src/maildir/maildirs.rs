//! Open Maildirs, and those that are made on the way.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use super::cache::Cache;
use super::flush::Flushes;
use super::gates::Gates;
use super::handle::{Maildir, READ, STAND, open_below, open_root};
use super::make::Maker;
use super::{Location, Owner, Settings};

/// Opens Maildirs, keeps them open, and makes what is missing of them.
#[derive(Debug)]
pub(super) struct Maildirs {
    cache: Cache,
    maker: Maker,
    flushes: Flushes,
}

impl Maildirs {
    pub(super) fn new(settings: &Settings, own: Owner) -> Self {
        Self {
            cache: Cache::new(settings.cached_maildirs),
            maker: Maker {
                mode: settings.directory_mode,
                sync: settings.durability.syncs_folders(),
                require_root: settings.require_root,
                own,
                making_root: Gates::default(),
            },
            flushes: Flushes::default(),
        }
    }

    /// As [`Store::exists`](super::Store::exists).
    pub(super) fn exists(&self, location: &Location) -> io::Result<bool> {
        location.check()?;
        let root = match open_root(&location.root, STAND) {
            Err(error) if is_missing(&error) && !self.maker.require_root => return Ok(false),
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

    /// Opens a root; if it is missing it is made where `make` and the settings allow it.
    pub(super) fn root(&self, root: &Path, make: bool) -> io::Result<OwnedFd> {
        if make {
            // Only root can have Maildirs made for others, who must be able to pass.
            let passable = if self.maker.own.uid == 0 {
                0o711
            } else {
                self.maker.mode
            };
            self.maker.open_root(root, passable)
        } else {
            open_root(root, READ)
        }
    }

    /// An open Maildir, from the cache if it is there and still alive.
    pub(super) fn get(&self, location: &Location) -> io::Result<Arc<Maildir>> {
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
        let open = || Maildir::open(location, &self.flushes);
        match open() {
            Ok(maildir) if self.maker.is_half_given(location, &maildir.new)? => {
                self.maker.make(location)?;
                open()
            }
            Err(error) if is_missing(&error) && (location.create || self.exists(location)?) => {
                self.maker.make(location)?;
                open()
            }
            outcome => outcome,
        }
    }

    /// Whether an error can come from our cache, so that another try is worth it: it holds a
    /// Maildir whose `tmp/` was removed (ENOENT, ESTALE), or too many descriptors.
    pub(super) fn may_be_stale(&self, location: &Location, error: &io::Error) -> bool {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => {
                self.cache.clear();
                true
            }
            Some(Errno::NOENT | Errno::STALE) => self.cache.remove(location),
            _ => false,
        }
    }
}

/// Whether nothing has that name.
pub(super) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
