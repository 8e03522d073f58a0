//! A daemon at work: from one configuration to the next.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use smol::future::zip;
use smol::{Executor, Task, Timer};

use super::acme::Doors;
use super::auth_http::{Endpoint, Plan};
use super::changes::{ReloadError, Reloaded, changed};
use super::generation::{Generation, Parts};
use super::logging::Change as LogChange;
use super::threads::Threads;
use super::upkeep::Upkeep;
use super::workers::{Surroundings, Workers};
use super::{StartError, binding, log_settings, recovery, roots, telling};
use crate::config::{Config, ConfigError, Source};
use crate::locks::lock;
use crate::maildir::Durability;
use crate::server::{Address, Listener, Moved, PassedSockets, Server, Service, Shutdown, Trigger};
use crate::tls::Facts;

/// A daemon at work.
pub struct Running {
    pub(super) parts: Parts,
    current: Mutex<Current>,
    server: Arc<Server>,
    workers: Arc<Workers>,
    threads: Threads,
    executor: Arc<Executor<'static>>,
    trigger: Trigger,
    shutdown: Shutdown,
}

/// What the present configuration has become.
struct Current {
    /// None before the first.
    generation: Option<Generation>,
    /// How many there have been.
    number: u64,
    addresses: Vec<Address>,
    endpoint: Endpoint,
    upkeep: Upkeep,
    acme: Vec<Task<()>>,
    passed: PassedSockets,
    /// Roots below which logs were looked for.
    recovered: HashSet<Arc<Path>>,
}

/// A configuration that can take the place of the present one: nothing that could fail is left.
struct Prepared {
    generation: Generation,
    service: Service,
    listeners: Vec<Listener>,
    endpoint: Plan,
    doors: Option<Doors>,
    log: Option<LogChange>,
}

impl Running {
    /// Where it listens, in the order of the configuration, with the ports that were taken.
    pub fn addresses(&self) -> Vec<Address> {
        lock(&self.current).addresses.clone()
    }

    /// Where nginx may ask, if it may.
    pub fn auth_http(&self) -> Option<SocketAddr> {
        lock(&self.current).endpoint.address()
    }

    /// What the certificates say that it has now, in the order of the configuration.
    pub fn certificates(&self) -> Vec<Facts> {
        let current = lock(&self.current);
        let generation = current.generation.as_ref();
        generation.map_or_else(Vec::new, |generation| generation.offers.facts())
    }

    /// Takes another configuration, all of it or nothing. Sockets whose address is in both stay
    /// open; sessions that are there go on as they began, and what they deliver goes through the
    /// chain that they began with; who connects from now on finds the new one.
    ///
    /// ```
    /// use maiasaura::config::Environment;
    /// use maiasaura::{Config, Daemon};
    ///
    /// let yaml = "listeners: [{address: '127.0.0.1:0'}]";
    /// let mut config = Config::parse(yaml, "example", &Environment::default())?;
    /// let running = Daemon::new(config.clone()).start()?;
    /// let addresses = running.addresses();
    ///
    /// config.recipients.hosts.push("example.org".into());
    /// let reloaded = running.reload(config.clone())?;
    /// assert_eq!(reloaded.to_string(), "changed: recipients.hosts");
    /// assert_eq!(running.addresses(), addresses);
    ///
    /// config.save = vec!["Hasher".into()];
    /// let refused = running.reload(config).unwrap_err();
    /// assert!(refused.to_string().contains("none of these processors stores mail"));
    /// running.shutdown();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The log of the process is changed by this only where the daemon has it, see
    /// [`Daemon::logging`](super::Daemon::logging).
    ///
    /// # Errors
    ///
    /// Whatever keeps a daemon with that configuration from starting, and the few keys of which a
    /// change needs a restart, by name. Then all is as it was.
    pub fn reload(&self, config: Config) -> Result<Reloaded, ReloadError> {
        self.reload_from(config, &Source::default())
    }

    /// As [`reload`](Self::reload), with errors that tell where in the file the mistake is.
    pub fn reload_from(&self, config: Config, source: &Source) -> Result<Reloaded, ReloadError> {
        let mut current = lock(&self.current);
        let prepared = self.prepare(config, source, &mut current)?;
        let before = current.generation.take();
        let Moved { opened, closed } = smol::block_on(self.commit(prepared, &mut current));
        let mut reloaded = Reloaded {
            generation: current.number,
            changed: Vec::new(),
            opened,
            closed,
        };
        // The start is no change.
        if let Some((before, after)) = before.as_ref().zip(current.generation.as_ref()) {
            let (before, after) = (&before.config, &after.config);
            reloaded.changed = changed(before, after);
            telling::tell(&self.parts.events, &reloaded, before, after);
        }
        Ok(reloaded)
    }

    /// How many configurations are in use: one, and those that sessions from before still have.
    pub fn generations(&self) -> usize {
        self.server.generations()
    }

    /// Calls `beat` now and again and again, on the threads that serve clients, until they end.
    pub fn every(&self, interval: Duration, mut beat: impl FnMut() + Send + 'static) {
        let beats = async move {
            loop {
                beat();
                Timer::after(interval).await;
            }
        };
        self.executor.spawn(beats).detach();
    }

    /// Stops accepting, lets every message that has begun arrive, and returns
    /// when all is done or the shutdown timeout is over.
    pub fn shutdown(self) {
        self.trigger.pull();
        self.threads.finish();
        self.parts.events.end();
    }

    /// Listens and serves.
    pub(super) fn start(parts: Parts, config: Config, source: &Source) -> Result<Self, StartError> {
        let executor = Arc::new(Executor::new());
        let (trigger, shutdown) = Shutdown::new();
        let (finished, all_served) = Shutdown::new();
        let running = Self {
            parts,
            current: Mutex::new(Current {
                generation: None,
                number: 0,
                addresses: Vec::new(),
                endpoint: Endpoint::default(),
                upkeep: Upkeep::default(),
                acme: Vec::new(),
                passed: PassedSockets::from_env(),
                recovered: HashSet::new(),
            }),
            server: Arc::new(Server::new(Arc::clone(&executor), shutdown.clone())),
            workers: Arc::default(),
            threads: Threads::new(&executor, all_served),
            executor,
            trigger,
            shutdown,
        };
        running
            .reload_from(config, source)
            .map_err(|error| error.0)?;
        running.finish_with(finished);
        Ok(running)
    }

    /// Waits for the end of all that was begun, and says so.
    fn finish_with(&self, finished: Trigger) {
        let (server, workers) = (Arc::clone(&self.server), Arc::clone(&self.workers));
        let shutdown = self.shutdown.clone();
        let finish = async move {
            let handed_over = async {
                shutdown.requested().await;
                workers.finish(server.patience()).await;
            };
            zip(server.finish(), handed_over).await;
            finished.pull();
        };
        self.executor.spawn(finish).detach();
    }

    /// Does all that can fail.
    fn prepare(
        &self,
        config: Config,
        source: &Source,
        current: &mut Current,
    ) -> Result<Prepared, StartError> {
        let before = current.generation.as_ref();
        let (mut generation, mut service) = Generation::new(config, source, &self.parts, before)?;
        generation.equip(&mut service, source, &self.parts, before)?;
        recover(&generation, before, &mut current.recovered)?;
        let is_same = before.is_some_and(|before| before.acme.is(&generation.acme));
        let passed = &mut current.passed;
        let config = &generation.config;
        let listeners = binding::listeners(config, &generation.offers, &self.server, passed)?;
        let doors = (!is_same).then(|| generation.acme.doors(config, passed));
        let doors = doors.transpose()?;
        binding::all_are_taken(passed)?;
        let endpoint = current.endpoint.plan(config, &listeners)?;
        let log = self.log_change(before, config, source)?;
        self.threads.grow_to(self.wanted_threads(&generation))?;
        Ok(Prepared {
            generation,
            service,
            listeners,
            endpoint,
            doors,
            log,
        })
    }

    /// How the log is to be changed; it was opened before the first configuration was taken.
    fn log_change(
        &self,
        before: Option<&Generation>,
        config: &Config,
        source: &Source,
    ) -> Result<Option<LogChange>, ConfigError> {
        let Some((logging, before)) = self.parts.logging.as_ref().zip(before) else {
            return Ok(None);
        };
        let (before, after) = (log_settings(&before.config), log_settings(config));
        let change = logging.prepare(&before, after);
        change
            .map(Some)
            .map_err(|error| source.error("log.file", error))
    }

    /// Puts it in the place of the present one.
    async fn commit(&self, prepared: Prepared, current: &mut Current) -> Moved {
        let Prepared {
            generation,
            service,
            listeners,
            endpoint,
            doors,
            log,
        } = prepared;
        if let Some(log) = log {
            log.apply();
        }
        let service = Arc::new(service);
        let addresses = listeners.iter().map(|listener| listener.address.clone());
        current.addresses = addresses.collect();
        generation.disks.settle();
        let jobs = generation
            .consumers
            .jobs(&generation.config, &generation.store);
        let surroundings = Surroundings {
            executor: &self.executor,
            shutdown: &self.shutdown,
            events: &self.parts.events,
            health: &self.parts.health,
        };
        self.workers.set(jobs, &surroundings);
        if let Some(doors) = doors {
            current.acme = generation.acme.start(doors, &self.executor);
        }
        current
            .endpoint
            .carry_out(endpoint, &service, &self.executor, &self.shutdown)
            .await;
        generation.offers.refresh();
        current.upkeep.set(&generation, &self.executor);
        current.generation = Some(generation);
        current.number += 1;
        self.server.open(listeners, service).await
    }

    /// A delivery blocks its thread, and as many clients may be waited for on one each; beside these
    /// there are always some that serve sockets.
    fn wanted_threads(&self, generation: &Generation) -> usize {
        let config = &generation.config;
        let serving = match config.threads {
            0 => thread::available_parallelism().map_or(2, NonZero::get),
            threads => threads,
        };
        let each = config.limits.deliveries;
        serving + each * self.parts.disks.kinds() + each
    }
}

/// Looks at roots that are new, and brings to their Maildirs what was promised before a crash.
fn recover(
    generation: &Generation,
    before: Option<&Generation>,
    recovered: &mut HashSet<Arc<Path>>,
) -> io::Result<()> {
    let Generation { store, disks, .. } = generation;
    let known: HashSet<&Arc<Path>> = before
        .iter()
        .flat_map(|before| before.disks.roots().flatten())
        .collect();
    roots::probe(store, disks, |root| !known.contains(root));
    let has_logs = store.settings().durability == Durability::Journal;
    let mut roots: Vec<Arc<Path>> = disks.roots().flatten().cloned().collect();
    // Where another store may have a log open, that one looks after it.
    roots.retain(|root| has_logs || !recovered.contains(root));
    for outcome in store.recover(&roots)? {
        recovery::report(&outcome);
    }
    recovered.extend(roots);
    Ok(())
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}
