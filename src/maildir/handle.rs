//! Open Maildirs, and how they are reached below a root.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fremovexattr, fstat, fsync, openat,
    openat2, statat, syncfs,
};
use rustix::io::{Errno, retry_on_intr};

use super::Location;
use super::flush::{Flush, Flushes};

/// To stand in a directory: enough to reach what is in it, and no right to read it is needed.
pub(super) const STAND: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// To read a directory, and to sync it, for which a real descriptor is needed.
pub(super) const READ: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// The kernel says EAGAIN when a rename anywhere may have spoiled its look-up; a few tries are
/// enough.
const LOOKUP_TRIES: u32 = 8;

/// An open Maildir. A message needs no more than its `tmp/` and `new/`, so no other descriptor is
/// held.
#[derive(Debug)]
pub(super) struct Maildir {
    pub(super) tmp: OwnedFd,
    pub(super) new: OwnedFd,
    /// The Maildir at the top (for a sub-folder the one it is in), where `maildirsize` is. Only
    /// with a quota.
    pub(super) top: Option<OwnedFd>,
    /// Device and inode of `new/`: two handles with the same are the same Maildir.
    pub(super) identity: (u64, u64),
    /// How a file here is made durable.
    pub(super) flush: Flush,
}

impl Maildir {
    /// Opens the Maildir at `location`.
    ///
    /// # Errors
    ///
    /// ENOENT when any of it is missing, ELOOP or ENOTDIR when any of it is a link or no directory,
    /// and EXDEV when `tmp/` and `new/` are on different devices, where no rename can lead from one
    /// to the other.
    pub(super) fn open(location: &Location, flushes: &Flushes) -> io::Result<Self> {
        let root = open_root(&location.root, STAND)?;
        let top = open_below(&root, &location.components, STAND)?;
        let folder = location
            .folder_name()
            .map(|name| open_step(&top, &name, STAND))
            .transpose()?;
        let inside = folder.as_ref().unwrap_or(&top);
        let new = open_step(inside, "new", READ)?;
        let tmp = open_step(inside, "tmp", READ)?;
        if !is_directory(inside, "cur")? {
            return Err(Errno::NOTDIR.into());
        }
        let status = fstat(&new)?;
        if fstat(&tmp)?.st_dev != status.st_dev {
            return Err(Errno::XDEV.into());
        }
        Ok(Self {
            tmp,
            new,
            top: location.quota.is_some().then_some(top),
            identity: (status.st_dev, status.st_ino),
            flush: flushes.of(status.st_dev),
        })
    }

    /// Whether `new/` is still in the file system. A removed Maildir is seen here, since its `new/`
    /// went with it. One that was renamed is still a good Maildir: a message for it goes where the
    /// operator has put it, until the handle leaves the cache.
    pub(super) fn is_alive(&self) -> io::Result<bool> {
        Ok(fstat(&self.new)?.st_nlink > 0)
    }
}

/// Opens the root, which belongs to the operator and may be reached through links. This is done
/// afresh for every Maildir that is not cached, so that a root which was replaced or mounted over
/// is noticed.
pub(super) fn open_root(root: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| openat(CWD, root, flags, Mode::empty()))?)
}

/// Opens what is `components` below `root`, without following links and without ever leaving the
/// root.
pub(super) fn open_below(
    root: impl AsFd,
    components: &[String],
    flags: OFlags,
) -> io::Result<OwnedFd> {
    let path = components.join("/");
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..LOOKUP_TRIES {
        match openat2(&root, path.as_str(), flags, Mode::empty(), resolve) {
            Ok(directory) => return Ok(directory),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Kernels before 5.6 do not know the call; system call filters of that age answer
            // EPERM.
            Err(Errno::NOSYS | Errno::PERM) => return walk(root, components, flags),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::AGAIN.into())
}

/// As `open_below`, one step after the other, for kernels that cannot do it at once.
fn walk(root: impl AsFd, components: &[String], flags: OFlags) -> io::Result<OwnedFd> {
    let Some((last, parents)) = components.split_last() else {
        return Err(Errno::INVAL.into());
    };
    let mut at: Option<OwnedFd> = None;
    for name in parents {
        let here = at.as_ref().map_or(root.as_fd(), AsFd::as_fd);
        at = Some(open_step(here, name, STAND)?);
    }
    open_step(at.as_ref().map_or(root.as_fd(), AsFd::as_fd), last, flags)
}

/// Opens the directory `name` in `directory`; a link is ENOTDIR or ELOOP.
pub(super) fn open_step(directory: impl AsFd, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW;
    Ok(retry_on_intr(|| {
        openat(&directory, name, flags, Mode::empty())
    })?)
}

/// An attribute that no folder has.
const NO_ATTRIBUTE: &str = "user.maiasaura.none";

/// Syncs a folder.
pub(super) fn sync_folder(folder: impl AsFd) -> rustix::io::Result<()> {
    fsync(&folder)?;
    must_work(&folder)
}

/// Syncs all of the file system that `folder` is on.
pub(super) fn sync_file_system(folder: impl AsFd) -> rustix::io::Result<()> {
    syncfs(&folder)?;
    must_work(&folder)
}

/// Whether the file system of `folder` still works, so that the success of a sync can be believed.
///
/// An xfs that has shut itself down, after an error of its log say, takes every sync for done; its
/// fstat tells. ext4 finds nothing to do where the commit of somebody else has taken our names
/// along, even if that commit has failed; it tells when a change is begun, and there is one that
/// comes to nothing.
fn must_work(folder: impl AsFd) -> rustix::io::Result<()> {
    fstat(&folder)?;
    match fremovexattr(&folder, NO_ATTRIBUTE) {
        Err(error @ (Errno::IO | Errno::ROFS)) => Err(error),
        // It was not there, or there are no attributes.
        _ => Ok(()),
    }
}

/// Whether `name` in `directory` is a directory, and no link to one.
fn is_directory(directory: impl AsFd, name: &str) -> io::Result<bool> {
    let status = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Both ways to open must agree.
    fn both(root: &Path, path: &str) -> [Result<(), io::ErrorKind>; 2] {
        let root = open_root(root, STAND).unwrap();
        let components: Vec<String> = path.split('/').map(str::to_string).collect();
        [
            open_below(&root, &components, STAND),
            walk(&root, &components, STAND),
        ]
        .map(|opened| opened.map(drop).map_err(|error| error.kind()))
    }

    #[test]
    fn directories_are_reached() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b/c")).unwrap();
        assert_eq!(both(root.path(), "a"), [Ok(()); 2]);
        assert_eq!(both(root.path(), "a/b/c"), [Ok(()); 2]);
        assert_eq!(both(root.path(), "a/x"), [Err(io::ErrorKind::NotFound); 2]);
    }

    #[test]
    fn links_and_files_are_not() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        symlink("a", root.path().join("link")).unwrap();
        symlink("/tmp", root.path().join("a/out")).unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        for path in ["link", "link/b", "a/out", "file", "file/b"] {
            for outcome in both(root.path(), path) {
                assert!(
                    !matches!(outcome, Ok(()) | Err(io::ErrorKind::NotFound)),
                    "{path} {outcome:?}"
                );
            }
        }
    }

    #[test]
    fn the_root_may_be_a_link() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("real/a")).unwrap();
        symlink("real", root.path().join("link")).unwrap();
        assert_eq!(both(&root.path().join("link"), "a"), [Ok(()); 2]);
    }
}
