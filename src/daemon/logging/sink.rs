//! One target of the log, and the thread that writes there.
//!
//! A slow disk or a closed pipe behind the log must not hold mail up: lines that find no room in the
//! queue are dropped and counted. Each target has a thread, so that none waits for another.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::Target;

/// Lines that may wait to be written.
const QUEUE: usize = 10_000;
/// Octets that are written at once, unless a single line is longer.
const AT_ONCE: usize = 64 << 10;

/// An open target. When nobody holds it any more, what waits is written and its thread ends.
#[derive(Debug)]
pub(super) struct Sink {
    queue: SyncSender<Job>,
    lost: Arc<AtomicU64>,
    /// Whether the target is to be opened anew; with it [`Job::Reopen`] only wakes the writer.
    reopen: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Job {
    Line(String),
    Reopen,
    Flush(SyncSender<()>),
}

impl Sink {
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        let output = Output::open(target)?;
        let (queue, jobs) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let reopen = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            output,
            target: target.clone(),
            lost: Arc::clone(&lost),
            reopen: Arc::clone(&reopen),
        };
        thread::Builder::new()
            .name("log".into())
            .spawn(move || writer.run(&jobs))?;
        Ok(Self {
            queue,
            lost,
            reopen,
        })
    }

    /// A line with its end. It never waits.
    pub(super) fn write(&self, line: String) {
        if self.queue.try_send(Job::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the target anew before the next line is written. It never waits.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
        let _ = self.queue.try_send(Job::Reopen);
    }

    /// Something is received when all lines so far are written; the queue may be full, so this is
    /// asked on a thread of its own.
    pub(super) fn flush(&self) -> Receiver<()> {
        let (sender, done) = sync_channel(1);
        let queue = self.queue.clone();
        let ask = move || queue.send(Job::Flush(sender));
        let _ = thread::Builder::new().spawn(ask);
        done
    }
}

/// The thread that writes.
struct Writer {
    output: Output,
    target: Target,
    lost: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
}

impl Writer {
    /// Writes what waits in one go.
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            self.work(job);
            while let Ok(job) = jobs.try_recv() {
                self.work(job);
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                self.output.put(&format!(
                    "{lost} lines of the log were lost: its target is too slow\n"
                ));
            }
            self.output.flush();
        }
    }

    fn work(&mut self, job: Job) {
        if self.reopen.swap(false, Ordering::Relaxed) {
            self.open_anew();
        }
        match job {
            Job::Line(line) => self.output.put(&line),
            Job::Reopen => {}
            Job::Flush(done) => {
                self.output.flush();
                let _ = done.send(());
            }
        }
    }

    fn open_anew(&mut self) {
        self.output.flush();
        match Output::open(&self.target) {
            Ok(output) => self.output = output,
            Err(error) => {
                let line = format!("cannot reopen the log, it goes on here: {error}\n");
                self.output.put(&line);
            }
        }
    }
}

/// Where a target is written to, whole lines with each system call: others may append to the same
/// file. Faults are nobody's to hear: this is the log.
struct Output {
    target: Box<dyn Write + Send>,
    waiting: Vec<u8>,
}

impl Output {
    fn open(target: &Target) -> io::Result<Self> {
        let target: Box<dyn Write + Send> = match target {
            Target::Stderr => Box::new(io::stderr()),
            Target::Stdout => Box::new(io::stdout()),
            Target::File(path) => Box::new(open_file(path)?),
            Target::Off => Box::new(io::sink()),
        };
        Ok(Self {
            target,
            waiting: Vec::new(),
        })
    }

    fn put(&mut self, line: &str) {
        if self.waiting.len() + line.len() > AT_ONCE {
            self.flush();
        }
        self.waiting.extend_from_slice(line.as_bytes());
    }

    fn flush(&mut self) {
        let _ = self.target.write_all(&self.waiting);
        let _ = self.target.flush();
        self.waiting.clear();
    }
}

/// Readable for the group, as log files are; they hold addresses.
fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}
