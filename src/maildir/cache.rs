//! A bounded cache of open Maildirs.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::Location;
use super::gates::{Gates, Pass};
use super::handle::Maildir;
use crate::locks::lock;

/// The parts that are locked apart, so that many threads seldom wait for each other.
const SHARDS: usize = 16;

/// The Maildir at the top of a location: its root and its components.
type Top = (Arc<Path>, Vec<String>);

/// Open Maildirs by location. Who uses one holds an `Arc`, so that dropping it here disturbs no
/// one.
#[derive(Debug)]
pub(super) struct Cache {
    shards: Vec<Mutex<Shard>>,
    /// Maildirs in one shard, at most.
    room: usize,
    gates: Gates<Top>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Location, Entry>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    maildir: Arc<Maildir>,
    used: u64,
}

impl Cache {
    /// A cache for `capacity` Maildirs, at most; with 0 nothing is kept.
    pub(super) fn new(capacity: usize) -> Self {
        let shards = capacity.clamp(1, SHARDS);
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            room: capacity / shards,
            gates: Gates::default(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn get(&self, location: &Location) -> Option<Arc<Maildir>> {
        let mut shard = self.shard(location);
        shard.clock += 1;
        let now = shard.clock;
        let entry = shard.entries.get_mut(location)?;
        entry.used = now;
        Some(Arc::clone(&entry.maildir))
    }

    /// Keeps `maildir`, and lets go of the one that was not used for the longest time if there is
    /// no room.
    pub(super) fn insert(&self, location: &Location, maildir: &Arc<Maildir>) {
        if self.room == 0 {
            return;
        }
        let mut shard = self.shard(location);
        let evicted = shard.make_room(self.room);
        let used = shard.clock;
        let entry = Entry {
            maildir: Arc::clone(maildir),
            used,
        };
        let replaced = shard.entries.insert(location.clone(), entry);
        // Descriptors are closed after the lock is given back.
        drop(shard);
        drop((evicted, replaced));
    }

    /// Forgets one Maildir, and says whether it was there.
    pub(super) fn remove(&self, location: &Location) -> bool {
        let removed = self.shard(location).entries.remove(location);
        removed.is_some()
    }

    /// Forgets all, to give descriptors back.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let entries = std::mem::take(&mut lock(shard).entries);
            drop(entries);
        }
    }

    /// Lets one thread at a time open or make the Maildir at `location`. The others find it in the
    /// cache when their turn comes, and never use one whose making is not yet synced. A sub-folder
    /// shares the gate of the Maildir it is in, since making the one may make the other.
    pub(super) fn gate(&self, location: &Location) -> Pass<'_, Top> {
        let top = (Arc::clone(&location.root), location.components.clone());
        self.gates.pass(top)
    }

    fn shard(&self, location: &Location) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(location) % self.shards.len() as u64;
        lock(&self.shards[usize::try_from(hash).unwrap_or(0)])
    }
}

impl Shard {
    /// A shard is small, so that the oldest entry is found soonest by looking at each.
    fn make_room(&mut self, room: usize) -> Option<Entry> {
        if self.entries.len() < room {
            return None;
        }
        let (oldest, _) = self.entries.iter().min_by_key(|(_, entry)| entry.used)?;
        let oldest = oldest.clone();
        self.entries.remove(&oldest)
    }
}
