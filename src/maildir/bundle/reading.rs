//! Bundles as those see them who take what is in them, in whatever process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;

use super::form::{self, BLOCK, BLOCK_OCTETS, HEADER, Header, Name};
use super::{Bundles, FULL};

/// No bundle of ours is larger.
const LONGEST: u64 = 2 * FULL;

/// What was found in a bundle.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The names of the messages that wait.
    pub names: Vec<String>,
    /// Where to go on when something was added.
    pub end: u64,
    /// Whether something is being added.
    pub is_growing: bool,
}

/// The bundle that a message with this name is in; none if it has a file of its own.
pub fn bundle_of(name: &str) -> Option<&str> {
    Name::parse(name).map(|name| name.bundle)
}

impl Bundles {
    /// The messages that wait in a bundle behind the place `from`, 0 for all.
    ///
    /// # Errors
    ///
    /// Those of the kernel. What is not whole is left out: perhaps it is being written.
    pub fn look(&self, bundle: &str, from: u64) -> io::Result<Look> {
        let path = self.folder.join(bundle);
        let mut file = File::open(&path)?;
        let mut found = Vec::new();
        let walk = each(&mut file, from, |it| found.push(it))?;
        if let Some(at) = walk.damaged {
            log::error!(file:% = path.display(), octet = at; "a bundle of messages is damaged: what is not whole stays there");
        }
        let (mut end, mut is_growing) = (walk.end, false);
        if let Some(first) = found.iter().find(|it| it.mark == 0) {
            match unshown(&file)? {
                Some(head) => {
                    let mark = |it: &mut Found| it.mark = form::marked(&head, it.header.number);
                    found.iter_mut().for_each(mark);
                }
                None => {
                    (end, is_growing) = (first.at, true);
                    found.retain(|it| it.mark != 0);
                }
            }
        }
        found.retain(|it| it.mark != form::DONE);
        let names = found.iter().map(|it| it.name(bundle)).collect();
        Ok(Look {
            names,
            end,
            is_growing,
        })
    }

    /// Opens the bundle with a message; says where in it the message begins, and its octets.
    ///
    /// # Errors
    ///
    /// `NotFound` when it is not there any more, or done.
    pub fn open(&self, name: &str) -> io::Result<(File, u64, u64)> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let name = Name::parse(name).ok_or_else(missing)?;
        let file = File::open(self.folder.join(name.bundle))?;
        let (mut head, mut header) = ([0; BLOCK], [0; HEADER]);
        file.read_exact_at(&mut head, 0)?;
        if form::marked(&head, name.number) == form::DONE {
            return Err(missing());
        }
        file.read_exact_at(&mut header, name.at)?;
        let header = form::key(&head).and_then(|key| Header::read(&header, &key));
        let octets = header.ok_or_else(missing)?.octets;
        Ok((file, name.at + HEADER as u64, octets.into()))
    }

    /// Marks a message as done. It is no error if it is gone.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn done(&self, name: &str) -> io::Result<()> {
        let Some(name) = Name::parse(name) else {
            return Ok(());
        };
        let opened = OpenOptions::new()
            .write(true)
            .open(self.folder.join(name.bundle));
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            opened => opened?.write_all_at(&[form::DONE], form::mark(name.number)),
        }
    }

    /// Removes a bundle if nothing waits in it, and it is not damaged; says whether it is gone.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn discard(&self, bundle: &str) -> io::Result<bool> {
        let path = self.folder.join(bundle);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            opened => opened?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Something is added: it will be looked at.
            Err(Errno::WOULDBLOCK) => return Ok(false),
            locked => locked?,
        }
        let mut waits = false;
        let walk = each(&mut file, 0, |found| waits |= found.mark != form::DONE)?;
        if waits || walk.damaged.is_some() {
            return Ok(false);
        }
        let end = walk.end.next_multiple_of(BLOCK_OCTETS);
        let rest = file.metadata()?.len().saturating_sub(end);
        if rest > 0 {
            log::warn!(file:% = path.display(), octets = rest; "what was being written when the program or the machine broke off is removed: it was never promised");
        }
        fs::remove_file(&path)?;
        Ok(true)
    }

    /// Gives the disk space of messages back that are done, in a bundle where others wait for long.
    /// What the file system cannot do is left undone.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn reclaim(&self, bundle: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.folder.join(bundle))?;
        let mut done = Vec::new();
        each(&mut file, 0, |found| {
            if found.mark == form::DONE {
                // The header stays: it leads to the next one.
                let from = (found.at + HEADER as u64).next_multiple_of(BLOCK_OCTETS);
                done.push((from, found.end() / BLOCK_OCTETS * BLOCK_OCTETS));
            }
        })?;
        done.retain(|(from, end)| from < end);
        if done.is_empty() {
            return Ok(());
        }
        // Should the marks get lost, what they speak of must be there.
        file.sync_data()?;
        for (from, end) in done {
            let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            match fallocate(&file, punch, from, end - from) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
                punched => punched?,
            }
        }
        Ok(())
    }

    /// The names of all bundles; none if there is no folder for them.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn all(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().into_string().ok());
        let names: io::Result<Vec<Option<String>>> = entries.map(name).collect();
        Ok(names?.into_iter().flatten().collect())
    }
}

/// A message that is whole.
struct Found {
    at: u64,
    header: Header,
    mark: u8,
}

/// What a walk through a bundle has come to.
struct Walk {
    /// Where the last message that is whole ends.
    end: u64,
    /// Where one is not, although there are whole ones behind it: that is the fault of the disk.
    damaged: Option<u64>,
}

/// The first block of a bundle with messages that were not shown; none while somebody may be about
/// to.
fn unshown(file: &File) -> io::Result<Option<Vec<u8>>> {
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => return Ok(None),
        locked => locked?,
    }
    let mut head = vec![0; BLOCK];
    let read = file.read_exact_at(&mut head, 0);
    flock(file, FlockOperation::Unlock)?;
    read.map(|()| Some(head))
}

impl Found {
    fn name(&self, bundle: &str) -> String {
        let name = Name {
            time: self.header.time,
            number: self.header.number,
            at: self.at,
            bundle,
        };
        name.to_string()
    }

    /// Where it ends.
    fn end(&self) -> u64 {
        self.at + HEADER as u64 + u64::from(self.header.octets)
    }
}

/// Goes through the messages of a bundle from a place on.
fn each(file: &mut File, from: u64, mut take: impl FnMut(Found)) -> io::Result<Walk> {
    let head = read(file, 0, BLOCK_OCTETS)?;
    let Some(key) = form::key(&head) else {
        // The first write has not come so far.
        let is_unwritten = head.len() < BLOCK || head.iter().all(|octet| *octet == 0);
        let damaged = (!is_unwritten).then_some(0);
        return Ok(Walk { end: from, damaged });
    };
    let start = from.max(BLOCK_OCTETS);
    let octets = read(file, start, LONGEST)?;
    let (mut at, mut broken) = (start, None);
    let mut walk = Walk {
        end: from,
        damaged: None,
    };
    while let Some(rest) = usize::try_from(at - start)
        .ok()
        .and_then(|at| octets.get(at..))
    {
        let header = Header::read(rest, &key);
        let Some(header) = header else {
            // The rest of a block is filled with zeros; a whole one is not.
            if rest.is_empty() {
                break;
            }
            if at.is_multiple_of(BLOCK_OCTETS) {
                broken = broken.or(Some(at));
            }
            at = (at + 1).next_multiple_of(BLOCK_OCTETS);
            continue;
        };
        let mark = form::marked(&head, header.number);
        let found = Found { at, header, mark };
        at = found.end();
        let length = usize::try_from(header.octets).unwrap_or(usize::MAX);
        match rest[HEADER..].get(..length) {
            Some(message) if mark == form::DONE || header.is_of(message, &key) => {
                walk.end = at;
                walk.damaged = walk.damaged.or(broken);
                take(found);
            }
            _ => broken = broken.or(Some(found.at)),
        }
    }
    Ok(walk)
}

/// What a file has from a place on, so many octets at most.
fn read(file: &mut File, from: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.by_ref().take(most).read_to_end(&mut octets)?;
    Ok(octets)
}
