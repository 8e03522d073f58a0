//! A worker, put together from a configuration.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use smol::Executor;

use super::{Daemon, StartError, roots};
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
}

impl Daemon {
    /// Takes mail from the streams of the section `stream`, and delivers it through `stream.save`, on
    /// threads of its own until [`RunningWorker::shutdown`]. Listens nowhere.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration. That Redis is not there is none: it is waited for.
    pub fn work(mut self) -> Result<RunningWorker, StartError> {
        self.config.save.clone_from(&self.config.stream.save);
        self.config.validate.clear();
        let config = self.config.clone();
        let client = self.outside.redis.client();
        let client = client.map_err(|error| self.source.error("redis", error))?;
        let name = consumer_name(&config.hostname());
        let source = Source::new(Arc::clone(client), config.stream_settings(), name);
        let partitions = config.stream.consumed();
        let partitions = partitions.map_err(|error| self.source.error("stream.consume", error))?;
        let (service, disks) = self.assemble()?;
        self.recover(&disks)?;
        let executor = Arc::new(Executor::new());
        let (trigger, shutdown) = Shutdown::new();
        for roots in disks.roots() {
            let age = config.maildir.sweep_after.get();
            executor.spawn(roots::sweep(roots.to_vec(), age)).detach();
        }
        let consumers = self
            .consumers
            .start(&config, &self.store, &executor, &shutdown);
        let settings = Settings {
            partitions,
            at_once: config.stream.at_once,
            take_over_after: config.stream.take_over_after.get(),
            take_overs: config.stream.take_overs,
            schedule: config.stream_schedule(),
            message_size: config.limits.message_size.octets(),
        };
        let worker = Worker::new(source, service.recipients, service.chain, settings);
        let aside = aside(&executor, consumers, &shutdown)?;
        Ok(RunningWorker {
            working: worker.start()?,
            trigger,
            aside,
            patience: config.timeouts.shutdown.get(),
        })
    }
}

/// Runs what goes on beside the worker until the shutdown, and the consumers until they have ended.
fn aside(
    executor: &Arc<Executor<'static>>,
    consumers: Vec<smol::Task<()>>,
    shutdown: &Shutdown,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let (ended, all_ended) = Shutdown::new();
    let shutdown = shutdown.clone();
    let end = async move {
        shutdown.requested().await;
        for consumer in consumers {
            consumer.await;
        }
        ended.pull();
    };
    executor.spawn(end).detach();
    let spawn = |number| {
        let (executor, all_ended) = (Arc::clone(executor), all_ended.clone());
        let run = move || {
            smol::block_on(executor.run(all_ended.requested()));
        };
        thread::Builder::new()
            .name(format!("aside-{number}"))
            .spawn(run)
    };
    (0..ASIDE).map(spawn).collect()
}

impl RunningWorker {
    /// Takes nothing more, delivers what has begun, leaves the rest to other workers.
    pub fn shutdown(self) {
        self.trigger.pull();
        self.working.stop(self.patience);
        for thread in self.aside.into_iter().filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}

/// Another one for each process that ever was: it is known by it to the others.
fn consumer_name(host: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    format!("{host}-{}-{now}", std::process::id())
}
