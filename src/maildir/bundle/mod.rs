//! Bundles: files in which many small messages lie one behind the other, until somebody takes them.
//!
//! A file for each message costs a dozen microseconds each to create, to write back, to rename and to
//! close. In a bundle all that is committed together is one write and one sync. It is for
//! messages that are soon taken, and not for people: those of a queue.
//!
//! Nobody writes to a bundle that another process has made, and one thread at a time does. It holds
//! the lock of the file (flock) from the first octet to the promise, when it marks the messages as
//! *shown*. Who finds one without that mark leaves it alone, unless the lock can be had: then a
//! crash has come between, and the mark may be what is lost. Who removes a bundle holds the
//! lock, too, so nothing is written into one that goes. What is written is synced before more is: if
//! a message is whole, all before it were promised. One that is not whole never was.
//!
//! Whoever has taken a message marks it as done, and removes the bundle with the last one. Marks are
//! not synced: after a crash a message may be there again.

mod form;
mod reading;
#[cfg(test)]
mod tests;
mod written;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;

use super::file::write_all;
use super::flush::Flush;
use super::name::random;
use super::{Message, Names};
use crate::locks::lock;
use form::{BLOCK, BLOCK_OCTETS, HEADER, Header, Key, MOST};

pub use reading::{Look, bundle_of};
pub(super) use written::Written;

/// What is larger than this gets a file of its own.
const LARGEST: u64 = 64 << 10;
/// Octets of all messages on their way into bundles; then messages get files of their own.
const MOST_HELD: usize = 16 << 20;
/// A bundle that has so much is full.
const FULL: u64 = 4 << 20;
/// Bundles that are kept open: as many as are written to at once where commits go in company, and
/// some more.
const KEPT: usize = 4;

/// The bundles in one folder.
#[derive(Debug)]
pub struct Bundles {
    folder: PathBuf,
    names: Names,
    /// Those of ours that nobody writes to at the moment.
    open: Mutex<Vec<Bundle>>,
    /// Whether the last one could be made.
    is_ready: AtomicBool,
    /// Octets that are held in memory.
    held: Arc<AtomicUsize>,
}

/// One that is written to.
#[derive(Debug)]
struct Bundle {
    file: Arc<File>,
    key: Key,
    end: u64,
    messages: u32,
}

/// A message on its way into a bundle, or in one.
#[derive(Debug)]
pub(super) struct Packed {
    bundles: Arc<Bundles>,
    octets: Vec<u8>,
    time: u64,
    flush: Option<Flush>,
    spot: Option<Spot>,
    _room: Room,
}

/// Where a message is.
#[derive(Debug)]
struct Spot {
    file: Arc<File>,
    number: u32,
}

/// The right to hold so many octets in memory.
#[derive(Debug)]
struct Room(Arc<AtomicUsize>, usize);

impl Bundles {
    /// Those in `folder`, which is to be there when a message is packed.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            names: Names::new(""),
            open: Mutex::default(),
            is_ready: AtomicBool::new(false),
            held: Arc::default(),
        }
    }

    /// Takes a message into memory; none if it has to have a file of its own. `flush` is how
    /// the file system wants it.
    ///
    /// # Errors
    ///
    /// There can be no bundle.
    pub(super) fn pack(
        self: &Arc<Self>,
        message: &Message<'_>,
        flush: Option<Flush>,
    ) -> io::Result<Option<Packed>> {
        let size = message.octets();
        if message.stream.is_some() || size > LARGEST {
            return Ok(None);
        }
        let Some(room) = Room::take(&self.held, size) else {
            return Ok(None);
        };
        if !self.is_ready.load(Ordering::Relaxed) {
            let bundle = self.create()?;
            self.put_back(bundle);
            self.is_ready.store(true, Ordering::Relaxed);
        }
        Ok(Some(Packed {
            bundles: Arc::clone(self),
            octets: message.parts.concat(),
            time: self.names.tick(),
            flush,
            spot: None,
            _room: room,
        }))
    }

    /// Writes messages into bundles, where nobody sees them before they are [shown](Written::show).
    ///
    /// # Errors
    ///
    /// Some can be in a bundle nevertheless: see [`Packed::strike`].
    pub(super) fn write(
        self: &Arc<Self>,
        mut messages: &mut [&mut Packed],
    ) -> io::Result<Vec<Written>> {
        let mut all = Vec::new();
        while !messages.is_empty() {
            let written = self.write_some(messages);
            self.is_ready.store(written.is_ok(), Ordering::Relaxed);
            let (written, count) = written?;
            all.push(written);
            messages = &mut messages[count..];
        }
        Ok(all)
    }

    /// As many as one bundle has room for. After an error it is given up.
    fn write_some(self: &Arc<Self>, messages: &mut [&mut Packed]) -> io::Result<(Written, usize)> {
        let bundle = self.take()?;
        let (from, first) = (bundle.end, bundle.messages);
        let count = bundle.room_for(messages);
        let mut written = Written {
            bundles: Arc::clone(self),
            bundle: Some(bundle),
            from,
            first,
            marks: vec![form::SHOWN; count],
            flush: messages.first().and_then(|message| message.flush),
        };
        if let Some(bundle) = &mut written.bundle {
            bundle.write(&mut messages[..count])?;
        }
        Ok((written, count))
    }

    /// A bundle with room for one message at least, locked.
    fn take(&self) -> io::Result<Bundle> {
        loop {
            let kept = lock(&self.open).pop();
            let bundle = kept.map_or_else(|| self.create(), Ok)?;
            if bundle.is_full() {
                continue;
            }
            retry_on_intr(|| flock(&*bundle.file, FlockOperation::LockExclusive))?;
            // All of it was done, and somebody has removed it.
            if bundle.file.metadata()?.nlink() > 0 {
                return Ok(bundle);
            }
        }
    }

    fn create(&self) -> io::Result<Bundle> {
        let path = self.folder.join(self.names.stem());
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut key = Key::default();
        for part in key.chunks_exact_mut(8) {
            part.copy_from_slice(&random().to_le_bytes());
        }
        Ok(Bundle {
            file: Arc::new(file),
            key,
            end: 0,
            messages: 0,
        })
    }

    fn put_back(&self, bundle: Bundle) {
        let mut open = lock(&self.open);
        if open.len() < KEPT && !bundle.is_full() {
            open.push(bundle);
        }
    }
}

impl Bundle {
    fn is_full(&self) -> bool {
        self.end >= FULL || self.messages >= MOST
    }

    /// How many of these go into it, the first in any case.
    fn room_for(&self, messages: &[&mut Packed]) -> usize {
        let room = usize::try_from(MOST - self.messages).unwrap_or(1);
        let mut end = self.end;
        let fits = |message: &&&mut Packed| {
            let is_room = end < FULL;
            end += message.octets.len() as u64;
            is_room
        };
        messages.iter().take(room).take_while(fits).count()
    }

    fn write(&mut self, messages: &mut [&mut Packed]) -> io::Result<()> {
        let is_new = self.end == 0;
        let head = if is_new {
            form::head(&self.key)
        } else {
            Vec::new()
        };
        let numbered = (self.messages..).zip(messages.iter());
        let header = |(number, message): (u32, &&mut Packed)| {
            Header::new(&message.octets, message.time, number, &self.key).write(&self.key)
        };
        let headers: Vec<[u8; HEADER]> = numbered.map(header).collect();
        let mut parts: Vec<&[u8]> = vec![&head];
        for (header, message) in headers.iter().zip(messages.iter()) {
            parts.extend([&header[..], &message.octets]);
        }
        let octets: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let end = (self.end + octets).next_multiple_of(BLOCK_OCTETS);
        let padding = usize::try_from(end - self.end - octets).unwrap_or(0);
        parts.push(&[0; BLOCK][..padding]);
        if let Err(error) = write_all(&*self.file, &parts) {
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        for message in messages {
            message.spot = Some(Spot {
                file: Arc::clone(&self.file),
                number: self.messages,
            });
            self.messages += 1;
        }
        self.end = end;
        Ok(())
    }
}

impl Packed {
    pub(super) fn is_for(&self, bundles: &Arc<Bundles>) -> bool {
        Arc::ptr_eq(&self.bundles, bundles)
    }

    pub(super) fn is_written(&self) -> bool {
        self.spot.is_some()
    }

    pub(super) fn bundles(&self) -> &Arc<Bundles> {
        &self.bundles
    }

    /// What the log calls it.
    pub(super) fn name(&self) -> String {
        format!("{} in a bundle", self.time)
    }

    /// Takes it out of its bundle again; says whether it was in one.
    pub(super) fn strike(&mut self) -> io::Result<bool> {
        match self.spot.take() {
            Some(spot) => spot
                .file
                .write_all_at(&[form::VOID], form::mark(spot.number)),
            None => return Ok(false),
        }?;
        Ok(true)
    }
}

impl Room {
    fn take(held: &Arc<AtomicUsize>, octets: u64) -> Option<Self> {
        let octets = usize::try_from(octets).ok()?;
        let more = |held: usize| held.checked_add(octets).filter(|held| *held <= MOST_HELD);
        let taken = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self(Arc::clone(held), octets))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}
