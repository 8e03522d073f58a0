//! The files of a log: `.journal` below the root, with `lock`, `tail` and `segment-0`, `segment-1`
//! and so on.
//!
//! ```text
//! tail     a block "maiahead", u32 version, u32 segments, u64 octets of each, 32 octets key,
//!          32 octets BLAKE3 of all before; then two blocks that are tails in turn
//! ```

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FallocateFlags, FlockOperation, Mode, OFlags, fallocate, flock, fstat, fsync, mkdirat,
    openat, renameat, unlinkat,
};
use rustix::io::Errno;

use super::Layout;
use super::disk::{read_at, sync, write_at};
use super::frame::{BLOCK, BLOCK_SIZE, Key};
use super::record::Reader;
use super::tail::{Place, Tail};
use crate::maildir::handle::{READ, open_step, sync_folder};
use crate::maildir::name::random;

/// No Maildir has this name, as the encoding of hosts and users leaves no dot at the beginning.
pub(super) const FOLDER: &str = ".journal";
const MAGIC: [u8; 8] = *b"maiahead";
const VERSION: u32 = 1;

/// The open files of a log that is ours alone.
#[derive(Debug)]
pub(super) struct Files {
    /// For people.
    pub(super) path: PathBuf,
    pub(super) key: Key,
    pub(super) segments: Vec<OwnedFd>,
    /// Octets of each.
    pub(super) size: u64,
    /// The root, to sync all that is below it.
    pub(super) root: OwnedFd,
    lock: OwnedFd,
}

/// Writes tails.
#[derive(Debug)]
pub(super) struct TailFile {
    file: OwnedFd,
    key: Key,
    generation: u64,
    /// The one of the two blocks that is not the last synced tail.
    slot: u64,
}

/// What a look at the folder has found.
#[derive(Debug)]
pub(super) enum Opened {
    /// Another process has it.
    Busy,
    Ready(Files, TailFile, Tail),
}

/// Opens the log below `root`; with a layout it is made if it is not there.
pub(super) fn open(
    root: OwnedFd,
    path: &Path,
    make: Option<&Layout>,
) -> io::Result<Option<Opened>> {
    let Some(folder) = open_folder(&root, path, make.is_some())? else {
        return Ok(None);
    };
    let path = path.join(FOLDER);
    refuse_others(&folder, &path)?;
    let lock = open_file(&folder, "lock", OFlags::RDWR | OFlags::CREATE)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(Some(Opened::Busy)),
        outcome => outcome?,
    }
    let Some(file) = open_tail(&folder, make)? else {
        return Ok(None);
    };
    if make.is_some() {
        // Who has made it may have been killed before these: without its name a log is no promise.
        sync_folder(&folder)?;
        sync_folder(&root)?;
    }
    let damaged = |offset| damaged(&path.join("tail"), offset);
    let (layout, key) = read_head(&file)?.ok_or_else(|| damaged(0))?;
    let (tail_file, tail) = TailFile::open(file, key)?.ok_or_else(|| damaged(BLOCK))?;
    let segments = (0..layout.segments).map(|number| open_segment(&folder, &path, number, &layout));
    let files = Files {
        segments: segments.collect::<io::Result<_>>()?,
        size: layout.octets,
        path,
        key,
        root,
        lock,
    };
    Ok(Some(Opened::Ready(files, tail_file, tail)))
}

/// The folder of the log below `root`; made, if that is asked for, where it is not there.
fn open_folder(root: &OwnedFd, path: &Path, make: bool) -> io::Result<Option<OwnedFd>> {
    match open_step(root, FOLDER, READ) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !make {
                return Ok(None);
            }
            refuse_others(root, path)?;
            mkdirat(root, FOLDER, Mode::RWXU)?;
            open_step(root, FOLDER, READ).map(Some)
        }
        outcome => outcome.map(Some),
    }
}

/// The file of the tails; with a layout the whole log is made where it is not there.
fn open_tail(folder: &OwnedFd, make: Option<&Layout>) -> io::Result<Option<OwnedFd>> {
    let open = || open_file(folder, "tail", OFlags::RDWR);
    match (open(), make) {
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        (Err(error), Some(layout)) if error.kind() == io::ErrorKind::NotFound => {
            if let Err(error) = create(folder, layout) {
                remove_segments(folder, layout);
                return Err(error);
            }
            open().map(Some)
        }
        (outcome, _) => outcome.map(Some),
    }
}

/// What is in a log may be given to any user, so nobody else may be able to exchange it.
fn refuse_others(folder: &OwnedFd, path: &Path) -> io::Result<()> {
    let status = fstat(folder)?;
    if status.st_uid == rustix::process::geteuid().as_raw() && status.st_mode & 0o022 == 0 {
        return Ok(());
    }
    let text = format!("{}: others can write to it", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

/// What stops a start: a log that is not as it was written.
pub(super) fn damaged(path: &Path, offset: u64) -> io::Error {
    let folder = path.parent().unwrap_or(path).display();
    let path = path.display();
    let text = format!(
        "{path}: damaged at octet {offset}; restore {folder} as it was, or move it away, which loses the messages that are only in it"
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn segment_name(number: usize) -> String {
    format!("segment-{number}")
}

fn open_file(folder: &OwnedFd, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?)
}

fn open_segment(
    folder: &OwnedFd,
    path: &Path,
    number: usize,
    layout: &Layout,
) -> io::Result<OwnedFd> {
    let name = segment_name(number);
    let file = open_file(folder, &name, OFlags::RDWR);
    match file {
        Ok(file) if u64::try_from(fstat(&file)?.st_size) == Ok(layout.octets) => Ok(file),
        Ok(_) => Err(damaged(&path.join(name), 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged(&path.join(name), 0)),
        Err(error) => Err(error),
    }
}

/// Makes the segments, filled with zeros so that later writes change no metadata, and last of all
/// the tail: a log without one was never used.
fn create(folder: &OwnedFd, layout: &Layout) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    for number in 0..layout.segments {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC;
        let file = open_file(folder, &segment_name(number), flags)?;
        match fallocate(&file, FallocateFlags::empty(), 0, layout.octets) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            outcome => outcome?,
        }
        let mut offset = 0;
        while offset < layout.octets {
            let rest = usize::try_from(layout.octets - offset).unwrap_or(usize::MAX);
            let length = zeros.len().min(rest);
            write_at(&file, &[&zeros[..length]], offset)?;
            offset += length as u64;
        }
        fsync(&file)?;
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC;
    let file = open_file(folder, "tail.new", flags)?;
    let mut key = Key::default();
    for part in key.chunks_exact_mut(8) {
        part.copy_from_slice(&random().to_le_bytes());
    }
    let mut octets = head(layout, &key);
    let tail = Tail {
        sequence: 1,
        ..Tail::default()
    };
    octets.extend(tail.encode(1, &key));
    octets.resize(3 * BLOCK_SIZE, 0);
    write_at(&file, &[&octets], 0)?;
    fsync(&file)?;
    // A tail is there when all is there.
    sync_folder(folder)?;
    Ok(renameat(folder, "tail.new", folder, "tail")?)
}

/// Gives room back that was not enough.
fn remove_segments(folder: &OwnedFd, layout: &Layout) {
    for number in 0..layout.segments {
        let _ = unlinkat(folder, segment_name(number), AtFlags::empty());
    }
}

fn head(layout: &Layout, key: &Key) -> Vec<u8> {
    let mut block = MAGIC.to_vec();
    block.extend(VERSION.to_le_bytes());
    let segments = u32::try_from(layout.segments).unwrap_or(u32::MAX);
    block.extend(segments.to_le_bytes());
    block.extend(layout.octets.to_le_bytes());
    block.extend(key);
    let hash = blake3::hash(&block);
    block.extend(hash.as_bytes());
    block.resize(BLOCK_SIZE, 0);
    block
}

fn read_head(file: &OwnedFd) -> io::Result<Option<(Layout, Key)>> {
    let mut block = vec![0; BLOCK_SIZE];
    let length = read_at(file, &mut block, 0)?;
    let parse = |block: &[u8]| {
        let mut reader = Reader(block);
        let (magic, version) = (reader.take(8)?, reader.u32()?);
        let (segments, octets) = (reader.count()?, reader.u64()?);
        let key: Key = reader.take(32)?.try_into().ok()?;
        let hash = blake3::hash(&block[..56]);
        let known = magic == MAGIC && version == VERSION && octets > 0;
        let whole = known && reader.take(32)? == hash.as_bytes();
        whole.then_some((Layout { segments, octets }, key))
    };
    Ok(parse(&block[..length]))
}

impl TailFile {
    /// The younger of two tails counts.
    fn open(file: OwnedFd, key: Key) -> io::Result<Option<(Self, Tail)>> {
        let mut block = vec![0; BLOCK_SIZE];
        let mut youngest: Option<(u64, u64, Tail)> = None;
        for slot in 0..2 {
            let length = read_at(&file, &mut block, (slot + 1) * BLOCK)?;
            if let Some((generation, tail)) = Tail::decode(&block[..length], &key)
                && youngest.as_ref().is_none_or(|it| it.0 < generation)
            {
                youngest = Some((generation, slot, tail));
            }
        }
        Ok(youngest.map(|(generation, slot, tail)| {
            let slot = 1 - slot;
            let file = Self {
                file,
                key,
                generation,
                slot,
            };
            (file, tail)
        }))
    }

    /// Makes durable the tail that was read: a process that was killed may have left it in memory
    /// only. The other block, the last one that is surely on the disk, is overwritten next.
    pub(super) fn settle(&self, tail: &Tail) -> io::Result<()> {
        let block = tail.encode(self.generation, &self.key);
        write_at(&self.file, &[&block], (2 - self.slot) * BLOCK)?;
        sync(&self.file)
    }

    /// Writes a tail. Only a sync makes the other block free for the next one: so at any moment one
    /// of the two is whole, whatever the disk does with the other.
    pub(super) fn write(&mut self, tail: &Tail, durable: bool) -> io::Result<()> {
        self.generation += 1;
        let block = tail.encode(self.generation, &self.key);
        write_at(&self.file, &[&block], (self.slot + 1) * BLOCK)?;
        if durable {
            sync(&self.file)?;
            self.slot = 1 - self.slot;
        }
        Ok(())
    }
}

impl Files {
    /// Writes a frame, and makes it durable.
    pub(super) fn append(&self, place: Place, slices: &[&[u8]]) -> io::Result<()> {
        let segment = &self.segments[place.segment];
        write_at(segment, slices, place.offset)?;
        sync(segment)
    }

    /// Makes durable what was read: the last frame, and the tail. After kill -9, or a sync that has
    /// failed, they may be in memory only, and the next tail counts on them. They are written
    /// again, since what the kernel could not write it does not try again.
    pub(super) fn settle(
        &self,
        last: Option<&(Place, Vec<u8>)>,
        tail: (&TailFile, &Tail),
    ) -> io::Result<()> {
        if let Some((place, octets)) = last {
            self.append(*place, &[octets])?;
        }
        tail.0.settle(tail.1)
    }

    /// Lets another process have the log.
    pub(super) fn unlock(&self) {
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }

    pub(super) fn segment_path(&self, number: usize) -> PathBuf {
        self.path.join(segment_name(number))
    }

    /// All segments, one after the other.
    ///
    /// In one allocation, of more than the 32 MiB from which on the C library gives memory back to
    /// the kernel for good. After one of 16 MiB was freed it would keep every buffer up to that
    /// size, and those of large messages would take twice the memory that they are counted with.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.size).unwrap_or(0);
        let mut octets = vec![0; size * self.segments.len()];
        for (file, segment) in self.segments.iter().zip(octets.chunks_exact_mut(size)) {
            read_at(file, segment, 0)?;
        }
        Ok(octets)
    }
}
