//! Notices what becomes of a queue: letters that come, whoever puts them there, and what people ask
//! for. The kernel tells (inotify); where it does not, the folders are looked at every second.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use smol::{Async, Timer};

use super::Queue;

/// How often the folders are looked at where the kernel does not tell.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often where it does: it knows nothing of what others do on a network file system.
const CHECK_EVERY: Duration = Duration::from_mins(5);
/// A folder that was changed so lately may have changed again within one tick of its clock.
const TICK: Duration = Duration::from_secs(2);
/// Room for some hundred events.
const BUFFER: usize = 64 << 10;

/// What has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// This letter is new.
    Letter(String),
    /// A bundle: there is more in it, or something is done.
    Bundle(String),
    /// This letter is gone.
    Gone(String),
    /// The state of this letter.
    State(String),
    /// Perhaps anything.
    All,
    /// A folder is not there any more: there is nothing to watch.
    Lost,
}

/// Watches the folders of a queue.
#[derive(Debug)]
pub(super) struct Watch {
    folders: [PathBuf; 3],
    source: Source,
    /// When all is looked at.
    next: Instant,
}

#[derive(Debug)]
enum Source {
    Kernel {
        inotify: Async<OwnedFd>,
        letters: i32,
        bundles: i32,
    },
    Stamps([SystemTime; 3]),
}

impl Watch {
    /// Watches from now on. What is there already is to be looked at afterwards.
    pub(super) fn new(queue: &Queue) -> io::Result<Self> {
        let folders = [
            queue.letters_folder(),
            queue.states_folder(),
            queue.bundles_folder(),
        ];
        let (source, every) = match kernel(&folders) {
            Ok(source) => (source, CHECK_EVERY),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(error) => {
                log::debug!(error:% = error; "the kernel does not tell of changes in the spool: it is looked at every second");
                (Source::Stamps(stamps(&folders)?), LOOK_EVERY)
            }
        };
        Ok(Self {
            folders,
            source,
            next: Instant::now() + every,
        })
    }

    /// Waits for changes. May be dropped while it waits, and loses none.
    pub(super) async fn changes(&mut self) -> Vec<Change> {
        let time = Timer::at(self.next);
        let time_is_up = async {
            time.await;
            true
        };
        let told = async {
            match &self.source {
                Source::Kernel { inotify, .. } => inotify.readable().await.is_err(),
                Source::Stamps(_) => std::future::pending().await,
            }
        };
        if smol::future::or(told, time_is_up).await {
            return self.look();
        }
        match &self.source {
            Source::Kernel {
                inotify,
                letters,
                bundles,
            } => read(inotify, *letters, *bundles),
            Source::Stamps(_) => Vec::new(),
        }
    }

    fn look(&mut self) -> Vec<Change> {
        let Source::Stamps(before) = &mut self.source else {
            self.next = Instant::now() + CHECK_EVERY;
            return vec![Change::All];
        };
        self.next = Instant::now() + LOOK_EVERY;
        let Ok(now) = stamps(&self.folders) else {
            return vec![Change::Lost];
        };
        let is_fresh = |stamp: &SystemTime| stamp.elapsed().is_ok_and(|age| age < TICK);
        let is_changed = *before != now || now.iter().any(is_fresh);
        *before = now;
        if is_changed {
            vec![Change::All]
        } else {
            Vec::new()
        }
    }
}

fn kernel(folders: &[PathBuf; 3]) -> io::Result<Source> {
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let own = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
    let come = WatchFlags::MOVED_TO | WatchFlags::CREATE;
    let go = WatchFlags::MOVED_FROM | WatchFlags::DELETE;
    let letters = inotify::add_watch(&inotify, &folders[0], own | come | go)?;
    inotify::add_watch(&inotify, &folders[1], own | WatchFlags::MOVED_TO)?;
    let bundles = inotify::add_watch(&inotify, &folders[2], own | come | WatchFlags::MODIFY)?;
    Ok(Source::Kernel {
        inotify: Async::new(inotify)?,
        letters,
        bundles,
    })
}

fn stamps(folders: &[PathBuf; 3]) -> io::Result<[SystemTime; 3]> {
    let stamp = |path: &PathBuf| fs::metadata(path).and_then(|it| it.modified());
    let mut bundles = stamp(&folders[2])?;
    for bundle in fs::read_dir(&folders[2])? {
        // One that is gone has changed the folder.
        bundles = bundles.max(stamp(&bundle?.path()).unwrap_or(bundles));
    }
    Ok([stamp(&folders[0])?, stamp(&folders[1])?, bundles])
}

/// What the kernel has to tell, at most a buffer of it.
fn read(inotify: &Async<OwnedFd>, letters: i32, bundles: i32) -> Vec<Change> {
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(inotify, &mut buffer);
    let mut changes = Vec::new();
    // One is written to many times.
    let mut written = BTreeSet::new();
    let all = |changes: Vec<Change>, written: BTreeSet<String>| {
        let written = written.into_iter().map(Change::Bundle);
        changes.into_iter().chain(written).collect()
    };
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(Errno::AGAIN | Errno::INTR) => return all(changes, written),
            Err(_) => return vec![Change::Lost],
        };
        let happened = event.events();
        let is = |flags| happened.intersects(flags);
        if is(ReadFlags::QUEUE_OVERFLOW) {
            changes.push(Change::All);
        }
        if is(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
            changes.push(Change::Lost);
        }
        let name = event.file_name().and_then(|name| name.to_str().ok());
        let Some(name) = name.filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let name = name.to_owned();
        let comes = is(ReadFlags::MOVED_TO | ReadFlags::CREATE);
        match event.wd() {
            wd if wd == bundles => drop(written.insert(name)),
            wd if wd == letters && comes => changes.push(Change::Letter(name)),
            wd if wd == letters => changes.push(Change::Gone(name)),
            _ => changes.push(Change::State(name)),
        }
        if reader.is_buffer_empty() {
            return all(changes, written);
        }
    }
}
