//! Tests of the log, through the store that uses it.

mod crash;
mod delivery;
mod desk;
mod format;
mod recovery;
mod trouble;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Layout, Recovery, Workings};
use crate::maildir::{Durability, Location, Message, Settings, Staged, Store};

/// A small log, and no patience.
const SMALL: Workings = Workings {
    layout: Layout {
        segments: 4,
        octets: 64 << 10,
    },
    checkpoint: true,
    each: false,
    memory: 64 << 20,
    queue: 256,
    patience: Duration::from_millis(100),
    retry: Duration::from_millis(20),
};

/// A log from which nothing is delivered: what is in it when the store is dropped is what a crash
/// leaves.
const CRASHING: Workings = Workings {
    checkpoint: false,
    ..SMALL
};

/// A folder for Maildirs, and stores that come and go.
struct Nest {
    root: TempDir,
}

impl Nest {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root }
    }

    fn try_open(&self, workings: &Workings) -> std::io::Result<(Store, Option<Recovery>)> {
        self.open_as(Durability::Journal, workings)
    }

    fn open_as(
        &self,
        durability: Durability,
        workings: &Workings,
    ) -> std::io::Result<(Store, Option<Recovery>)> {
        let settings = Settings {
            durability,
            ..Settings::default()
        };
        let store = Store::new(settings);
        let mut recovered = store.recover_with(&[self.root.path().into()], workings)?;
        let recovery = recovered.pop().map(|recovered| recovered.outcome);
        Ok((store, recovery))
    }

    fn open(&self, workings: &Workings) -> Store {
        self.try_open(workings).unwrap().0
    }

    /// How many messages a start finds in the log, and how many of them stay there.
    fn recover(&self, workings: &Workings) -> (usize, usize, bool) {
        let (_store, recovery) = self.try_open(workings).unwrap();
        match recovery {
            Some(Recovery::Ready {
                found,
                waiting,
                torn,
            }) => (found, waiting, torn),
            other => panic!("{other:?}"),
        }
    }

    fn at(&self, path: &str) -> Location {
        Location {
            root: self.root.path().into(),
            components: path.split('/').map(str::to_string).collect(),
            folder: None,
            owner: None,
            create: true,
            quota: None,
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn segment(&self, number: usize) -> PathBuf {
        self.path(&format!(".journal/segment-{number}"))
    }

    /// The contents of the messages in `new/`, sorted.
    fn mail(&self, maildir: &str) -> Vec<String> {
        let new = self.path(maildir).join("new");
        let Ok(entries) = fs::read_dir(new) else {
            return Vec::new();
        };
        let read = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        let mut mail: Vec<String> = read.collect();
        mail.sort();
        mail
    }

    /// Waits until that many messages are in `new/`.
    fn await_mail(&self, maildir: &str, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.mail(maildir).len() < count {
            assert!(Instant::now() < deadline, "{count} messages in {maildir}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn stage(store: &Store, location: &Location, text: &str) -> Staged {
    let (head, body) = text.split_at(text.len().min(3));
    let message = Message {
        parts: &[head.as_bytes(), body.as_bytes()],
        stream: None,
        crlf_size: crate::maildir::crlf_size(text.as_bytes()),
    };
    store.stage(location, &message).unwrap()
}

/// Delivers a message and gives its name back.
fn deliver(store: &Store, location: &Location, text: &str) -> String {
    let mut staged = vec![stage(store, location, text)];
    store.commit(&mut staged).unwrap();
    staged[0].name().to_string()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

fn shared(path: &Path) -> Arc<Path> {
    path.into()
}
