//! Making Maildirs on the fly.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, mkdirat, openat};
use rustix::io::Errno;

use super::gates::Gates;
use super::handle::{READ, open_root, open_step, sync_folder};
use super::{Location, Owner};

/// How Maildirs are made.
#[derive(Debug)]
pub(super) struct Maker {
    /// The mode of the Maildir and of its three folders.
    pub(super) mode: u32,
    /// Whether what is made is synced, with all that leads to it.
    pub(super) sync: bool,
    /// Whether a root that is missing is an error.
    pub(super) require_root: bool,
    /// Who this process is.
    pub(super) own: Owner,
    /// Held while a root is made and until that is synced.
    pub(super) making_root: Gates<PathBuf>,
}

impl Maker {
    /// Makes whatever is missing of the Maildir at `location`; what is there is left as it is.
    ///
    /// Every folder on the way is synced, not only those that were made here: another delivery may
    /// have made one a moment ago and not come to its sync, and after this one returns a message
    /// may be promised. `new/` is made last, as a Maildir is there when its `new/` is.
    pub(super) fn make(&self, location: &Location) -> io::Result<()> {
        let owner = location.owner.filter(|owner| *owner != self.own);
        // The folders on the way stay ours. Others must be able to pass through them, not to look
        // around.
        let passable = if owner.is_some() { 0o711 } else { self.mode };
        let mut way = vec![self.open_root(&location.root, passable)?];
        let (last, parents) = location.components.split_last().ok_or(Errno::INVAL)?;
        for name in parents {
            let (next, _) = make_folder(&way[way.len() - 1], name, passable)?;
            way.push(next);
        }
        let top = self.make_maildir(&way[way.len() - 1], last, owner, false)?;
        if let Some(name) = location.folder_name() {
            self.make_maildir(&top, &name, owner, true)?;
            self.sync(&top)?;
        }
        for folder in way.iter().rev() {
            self.sync(folder)?;
        }
        Ok(())
    }

    /// Makes one Maildir and syncs it. It has its owner after its parts: until then no one else can
    /// exchange them. Its `new/`, open by then, comes last, so that it tells what a crash has left.
    fn make_maildir(
        &self,
        parent: &OwnedFd,
        name: &str,
        owner: Option<Owner>,
        nested: bool,
    ) -> io::Result<OwnedFd> {
        let (maildir, made) = make_folder(parent, name, self.mode)?;
        if nested && made {
            make_marker(&maildir, owner)?;
        }
        for part in ["cur", "tmp"] {
            let (folder, _) = make_folder(&maildir, part, self.mode)?;
            self.give(&folder, owner)?;
        }
        let (new, _) = make_folder(&maildir, "new", self.mode)?;
        self.give(&maildir, owner)?;
        self.give(&new, owner)?;
        self.sync(&maildir)?;
        Ok(maildir)
    }

    /// Whether a crash has left a Maildir ours that has another owner: one with this `new/`.
    pub(super) fn is_half_given(&self, location: &Location, new: impl AsFd) -> io::Result<bool> {
        let is_other = location
            .owner
            .is_some_and(|owner| owner.uid != self.own.uid);
        Ok(is_other && fstat(new)?.st_uid == self.own.uid)
    }

    /// Gives a folder to its owner: one that was just made, or that a crash has left ours. If it is
    /// not ours it has its owner, or was exchanged meanwhile by someone who may write to its parent,
    /// and is none of our business.
    fn give(&self, folder: &OwnedFd, owner: Option<Owner>) -> io::Result<()> {
        if let Some(owner) = owner
            && fstat(folder)?.st_uid == self.own.uid
        {
            change_owner(folder, owner)?;
        }
        Ok(())
    }

    /// Opens the root, made with its parents if it may be.
    pub(super) fn open_root(&self, root: &Path, mode: u32) -> io::Result<OwnedFd> {
        let _pass = self.making_root.pass(root.to_path_buf());
        match open_root(root, READ) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.require_root => {
                self.make_root(root, mode)?;
                open_root(root, READ)
            }
            outcome => outcome,
        }
    }

    fn make_root(&self, path: &Path, mode: u32) -> io::Result<()> {
        let make = || DirBuilder::new().mode(mode).create(path);
        let parent = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => Path::new("/"),
        };
        let mut outcome = make();
        if matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::NotFound)
            && path.parent().is_some()
        {
            self.make_root(parent, mode)?;
            outcome = make();
        }
        match outcome {
            // Another delivery may have been quicker.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ if self.sync => File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn sync(&self, folder: impl AsFd) -> io::Result<()> {
        if self.sync {
            sync_folder(folder)?;
        }
        Ok(())
    }
}

/// Makes the folder `name` in `parent` if it is not there, and opens it; says whether it was made.
fn make_folder(parent: &OwnedFd, name: &str, mode: u32) -> io::Result<(OwnedFd, bool)> {
    let created = match mkdirat(parent, name, Mode::from_raw_mode(mode)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let folder = open_step(parent, name, READ)?;
    if created {
        // The umask may have taken away what the configuration asks for; a set-group-ID bit that
        // came from the parent stays.
        let present = fstat(&folder)?.st_mode & 0o7777;
        let wanted = mode | present & 0o2000;
        if present != wanted {
            fchmod(&folder, Mode::from_raw_mode(wanted))?;
        }
    }
    Ok((folder, created))
}

/// The empty file that tells a Maildir++ sub-folder from a Maildir.
fn make_marker(folder: &OwnedFd, owner: Option<Owner>) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(folder, "maildirfolder", flags, Mode::from_raw_mode(0o600)) {
        Ok(file) => owner.map_or(Ok(()), |owner| change_owner(&file, owner)),
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives what is open to `owner`.
pub(super) fn change_owner(fd: impl AsFd, owner: Owner) -> io::Result<()> {
    Ok(fchown(
        fd,
        Some(Uid::from_raw(owner.uid)),
        Some(Gid::from_raw(owner.gid)),
    )?)
}
