//! The log of the process: text, logfmt or JSON, one line per event, to one target or, where
//! listeners have logs of their own, to several.

mod settings;
mod sink;

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, RwLock, Weak};
use std::time::{Duration, Instant};

use log::{LevelFilter, Log, Metadata, Record};

pub(super) use self::settings::level;
pub use self::settings::{listener_log_settings, log_settings};
use self::sink::Sink;
use super::line::{Addresses, Format};
use crate::locks::{lock, read, write};
use crate::logbook::Logbook;

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
    /// Crates whose lines are logged beside those of this one: that of your program, say.
    pub crates: Vec<String>,
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

impl Target {
    /// Why it cannot be opened, and what to do.
    pub fn fault(&self, error: &io::Error) -> String {
        let Self::File(path) = self else {
            return error.to_string();
        };
        let folder = path.parent().unwrap_or(path).display();
        let hint = match error.kind() {
            ErrorKind::NotFound => format!("; make the folder first: mkdir -p {folder}"),
            ErrorKind::PermissionDenied => {
                "; this user may not write it: change its owner, or choose another".to_owned()
            }
            ErrorKind::IsADirectory => "; name a file in it".to_owned(),
            _ => String::new(),
        };
        format!("cannot write {}: {error}{hint}", path.display())
    }
}

/// The running log. A process has one: all of these are the same.
///
/// ```
/// use maiasaura::daemon::{Logging, log_settings};
/// use maiasaura::Config;
///
/// let logging = Logging::start(&log_settings(&Config::default()))?;
/// // ... a daemon starts, serves, and ends; then, as the last thing that the program does:
/// logging.flush();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Logging(Arc<Shared>);

/// Another way to log: nothing that could fail is left.
pub(super) struct Change {
    logging: Logging,
    main: Box<dyn Log>,
}

/// That of this process, if it is one of ours.
static PROCESS: OnceLock<Logging> = OnceLock::new();

struct Shared {
    /// For lines that belong into no other.
    main: RwLock<Box<dyn Log>>,
    /// Those whose lines are logged beside ours.
    crates: Vec<String>,
    /// Who writes to the same target shares a sink. One that nobody needs any more is closed.
    sinks: Mutex<Vec<(Target, Weak<Sink>)>>,
}

impl Logging {
    /// Opens the target and makes this the log of the process. A process can
    /// have one log; a second one is an error.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let sinks = Mutex::default();
        let main = RwLock::new(open(&sinks, settings, &settings.crates)?);
        let crates = settings.crates.clone();
        let logging = Self(Arc::new(Shared {
            main,
            crates,
            sinks,
        }));
        log::set_boxed_logger(Box::new(logging.clone())).map_err(io::Error::other)?;
        Ok(PROCESS.get_or_init(|| logging).clone())
    }

    /// The log of this process, if [`start`](Self::start) was called in it.
    pub fn of_process() -> Option<Self> {
        PROCESS.get().cloned()
    }

    /// Prepares to log otherwise what is in no log of its own.
    ///
    /// # Errors
    ///
    /// Where another target cannot be opened.
    pub(super) fn prepare(&self, settings: &Settings) -> io::Result<Change> {
        let main = open(&self.0.sinks, settings, &self.0.crates)?;
        let logging = self.clone();
        Ok(Change { logging, main })
    }

    /// A log beside it. Two with one target write to the same file.
    pub fn logbook(&self, settings: &Settings) -> io::Result<Logbook> {
        let log = open(&self.0.sinks, settings, &self.0.crates)?;
        Ok(Logbook::new(log))
    }

    /// Opens all files anew, after they were renamed away (logrotate), with the next line
    /// that is written to each. A log that is stuck is not waited for.
    pub fn reopen(&self) {
        for sink in self.sinks() {
            sink.reopen();
        }
    }

    /// Waits until all lines so far are written, but not for a log that is stuck.
    pub fn flush(&self) {
        let patience = Instant::now() + PATIENCE;
        let flushed: Vec<_> = self.sinks().iter().map(|sink| sink.flush()).collect();
        for done in flushed {
            let _ = done.recv_timeout(patience.saturating_duration_since(Instant::now()));
        }
    }

    fn sinks(&self) -> Vec<Arc<Sink>> {
        let sinks = lock(&self.0.sinks);
        sinks
            .iter()
            .filter_map(|(_, sink)| sink.upgrade())
            .collect()
    }
}

impl Change {
    /// Logs so from now on.
    pub(super) fn apply(self) {
        let before = std::mem::replace(&mut *write(&self.logging.0.main), self.main);
        drop(before);
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Change")
    }
}

/// A log that writes to a target, which may be open already.
fn open(
    sinks: &Mutex<Vec<(Target, Weak<Sink>)>>,
    settings: &Settings,
    crates: &[String],
) -> io::Result<Box<dyn Log>> {
    let (format, addresses) = (settings.format, settings.addresses);
    let sink = sink(&mut lock(sinks), &settings.target, format)?;
    let put = fern::Output::call(move |record| sink.write(format.line(record, addresses)));
    let level = match settings.target {
        Target::Off => LevelFilter::Off,
        _ => settings.level,
    };
    // Libraries are not ours to let talk: what matters of theirs is in lines of ours.
    let dispatch = fern::Dispatch::new().level(LevelFilter::Off);
    let crates = crates.iter().cloned();
    let dispatch = crates
        .chain(["maiasaura".to_owned()])
        .fold(dispatch, |dispatch, name| dispatch.level_for(name, level));
    log::set_max_level(log::max_level().max(level));
    Ok(dispatch.chain(put).into_log().1)
}

fn sink(
    sinks: &mut Vec<(Target, Weak<Sink>)>,
    target: &Target,
    format: Format,
) -> io::Result<Arc<Sink>> {
    let target = match target {
        Target::File(path) => Target::File(std::path::absolute(path)?),
        other => other.clone(),
    };
    sinks.retain(|(_, sink)| sink.strong_count() > 0);
    let mut same = sinks.iter().filter(|(other, _)| *other == target);
    if let Some(sink) = same.find_map(|(_, sink)| sink.upgrade()) {
        sink.speak(format);
        return Ok(sink);
    }
    let sink = Arc::new(Sink::open(&target, format)?);
    sinks.push((target, Arc::downgrade(&sink)));
    Ok(sink)
}

impl Log for Logging {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        match Logbook::current() {
            Some(book) => book.enabled(metadata),
            None => read(&self.0.main).enabled(metadata),
        }
    }

    fn log(&self, record: &Record<'_>) {
        match Logbook::current() {
            Some(book) => book.log(record),
            None => read(&self.0.main).log(record),
        }
    }

    fn flush(&self) {
        Self::flush(self);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sinks = lock(&self.sinks);
        let targets = sinks.iter().map(|(target, _)| target);
        f.debug_list().entries(targets).finish()
    }
}
