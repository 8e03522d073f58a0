//! Who may log in: a file with a line for each user, made by `maiasaura passwd`.
//!
//! ```text
//! # a comment
//! alice:$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH:SCRAM-SHA-256$100000:SALT$STORED:SERVER
//! printer:CERT-SHA-256$HEX
//! ```

mod edit;
mod entry;
mod password;
mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::rand::{GetRandomFlags, getrandom};

pub use edit::{FileLock, find, write};
pub use entry::{Entry, Fingerprint, check_name, fingerprint};
pub use password::{MEMORY, hash};
pub use table::Table;

use crate::locks::lock;
use crate::stamp::Stamp;

/// Octets of a file of users, at most: half a million users.
const FILE_LIMIT: u64 = 128 << 20;

/// Why a file of users cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read or written.
    #[error("{}: {error}{}", .path.display(), hint(.error))]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A line of it is wrong.
    #[error("{}, line {line}: {message}", .path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counts from 1.
        line: usize,
        /// What is wrong and how to mend it.
        message: String,
    },
}

/// How to mend it.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; make it with: maiasaura passwd NAME",
        io::ErrorKind::PermissionDenied => "; it must be readable for the user that we run as",
        _ => "",
    }
}

/// A file of users, read again when it has changed.
#[derive(Debug)]
pub struct Credentials {
    path: PathBuf,
    read: Mutex<Read>,
}

/// What was read, and what the file looked like then.
#[derive(Debug)]
struct Read {
    stamp: Stamp,
    table: Arc<Table>,
}

impl Credentials {
    /// Reads a file of users.
    pub fn open(path: &Path) -> Result<Self, CredentialsError> {
        let (stamp, table) = read(path)?;
        let table = Arc::new(table);
        Ok(Self {
            path: path.to_owned(),
            read: Mutex::new(Read { stamp, table }),
        })
    }

    /// The users as the file has them now. A file that has become unusable is complained about
    /// once, and the users from before it stay. Reads from the disk, so it may block.
    pub fn current(&self) -> Arc<Table> {
        let mut known = lock(&self.read);
        let now = fs::metadata(&self.path).map(|file| Stamp::of(&file));
        // A file that is not there is one that has changed, once.
        let now = now.unwrap_or_default();
        if now != known.stamp {
            known.stamp = now;
            let file = self.path.display();
            match read(&self.path) {
                Ok((stamp, table)) => {
                    log::info!(file:% = file, users = table.len(); "users read");
                    *known = Read {
                        stamp,
                        table: Arc::new(table),
                    };
                }
                Err(error) => {
                    log::error!(error:% = error; "users not read, those from before stay");
                }
            }
        }
        Arc::clone(&known.table)
    }
}

/// Reads a whole file of users. The stamp is from before, so that a change meanwhile is seen.
fn read(path: &Path) -> Result<(Stamp, Table), CredentialsError> {
    let failed = |error| CredentialsError::Io {
        path: path.to_owned(),
        error,
    };
    let file = fs::metadata(path).map_err(failed)?;
    if !file.is_file() {
        return Err(failed(io::Error::other("it is not a file")));
    }
    if file.len() > FILE_LIMIT {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let table = Table::parse(&text).map_err(|(line, message)| CredentialsError::Line {
        path: path.to_owned(),
        line,
        message,
    })?;
    Ok((Stamp::of(&file), table))
}

/// Octets that nobody can guess.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    let mut filled = 0;
    while filled < N {
        filled += getrandom(&mut octets[filled..], GetRandomFlags::empty())?;
    }
    Ok(octets)
}
