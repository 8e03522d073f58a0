//! A bare log: what a journal can do at most. Threads append to one file, and one sync serves all who wait.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use rustix::fs::fdatasync;

/// The least size of the log, in octets: that of the server's own.
const LEAST: usize = 64 << 20;
/// Octets written at a time when the log is made.
const CHUNK: usize = 1 << 20;

/// The log file and the records that wait to be written to it.
pub struct Log {
    file: File,
    /// The octets of the file. Behind them it begins anew.
    size: usize,
    state: Mutex<State>,
    /// Wakes those who wait for a batch: the even ones and the odd ones apart, so that those of the next batch sleep on.
    woken: [Condvar; 2],
}

#[derive(Default)]
struct State {
    /// Records of the batch that is gathered now.
    gathered: Vec<u8>,
    /// An empty buffer to change with.
    spare: Vec<u8>,
    /// The number of the batch that is gathered now.
    batch: usize,
    /// Batches below this one are on the disk.
    durable: usize,
    /// Somebody is writing.
    busy: bool,
    /// Where the next batch goes.
    position: usize,
    /// The log failed: nothing more is acknowledged.
    failed: bool,
}

impl Log {
    /// Makes the log at `path`, filled with zeros and synced, so that a later sync has no sizes or blocks to write.
    /// `most` octets are the most that wait at a time.
    pub fn create(path: &Path, most: usize) -> io::Result<Self> {
        let size = LEAST.max(most * 2).next_multiple_of(CHUNK);
        let file = File::create(path)?;
        let zeros = vec![0; CHUNK];
        for offset in (0..size).step_by(CHUNK) {
            file.write_all_at(&zeros, offset as u64)?;
        }
        file.sync_all()?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self {
            file,
            size,
            state: Mutex::default(),
            woken: [Condvar::new(), Condvar::new()],
        })
    }

    /// Appends a record with `number` and `content`; returns when it is on the disk. Whoever comes while nobody
    /// writes, writes for all who wait.
    pub fn append(&self, number: u64, content: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.gathered.extend_from_slice(&number.to_le_bytes());
        state
            .gathered
            .extend_from_slice(&content.len().to_le_bytes());
        state.gathered.extend_from_slice(content);
        let mine = state.batch;
        while state.durable <= mine && !state.failed {
            if state.busy {
                state = self.woken[mine % 2]
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (records, position) = state.take(self.size);
            drop(state);
            let written = self.write(&records, position);
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.give_back(records, written.is_err());
            self.woken[mine % 2].notify_all();
            if state.failed {
                self.woken[(mine + 1) % 2].notify_all();
            } else if !state.gathered.is_empty() {
                self.woken[(mine + 1) % 2].notify_one();
            }
            written?;
        }
        if state.failed {
            return Err(io::Error::other("another thread could not write the log"));
        }
        Ok(())
    }

    fn write(&self, records: &[u8], position: usize) -> io::Result<()> {
        self.file.write_all_at(records, position as u64)?;
        fdatasync(&self.file).map_err(Into::into)
    }
}

impl State {
    /// Begins to write: the records, and where they go in a log of `size` octets.
    fn take(&mut self, size: usize) -> (Vec<u8>, usize) {
        let spare = std::mem::take(&mut self.spare);
        let records = std::mem::replace(&mut self.gathered, spare);
        self.busy = true;
        self.batch += 1;
        if self.position + records.len() > size {
            self.position = 0;
        }
        let position = self.position;
        self.position += records.len();
        (records, position)
    }

    /// Ends writing: the batch is on the disk, unless it failed.
    fn give_back(&mut self, mut records: Vec<u8>, failed: bool) {
        records.clear();
        self.spare = records;
        self.busy = false;
        self.failed |= failed;
        self.durable = self.batch;
    }
}
