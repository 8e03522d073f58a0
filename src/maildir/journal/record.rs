//! What the log says: records, and how they are written.
//!
//! All numbers are little-endian; a text is its length (`u16`) and its octets.
//!
//! ```text
//! record   u32 length of what follows up to the bodies, u8 kind, then
//! deliver  u32 bodies, u64 length of each; u32 entries, each:
//!            u16 components, each a text; u8 folder?, text; u8 owner?, u32 uid, u32 gid
//!            u8 may be made, u32 mode, text name, u32 length of head, head, u32 number of its body
//!          the bodies, one after the other
//! cancel   u32 names, each a text
//! ```

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::{Location, Owner, Stream};

const DELIVER: u8 = 1;
const CANCEL: u8 = 2;

/// One message for one Maildir.
#[derive(Debug)]
pub(in super::super) struct Entry {
    pub(in super::super) location: Location,
    pub(in super::super) mode: u32,
    /// The name in `new/`, chosen once and for all: that makes it harmless to deliver twice.
    pub(in super::super) name: String,
    /// What this copy has for itself, its trace fields.
    pub(in super::super) head: Vec<u8>,
    /// What all copies of a message share.
    pub(in super::super) body: Arc<Body>,
}

/// The part of a message that its copies share; kept once in memory and once in a record.
#[derive(Debug, Default)]
pub(in super::super) struct Body {
    pub(in super::super) octets: Vec<u8>,
    /// Counts the octets that are kept, until this is dropped.
    counter: Arc<AtomicUsize>,
}

impl Body {
    pub(super) fn new(octets: Vec<u8>, counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(octets.len(), Ordering::Relaxed);
        Self {
            octets,
            counter: Arc::clone(counter),
        }
    }
}

impl Body {
    /// Copies `length` octets. Nothing if they cannot be read: whoever writes them in another way meets that again, and
    /// tells it.
    pub(super) fn collect(
        parts: &[&[u8]],
        stream: Option<&dyn Stream>,
        length: usize,
        counter: &Arc<AtomicUsize>,
    ) -> Option<Self> {
        let mut octets = Vec::with_capacity(length);
        for part in parts {
            octets.extend_from_slice(part);
        }
        if let Some(stream) = stream {
            let append = &mut |piece: &[u8]| {
                octets.extend_from_slice(piece);
                Ok(())
            };
            stream.each(append).ok()?;
        }
        Some(Self::new(octets, counter))
    }

    /// Whether these are its octets.
    pub(super) fn is(&self, parts: &[&[u8]], stream: Option<&dyn Stream>) -> bool {
        let rest = parts.iter().try_fold(self.octets.as_slice(), |rest, part| {
            rest.strip_prefix(*part)
        });
        let Some(mut rest) = rest else {
            return false;
        };
        let same = stream.is_none_or(|stream| {
            let compared = stream.each(&mut |piece| {
                rest = rest.strip_prefix(piece).ok_or(io::ErrorKind::InvalidData)?;
                Ok(())
            });
            compared.is_ok()
        });
        same && rest.is_empty()
    }

    pub(super) fn belongs_to(&self, counter: &Arc<AtomicUsize>) -> bool {
        Arc::ptr_eq(&self.counter, counter)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.octets.len(), Ordering::Relaxed);
    }
}

/// What is written as one.
#[derive(Debug)]
pub(super) enum Record {
    /// The copies of a message: all of them, or none.
    Deliver(Vec<Arc<Entry>>),
    /// Names of entries that were delivered to nobody and shall not be.
    Cancel(Vec<String>),
}

/// A record as it goes to the disk: bodies are written from where they are.
#[derive(Debug)]
pub(super) struct Encoded {
    octets: Vec<u8>,
    bodies: Vec<Arc<Body>>,
}

impl Record {
    pub(super) fn encode(&self) -> Encoded {
        let mut bodies: Vec<Arc<Body>> = Vec::new();
        let mut octets = vec![0; 4];
        match self {
            Self::Deliver(entries) => {
                let mut rest = Vec::new();
                for entry in entries {
                    let number = bodies.iter().position(|it| Arc::ptr_eq(it, &entry.body));
                    let number = number.unwrap_or_else(|| {
                        bodies.push(Arc::clone(&entry.body));
                        bodies.len() - 1
                    });
                    put_entry(&mut rest, entry, number);
                }
                octets.push(DELIVER);
                put_count(&mut octets, bodies.len());
                for body in &bodies {
                    octets.extend((body.octets.len() as u64).to_le_bytes());
                }
                put_count(&mut octets, entries.len());
                octets.append(&mut rest);
            }
            Self::Cancel(names) => {
                octets.push(CANCEL);
                put_count(&mut octets, names.len());
                for name in names {
                    put_text(&mut octets, name);
                }
            }
        }
        let length = u32::try_from(octets.len() - 4).unwrap_or(u32::MAX);
        octets[..4].copy_from_slice(&length.to_le_bytes());
        Encoded { octets, bodies }
    }

    /// The things that are counted: copies, or one cancellation.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Deliver(entries) => entries.len(),
            Self::Cancel(_) => 1,
        }
    }
}

impl Encoded {
    pub(super) fn len(&self) -> usize {
        let bodies = self.bodies.iter().map(|body| body.octets.len());
        self.octets.len() + bodies.sum::<usize>()
    }

    pub(super) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let bodies = self.bodies.iter().map(|body| body.octets.as_slice());
        std::iter::once(self.octets.as_slice()).chain(bodies)
    }
}

/// The records in `octets`, which came from below `root`; nothing if these are no records.
pub(super) fn decode(octets: &[u8], root: &Arc<Path>) -> Option<Vec<Record>> {
    let mut reader = Reader(octets);
    let mut records = Vec::new();
    while !reader.0.is_empty() {
        let length = reader.count()?;
        let mut own = Reader(reader.take(length)?);
        let record = match own.u8()? {
            DELIVER => own.deliver(&mut reader, root)?,
            CANCEL => own.cancel()?,
            _ => return None,
        };
        if !own.0.is_empty() {
            return None;
        }
        records.push(record);
    }
    Some(records)
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry, body: usize) {
    let location = &entry.location;
    out.extend(
        u16::try_from(location.components.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes(),
    );
    for component in &location.components {
        put_text(out, component);
    }
    out.push(u8::from(location.folder.is_some()));
    if let Some(folder) = &location.folder {
        put_text(out, folder);
    }
    out.push(u8::from(location.owner.is_some()));
    if let Some(Owner { uid, gid }) = location.owner {
        out.extend(uid.to_le_bytes());
        out.extend(gid.to_le_bytes());
    }
    out.push(u8::from(location.create));
    out.extend(entry.mode.to_le_bytes());
    put_text(out, &entry.name);
    put_count(out, entry.head.len());
    out.extend(&entry.head);
    put_count(out, body);
}

/// Names of files are at most 255 octets, and paths have few of them.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_le_bytes());
    out.extend(text.as_bytes());
}

/// Nothing that is counted here outgrows a segment.
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

/// Reads from the front of octets.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        let length = self.array().map(u16::from_le_bytes)?;
        String::from_utf8(self.take(length.into())?.to_vec()).ok()
    }

    /// The lengths of the bodies are here, the bodies themselves in `outer`.
    fn deliver(&mut self, outer: &mut Self, root: &Arc<Path>) -> Option<Record> {
        let uncounted = Arc::default();
        let mut bodies = Vec::new();
        for _ in 0..self.count()? {
            let length = usize::try_from(self.u64()?).ok()?;
            let octets = outer.take(length)?.to_vec();
            bodies.push(Arc::new(Body::new(octets, &uncounted)));
        }
        let entries = (0..self.count()?).map(|_| self.entry(&bodies, root).map(Arc::new));
        entries.collect::<Option<_>>().map(Record::Deliver)
    }

    fn entry(&mut self, bodies: &[Arc<Body>], root: &Arc<Path>) -> Option<Entry> {
        let components = self.array().map(u16::from_le_bytes)?;
        let components = (0..components).map(|_| self.text());
        let location = Location {
            components: components.collect::<Option<_>>()?,
            root: Arc::clone(root),
            folder: if self.flag()? {
                Some(self.text()?)
            } else {
                None
            },
            owner: if self.flag()? {
                let (uid, gid) = (self.u32()?, self.u32()?);
                Some(Owner { uid, gid })
            } else {
                None
            },
            create: self.flag()?,
            quota: None,
        };
        let (mode, name, length) = (self.u32()?, self.text()?, self.count()?);
        let head = self.take(length)?.to_vec();
        let body = Arc::clone(bodies.get(self.count()?)?);
        Some(Entry {
            location,
            mode,
            name,
            head,
            body,
        })
    }

    fn cancel(&mut self) -> Option<Record> {
        let names = (0..self.count()?).map(|_| self.text());
        names.collect::<Option<_>>().map(Record::Cancel)
    }
}
