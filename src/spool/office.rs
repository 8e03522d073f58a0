//! Where a worker works: a desk, the hands that take letters from it, and who watches the queue.
//!
//! An attempt is one thread's from the file to what follows from the answer: most of it blocks, and
//! changes of threads would cost more than all the rest. These threads are *nice*: while mail comes
//! in and the processors are busy, receiving goes first.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};

use super::desk::{Desk, Next};
use super::now;
use super::watch::{Change, Watch};
use super::worker::{Ended, Outcome, Told, Worker};
use crate::locks::{lock, woken};

/// How long it waits before it looks for a folder again that is not there or cannot be read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long changes are gathered after some were taken note of: each look wakes a thread that could
/// receive mail.
const GATHER: Duration = Duration::from_millis(20);
/// The same where letters are being written, and nothing else is new: soon there is.
const GATHER_NO_MORE: Duration = Duration::from_millis(2);
/// How many milliseconds a letter waits after a fault of ours.
const AFTER_A_FAULT: u64 = 10_000;
/// How nice the threads are, see setpriority(2).
const NICE: i32 = 10;

/// A worker at work, as its threads see it.
struct Shared {
    worker: Worker,
    desk: Mutex<Desk>,
    /// There is something to do, or it is time to go.
    called: Condvar,
    /// Closed when what is under way is to be left half-way.
    patience: Receiver<()>,
}

/// A worker at work. When it is dropped all is left as it is.
pub(super) struct Office {
    shared: Arc<Shared>,
    patience: Sender<()>,
    hands: usize,
    is_short: bool,
    /// Every hand has a clone until it goes.
    here: Option<Sender<()>>,
    all_gone: Receiver<()>,
}

impl Office {
    pub(super) fn new(worker: Worker) -> Self {
        let desk = Desk::new(worker.queue.clone(), &worker.settings, worker.part.clone());
        let (to_patience, patience) = bounded(1);
        let (here, all_gone) = bounded(1);
        Self {
            shared: Arc::new(Shared {
                worker,
                desk: Mutex::new(desk),
                called: Condvar::new(),
                patience,
            }),
            patience: to_patience,
            hands: 0,
            is_short: false,
            here: Some(here),
            all_gone,
        }
    }

    /// Watches the queue for ever, and sees to it that there are hands for what is in it.
    pub(super) async fn work(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut is_alone = true;
        loop {
            if let Some(mut watch) = shared.open(&mut is_alone).await {
                self.hire();
                while let Some(gather) = shared.take_note(watch.changes().await).await {
                    self.hire();
                    Timer::after(gather).await;
                }
                shared.desk().take(None);
            } else {
                Timer::after(LOOK_AGAIN).await;
            }
        }
    }

    /// Sees to it that there are enough hands, and calls them.
    fn hire(&mut self) {
        let wanted = self.shared.desk().hands();
        while self.hands < wanted {
            let (shared, here) = (Arc::clone(&self.shared), self.here.clone());
            let work = move || {
                shared.hand_over();
                drop(here);
            };
            let name = format!("hand-{}", self.hands);
            match thread::Builder::new().name(name).spawn(work) {
                Ok(_) => self.hands += 1,
                Err(error) => {
                    if !self.is_short {
                        let consumer = self.shared.worker.queue.name();
                        log::error!(consumer = consumer, threads = self.hands, wanted = wanted, error:% = error; "too few threads to hand letters over");
                    }
                    self.is_short = true;
                    break;
                }
            }
        }
        self.shared.called.notify_one();
    }

    /// Begins nothing more, and waits for what is under way.
    pub(super) async fn close(mut self) {
        self.shared.close();
        self.here = None;
        // Nobody sends: it ends when nobody is here who could.
        let _ = self.all_gone.recv().await;
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.shared.close();
        self.patience.close();
        // The next worker need not wait for what is left half-way.
        self.shared.desk().take(None);
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }

    fn close(&self) {
        self.desk().close();
        self.called.notify_all();
    }

    /// What a hand does until it is time to go.
    fn hand_over(&self) {
        // Where that is forbidden it is less polite.
        let _ = rustix::process::setpriority_process(None, NICE);
        let mut desk = self.desk();
        loop {
            let next = desk.next();
            if desk.has_more() {
                self.called.notify_one();
            }
            let (name, attempts, is_new) = match next {
                Next::Attempt(name, attempts) => (name, attempts, true),
                Next::Tidy(name, attempts) => (name, attempts, false),
                Next::Wait(time) => {
                    desk = self.wait(desk, time);
                    continue;
                }
                Next::Stop => return,
            };
            drop(desk);
            // It was left half-way.
            let Some(ended) = self.attend_to(name, attempts, is_new) else {
                return;
            };
            desk = self.desk();
            if let Some(bundle) = desk.ended(ended) {
                drop(desk);
                self.discard(&bundle);
                desk = self.desk();
            }
        }
    }

    /// An attempt at a letter, or its removal. A fault of ours is that of this letter only, which is tried
    /// again: the hand goes on.
    fn attend_to(&self, name: Arc<str>, attempts: u32, is_new: bool) -> Option<Ended> {
        let work = || {
            let name = Arc::clone(&name);
            if is_new {
                self.worker.attempt(name, attempts, &self.patience)
            } else {
                Some(self.worker.tidy(name, attempts))
            }
        };
        panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            log::error!(file:% = name; "a fault of ours while a letter was handed over: it is tried again");
            Some(Ended {
                outcome: Outcome::Waits {
                    next: now() + AFTER_A_FAULT,
                    told: Told::Nothing,
                },
                attempts: attempts + 1,
                name,
            })
        })
    }

    /// Removes a bundle in which nothing waits any more.
    fn discard(&self, bundle: &str) {
        let queue = &self.worker.queue;
        if let Err(error) = queue.discard(bundle) {
            log::error!(consumer = queue.name(), file = bundle, error:% = error; "cannot remove a bundle of letters that were handed over");
        }
    }

    fn wait<'a>(&self, desk: MutexGuard<'a, Desk>, time: Option<Duration>) -> MutexGuard<'a, Desk> {
        let Some(time) = time else {
            return woken(self.called.wait(desk));
        };
        woken(self.called.wait_timeout(desk, time)).0
    }

    /// Begins to watch the queue, and looks at all that is there.
    async fn open(&self, is_alone: &mut bool) -> Option<Watch> {
        let queue = self.worker.queue.clone();
        let opened = smol::unblock(move || {
            queue.make()?;
            let lock = queue.lock()?;
            Ok((lock, Watch::new(&queue)?))
        });
        match opened.await {
            Ok((lock, watch)) => {
                *is_alone = true;
                self.desk().take(Some(lock));
                if self.scan().await {
                    return Some(watch);
                }
                self.desk().take(None);
            }
            Err(error) if is_busy(&error) => {
                if *is_alone {
                    log::warn!(consumer = self.worker.queue.name(); "another process hands over its letters: ours wait until it has ended");
                }
                *is_alone = false;
            }
            Err(error) => {
                log::debug!(consumer = self.worker.queue.name(), error:% = error; "there is no queue to look at");
            }
        }
        None
    }

    /// Looks at all that is there.
    async fn scan(&self) -> bool {
        let queue = self.worker.queue.clone();
        let scan = move || {
            queue.tidy()?;
            queue.scan()
        };
        match smol::unblock(scan).await {
            Ok(found) => {
                self.desk().enter_all(found);
                true
            }
            Err(error) => {
                log::error!(consumer = self.worker.queue.name(), error:% = error; "cannot look at the queue");
                false
            }
        }
    }

    /// Looks at what is new in a bundle; says whether that is only about to come.
    async fn look(&self, bundle: String) -> bool {
        let (queue, from) = (self.worker.queue.clone(), self.desk().looked(&bundle));
        let look = move || {
            let look = queue.look(&bundle, from);
            (bundle, look)
        };
        match smol::unblock(look).await {
            (bundle, Ok(look)) => {
                self.desk().enter_bundle(bundle, &look);
                look.is_growing && look.names.is_empty()
            }
            (bundle, Err(error)) => {
                let consumer = self.worker.queue.name();
                log::error!(consumer = consumer, file = bundle, error:% = error; "cannot look at letters");
                false
            }
        }
    }

    /// Takes note of changes; says how long others are gathered then, if there is anything left to
    /// watch.
    async fn take_note(&self, changes: Vec<Change>) -> Option<Duration> {
        let mut is_about_to_come = !changes.is_empty();
        for change in changes {
            is_about_to_come &= matches!(change, Change::Bundle(_));
            match change {
                Change::Letter(name) => self.desk().enter_new(&name),
                Change::Bundle(name) => is_about_to_come &= self.look(name).await,
                Change::State(name) => {
                    if let Some(state) = self.worker.queue.state(&name) {
                        self.desk().enter_state(&name, state);
                    }
                }
                Change::Gone(name) => self.desk().forget(&name),
                Change::All if self.scan().await => {}
                Change::All | Change::Lost => return None,
            }
        }
        Some(if is_about_to_come {
            GATHER_NO_MORE
        } else {
            GATHER
        })
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
