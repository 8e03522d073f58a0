//! A self test: can what is promised be kept below this root?

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, fsync, mkdirat, stat, statfs, unlinkat};
use rustix::io::Errno;

use super::Names;
use super::file::{Attributes, create, fill, publish, remove};
use super::flush::{Flush, has_journal};
use super::handle::{READ, open_root, open_step};

/// The step of a self test that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} in {}: {error}", path.display())]
pub struct ProbeError {
    /// What was tried, "sync a folder" for instance.
    pub step: &'static str,
    /// Where it was tried.
    pub path: PathBuf,
    /// What the kernel said.
    #[source]
    pub error: io::Error,
}

/// The file system that Maildirs are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its name, as `mount` has it.
    pub name: &'static str,
    /// Why a promise given there is weaker than elsewhere, in one line.
    pub warning: Option<&'static str>,
}

/// Tells on which file system `root` is, or would be if it were made.
///
/// # Errors
///
/// Those of `statfs`.
pub fn describe(root: &Path) -> io::Result<FileSystem> {
    let status = statfs(nearest(root))?;
    let (name, warning) = match status.f_type {
        0xef53 => ("ext4", without_journal(root)),
        0x5846_5342 => ("xfs", None),
        0x9123_683e => ("btrfs", None),
        0xf2f5_2010 => ("f2fs", None),
        0x2fc1_2fc1 => ("zfs", None),
        0x0102_1994 => (
            "tmpfs",
            Some("mail is kept in memory only and lost when the machine stops"),
        ),
        0x8584_58f6 => (
            "ramfs",
            Some("mail is kept in memory only and lost when the machine stops"),
        ),
        0x794c_7630 => (
            "overlay",
            Some("mail is in the layer of a container and may be lost with it"),
        ),
        0x6969 => (
            "nfs",
            Some("whether mail outlasts a crash is up to the server of this file system"),
        ),
        0xff53_4d42 | 0xfe53_4d42 => (
            "cifs",
            Some("whether mail outlasts a crash is up to the server of this file system"),
        ),
        0x0102_1997 => (
            "9p",
            Some("whether mail outlasts a crash is up to the server of this file system"),
        ),
        0x6573_5546 => (
            "fuse",
            Some("whether mail outlasts a crash is up to the program behind this file system"),
        ),
        _ => (
            "unknown",
            Some("whether mail outlasts a crash is not known for this file system"),
        ),
    };
    Ok(FileSystem { name, warning })
}

/// The number of the file system that `root` is on, or would be on if it were made.
///
/// # Errors
///
/// Those of `stat`.
pub fn device(root: &Path) -> io::Result<u64> {
    Ok(stat(nearest(root))?.st_dev)
}

/// Where the file system that `root` is on is mounted: a name for it that is no mailbox.
///
/// # Errors
///
/// Those of `stat`.
pub fn mount_point(root: &Path) -> io::Result<PathBuf> {
    let path = nearest(root).canonicalize()?;
    let device = stat(&path)?.st_dev;
    let is_on_it = |path: &&Path| stat(*path).is_ok_and(|stat| stat.st_dev == device);
    let top = path.ancestors().take_while(is_on_it).last();
    Ok(top.unwrap_or(&path).to_path_buf())
}

/// What is to be said of an ext4 without a journal. Whether it has one cannot always be told.
fn without_journal(root: &Path) -> Option<&'static str> {
    let missing = has_journal(device(root).ok()?).is_ok_and(|has| !has);
    missing.then_some("it has no journal: a power cut can damage its folders, and the mail in them")
}

/// Does once, in a folder of its own that is removed again, all that a delivery does.
pub(super) fn probe(root: &Path, require_root: bool, names: &Names) -> Result<(), ProbeError> {
    // A root that is missing is not made here: the one who checks may be another user than the one
    // who delivers.
    let path = if require_root { root } else { nearest(root) };
    try_all(path, names).map_err(|(step, error)| ProbeError {
        step,
        path: path.to_path_buf(),
        error,
    })
}

type Step<T = ()> = Result<T, (&'static str, io::Error)>;

fn try_all(path: &Path, names: &Names) -> Step {
    let place = step("open a folder", open_root(path, READ))?;
    let name = format!(".selftest-{:016x}", super::name::random());
    step("make a folder", mkdirat(&place, &name, Mode::RWXU))?;
    let outcome = step(
        "open a folder that was just made",
        open_step(&place, &name, READ),
    )
    .and_then(|folder| try_delivery(&folder, names));
    let removed = step(
        "remove a folder",
        unlinkat(&place, &name, AtFlags::REMOVEDIR),
    );
    outcome.and(removed)
}

/// Delivers one file within `folder`, and removes it.
fn try_delivery(folder: &OwnedFd, names: &Names) -> Step {
    let attributes = Attributes {
        mode: 0o600,
        owner: None,
        flush: Some(Flush::File),
    };
    let [first, second] = [names.next(1, 1), names.next(1, 1)];
    let deliver = || {
        let file = step("create a file", create(folder, &first, attributes.mode))?;
        step("write and sync a file", fill(file, &[b"x"], attributes))?;
        step("rename a file", publish(folder, &first, folder, &second))?;
        let file = step(
            "create a file again",
            create(folder, &first, attributes.mode),
        )?;
        drop(file);
        match publish(folder, &first, folder, &second) {
            Err(Errno::EXIST) => {}
            outcome => {
                let replaced = io::Error::other("the other file was replaced");
                return Err((
                    "rename without replacing",
                    outcome.map_or_else(Into::into, |()| replaced),
                ));
            }
        }
        step("sync a folder", fsync(folder))
    };
    let outcome = deliver();
    for name in [&first, &second] {
        let _ = remove(folder, name);
    }
    outcome
}

fn step<T, E: Into<io::Error>>(step: &'static str, outcome: Result<T, E>) -> Step<T> {
    outcome.map_err(|error| (step, error.into()))
}

/// The path itself, or else the nearest folder above it that is there.
fn nearest(path: &Path) -> &Path {
    let there = path
        .ancestors()
        .find(|path| !path.as_os_str().is_empty() && path.exists());
    there.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_good_root_passes_and_stays_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let names = Names::new("h");
        probe(root.path(), true, &names).unwrap();
        probe(&root.path().join("not/there"), false, &names).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_failing_step_is_named() {
        let root = tempfile::tempdir().unwrap();
        let names = Names::new("h");
        let error = probe(&root.path().join("missing"), true, &names).unwrap_err();
        assert_eq!(error.step, "open a folder");
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let error = probe(&file, false, &names).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot open a folder in /"),
            "{error}"
        );
    }

    #[test]
    fn file_systems_are_known() {
        assert_eq!(describe(Path::new("/proc")).unwrap().name, "unknown");
        let root = tempfile::tempdir().unwrap();
        let there = describe(root.path()).unwrap();
        assert_eq!(describe(&root.path().join("a/b")).unwrap(), there);
        assert!(!there.name.is_empty());
    }
}
