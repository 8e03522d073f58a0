//! Bundles as those see them who take what is in them, in whatever process.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;

use super::form::{self, BLOCK, BLOCK_OCTETS, HEADER, Header, Key, Name};
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
        let file = File::open(&path)?;
        let Some(mut survey) = Survey::new(&file, from)? else {
            return Ok(Look::default());
        };
        let is_growing = survey.has_unshown() && !survey.settle_if_free(&file)?;
        if let Some(at) = survey.damaged() {
            log::error!(file:% = path.display(), octet = at; "a bundle of messages is damaged: what is not whole stays there");
        } else if !is_growing {
            survey.strike_torn(&path)?;
        }
        let end = match survey.found.iter().find(|it| it.mark == 0) {
            Some(first) if is_growing => first.at,
            _ => survey.end(from),
        };
        let waits = |it: &&Found| it.is_whole && !form::is_over(it.mark);
        let names = survey.found.iter().filter(waits).map(|it| it.name(bundle));
        Ok(Look {
            names: names.collect(),
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
        if form::is_over(form::marked(&head, name.number)) {
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
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true);
        let file = match opened.open(self.folder.join(name.bundle)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let (at, mut mark) = (form::mark(name.number), [0]);
        file.read_exact_at(&mut mark, at)?;
        // One that a crash has left without a mark was perhaps never promised.
        let over = if form::was_promised(mark[0]) {
            form::DONE
        } else {
            form::VOID
        };
        file.write_all_at(&[over], at)
    }

    /// Removes a bundle if nothing waits in it, and it is not damaged; says whether it is gone.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    pub fn discard(&self, bundle: &str) -> io::Result<bool> {
        let path = self.folder.join(bundle);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            opened => opened?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // Something is added: it will be looked at.
            Err(Errno::WOULDBLOCK) => return Ok(false),
            locked => locked?,
        }
        let octets = file.metadata()?.len();
        let end = match Survey::new(&file, 0)? {
            Some(mut survey) => {
                survey.settle(&file)?;
                let waits = |it: &Found| it.is_whole && !form::is_over(it.mark);
                if survey.found.iter().any(waits) || survey.damaged().is_some() {
                    return Ok(false);
                }
                survey.end(0).next_multiple_of(BLOCK_OCTETS)
            }
            // Of the first write nothing is there; else the disk has damaged it.
            None if is_unwritten(&file)? => 0,
            None => {
                log::error!(file:% = path.display(); "a bundle of messages is damaged: it stays");
                return Ok(false);
            }
        };
        if octets > end {
            log::debug!(file:% = path.display(), octets = octets - end; "a bundle goes with what was being written when the program or the machine broke off");
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
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.folder.join(bundle))?;
        let Some(survey) = Survey::new(&file, 0)? else {
            return Ok(());
        };
        let is_done = |it: &&Found| form::is_over(it.mark);
        let blocks = |it: &Found| {
            // The header stays: it leads to the next one.
            let from = (it.at + HEADER as u64).next_multiple_of(BLOCK_OCTETS);
            (from, it.end() / BLOCK_OCTETS * BLOCK_OCTETS)
        };
        let done = survey.found.iter().filter(is_done).map(blocks);
        let done: Vec<_> = done.filter(|(from, end)| from < end).collect();
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

/// A message in a bundle.
#[derive(Debug)]
struct Found {
    at: u64,
    header: Header,
    mark: u8,
    /// What has a mark is: it was given after the message was there.
    is_whole: bool,
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

/// What is in a bundle.
#[derive(Debug)]
struct Survey {
    key: Key,
    found: Vec<Found>,
    /// Where there is no message, although one behind was shown.
    gap: Option<u64>,
}

impl Survey {
    /// Goes from message to message, from a place on; none where there is no head.
    fn new(file: &File, from: u64) -> io::Result<Option<Self>> {
        let mut head = [0; BLOCK];
        if !read(file, &mut head, 0)? {
            return Ok(None);
        }
        let Some(key) = form::key(&head) else {
            return Ok(None);
        };
        let (mut found, mut gap, mut seen) = (Vec::new(), None, None);
        let mut at = from.max(BLOCK_OCTETS);
        let octets = file.metadata()?.len().min(LONGEST);
        while at < octets {
            let mut header = [0; HEADER];
            let is_there = read(file, &mut header, at)?;
            let Some(header) = Header::read(&header, &key).filter(|_| is_there) else {
                // The rest of a block is filled with zeros; a whole one is not.
                if at.is_multiple_of(BLOCK_OCTETS) {
                    seen = seen.or(Some(at));
                }
                at = (at + 1).next_multiple_of(BLOCK_OCTETS);
                continue;
            };
            let mark = form::marked(&head, header.number);
            if form::was_promised(mark) {
                gap = gap.or(seen);
            }
            let mut one = Found {
                at,
                header,
                mark,
                is_whole: mark != 0,
            };
            at = one.end();
            one.is_whole &= at <= octets;
            found.push(one);
        }
        Ok(Some(Self { key, found, gap }))
    }

    fn has_unshown(&self) -> bool {
        self.found.iter().any(|it| it.mark == 0)
    }

    /// Settles what is not shown, unless somebody may be about to show it; says whether it is settled.
    fn settle_if_free(&mut self, file: &File) -> io::Result<bool> {
        match flock(file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => return Ok(false),
            locked => locked?,
        }
        let settled = self.settle(file);
        flock(file, FlockOperation::Unlock)?;
        settled.map(|()| true)
    }

    /// Finds out, with the lock held, what became of messages that were not shown.
    fn settle(&mut self, file: &File) -> io::Result<()> {
        let mut head = [0; BLOCK];
        read(file, &mut head, 0)?;
        for it in self.found.iter_mut().filter(|it| it.mark == 0) {
            it.mark = form::marked(&head, it.header.number);
            it.is_whole = it.mark != 0 || {
                let mut message = vec![0; usize::try_from(it.header.octets).unwrap_or(0)];
                read(file, &mut message, it.at + HEADER as u64)?
                    && it.header.is_of(&message, &self.key)
            };
        }
        Ok(())
    }

    /// Where the last message that is whole ends.
    fn end(&self, from: u64) -> u64 {
        let last = self.found.iter().rfind(|it| it.is_whole);
        last.map_or(from, Found::end)
    }

    /// Where something is not whole, although what came later was shown: that is the fault of the disk.
    fn damaged(&self) -> Option<u64> {
        let is_shown = |it: &Found| form::was_promised(it.mark);
        let last = self.found.iter().rposition(is_shown)?;
        let broken = self.found[..last].iter().find(|it| !it.is_whole);
        let broken = broken.map(|it| it.at);
        broken.into_iter().chain(self.gap).min()
    }

    /// Marks what was being written when a crash came, and is not whole, as void.
    fn strike_torn(&self, path: &Path) -> io::Result<()> {
        let torn = self.found.iter().filter(|it| it.mark == 0 && !it.is_whole);
        let torn: Vec<u32> = torn.map(|it| it.header.number).collect();
        if torn.is_empty() {
            return Ok(());
        }
        log::warn!(file:% = path.display(), messages = torn.len(); "what was being written when the program or the machine broke off is left out: it was never promised");
        let file = OpenOptions::new().write(true).open(path)?;
        torn.iter()
            .try_for_each(|number| file.write_all_at(&[form::VOID], form::mark(*number)))
    }
}

/// Whether all of the first block is missing.
fn is_unwritten(file: &File) -> io::Result<bool> {
    let mut head = [0; BLOCK];
    Ok(!read(file, &mut head, 0)? || head.iter().all(|octet| *octet == 0))
}

/// Fills `octets` with what is at a place of a file; says whether there was so much.
fn read(file: &File, octets: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(octets, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}
