//! What is known of the attempts at a letter. It is in a file beside the letter, which is replaced
//! as a whole and never synced: who loses it tries again sooner, no more.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The attempts at a letter so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// How many.
    pub attempts: u32,
    /// When the next one is due, in milliseconds since 1970; [`NOW`](Self::NOW) when somebody asks for it.
    pub next: u64,
    /// When the last one was.
    pub last: u64,
    /// What the last one came to.
    pub error: String,
}

impl State {
    /// Due at once, even if the consumer seems to be down.
    pub const NOW: u64 = 0;

    /// Reads the state of the letter `name`. One that cannot be read counts as none.
    pub(super) fn read(folder: &Path, name: &str) -> Option<Self> {
        let json = fs::read(folder.join(name)).ok()?;
        serde_json::from_slice(&json).ok()
    }

    pub(super) fn write(&self, folder: &Path, name: &str) -> io::Result<()> {
        // A name that begins with a dot is nobody's letter.
        let unfinished = folder.join(format!(".{}.{name}", std::process::id()));
        let written = fs::write(&unfinished, serde_json::to_vec(self)?)
            .and_then(|()| fs::rename(&unfinished, folder.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    pub(super) fn remove(folder: &Path, name: &str) -> io::Result<()> {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
