//! One file: created, written, made durable, published.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, linkat, openat, renameat_with, statat};
use rustix::io::{Errno, retry_on_intr, writev};

use super::flush::Flush;
use super::make::change_owner;
use super::staged::NAME_TRIES;
use super::{Owner, Stream};

/// What the kernel takes in one `writev` (`IOV_MAX`).
const PARTS_AT_ONCE: usize = 1024;

/// What a new file shall be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    /// Only when it is another than this process.
    pub(super) owner: Option<Owner>,
    /// How it is made durable, if at all.
    pub(super) flush: Option<Flush>,
}

/// Creates `name` in `folder` for writing. Whatever has that name already, a link or a FIFO as
/// well, is EEXIST and left alone.
pub(super) fn create(folder: impl AsFd, name: &str, mode: u32) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry_on_intr(|| openat(&folder, name, flags, Mode::from_raw_mode(mode)))
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

/// A file with all its octets, and not durable yet.
#[derive(Debug)]
pub(super) struct Written {
    file: OwnedFd,
    flush: Option<Flush>,
    /// Whether mode or owner were set.
    attributes: bool,
}

/// Writes all `parts`, in order, and then the `stream`.
pub(super) fn write(
    file: OwnedFd,
    parts: &[&[u8]],
    stream: Option<&dyn Stream>,
    attributes: Attributes,
) -> io::Result<Written> {
    // The umask can only take away what others than the owner may do, in any system that works at
    // all.
    let masked = attributes.mode & !0o600 != 0;
    if masked {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(attributes.mode))?;
    }
    if let Some(owner) = attributes.owner {
        change_owner(&file, owner)?;
    }
    write_all(&file, parts)?;
    if let Some(stream) = stream {
        let mut octets = 0;
        stream.each(&mut |piece| {
            octets += piece.len() as u64;
            write_all(&file, &[piece])
        })?;
        if octets != stream.octets() {
            return Err(io::Error::other(
                "the content is not as long as it was said to be",
            ));
        }
    }
    Ok(Written {
        file,
        flush: attributes.flush,
        attributes: masked || attributes.owner.is_some(),
    })
}

/// Writes all `parts`, in order, makes them durable and closes the file.
pub(super) fn fill(file: OwnedFd, parts: &[&[u8]], attributes: Attributes) -> io::Result<()> {
    write(file, parts, None, attributes)?.finish()
}

impl Written {
    /// Lets the device begin, where that can be done without waiting for it: many files that were
    /// begun together are soon finished.
    pub(super) fn begin(&self) -> io::Result<()> {
        self.flush.map_or(Ok(()), |flush| flush.begin(&self.file))
    }

    /// Makes the file durable and closes it. The first error counts and nothing is tried again:
    /// after a sync that failed the kernel has dropped what it could not write, and the next sync
    /// would say that all is well.
    pub(super) fn finish(self) -> io::Result<()> {
        if let Some(flush) = self.flush {
            flush.flush(&self.file, self.attributes)?;
        }
        // Dropping the file would hide the error with which a network file system tells of a late
        // failure.
        Ok(nix::unistd::close(self.file)?)
    }
}

/// Writes all `parts`, in order.
pub(super) fn write_all(file: impl AsFd, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| IoSlice::new(part))
        .collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        let some = &rest[..rest.len().min(PARTS_AT_ONCE)];
        match retry_on_intr(|| writev(&file, some))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut rest, written),
        }
    }
    Ok(())
}

/// Moves `from` in `tmp` to `to` in `new`, and never replaces anything: EEXIST if the name is
/// taken.
pub(super) fn publish(
    tmp: &OwnedFd,
    from: &str,
    new: &OwnedFd,
    to: &str,
) -> rustix::io::Result<()> {
    match renameat_with(tmp, from, new, to, RenameFlags::NOREPLACE) {
        // Some file systems (NFS among them) and old kernels cannot rename in this way.
        Err(Errno::INVAL | Errno::NOSYS) => link(tmp, from, new, to),
        outcome => outcome,
    }
}

/// As `publish`, with a link, which never replaces either.
fn link(tmp: &OwnedFd, from: &str, new: &OwnedFd, to: &str) -> rustix::io::Result<()> {
    if let Err(error) = linkat(tmp, from, new, to, AtFlags::empty()) {
        // Over NFS the link can be there although the answer was lost and the repeated call failed.
        let inode = |folder, name| {
            statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|it| (it.st_dev, it.st_ino))
        };
        if inode(tmp, from)? != inode(new, to).map_err(|_| error)? {
            return Err(error);
        }
    }
    // Should this fail the message is complete in new/ all the same, and the sweep removes the
    // other name.
    let _ = remove(tmp, from);
    Ok(())
}

/// Removes a name that is no directory.
pub(super) fn remove(folder: &OwnedFd, name: &str) -> rustix::io::Result<()> {
    rustix::fs::unlinkat(folder, name, AtFlags::empty())
}

#[cfg(test)]
mod tests {
    use super::super::handle::{READ, open_root};
    use super::*;
    use std::fs;
    use std::path::Path;

    const PLAIN: Attributes = Attributes {
        mode: 0o600,
        owner: None,
        flush: Some(Flush::File),
    };

    fn open(path: &Path) -> OwnedFd {
        open_root(path, READ).unwrap()
    }

    #[test]
    fn many_parts_are_written_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let octets: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let parts: Vec<&[u8]> = octets.chunks(1).flat_map(|part| [part, &[]]).collect();
        let file = create(open(folder.path()), "f", 0o600).unwrap();
        fill(file, &parts, PLAIN).unwrap();
        assert_eq!(fs::read(folder.path().join("f")).unwrap(), octets);
    }

    #[test]
    fn no_parts_are_an_empty_file() {
        let folder = tempfile::tempdir().unwrap();
        fill(create(open(folder.path()), "f", 0o600).unwrap(), &[], PLAIN).unwrap();
        assert_eq!(fs::read(folder.path().join("f")).unwrap(), b"");
    }

    #[test]
    fn publishing_never_replaces() {
        for publish in [publish, link] {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::create_dir(at("tmp")).unwrap();
            fs::create_dir(at("new")).unwrap();
            fs::write(at("tmp/a"), "mine").unwrap();
            fs::write(at("new/taken"), "other").unwrap();
            let (tmp, new) = (open(&at("tmp")), open(&at("new")));
            assert_eq!(publish(&tmp, "a", &new, "taken"), Err(Errno::EXIST));
            assert_eq!(fs::read(at("new/taken")).unwrap(), b"other");
            publish(&tmp, "a", &new, "b").unwrap();
            assert_eq!(fs::read(at("new/b")).unwrap(), b"mine");
            assert!(!at("tmp/a").exists());
            assert_eq!(publish(&tmp, "a", &new, "c"), Err(Errno::NOENT));
        }
    }

    #[test]
    fn a_link_that_is_there_already_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("tmp")).unwrap();
        fs::create_dir(at("new")).unwrap();
        fs::write(at("tmp/a"), "mine").unwrap();
        fs::hard_link(at("tmp/a"), at("new/a")).unwrap();
        link(&open(&at("tmp")), "a", &open(&at("new")), "a").unwrap();
        assert!(!at("tmp/a").exists());
    }
}
