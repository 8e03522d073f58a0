//! The pid file: for scripts that send signals, and against a second instance.
//!
//! Who runs holds a lock on the file, so whether one that is found is somebody's is never guessed
//! from the number in it: numbers are given again, after a restart of the machine first of all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{Access, AtFlags, CWD, OFlags, RenameFlags, accessat, renameat_with};
use rustix::io::Errno;

/// More octets than a pid has, with its line end.
const LONGEST: u64 = 21;
/// Whoever takes the place of a file again and again is no instance of ours.
const ATTEMPTS: usize = 100;

/// Our pid, in a file that is ours as long as this lives.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another instance holds it.
    #[error("{} is held by a maiasaura that runs, with pid {pid}: stop it, or give each a pid_file of its own", .path.display())]
    Taken {
        /// The file.
        path: PathBuf,
        /// What is in it.
        pid: String,
    },
    /// There is a file of somebody who means something else with it.
    #[error("{} {}", .path.display(), foreign(.path))]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write {}: {error}{}", .path.display(), hint(.path, .error))]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

/// What is found in the place of a pid file.
#[derive(Debug)]
enum Found {
    Nothing,
    /// Nobody's; it is locked while we have it, so that only one takes its place.
    Stale(File, String),
}

impl PidFile {
    /// Writes our pid there. It is whole as soon as it is seen, and takes the place of one that an
    /// instance has left which did not end by itself.
    pub fn write(path: &Path) -> Result<Self, PidFileError> {
        let fault = |error| PidFileError::Io {
            path: path.to_owned(),
            error,
        };
        let path = &std::path::absolute(path).map_err(fault)?;
        // Before anything is made: what stands there may be somebody else's.
        find(path)?;
        let (draft, file) = draft(path).map_err(fault)?;
        let taken = take(path, &draft);
        if taken.is_err() {
            let _ = fs::remove_file(&draft);
        }
        taken?;
        Ok(Self {
            path: path.clone(),
            file,
        })
    }

    /// Whether it could be written, without doing so.
    pub fn probe(path: &Path) -> Result<(), PidFileError> {
        find(path)?;
        let folder = folder(path);
        let access = Access::WRITE_OK | Access::EXEC_OK;
        accessat(CWD, folder, access, AtFlags::EACCESS).map_err(|error| PidFileError::Io {
            path: path.to_owned(),
            error: error.into(),
        })
    }

    /// Whether it is the file at `path`.
    pub fn is_at(&self, path: &Path) -> bool {
        std::path::absolute(path).is_ok_and(|path| path == self.path)
    }

    /// Removes it, if it is still the one that was written. That happens by itself in the end, too.
    pub fn remove(&self) {
        let is_ours = || {
            let (own, there) = (self.file.metadata()?, fs::symlink_metadata(&self.path)?);
            Ok::<_, io::Error>((own.dev(), own.ino()) == (there.dev(), there.ino()))
        };
        if is_ours().unwrap_or(false) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A file beside it with our pid in it, locked.
fn draft(path: &Path) -> io::Result<(PathBuf, File)> {
    let pid = process::id();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{pid}"));
    let draft = path.with_file_name(name);
    // One of this name is that of a process which had our pid and is no more.
    if let Err(error) = fs::remove_file(&draft)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&draft)?;
    file.lock()?;
    file.write_all(format!("{pid}\n").as_bytes())?;
    Ok((draft, file))
}

/// Moves the draft to its place.
fn take(path: &Path, draft: &Path) -> Result<(), PidFileError> {
    let fault = |error: io::Error| PidFileError::Io {
        path: path.to_owned(),
        error,
    };
    for _ in 0..ATTEMPTS {
        match find(path)? {
            Found::Nothing => match renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(()),
                // Somebody was faster.
                Err(Errno::EXIST) => {}
                // A file system without it; the lock below is missing then, which only matters to
                // two that start at the same moment.
                Err(Errno::INVAL) => return fs::rename(draft, path).map_err(fault),
                Err(error) => return Err(fault(error.into())),
            },
            Found::Stale(_locked, pid) => {
                fs::rename(draft, path).map_err(fault)?;
                log::warn!(file:% = path.display(), pid = pid; "the pid file of an instance that did not end by itself was replaced");
                return Ok(());
            }
        }
    }
    Err(fault(ErrorKind::ResourceBusy.into()))
}

/// What is there; an error if it is somebody's.
fn find(path: &Path) -> Result<Found, PidFileError> {
    for _ in 0..ATTEMPTS {
        let mut file = match open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound && folder(path).is_dir() => {
                return Ok(Found::Nothing);
            }
            Err(error) => return Err(fault(path, error)),
        };
        let own = file.metadata().map_err(|error| fault(path, error))?;
        let pid = own.is_file().then(|| read(&mut file)).flatten();
        let Some(pid) = pid else {
            let path = path.to_owned();
            return Err(PidFileError::Foreign { path });
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = path.to_owned();
                return Err(PidFileError::Taken { path, pid });
            }
            Err(TryLockError::Error(error)) => return Err(fault(path, error)),
        }
        // Only who has locked what is still there may replace it.
        let is_there = |there: fs::Metadata| (there.dev(), there.ino()) == (own.dev(), own.ino());
        if fs::symlink_metadata(path).is_ok_and(is_there) {
            return Ok(Found::Stale(file, pid));
        }
    }
    Err(fault(path, ErrorKind::ResourceBusy.into()))
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// The pid in a file, or what is left of one; none if it is something else.
fn read(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).ok()?;
    let pid = text.trim();
    let is_pid = pid.bytes().all(|octet| octet.is_ascii_digit());
    (text.len() as u64 <= LONGEST && is_pid).then(|| pid.to_owned())
}

fn fault(path: &Path, error: io::Error) -> PidFileError {
    let path = path.to_owned();
    PidFileError::Io { path, error }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What is there instead.
fn foreign(path: &Path) -> &'static str {
    if path.is_dir() {
        "is a folder: name a file in it"
    } else {
        "holds no pid: remove it if nobody needs it, or choose another path"
    }
}

/// How to mend it, where that is known.
fn hint(path: &Path, error: &io::Error) -> String {
    let folder = folder(path).display();
    match error.kind() {
        ErrorKind::NotFound => {
            format!("; mend it with: mkdir -p {folder}, or with systemd by RuntimeDirectory=")
        }
        // Its folder may be ours.
        ErrorKind::PermissionDenied if fs::symlink_metadata(path).is_ok() => {
            "; this user may not read and write it: remove it, or change its owner".to_owned()
        }
        ErrorKind::PermissionDenied => {
            format!(
                "; this user may not write into {folder}: give it to the user, or choose another"
            )
        }
        _ if Errno::from_io_error(error) == Some(Errno::LOOP) => {
            "; it is a link: remove it, or name what it leads to".to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
