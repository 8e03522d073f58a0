//! A worker with one configuration, and what comes before and after it.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::generation::Generation;
use super::super::logging::Change as LogChange;
use super::super::workers::Surroundings;
use super::super::{PidFile, StartError, own, process, reload};
use super::{Current, RunningWorker, Shown};
use crate::config::{Config, Source};
use crate::locks::write;
use crate::server::Service;
use crate::stream;
use crate::work::{Settings, Worker, Working};

/// A worker with one configuration.
pub(super) struct Shift {
    working: Working,
    patience: Duration,
    /// Its store is used until the worker has ended.
    generation: Generation,
}

/// A shift that has begun, and what is to be done for it: nothing that could fail is left.
pub(super) struct Prepared {
    shift: Shift,
    log: Option<LogChange>,
    pid_file: Option<Arc<PidFile>>,
}

impl Shift {
    /// Takes nothing more, delivers what has begun, leaves the rest to others.
    pub(super) fn end(self) {
        self.working.stop(self.patience);
    }

    /// The same, while another one works already.
    fn leave(self) -> io::Result<JoinHandle<()>> {
        self.working.retire();
        let end = move || self.end();
        thread::Builder::new().name("leaving".into()).spawn(end)
    }
}

impl RunningWorker {
    /// Does all that can fail.
    pub(super) fn prepare(
        &self,
        mut config: Config,
        source: &Source,
        current: &mut Current,
    ) -> Result<Prepared, StartError> {
        config.save.clone_from(&config.stream.save);
        config.validate.clear();
        let settings = settings(&config).map_err(|error| source.error("stream.consume", error))?;
        let before = current.shift.as_ref().map(|shift| &shift.generation);
        let (generation, service) = Generation::new(config, source, &self.parts, before)?;
        reload::probe(&generation, source, before)?;
        reload::recover(&generation, &mut current.recovered)?;
        own::start(&service, source)?;
        let (chain, patience) = (Arc::clone(&service.chain), service.timeouts.shutdown);
        let prepared = self.settle((generation, service), settings, source, current);
        if prepared.is_err() {
            smol::block_on(chain.shutdown(patience));
        }
        prepared
    }

    /// Takes files, and begins.
    fn settle(
        &self,
        (generation, service): (Generation, Service),
        settings: Settings,
        source: &Source,
        current: &Current,
    ) -> Result<Prepared, StartError> {
        let config = &generation.config;
        let client = generation.redis.client();
        let client = client.map_err(|error| source.error("redis", error))?;
        let name = consumer_name(&config.hostname(), current.number);
        let streams = stream::Source::new(Arc::clone(client), config.stream_settings(), name);
        let before = current.shift.as_ref().map(|shift| &shift.generation.config);
        let log = process::log_change(&self.parts, before.map(AsRef::as_ref), config, source)?;
        let pid_before = self.pid_file();
        let pid_file = process::pid_file(config, source, before.is_some(), pid_before.as_ref())?;
        let patience = config.timeouts.shutdown.get();
        let worker = Worker::new(streams, service.recipients, service.chain, settings);
        let shift = Shift {
            working: worker.start()?,
            patience,
            generation,
        };
        Ok(Prepared {
            shift,
            log,
            pid_file,
        })
    }

    /// Puts it in the place of the present one.
    pub(super) fn commit(&self, prepared: Prepared, current: &mut Current) {
        let Prepared {
            shift,
            log,
            pid_file,
        } = prepared;
        if let Some(log) = log {
            log.apply();
        }
        let generation = &shift.generation;
        generation.tell(&self.parts.health);
        generation.disks.settle();
        current.upkeep.set(generation, &self.executor);
        let surroundings = Surroundings {
            executor: &self.executor,
            shutdown: &self.shutdown,
            events: &self.parts.events,
            health: &self.parts.health,
        };
        self.workers.set(generation.jobs(), &surroundings);
        current.number += 1;
        let config = Arc::clone(&generation.config);
        *write(&self.shown) = Shown { config, pid_file };
        current.leaving.retain(|thread| !thread.is_finished());
        let Some(before) = current.shift.replace(shift) else {
            return;
        };
        match before.leave() {
            Ok(thread) => current.leaving.push(thread),
            // It ends all the same, and what it has not begun is taken over later.
            Err(error) => log::warn!(error:% = error; "a worker leaves without a word"),
        }
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

/// Another one for each worker that ever was: it is known by it to the others.
fn consumer_name(host: &str, number: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    format!("{host}-{}-{now}-{number}", std::process::id())
}
