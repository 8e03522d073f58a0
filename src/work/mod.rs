//! Workers: mail from streams of Redis goes through a chain.
//!
//! ```text
//! one thread    reads what is new, takes over what dead workers have left, tells Redis what is still ours
//! at_once       threads, each delivers one message: claim, chain, then it is marked as done and removed
//! ```
//!
//! An entry is acknowledged after the commit of the chain. What cannot be delivered now is tried again as the
//! spool does; what is refused, or too old, goes among the dead ones.

mod appetite;
mod hand;
mod held;
mod legacy;
mod mail;
mod pace;
mod reader;
mod stop;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use smol::channel::{Sender, bounded};

use self::held::Held;
use self::pace::Pace;
use self::stop::Stop;
use crate::chain::Chain;
use crate::recipients::Recipients;
use crate::spool::Schedule;
use crate::stream::{Entry, Source};

/// How long it may take to tell Redis what is left to others.
const LEAVING: Duration = Duration::from_millis(1);

/// What a worker does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The partitions that it takes mail from.
    pub partitions: Vec<u16>,
    /// Messages that are delivered at once.
    pub at_once: usize,
    /// After how long mail of a worker that is not heard of is taken over.
    pub take_over_after: Duration,
    /// How often a message may be taken over before it counts as one that workers die of.
    pub take_overs: u32,
    /// When what cannot be delivered is tried again, and for how long.
    pub schedule: Schedule,
    /// Octets that a message may have.
    pub message_size: u64,
}

/// Takes mail from streams and delivers it.
pub struct Worker {
    source: Source,
    recipients: Recipients,
    chain: Arc<Chain>,
    settings: Settings,
    held: Held,
    pace: Mutex<Pace>,
    stop: Stop,
}

/// A worker at work.
pub struct Working {
    worker: Arc<Worker>,
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    /// One that takes mail from `source` to where `recipients` and `chain` lead.
    pub fn new(
        source: Source,
        recipients: Recipients,
        chain: Arc<Chain>,
        settings: Settings,
    ) -> Self {
        Self {
            pace: Mutex::new(Pace::new(settings.at_once, Instant::now())),
            source,
            recipients,
            chain,
            settings,
            held: Held::default(),
            stop: Stop::default(),
        }
    }

    /// Works on threads of its own until [`Working::stop`].
    pub fn start(self) -> io::Result<Working> {
        let worker = Arc::new(self);
        let (sender, entries) = bounded(Pace::capacity(worker.settings.at_once));
        let mut threads = Vec::new();
        for number in 0..worker.settings.at_once {
            let (worker, entries) = (Arc::clone(&worker), entries.clone());
            let hand = move || {
                while let Ok(entry) = entries.recv_blocking() {
                    worker.deliver(&entry);
                }
            };
            let name = format!("work-{number}");
            threads.push(thread::Builder::new().name(name).spawn(hand)?);
        }
        threads.push(worker.read_on_thread(sender)?);
        Ok(Working { worker, threads })
    }

    fn read_on_thread(self: &Arc<Self>, entries: Sender<Entry>) -> io::Result<JoinHandle<()>> {
        let worker = Arc::clone(self);
        let read = move || worker.read(&entries);
        thread::Builder::new().name("read".into()).spawn(read)
    }
}

impl Working {
    /// Takes nothing more. [`stop`](Self::stop) is still to come.
    pub fn retire(&self) {
        self.worker.stop.pull();
    }

    /// Takes nothing more, delivers what has begun, leaves the rest to others, and returns when all is
    /// done or `patience` is over and processors have had a moment (3 seconds at most) to close.
    pub fn stop(self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.retire();
        for thread in self.threads {
            while !thread.is_finished() && Instant::now() < deadline {
                thread::sleep(LEAVING);
            }
        }
        // What is delivered is not for others, nor what goes on being delivered.
        self.worker.tell();
        let (mut places, untried) = self.worker.held.waiting();
        places.extend(untried);
        let after = self.worker.settings.take_over_after;
        if let Err(fault) = self.worker.source.leave(&places, after) {
            log::warn!(messages = places.len(), fault:% = fault; "cannot leave messages to others: they take them over later");
        }
        smol::block_on(self.worker.chain.shutdown(patience));
    }
}
