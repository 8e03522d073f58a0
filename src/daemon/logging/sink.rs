//! One target of the log, and the thread that writes there.
//!
//! A slow disk or a closed pipe behind the log must not hold mail up: lines that find no room in the
//! queue are dropped and counted. Each target has a thread, so that none waits for another.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use log::{Level, Record};

use super::Target;
use crate::daemon::line::{Addresses, Format};
use crate::locks::lock;

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
    /// How the log says something of itself.
    format: Arc<Mutex<Format>>,
}

#[derive(Debug)]
enum Job {
    Line(String),
    Reopen,
    Flush(SyncSender<()>),
}

impl Sink {
    pub(super) fn open(target: &Target, format: Format) -> io::Result<Self> {
        let output = Output::open(target)?;
        let (queue, jobs) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let reopen = Arc::new(AtomicBool::new(false));
        let format = Arc::new(Mutex::new(format));
        let writer = Writer {
            format: Arc::clone(&format),
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
            format,
        })
    }

    /// Has it say so what it says of itself.
    pub(super) fn speak(&self, format: Format) {
        *lock(&self.format) = format;
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
    format: Arc<Mutex<Format>>,
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
            Err(error) => self.complain(&error),
        }
    }

    /// Says so where it goes on; and where somebody may look who finds no file.
    fn complain(&mut self, error: &io::Error) {
        let Target::File(path) = &self.target else {
            return;
        };
        let (path, error) = (path.display().to_string(), error.to_string());
        let pairs = [("file", path.as_str()), ("error", error.as_str())];
        let record = Record::builder()
            .level(Level::Error)
            .target(module_path!())
            .args(format_args!(
                "cannot reopen the log, it goes on where it was"
            ))
            .key_values(&pairs)
            .build();
        let line = lock(&self.format).line(&record, Addresses::Full);
        self.output.put(&line);
        self.output.flush();
        let _ = io::stderr().write_all(line.as_bytes());
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
