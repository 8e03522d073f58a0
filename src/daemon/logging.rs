//! The log: text, logfmt or JSON, one line per event, written by a thread of its own.
//!
//! A slow disk or a closed pipe behind the log must not hold mail up: lines that
//! find no room in the queue are dropped and counted.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use log::LevelFilter;

use super::line::{Addresses, Format};
use crate::config::{self, Config};
use crate::locks::{lock, read, write};

/// Lines that may wait to be written.
const QUEUE: usize = 10_000;
/// How long the end of the program may wait for the last lines.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is logged, how, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The least important level that is logged.
    pub level: LevelFilter,
    /// How a line looks.
    pub format: Format,
    /// Where lines go.
    pub target: Target,
    /// How much of an address is told.
    pub addresses: Addresses,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
    /// Nowhere.
    Off,
}

/// The running log.
#[derive(Clone, Debug)]
pub struct Logging {
    queue: SyncSender<Job>,
    /// Whether the target is to be opened anew; with it [`Job::Reopen`] only wakes the writer.
    reopen: Arc<AtomicBool>,
    /// Where lines are to go from now on.
    next: Arc<Mutex<Option<Opened>>>,
    look: Arc<RwLock<Look>>,
}

/// How lines look.
#[derive(Clone, Copy, Debug)]
struct Look {
    format: Format,
    addresses: Addresses,
}

/// Another way to log: nothing that could fail is left.
#[derive(Debug)]
pub(super) struct Change {
    logging: Logging,
    settings: Settings,
    /// None where lines go on to where they went.
    output: Option<Output>,
}

/// A target that was opened.
type Opened = (Target, Output);

#[derive(Debug)]
enum Job {
    Line(String),
    Reopen,
    Flush(SyncSender<()>),
}

impl Logging {
    /// Opens the target and makes this the log of the process. A process can
    /// have one log; a second one is an error.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let output = Output::open(&settings.target)?;
        let (queue, jobs) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let reopen = Arc::new(AtomicBool::new(false));
        let next = Arc::default();
        let writer = Writer {
            output,
            target: settings.target.clone(),
            lost: Arc::clone(&lost),
            reopen: Arc::clone(&reopen),
            next: Arc::clone(&next),
        };
        thread::Builder::new()
            .name("log".into())
            .spawn(move || writer.run(&jobs))?;
        let look = Arc::new(RwLock::new(settings.look()));
        let (lines, looks) = (queue.clone(), Arc::clone(&look));
        let write = fern::Output::call(move |record| {
            let Look { format, addresses } = *read(&looks);
            if lines
                .try_send(Job::Line(format.line(record, addresses)))
                .is_err()
            {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        });
        // The level can be changed: the facade has it.
        fern::Dispatch::new()
            .level(LevelFilter::Off)
            .level_for("maiasaura", LevelFilter::Trace)
            .chain(write)
            .apply()
            .map_err(io::Error::other)?;
        log::set_max_level(settings.most());
        Ok(Self {
            queue,
            reopen,
            next,
            look,
        })
    }

    /// Prepares to log otherwise; `before` is how it does now.
    ///
    /// # Errors
    ///
    /// Where another target cannot be opened.
    pub(super) fn prepare(&self, before: &Settings, settings: Settings) -> io::Result<Change> {
        let is_other = before.target != settings.target;
        let output = is_other.then(|| Output::open(&settings.target));
        Ok(Change {
            logging: self.clone(),
            output: output.transpose()?,
            settings,
        })
    }

    /// Opens the file anew, after it was renamed away (logrotate), with the next line
    /// that is written. A log that is stuck is not waited for.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
        let _ = self.queue.try_send(Job::Reopen);
    }

    /// Waits until all lines so far are written, but not for a log that is stuck.
    pub fn flush(&self) {
        let (sender, done) = sync_channel(1);
        let queue = self.queue.clone();
        let ask = move || queue.send(Job::Flush(sender));
        if thread::Builder::new().spawn(ask).is_ok() {
            let _ = done.recv_timeout(PATIENCE);
        }
    }
}

impl Change {
    /// Logs so from now on.
    pub(super) fn apply(self) {
        let Self {
            logging,
            settings,
            output,
        } = self;
        *write(&logging.look) = settings.look();
        log::set_max_level(settings.most());
        if let Some(output) = output {
            *lock(&logging.next) = Some((settings.target, output));
            let _ = logging.queue.try_send(Job::Reopen);
        }
    }
}

impl Settings {
    fn look(&self) -> Look {
        Look {
            format: self.format,
            addresses: self.addresses,
        }
    }

    /// The least important level that goes anywhere.
    fn most(&self) -> LevelFilter {
        match self.target {
            Target::Off => LevelFilter::Off,
            _ => self.level,
        }
    }
}

/// The thread that writes.
struct Writer {
    output: Output,
    target: Target,
    lost: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
    next: Arc<Mutex<Option<Opened>>>,
}

impl Writer {
    /// Writes what waits in one go. Faults are nobody's to hear: this is the log.
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            self.work(job);
            while let Ok(job) = jobs.try_recv() {
                self.work(job);
            }
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let _ = writeln!(
                    self.output.0,
                    "{lost} lines of the log were lost: its target is too slow"
                );
            }
            let _ = self.output.0.flush();
        }
    }

    fn work(&mut self, job: Job) {
        if let Some((target, output)) = lock(&self.next).take() {
            let _ = self.output.0.flush();
            (self.target, self.output) = (target, output);
        }
        if self.reopen.swap(false, Ordering::Relaxed) {
            self.open_anew();
        }
        match job {
            Job::Line(line) => {
                let _ = self.output.0.write_all(line.as_bytes());
            }
            Job::Reopen => {}
            Job::Flush(done) => {
                let _ = self.output.0.flush();
                let _ = done.send(());
            }
        }
    }

    fn open_anew(&mut self) {
        match Output::open(&self.target) {
            Ok(output) => self.output = output,
            Err(error) => {
                let _ = writeln!(self.output.0, "cannot reopen the log: {error}");
            }
        }
    }
}

/// An open target.
struct Output(Box<dyn Write + Send>);

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

impl Output {
    fn open(target: &Target) -> io::Result<Self> {
        Ok(Self(match target {
            Target::Stderr => Box::new(BufWriter::new(io::stderr())),
            Target::Stdout => Box::new(BufWriter::new(io::stdout())),
            Target::File(path) => Box::new(BufWriter::new(open_file(path)?)),
            Target::Off => Box::new(io::sink()),
        }))
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

/// What the configuration says of the log.
pub fn log_settings(config: &Config) -> Settings {
    let log = &config.log;
    Settings {
        level: match log.level {
            config::Level::Error => LevelFilter::Error,
            config::Level::Warn => LevelFilter::Warn,
            config::Level::Info => LevelFilter::Info,
            config::Level::Debug => LevelFilter::Debug,
            config::Level::Trace => LevelFilter::Trace,
        },
        format: match log.format {
            config::Format::Text => Format::Text,
            config::Format::Logfmt => Format::Logfmt,
            config::Format::Json => Format::Json,
        },
        target: match &log.file {
            config::File::Stderr => Target::Stderr,
            config::File::Stdout => Target::Stdout,
            config::File::Off => Target::Off,
            config::File::Path(path) => Target::File(path.clone()),
        },
        addresses: match log.addresses {
            config::Addresses::Full => Addresses::Full,
            config::Addresses::Domain => Addresses::Domain,
            config::Addresses::Hash => Addresses::Hash,
            config::Addresses::None => Addresses::None,
        },
    }
}
