//! A worker, put together from a configuration.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use smol::Executor;

use super::generation::Generation;
use super::upkeep::Upkeep;
use super::workers::{Surroundings, Workers};
use super::{Daemon, StartError, own, recovery, roots};
use crate::config::Config;
use crate::server::{Shutdown, Trigger};
use crate::stream::Source;
use crate::work::{Settings, Worker, Working};

/// Threads for what watches queues and sweeps.
const ASIDE: usize = 2;

/// A worker at work.
pub struct RunningWorker {
    working: Working,
    trigger: Trigger,
    aside: Vec<JoinHandle<()>>,
    patience: Duration,
    /// What goes on beside it ends with these.
    _upkeep: Upkeep,
    generation: Generation,
}

impl Daemon {
    /// Takes mail from the streams of the section `stream`, and delivers it through `stream.save`, on
    /// threads of its own until [`RunningWorker::shutdown`]. Listens nowhere.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration. That Redis is not there is none: it is waited for.
    pub fn work(self) -> Result<RunningWorker, StartError> {
        let Self {
            mut config,
            source,
            parts,
        } = self;
        config.save.clone_from(&config.stream.save);
        config.validate.clear();
        let settings = settings(&config).map_err(|error| source.error("stream.consume", error))?;
        let streams = (config.stream_settings(), consumer_name(&config.hostname()));
        let patience = config.timeouts.shutdown.get();
        let (generation, service) = Generation::new(config, &source, &parts, None)?;
        let client = generation.redis.client();
        let client = client.map_err(|error| source.error("redis", error))?;
        let streams = Source::new(Arc::clone(client), streams.0, streams.1);
        recover(&generation)?;
        own::start(&service, &source)?;
        generation.tell(&parts.health);
        let executor = Arc::new(Executor::new());
        let (trigger, shutdown) = Shutdown::new();
        let mut upkeep = Upkeep::default();
        upkeep.set(&generation, &executor);
        let surroundings = Surroundings {
            executor: &executor,
            shutdown: &shutdown,
            events: &parts.events,
            health: &parts.health,
        };
        let workers = Workers::default();
        workers.set(generation.jobs(), &surroundings);
        let aside = aside(&executor, workers, &shutdown, patience)?;
        let worker = Worker::new(streams, service.recipients, service.chain, settings);
        Ok(RunningWorker {
            working: worker.start()?,
            trigger,
            aside,
            patience,
            _upkeep: upkeep,
            generation,
        })
    }
}

fn settings(config: &Config) -> Result<Settings, String> {
    let stream = &config.stream;
    Ok(Settings {
        partitions: stream.consumed()?,
        at_once: stream.at_once,
        take_over_after: stream.take_over_after.get(),
        take_overs: stream.take_overs,
        schedule: config.stream_schedule(),
        message_size: config.limits.message_size.octets(),
    })
}

/// Looks at the roots, and brings to its Maildirs what was promised before a crash.
fn recover(generation: &Generation) -> io::Result<()> {
    let Generation { store, disks, .. } = generation;
    roots::probe(store, disks, |_| true);
    let all: Vec<_> = disks.roots().flatten().cloned().collect();
    for recovered in store.recover(&all)? {
        recovery::report(&recovered);
    }
    Ok(())
}

/// Runs what goes on beside the worker until the shutdown, and the consumers until they have ended.
fn aside(
    executor: &Arc<Executor<'static>>,
    workers: Workers,
    shutdown: &Shutdown,
    patience: Duration,
) -> io::Result<Vec<JoinHandle<()>>> {
    let (ended, all_ended) = Shutdown::new();
    let shutdown = shutdown.clone();
    let end = async move {
        shutdown.requested().await;
        workers.finish(patience).await;
        ended.pull();
    };
    executor.spawn(end).detach();
    let spawn = |number| {
        let (executor, all_ended) = (Arc::clone(executor), all_ended.clone());
        let run = move || smol::block_on(executor.run(all_ended.requested()));
        let name = format!("aside-{number}");
        thread::Builder::new().name(name).spawn(run)
    };
    (0..ASIDE).map(spawn).collect()
}

impl RunningWorker {
    /// Takes nothing more, delivers what has begun, leaves the rest to other workers.
    pub fn shutdown(self) {
        self.working.stop(self.patience);
        self.trigger.pull();
        for thread in self.aside {
            let _ = thread.join();
        }
        // What is promised is put where it belongs.
        self.generation.store.close();
    }
}

/// Another one for each process that ever was: it is known by it to the others.
fn consumer_name(host: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    format!("{host}-{}-{now}", std::process::id())
}
