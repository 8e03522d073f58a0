//! Opening a log: what is in it is delivered first.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;

use super::checkpoint::{Checkpointer, Way};
use super::desk::Desk;
use super::files::{self, Files, Opened, TailFile};
use super::scan::scan;
use super::tail::Tail;
use super::{Journal, Shared, Workings};
use crate::group::Group;
use crate::locks::lock;
use crate::maildir::Owner;
use crate::maildir::maildirs::Maildirs;

/// What came of the log below a root.
#[derive(Debug)]
pub struct Recovered {
    /// Below which root.
    pub root: Arc<Path>,
    /// What came of it.
    pub outcome: Recovery,
}

/// What came of a log.
#[derive(Debug)]
pub enum Recovery {
    /// It is open, or was read and closed again.
    Ready {
        /// Messages that were in it.
        found: usize,
        /// Those of them that cannot be delivered yet, and stay in it.
        waiting: usize,
        /// Whether its last write was cut off. Nothing in it was promised.
        torn: bool,
    },
    /// Another process has it. Messages are made durable without it.
    Busy,
    /// It cannot be had. Messages are made durable without it.
    Unusable(io::Error),
}

/// How a log is opened.
#[derive(Debug)]
pub(in super::super) struct Recover<'a> {
    pub(in super::super) maildirs: &'a Arc<Maildirs>,
    pub(in super::super) own: Owner,
    pub(in super::super) workings: &'a Workings,
    /// Whether it is made if it is not there, and used.
    pub(in super::super) keep: bool,
}

/// Opens the log below a root, and delivers what is in it. None if there is nothing to be opened.
///
/// # Errors
///
/// `InvalidData` when the log is damaged: then nothing is delivered, and it is left as it is.
pub(in super::super) fn recover(
    root: &Arc<Path>,
    with: &Recover<'_>,
) -> io::Result<Option<(Recovery, Option<Journal>)>> {
    let folder = match with.maildirs.root(root, with.keep) {
        Ok(folder) => folder,
        Err(_) if !with.keep => return Ok(None),
        Err(error) => return Ok(Some((Recovery::Unusable(error), None))),
    };
    match open(folder, root, with) {
        Err(error) if error.kind() != io::ErrorKind::InvalidData => {
            Ok(Some((Recovery::Unusable(error), None)))
        }
        outcome => outcome,
    }
}

fn open(
    folder: OwnedFd,
    root: &Arc<Path>,
    with: &Recover<'_>,
) -> io::Result<Option<(Recovery, Option<Journal>)>> {
    let layout = with.keep.then_some(&with.workings.layout);
    let (files, tail_file, tail) = match files::open(folder, root, layout)? {
        None => return Ok(None),
        Some(Opened::Busy) => return Ok(Some((Recovery::Busy, None))),
        Some(Opened::Ready(files, tail_file, tail)) => (files, tail_file, tail),
    };
    let (shared, torn) = load(files, tail_file, &tail, root, with.workings)?;
    let found = lock(&shared.desk).kept();
    let shared = Arc::new(shared);
    let maildirs = Arc::clone(with.maildirs);
    let mut checkpointer = Checkpointer::new(
        Arc::clone(&shared),
        maildirs,
        with.own,
        way(with.workings.each),
    )?;
    checkpointer.drain();
    let (waiting, _) = lock(&shared.desk).parked();
    let recovery = Recovery::Ready {
        found,
        waiting,
        torn,
    };
    if !with.keep {
        return Ok(Some((recovery, None)));
    }
    let thread = if with.workings.checkpoint {
        let thread = thread::Builder::new().name("checkpoint".into());
        Some(thread.spawn(move || checkpointer.run())?)
    } else {
        None
    };
    let journal = Journal {
        shared,
        checkpointer: Mutex::new(thread),
    };
    Ok(Some((recovery, Some(journal))))
}

/// Reads what is in a log; says also whether its last write was cut off.
pub(super) fn load(
    files: Files,
    tail_file: TailFile,
    tail: &Tail,
    root: &Arc<Path>,
    workings: &Workings,
) -> io::Result<(Shared, bool)> {
    let scanned = scan(&files, root, tail)?;
    // A number that a frame was begun with is never used again.
    let next = scanned.next + 1;
    let desk = Desk::new(files.segments.len(), files.size, next, scanned.entries);
    // Without a tail the log is read, and nothing is written to it.
    let settled = files.settle(scanned.last.as_ref(), (&tail_file, tail));
    let tail_file = match settled {
        Ok(()) => Some(tail_file),
        Err(error) => {
            log::error!(path:% = files.path.display(), error:% = error; "the log cannot be written: what is in it is delivered, and other messages go without it");
            None
        }
    };
    let shared = shared(files, tail_file, desk, *workings);
    Ok((shared, scanned.torn))
}

fn shared(files: Files, tail: Option<TailFile>, desk: Desk, workings: Workings) -> Shared {
    Shared {
        files,
        tail: Mutex::new(tail),
        group: Group::new(1),
        desk: Mutex::new(desk),
        work: Condvar::new(),
        done: Condvar::new(),
        failed: OnceLock::new(),
        full: AtomicBool::new(false),
        closing: AtomicBool::new(false),
        memory: Arc::new(AtomicUsize::new(0)),
        workings,
    }
}

/// Linux tells errors of `syncfs` since 5.8.
fn way(each: bool) -> Way {
    let machine = rustix::system::uname();
    let release = machine.release().to_string_lossy();
    let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    if !each && (next(), next()) >= (5, 8) {
        Way::Whole
    } else {
        Way::Each
    }
}
