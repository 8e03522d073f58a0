//! How the content of a new file is made durable before its name is.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::fs::{fdatasync, fsync, major, minor};

use crate::locks::lock;

/// How long an answer of the kernel about a device is believed. Whoever mounts something else there
/// needs longer, and must let go of all that is open on it first.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// What is done with a file between the last write and its rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// Sync the file. That is right on every file system, and makes two commits of a journal: one
    /// here, one for the folder.
    File,
    /// Write the data back and wait for it; the journal commit that the sync of the folder waits
    /// for takes the inode with it. Right only where [`of_device`](Self::of_device) says so.
    WriteBack,
}

/// The ways of the devices that were asked for, so that opening a Maildir need not find them out.
#[derive(Debug, Default)]
pub(super) struct Flushes(Mutex<HashMap<u64, (Instant, Flush)>>);

impl Flushes {
    /// As [`Flush::of_device`], a moment old at most.
    pub(super) fn of(&self, device: u64) -> Flush {
        let now = Instant::now();
        if let Some((asked, flush)) = lock(&self.0).get(&device)
            && now.saturating_duration_since(*asked) < BELIEVED_FOR
        {
            return *flush;
        }
        let flush = Flush::of_device(device);
        lock(&self.0).insert(device, (now, flush));
        flush
    }
}

impl Flush {
    /// The way for the file system on `device`.
    ///
    /// ext4 with `data=ordered` and barriers commits in order: the inode gets its size and blocks
    /// when the data has reached the device, so before the rename; the folder's commit cannot come
    /// without it; and it flushes the cache of the device, the data included. Without a journal
    /// nothing of this holds, and other file systems make no such promise.
    fn of_device(device: u64) -> Self {
        if has_ordered_journal(device).unwrap_or(false) {
            Self::WriteBack
        } else {
            Self::File
        }
    }

    /// Begins to write the content of `file` back, if that is the way. What fails here, the wait
    /// for the rest need not tell again.
    pub(super) fn begin(self, file: &OwnedFd) -> io::Result<()> {
        self.begin_part(file, ALL)
    }

    /// The same, for a part of `file`: where it begins, and its octets.
    pub(super) fn begin_part(self, file: impl AsFd, part: (u64, u64)) -> io::Result<()> {
        match self {
            Self::WriteBack => sync_range(file, part, libc::SYNC_FILE_RANGE_WRITE),
            Self::File => Ok(()),
        }
    }

    /// Makes the content of `file` as durable as it has to be before the rename. `attributes` tells
    /// that mode or owner were set, which fdatasync need not keep.
    pub(super) fn flush(self, file: &OwnedFd, attributes: bool) -> io::Result<()> {
        match self {
            Self::WriteBack => write_back(file, ALL),
            Self::File if attributes => Ok(fsync(file)?),
            Self::File => Ok(fdatasync(file)?),
        }
    }
}

/// Whether ext4 is mounted from `device` with a journal in ordered mode. The kernel lists the
/// options in force, defaults included, under the name that the device has in `/sys`.
fn has_ordered_journal(device: u64) -> io::Result<bool> {
    let name = name(device)?;
    let options = fs::read_to_string(format!("/proc/fs/ext4/{name}/options"))?;
    let has = |option| options.lines().any(|line| line == option);
    Ok(has("data=ordered") && has("barrier") && has_journal(device)?)
}

/// Whether ext4 on `device` has a journal, and has it on the same device: only then does a commit
/// flush the cache that the data is in. Such a journal is listed with the number of its inode.
pub(super) fn has_journal(device: u64) -> io::Result<bool> {
    let start = format!("{}-", name(device)?);
    let mut journals = fs::read_dir("/proc/fs/jbd2")?.filter_map(Result::ok);
    Ok(journals.any(|journal| journal.file_name().to_string_lossy().starts_with(&start)))
}

/// What the kernel calls a device.
fn name(device: u64) -> io::Result<String> {
    let number = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let target = fs::read_link(number)?;
    let name = target.file_name().ok_or(io::ErrorKind::NotFound)?;
    Ok(name.to_string_lossy().into_owned())
}

/// All of a file, whatever its size is.
const ALL: (u64, u64) = (0, 0);

/// Writes all dirty pages in a part of `file` and waits until the device has them; an error of an
/// earlier write-back counts as well.
pub(super) fn write_back(file: impl AsFd, part: (u64, u64)) -> io::Result<()> {
    let all = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    sync_range(file, part, all)
}

fn sync_range(file: impl AsFd, part: (u64, u64), flags: libc::c_uint) -> io::Result<()> {
    let from = part.0.try_into().map_err(io::Error::other)?;
    let octets = part.1.try_into().map_err(io::Error::other)?;
    let number = file.as_fd().as_raw_fd();
    #[expect(unsafe_code, reason = "no crate wraps sync_file_range(2)")]
    // SAFETY: it takes a descriptor, which is open as long as `file` lives, and three numbers.
    let outcome = unsafe { libc::sync_file_range(number, from, octets, flags) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_believed_for_a_moment() {
        let place = tempfile::tempdir().unwrap();
        let device = rustix::fs::stat(place.path()).unwrap().st_dev;
        let (flushes, right) = (Flushes::default(), Flush::of_device(device));
        let wrong = match right {
            Flush::File => Flush::WriteBack,
            Flush::WriteBack => Flush::File,
        };
        assert_eq!(flushes.of(device), right);
        let now = Instant::now();
        lock(&flushes.0).insert(device, (now, wrong));
        assert_eq!(flushes.of(device), wrong);
        let Some(earlier) = now.checked_sub(BELIEVED_FOR) else {
            return; // This machine has just been started.
        };
        lock(&flushes.0).insert(device, (earlier, wrong));
        assert_eq!(flushes.of(device), right);
    }
}
