//! Removing what interrupted deliveries have left in `tmp/`.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, flock, fstat, statat};
use rustix::io::Errno;

use super::handle::{READ, open_root, open_step};

/// How many folders below the root a Maildir may be.
const DEPTH: u32 = 8;

/// What a sweep has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files removed.
    pub files: u64,
    /// Their octets.
    pub octets: u64,
    /// Folders and files that could not be read or removed, and were left alone.
    pub skipped: u64,
}

/// Removes files in the `tmp/` of every Maildir below `root` that were neither read, written nor
/// changed in any other way for `older_than` before `now`. The author of the format says 36 hours;
/// no delivery takes that long.
///
/// Only regular files are removed, only in a `tmp` beside a `new` and a `cur`; no link is followed,
/// and what is mounted below the root is left alone. Nothing is done while another process sweeps
/// below the same root, which is known by a lock on the folder.
///
/// # Errors
///
/// That the root cannot be opened or read. Trouble further down is counted.
pub fn sweep(root: &Path, older_than: Duration, now: SystemTime) -> io::Result<Swept> {
    let mut swept = Swept::default();
    let limit = now
        .checked_sub(older_than)
        .and_then(|limit| limit.duration_since(UNIX_EPOCH).ok())
        .and_then(|limit| i64::try_from(limit.as_secs()).ok());
    if let Some(limit) = limit {
        let root = open_root(root, READ)?;
        if flock(&root, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Ok(swept);
        }
        // The lock is there as long as this is. (Where there are none, two sweep as well as one.)
        let _locked = root.try_clone()?;
        let rule = Rule {
            limit,
            device: fstat(&root)?.st_dev,
        };
        sweep_folder(root, rule, DEPTH, &mut swept)?;
    }
    Ok(swept)
}

/// What is swept.
#[derive(Clone, Copy)]
struct Rule {
    /// Files that were not touched since; in seconds since 1970.
    limit: i64,
    /// The file system of the root.
    device: u64,
}

/// Sweeps a folder, and all below it.
fn sweep_folder(folder: OwnedFd, rule: Rule, depth: u32, swept: &mut Swept) -> io::Result<()> {
    if fstat(&folder)?.st_dev != rule.device {
        return Ok(());
    }
    let here = folder.try_clone()?;
    let mut folders = folders_in(folder)?;
    let has = |name: &str| folders.iter().any(|folder| folder == name);
    if has("tmp") && has("new") && has("cur") {
        let outcome = open_step(&here, "tmp", READ).and_then(|tmp| sweep_tmp(tmp, rule, swept));
        swept.note(outcome);
        // What is in them is mail.
        folders.retain(|name| !matches!(name.as_str(), "tmp" | "new" | "cur"));
    }
    if depth > 0 {
        for name in folders {
            let outcome = open_step(&here, &name, READ)
                .and_then(|folder| sweep_folder(folder, rule, depth - 1, swept));
            swept.note(outcome);
        }
    }
    Ok(())
}

/// The names of the directories in a folder. One that is no UTF-8 is none of ours.
fn folders_in(folder: OwnedFd) -> io::Result<Vec<String>> {
    let here = folder.try_clone()?;
    let mut names = Vec::new();
    for entry in Dir::new(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if matches!(name, "." | "..") {
            continue;
        }
        // Some file systems tell the type only when asked.
        let file_type = match entry.file_type() {
            FileType::Unknown => statat(&here, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(FileType::Unknown, |status| {
                    FileType::from_raw_mode(status.st_mode)
                }),
            known => known,
        };
        if file_type == FileType::Directory {
            names.push(name.to_string());
        }
    }
    Ok(names)
}

fn sweep_tmp(tmp: OwnedFd, rule: Rule, swept: &mut Swept) -> io::Result<()> {
    if fstat(&tmp)?.st_dev != rule.device {
        return Ok(());
    }
    let here = tmp.try_clone()?;
    for entry in Dir::new(tmp)? {
        let entry = entry?;
        let status = match statat(&here, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => status,
            Err(error) => {
                swept.note(Err(error.into()));
                continue;
            }
        };
        let touched = status.st_atime.max(status.st_mtime).max(status.st_ctime);
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile || touched >= rule.limit
        {
            continue;
        }
        match rustix::fs::unlinkat(&here, entry.file_name(), AtFlags::empty()) {
            Ok(()) => {
                swept.files += 1;
                swept.octets += u64::try_from(status.st_size).unwrap_or(0);
            }
            Err(error) => swept.note(Err(error.into())),
        }
    }
    Ok(())
}

impl Swept {
    /// Counts an error, unless it says that someone else has just removed the thing.
    fn note(&mut self, outcome: io::Result<()>) {
        if outcome.is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
            self.skipped += 1;
        }
    }
}
