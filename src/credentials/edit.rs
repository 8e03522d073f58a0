//! Changing a file of users: comments and all other lines stay as they are.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::entry::{Entry, check_name, is_comment, name_of};
use super::{CredentialsError, Table};

/// What a file of users may be at most: the owner's, and read by its group.
const WIDEST_MODE: u32 = 0o640;

/// Nobody else changes the file meanwhile. The lock is on its folder, as the file is replaced.
#[derive(Debug)]
pub struct FileLock {
    /// The file itself, where a symbolic link leads to it.
    path: PathBuf,
    folder: File,
}

impl FileLock {
    /// Waits for it.
    pub fn take(path: &Path) -> Result<Self, CredentialsError> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let locked = File::open(folder).and_then(|folder| {
            flock(&folder, FlockOperation::LockExclusive)?;
            Ok(folder)
        });
        match locked {
            Ok(folder) => Ok(Self { path, folder }),
            Err(error) => Err(CredentialsError::Io {
                path: folder.to_owned(),
                error,
            }),
        }
    }

    /// The text of the file, which must be sound; empty if there is none yet.
    pub fn read(&self) -> Result<String, CredentialsError> {
        let path = self.path.clone();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(CredentialsError::Io { path, error }),
        };
        match Table::parse(&text) {
            Ok(_) => Ok(text),
            Err((line, message)) => Err(CredentialsError::Line {
                path,
                line,
                message,
            }),
        }
    }

    /// Puts another text in its place: the old file or the new one is there, and after a crash too.
    pub fn replace(&self, text: &str) -> Result<(), CredentialsError> {
        let replaced = self.write_anew(text);
        replaced.map_err(|error| CredentialsError::Io {
            path: self.path.clone(),
            error,
        })
    }

    fn write_anew(&self, text: &str) -> io::Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let new = self.path.with_file_name(name);
        // One that is there was left by a process that is no more and had our number.
        let _ = fs::remove_file(&new);
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        let written = (|| {
            // The server may run as somebody else than who changes its users.
            if let Ok(old) = fs::metadata(&self.path) {
                // Where it cannot be theirs it must not be open to our own group instead.
                let is_theirs = fchown(&file, Some(old.uid()), Some(old.gid())).is_ok();
                let widest = if is_theirs { WIDEST_MODE } else { 0 };
                let mode = old.mode() & widest | 0o600;
                file.set_permissions(Permissions::from_mode(mode))?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            self.folder.sync_all()
        })();
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }
}

/// The entry of a user in the text of a file.
pub fn find(text: &str, name: &str) -> Option<Entry> {
    let mut lines = text.lines().filter(|line| !is_comment(line));
    lines
        .find(|line| name_of(line) == name)
        .and_then(Entry::of_line)
}

/// The text with this entry for a user, or without the user if there is none.
pub fn write(text: &str, name: &str, entry: Option<&Entry>) -> Result<String, String> {
    check_name(name)?;
    let line = entry.map(|entry| format!("{name}:{entry}"));
    let mut lines = Vec::new();
    let mut found = false;
    for old in text.lines() {
        if is_comment(old) || name_of(old) != name {
            lines.push(old);
        } else {
            found = true;
            lines.extend(line.as_deref());
        }
    }
    if !found {
        lines.extend(line.as_deref());
    }
    lines.push("");
    Ok(lines.join("\n"))
}
