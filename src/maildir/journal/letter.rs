//! One message on its way from the log into its Maildir.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, statat};
use rustix::io::Errno;

use super::desk::Item;
use super::record::Entry;
use crate::maildir::Owner;
use crate::maildir::file::{Attributes, create, fill, publish, remove};
use crate::maildir::handle::{Maildir, READ, open_step};
use crate::maildir::maildirs::Maildirs;

/// What is in the `cur/` of Maildirs, read once for messages that are delivered together.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<(u64, u64), HashSet<String>>);

/// A message and its Maildir.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) item: Item,
    pub(super) maildir: Arc<Maildir>,
    /// Whether it is in `new/` or beyond already.
    there: bool,
}

impl Item {
    /// Tells the end of a trouble that was told.
    pub(super) fn tell(&self) {
        if self.tries > 1 {
            log::info!(file = self.entry.name.as_str(), tries = self.tries; "delivered at last");
        }
    }
}

impl Letter {
    /// Opens the Maildir of a message, and looks whether that is there already: only one that was
    /// tried before can be.
    pub(super) fn open(item: &Item, maildirs: &Maildirs, seen: &mut Seen) -> io::Result<Self> {
        let location = &item.entry.location;
        location.check()?;
        let maildir = match maildirs.get(location) {
            Err(error) if maildirs.may_be_stale(location, &error) => maildirs.get(location),
            outcome => outcome,
        }?;
        let there = item.tries > 0 && seen.has(&maildir, &item.entry.name)?;
        Ok(Self {
            item: item.clone(),
            maildir,
            there,
        })
    }

    /// Writes the message into `tmp/`. What has its name there is what an earlier try has left.
    pub(super) fn write(&self, own: Owner, sync: bool) -> io::Result<()> {
        if self.there {
            return Ok(());
        }
        let entry: &Entry = &self.item.entry;
        let tmp = &self.maildir.tmp;
        let file = match create(tmp, &entry.name, entry.mode) {
            Err(Errno::EXIST) => {
                remove(tmp, &entry.name)?;
                create(tmp, &entry.name, entry.mode)
            }
            outcome => outcome,
        }?;
        let attributes = Attributes {
            mode: entry.mode,
            owner: entry.location.owner.filter(|owner| *owner != own),
            flush: sync.then_some(self.maildir.flush),
        };
        fill(file, &[&entry.head, &entry.body.octets], attributes)
    }

    /// Renames it into `new/`. If it is there already nothing is left to do but to remove what an
    /// earlier try has left.
    pub(super) fn show(&self) -> io::Result<()> {
        let (Maildir { tmp, new, .. }, name) = (&*self.maildir, &self.item.entry.name);
        let outcome = if self.there {
            Err(Errno::EXIST)
        } else {
            publish(tmp, name, new, name)
        };
        if outcome == Err(Errno::EXIST) {
            self.discard();
            return Ok(());
        }
        Ok(outcome?)
    }

    /// Removes it from `tmp/`, if it is there.
    pub(super) fn discard(&self) {
        let _ = remove(&self.maildir.tmp, &self.item.entry.name);
    }

    /// Removes it from `new/`, since that cannot be made durable: another try begins from nothing.
    pub(super) fn take_back(&self) {
        let _ = remove(&self.maildir.new, &self.item.entry.name);
    }
}

impl Seen {
    /// Whether a message is in a Maildir, new or read.
    fn has(&mut self, maildir: &Maildir, name: &str) -> io::Result<bool> {
        let names = match self.0.entry(maildir.identity) {
            Occupied(names) => names.into_mut(),
            Vacant(names) => names.insert(read_names(maildir)?),
        };
        let is_new = || statat(&maildir.new, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        Ok(names.contains(name) || is_new())
    }
}

/// The names in `cur/`, without what readers have added to them.
fn read_names(maildir: &Maildir) -> io::Result<HashSet<String>> {
    let mut names = HashSet::new();
    for entry in Dir::new(open_step(&maildir.new, "../cur", READ)?)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str() {
            let end = name.find(':').unwrap_or(name.len());
            names.insert(name[..end].to_string());
        }
    }
    Ok(names)
}
