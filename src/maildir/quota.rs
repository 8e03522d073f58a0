//! Maildir++ quotas: the account that every program which delivers into a Maildir keeps in
//! `maildirsize`.
//!
//! The first line is the quota, `<octets>S,<messages>C`. Every other line is `<octets> <messages>`,
//! positive or negative, and their sum is what the Maildir holds, with its sub-folders and without
//! its Trash. See <https://www.courier-mta.org/imap/README.maildirquota.html>.

use std::ffi::CStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, renameat, statat};
use rustix::io::Errno;

use super::Names;
use super::file::create_unique;
use super::file::{Attributes, fill, remove};
use super::handle::{READ, STAND, open_step};

const NAME: &str = "maildirsize";
/// An account of that many octets is too long to be trusted, and counted afresh.
const TOO_LONG: u64 = 5120;
/// A full account that is older is counted afresh before it is believed.
const STALE: Duration = Duration::from_mins(15);

/// What a Maildir may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Octets in all messages together; none or 0 is as much as there is room for.
    pub storage: Option<u64>,
    /// Messages; none or 0 is any number.
    pub messages: Option<u64>,
}

/// A Maildir has no room for a message. It comes within an `io::Error` of the kind `QuotaExceeded`,
/// which the quota of a file system (EDQUOT) has as well; `io::Error::get_ref` tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Maildir is over its quota of {0}")]
pub struct OverQuota(pub Quota);

/// What `maildirsize` says.
struct Account {
    quota: Quota,
    used: Usage,
    /// Lines after the first.
    lines: usize,
    octets: u64,
    modified: SystemTime,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    octets: i64,
    messages: i64,
}

/// Whether a message of `octets` has room in the Maildir `top`. Two that are checked at the same
/// moment may both find the same room: the quota is a soft one, as everywhere.
///
/// # Errors
///
/// [`OverQuota`], or that the Maildir cannot be counted.
pub(super) fn check(
    top: &OwnedFd,
    quota: &Quota,
    octets: u64,
    attributes: Attributes,
    names: &Names,
) -> io::Result<()> {
    let account =
        read(top).filter(|account| account.octets < TOO_LONG && account.quota == quota.normal());
    if let Some(account) = account {
        if quota.has_room(account.used, octets) {
            return Ok(());
        }
        // One young line is what the last count of a full Maildir has left: nothing has changed
        // since.
        let age = SystemTime::now()
            .duration_since(account.modified)
            .unwrap_or_default();
        if account.lines <= 1 && age < STALE {
            return Err(over(quota));
        }
    }
    let used = count(top)?;
    // A count that cannot be kept is right all the same.
    let _ = write(top, quota, used, attributes, names);
    if quota.has_room(used, octets) {
        Ok(())
    } else {
        Err(over(quota))
    }
}

/// Adds a line to the account, if there is one: with one write, so that lines of several programs
/// do not mix.
pub(super) fn append(top: &OwnedFd, octets: i64, messages: i64) -> io::Result<()> {
    let account = open(top, OFlags::WRONLY | OFlags::APPEND)?;
    rustix::io::write(&account, line(octets, messages).as_bytes())?;
    Ok(())
}

impl Quota {
    /// With 0 as what it means.
    fn normal(self) -> Self {
        Self {
            storage: self.storage.filter(|&storage| storage > 0),
            messages: self.messages.filter(|&messages| messages > 0),
        }
    }

    fn has_room(self, used: Usage, octets: u64) -> bool {
        let fits = |used: i64, more: u64, limit: Option<u64>| {
            limit.is_none_or(|limit| u64::try_from(used).unwrap_or(0).saturating_add(more) <= limit)
        };
        let quota = self.normal();
        fits(used.octets, octets, quota.storage) && fits(used.messages, 1, quota.messages)
    }

    /// The first line of an account.
    fn parse(line: &str) -> Option<Self> {
        let mut quota = Self::default();
        for part in line.split(',').filter(|part| !part.is_empty()) {
            let (number, kind) = part.split_at_checked(part.len() - 1)?;
            let number = number.parse().ok()?;
            match kind {
                "S" => quota.storage = Some(number),
                "C" => quota.messages = Some(number),
                _ => return None,
            }
        }
        Some(quota.normal())
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { storage, messages } = self.normal();
        if let Some(storage) = storage {
            write!(f, "{storage}S")?;
        }
        if let Some(messages) = messages {
            let comma = if storage.is_some() { "," } else { "" };
            write!(f, "{comma}{messages}C")?;
        }
        Ok(())
    }
}

fn over(quota: &Quota) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, OverQuota(*quota))
}

/// Padded to 14 octets, as Courier does it.
fn line(octets: i64, messages: i64) -> String {
    format!("{:<13}\n", format!("{octets} {messages}"))
}

/// Opens the account. The Maildir belongs to its user, who may have put anything there: a FIFO must
/// not block us, and neither a symbolic nor a hard link may lead us to another file.
fn open(top: &OwnedFd, access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let account = openat(top, NAME, flags, Mode::empty())?;
    let status = fstat(&account)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile || status.st_nlink != 1 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(account)
}

/// Reads the account. One that is missing, unreadable or malformed is none, and will be replaced.
fn read(top: &OwnedFd) -> Option<Account> {
    let file = File::from(open(top, OFlags::RDONLY).ok()?);
    let modified = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .unwrap_or(UNIX_EPOCH);
    let mut text = String::new();
    let octets = file.take(TOO_LONG).read_to_string(&mut text).ok()? as u64;
    let mut lines = text.lines();
    let quota = Quota::parse(lines.next()?)?;
    let mut used = Usage::default();
    let mut count = 0;
    for line in lines {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<i64>);
        let mut next = || numbers.next()?.ok();
        used.octets = used.octets.saturating_add(next()?);
        used.messages = used.messages.saturating_add(next()?);
        count += 1;
    }
    Some(Account {
        quota,
        used,
        lines: count,
        octets,
        modified,
    })
}

/// Writes a new account beside the old one and puts it in its place.
fn write(
    top: &OwnedFd,
    quota: &Quota,
    used: Usage,
    attributes: Attributes,
    names: &Names,
) -> io::Result<()> {
    let tmp = open_step(top, "tmp", STAND)?;
    let text = format!("{quota}\n{}", line(used.octets, used.messages));
    let octets = text.len() as u64;
    let (name, file) = create_unique(&tmp, attributes.mode, || names.next(octets, octets))?;
    let attributes = Attributes {
        flush: None,
        ..attributes
    };
    let outcome = fill(file, &[text.as_bytes()], attributes)
        .and_then(|()| Ok(renameat(&tmp, &name, top, NAME)?));
    if outcome.is_err() {
        let _ = remove(&tmp, &name);
    }
    outcome
}

/// Counts the Maildir and its sub-folders.
fn count(top: &OwnedFd) -> io::Result<Usage> {
    let mut used = Usage::default();
    count_folder(top, &mut used)?;
    for entry in list(top, ".")?.into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") && !matches!(name, b"." | b".." | b".Trash") {
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            // Not every such name is a folder; links are not followed.
            match open_step(top, name, STAND) {
                Ok(folder) => count_folder(&folder, &mut used)?,
                Err(error) if is_no_folder(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(used)
}

fn count_folder(folder: &OwnedFd, used: &mut Usage) -> io::Result<()> {
    for part in ["new", "cur"] {
        let Some(messages) = list(folder, part)? else {
            continue;
        };
        let here = open_step(folder, part, STAND)?;
        for message in messages {
            let message = message?;
            if message.file_name().to_bytes().starts_with(b".") {
                continue;
            }
            if let Some(octets) = size(&here, message.file_name())? {
                used.octets = used.octets.saturating_add(octets);
                used.messages += 1;
            }
        }
    }
    Ok(())
}

/// The size of a message: from its name if that tells it, else from the file. Nothing if a reader
/// has just removed or renamed it.
fn size(folder: impl AsFd, name: &CStr) -> io::Result<Option<i64>> {
    if let Some(size) = size_in_name(name.to_bytes()) {
        return Ok(Some(size));
    }
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(status) => Ok(Some(status.st_size)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn size_in_name(name: &[u8]) -> Option<i64> {
    let digits = &name[memchr::memmem::find(name, b",S=")? + 3..];
    let end = digits.iter().position(|octet| !octet.is_ascii_digit());
    std::str::from_utf8(&digits[..end.unwrap_or(digits.len())])
        .ok()?
        .parse()
        .ok()
}

/// The entries of a directory, if it is one.
fn list(parent: &OwnedFd, name: &str) -> io::Result<Option<Dir>> {
    match open_step(parent, name, READ) {
        Ok(folder) => Ok(Some(Dir::new(folder)?)),
        Err(error) if is_no_folder(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_no_folder(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_and_printed() {
        for (text, storage, messages) in [
            ("1000S,10C", Some(1000), Some(10)),
            ("1000S", Some(1000), None),
            ("10C", None, Some(10)),
            ("", None, None),
        ] {
            let quota = Quota { storage, messages };
            assert_eq!(Quota::parse(text), Some(quota));
            assert_eq!(quota.to_string(), text);
        }
        assert_eq!(Quota::parse("10C,1000S"), Quota::parse("1000S,10C"));
        assert_eq!(Quota::parse("0S,10C"), Quota::parse("10C"));
        for bad in ["x", "S", "10", "10X", "-1S", "10\u{e9}"] {
            assert_eq!(Quota::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_are_padded() {
        assert_eq!(line(5, 1), "5 1          \n");
        assert_eq!(line(-5, -1).len(), 14);
        assert_eq!(line(123_456_789_012, 345), "123456789012 345\n");
    }

    #[test]
    fn sizes_come_from_names() {
        assert_eq!(size_in_name(b"1.M2.h,S=12,W=13:2,S"), Some(12));
        assert_eq!(size_in_name(b"1.M2.h,S=12"), Some(12));
        for name in [
            &b"1.M2.h"[..],
            b"1,S=",
            b"1,S=x",
            b"1,S=99999999999999999999",
        ] {
            assert_eq!(size_in_name(name), None);
        }
    }
}
