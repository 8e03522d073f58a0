//! Tests of the room as a whole.

mod delivery;
mod hostile;
mod lane;
mod making;
mod quota;
mod sweep;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Location, Message, Settings, Staged, Store};

/// A root of its own for one test.
pub(super) struct Nest {
    root: TempDir,
    pub(super) store: Store,
}

impl Nest {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            store: Store::new(settings),
        }
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// The Maildir at `path`, which may be made.
    pub(super) fn at(&self, path: &str) -> Location {
        Location {
            root: self.root.path().into(),
            components: path.split('/').map(str::to_string).collect(),
            folder: None,
            owner: None,
            create: true,
            quota: None,
        }
    }

    fn stage(&self, location: &Location, text: &str) -> std::io::Result<Staged> {
        let message = Message {
            parts: &[text.as_bytes()],
            stream: None,
            crlf_size: super::crlf_size(text.as_bytes()),
        };
        self.store.stage(location, &message)
    }

    /// Delivers `text` and gives the name back.
    pub(super) fn deliver(&self, location: &Location, text: &str) -> std::io::Result<String> {
        let mut staged = vec![self.stage(location, text)?];
        self.store.commit(&mut staged)?;
        Ok(staged[0].name().to_string())
    }

    /// The names in a folder below the root, sorted.
    pub(super) fn list(&self, below: &str) -> Vec<String> {
        list(&self.path(below))
    }

    /// The number of files in `new/` and in `tmp/` of a Maildir.
    fn counts(&self, maildir: &str) -> (usize, usize) {
        let count = |folder| self.list(&format!("{maildir}/{folder}")).len();
        (count("new"), count("tmp"))
    }
}

fn list(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
