//! A worker, put together from a configuration, and from the next one: a worker that is new begins, and the
//! one from before finishes what it has begun and leaves the rest to it, as between two processes.

mod shift;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use smol::{Executor, Timer};

use self::shift::Shift;
use super::changes::{ReloadError, Reloaded, changed};
use super::generation::Parts;
use super::listed::Listed;
use super::turns::Turns;
use super::upkeep::Upkeep;
use super::workers::Workers;
use super::{Daemon, PidFile, StartError, telling};
use crate::config::{Config, Source};
use crate::locks::{read, woken};
use crate::server::{Shutdown, Trigger};

/// Threads for what watches queues and sweeps.
const ASIDE: usize = 2;

/// A worker at work.
pub struct RunningWorker {
    parts: Parts,
    turns: Turns<Current>,
    /// What there is now, for whoever asks: nobody waits for a reload.
    shown: RwLock<Shown>,
    workers: Workers,
    executor: Arc<Executor<'static>>,
    /// Pulled when the end begins.
    trigger: Trigger,
    shutdown: Shutdown,
    /// Pulled when all is done.
    ended: Trigger,
    aside: Vec<JoinHandle<()>>,
}

/// What the present configuration has become.
#[derive(Default)]
struct Current {
    /// None before the first.
    shift: Option<Shift>,
    /// How many there have been.
    number: u64,
    upkeep: Upkeep,
    /// Roots below which logs were looked for.
    recovered: HashSet<Arc<Path>>,
    /// Those from before, while they finish what they have begun.
    leaving: Vec<JoinHandle<()>>,
}

/// What the present configuration has become, as far as others may see it.
#[derive(Default)]
struct Shown {
    config: Arc<Config>,
    pid_file: Option<Arc<PidFile>>,
}

impl Daemon {
    /// Takes mail from the streams of the section `stream`, and delivers it through `stream.save`, on
    /// threads of its own until [`RunningWorker::shutdown`]. Listens nowhere.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration. That Redis is not there is none: it is waited for.
    pub fn work(self) -> Result<RunningWorker, StartError> {
        let executor = Arc::new(Executor::new());
        let (trigger, shutdown) = Shutdown::new();
        let (ended, all_ended) = Shutdown::new();
        let spawn = |number| {
            let (executor, all_ended) = (Arc::clone(&executor), all_ended.clone());
            let run = move || smol::block_on(executor.run(all_ended.requested()));
            let name = format!("aside-{number}");
            thread::Builder::new().name(name).spawn(run)
        };
        let aside = (0..ASIDE).map(spawn).collect::<Result<_, _>>()?;
        let running = RunningWorker {
            parts: self.parts,
            turns: Turns::default(),
            shown: RwLock::default(),
            workers: Workers::default(),
            executor,
            trigger,
            shutdown,
            ended,
            aside,
        };
        match running.reload_from(self.config, &self.source) {
            Ok(_) => Ok(running),
            Err(error) => {
                running.shutdown();
                Err(error.0)
            }
        }
    }
}

impl RunningWorker {
    /// The configuration that is in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&read(&self.shown).config)
    }

    /// The file that has our pid, if there is one.
    pub fn pid_file(&self) -> Option<Arc<PidFile>> {
        read(&self.shown).pid_file.clone()
    }

    /// Takes another configuration, all of it or nothing. What is being delivered goes through the chain that
    /// it began with. What waits to be tried again is tried soon, within a third of `stream.take_over_after`, as
    /// after a restart.
    ///
    /// # Errors
    ///
    /// Whatever keeps a worker with that configuration from starting, and the few keys of which a change
    /// needs a restart, by name. Then all is as it was.
    ///
    /// Reloads wait for each other, but not for ever: one that is asked for in
    /// [`Processor::start`](crate::processor::Processor::start) is an error.
    pub fn reload(&self, config: Config) -> Result<Reloaded, ReloadError> {
        self.reload_from(config, &Source::default())
    }

    /// As [`reload`](Self::reload), with errors that tell where in the file the mistake is.
    pub fn reload_from(&self, config: Config, source: &Source) -> Result<Reloaded, ReloadError> {
        let mut current = self.turns.take()?;
        let prepared = self.prepare(config, source, &mut current)?;
        let before = current.shift.is_some().then(|| self.config());
        self.commit(prepared, &mut current);
        let mut reloaded = Reloaded {
            generation: current.number,
            changed: Vec::new(),
            opened: Vec::new(),
            closed: Vec::new(),
        };
        let after = self.config();
        // Who hears of it may look at what there is now.
        drop(current);
        if let Some(before) = before {
            reloaded.changed = changed(&before, &after);
            // That is what `stream.save` says.
            reloaded.changed.retain(|key| *key != "save");
            // Nobody connects to it.
            let [before, after] = [before, after].map(|it| Listed::new(&it, Vec::new()));
            for event in telling::events(&reloaded, &before, &after) {
                self.parts.events.tell(|| event);
            }
        }
        Ok(reloaded)
    }

    /// Calls `beat` now and again and again, on the threads beside those that deliver, until they end.
    pub fn every(&self, interval: Duration, mut beat: impl FnMut() + Send + 'static) {
        let beats = async move {
            loop {
                beat();
                Timer::after(interval).await;
            }
        };
        self.executor.spawn(beats).detach();
    }

    /// Takes nothing more, delivers what has begun, leaves the rest to other workers.
    pub fn shutdown(self) {
        let Shown { config, pid_file } = woken(self.shown.into_inner());
        let deadline = Instant::now() + config.timeouts.shutdown.get();
        self.trigger.pull();
        let current = self.turns.into_inner();
        if let Some(shift) = current.shift {
            shift.end();
        }
        let rest = deadline.saturating_duration_since(Instant::now());
        smol::block_on(self.workers.finish(rest));
        for thread in current.leaving {
            let _ = thread.join();
        }
        self.ended.pull();
        for thread in self.aside {
            let _ = thread.join();
        }
        // What is promised is put where it belongs.
        self.parts.stores.close();
        if let Some(pid_file) = pid_file {
            pid_file.remove();
        }
        self.parts.events.end();
    }
}

impl fmt::Debug for RunningWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningWorker")
            .field("aside", &self.aside.len())
            .finish_non_exhaustive()
    }
}
