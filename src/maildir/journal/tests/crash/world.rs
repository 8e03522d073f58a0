//! A log, what happens to it, and what should be in it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::super::desk::Trouble;
use super::super::super::disk::witness::WITNESS;
use super::super::super::files::{self, Opened};
use super::super::super::open::load;
use super::super::super::record::{Body, Entry, Record};
use super::super::super::tail::Number;
use super::super::super::{Journal, Layout, Refusal, Workings};
use super::super::{CRASHING, shared};
use super::Step;
use super::image::{Dice, Image};
use crate::locks::lock;
use crate::maildir::Location;
use crate::maildir::handle::{READ, open_root};

const WORKINGS: Workings = Workings {
    layout: Layout {
        segments: 4,
        octets: 8 << 12,
    },
    patience: Duration::ZERO,
    ..CRASHING
};

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Promised,
    /// Nobody was told that it is there, or that it is not.
    Unknown,
    Delivered,
    /// It must not come back.
    Never,
}

/// A log, and what should be in it.
pub(super) struct World {
    folder: TempDir,
    images: RefCell<HashMap<u64, Image>>,
    journal: RefCell<Option<Arc<Journal>>>,
    fates: RefCell<BTreeMap<String, Fate>>,
    /// Where those are that came in this run.
    numbers: RefCell<Vec<(Number, String)>>,
    /// What happens before the next sync.
    meanwhile: RefCell<Option<Step>>,
    /// Calls until one fails.
    fails: Cell<Option<u32>>,
    /// Calls until a crash, and whether it takes the power.
    pub(super) crash: Cell<Option<(u32, bool)>>,
    /// Whether the crash is there.
    pub(super) is_over: Cell<bool>,
    dice: RefCell<Dice>,
}

impl World {
    pub(super) fn new(seed: u64) -> Rc<Self> {
        WITNESS.set(None);
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join(".journal");
        DirBuilder::new().mode(0o700).create(&log).unwrap();
        let copy = |path: &PathBuf| {
            let to = log.join(path.file_name().unwrap());
            fs::copy(path, &to).unwrap();
            to
        };
        let paths: Vec<PathBuf> = paths(&new_log().path().join(".journal"))
            .iter()
            .map(copy)
            .collect();
        let inode = |path: &PathBuf| fs::metadata(path).unwrap().ino();
        let images = paths.iter().map(|path| (inode(path), Image::of(path)));
        Rc::new(Self {
            images: RefCell::new(images.collect()),
            folder,
            journal: RefCell::default(),
            fates: RefCell::default(),
            numbers: RefCell::default(),
            meanwhile: RefCell::default(),
            fails: Cell::default(),
            crash: Cell::default(),
            is_over: Cell::default(),
            dice: RefCell::new(Dice(seed)),
        })
    }

    fn roll(&self, end: usize) -> usize {
        self.dice.borrow_mut().below(end)
    }

    /// A write, or a sync, of a file.
    pub(super) fn call(&self, file: &OwnedFd, write: Option<(&[&[u8]], u64)>) -> io::Result<()> {
        if write.is_none()
            && let Some(step) = self.meanwhile.take()
        {
            self.go(&step);
        }
        let fails = self.fails.get() == Some(0);
        self.fails
            .set(self.fails.get().and_then(|it| it.checked_sub(1)));
        let crash = self.crash.get();
        let ends = self.is_over.get() || crash.is_some_and(|it| it.0 == 0);
        let less = |(calls, power): (u32, bool)| (calls.saturating_sub(1), power);
        self.crash.set(crash.map(less));
        let was_over = self.is_over.replace(ends);
        let inode = rustix::fs::fstat(file).unwrap().st_ino;
        let mut images = self.images.borrow_mut();
        let image = images.get_mut(&inode).unwrap();
        match write {
            _ if was_over => {}
            Some((slices, offset)) => {
                let mut octets = slices.concat();
                if fails || ends {
                    octets.truncate(self.roll(octets.len() + 1));
                }
                let file = File::from(file.try_clone().unwrap());
                file.write_all_at(&octets, offset).unwrap();
                image.write(&octets, offset);
            }
            None if !ends => image.sync(!fails),
            None => {}
        }
        if fails || ends {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn journal(&self) -> Arc<Journal> {
        self.journal.borrow().clone().unwrap()
    }

    pub(super) fn go(&self, step: &Step) {
        match step {
            Step::Put(count, octets, meanwhile) => {
                *self.meanwhile.borrow_mut() = meanwhile.as_deref().cloned();
                self.put(*count, *octets);
                self.meanwhile.take();
            }
            Step::Deliver(count, all, at_rest) => self.deliver(*count, *all, *at_rest),
            Step::Cancel(which) => self.cancel(*which),
            Step::Fail(after) => self.fails.set(Some(*after)),
            Step::Crash(after, power) => self.crash.set(Some((*after, *power))),
        }
    }

    pub(super) fn put(&self, count: usize, octets: usize) -> bool {
        let body = Arc::new(Body::new(vec![b'x'; octets], &Arc::default()));
        let known = self.fates.borrow().len();
        let names: Vec<String> = (known..known + count).map(|it| it.to_string()).collect();
        let entry = |name: &String| Arc::new(self.entry(name, &body));
        let outcome = self
            .journal()
            .shared
            .submit(Record::Deliver(names.iter().map(entry).collect()));
        let fate = match outcome {
            Ok(_) => Fate::Promised,
            Err(Refusal::Unwritten) => Fate::Never,
            Err(Refusal::Unknown(_)) => Fate::Unknown,
        };
        if let Ok(first) = outcome {
            assert!(!self.is_over.get());
            let numbers = (0..).map(|index| first.plus(index));
            let mut known = self.numbers.borrow_mut();
            known.extend(numbers.zip(names.iter().cloned()));
        }
        let mut fates = self.fates.borrow_mut();
        fates.extend(names.into_iter().map(|name| (name, fate)));
        fate == Fate::Promised
    }

    fn entry(&self, name: &str, body: &Arc<Body>) -> Entry {
        Entry {
            location: Location {
                root: shared(self.folder.path()),
                components: vec!["a".to_string()],
                folder: None,
                owner: None,
                create: true,
                quota: None,
            },
            mode: 0o600,
            name: name.to_string(),
            head: Vec::new(),
            body: Arc::clone(body),
        }
    }

    pub(super) fn deliver(&self, count: usize, all: bool, at_rest: bool) {
        if self.is_over.get() {
            return;
        }
        let journal = self.journal();
        let mut desk = lock(&journal.shared.desk);
        let now = Instant::now();
        for (item, index) in desk.take(count, now).into_iter().zip(0..) {
            if all || index % 3 != 0 {
                desk.finish(item.number);
                let mut fates = self.fates.borrow_mut();
                // It is there, but nobody may count on it: what waits is known only later.
                if let Some(fate) = fates.get_mut(&item.entry.name) {
                    *fate = Fate::Delivered;
                }
            } else {
                desk.park(item.number, now, Trouble::Here);
            }
        }
        drop(desk);
        journal.shared.save(at_rest);
    }

    fn cancel(&self, which: prop::sample::Index) {
        let numbers = self.numbers.borrow().clone();
        if numbers.is_empty() {
            return;
        }
        let (number, name) = which.get(&numbers);
        let was_there = self.fates.borrow()[name] == Fate::Promised;
        let outcome = self.journal().cancel(*number, name);
        let fate = match outcome {
            Ok(true) => Fate::Never,
            Ok(false) => return,
            Err(_) => Fate::Unknown,
        };
        assert!(was_there, "{name} was not there any more");
        self.fates.borrow_mut().insert(name.clone(), fate);
    }

    /// What the crash leaves, and what the next start makes of it, until one comes to its end.
    pub(super) fn restart(&self) {
        loop {
            let powerless = self.crash.take().is_some_and(|(_, power)| power);
            self.journal.take();
            self.numbers.borrow_mut().clear();
            if powerless {
                self.cut();
            }
            self.fails.set(None);
            self.is_over.set(false);
            // A start can be broken off as well.
            if self.roll(3) == 0 {
                let after = u32::try_from(self.roll(5)).unwrap();
                self.crash.set(Some((after, self.roll(2) == 0)));
            }
            self.open();
            let some = self.roll(400);
            self.deliver(some, some.is_multiple_of(2), true);
            if !self.is_over.get() {
                return;
            }
        }
    }

    fn cut(&self) {
        for path in paths(&self.folder.path().join(".journal")) {
            let mut images = self.images.borrow_mut();
            let inode = fs::metadata(&path).unwrap().ino();
            let image = images.get_mut(&inode).unwrap();
            image.cut(&mut self.dice.borrow_mut());
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&image.durable, 0).unwrap();
        }
    }

    /// Opens the log, and looks at what is in it.
    pub(super) fn open(&self) {
        let root = open_root(self.folder.path(), READ).unwrap();
        let opened = files::open(root, self.folder.path(), None).expect("it is not damaged");
        let Some(Opened::Ready(files, tail_file, tail)) = opened else {
            panic!("it is open, or gone");
        };
        let root = shared(self.folder.path());
        let loaded = load(files, tail_file, &tail, &root, &WORKINGS);
        let (shared, _) = loaded.expect("it is not damaged");
        let now = Instant::now();
        let mut desk = lock(&shared.desk);
        let items = desk.take(usize::MAX, now);
        let names: HashSet<String> = items.iter().map(|it| it.entry.name.clone()).collect();
        assert_eq!(names.len(), items.len(), "some are there twice");
        for item in items {
            desk.park(item.number, now, Trouble::Here);
        }
        drop(desk);
        for (name, fate) in &*self.fates.borrow() {
            match fate {
                Fate::Promised => assert!(names.contains(name), "{name} is lost"),
                Fate::Never => assert!(!names.contains(name), "{name} is back"),
                Fate::Unknown | Fate::Delivered => {}
            }
        }
        let journal = Journal {
            shared: Arc::new(shared),
            checkpointer: Mutex::default(),
        };
        *self.journal.borrow_mut() = Some(Arc::new(journal));
    }
}

/// A log that was just made: syncing it takes time.
fn new_log() -> &'static TempDir {
    static NEW: OnceLock<TempDir> = OnceLock::new();
    NEW.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let root = open_root(folder.path(), READ).unwrap();
        let made = files::open(root, folder.path(), Some(&WORKINGS.layout)).unwrap();
        assert!(matches!(made, Some(Opened::Ready(..))));
        folder
    })
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let path = |entry: io::Result<fs::DirEntry>| entry.unwrap().path();
    fs::read_dir(folder).unwrap().map(path).collect()
}
