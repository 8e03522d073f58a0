//! From one configuration to the next: first all that can fail, then all that can be noticed.

use std::collections::HashSet;
use std::io;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::acme::Doors;
use super::auth_http::Plan;
use super::generation::Generation;
use super::listed::Listed;
use super::logging::Change as LogChange;
use super::metrics::FiguresPlan;
use super::roots::Unsound;
use super::running::{Current, Running, Shown};
use super::workers::Surroundings;
use super::{PidFile, StartError, binding, own, process, recovery, roots};
use crate::config::{Config, ConfigError, Source};
use crate::locks::write;
use crate::maildir::{Durability, Store};
use crate::recipients::root_of;
use crate::server::{Listener, Moved, Service};

/// A configuration that can take the place of the present one: nothing that could fail is left.
pub(super) struct Prepared {
    generation: Generation,
    service: Service,
    listeners: Vec<Listener>,
    listed: Listed,
    questions: (Plan, FiguresPlan),
    doors: Option<Doors>,
    log: Option<LogChange>,
    pid_file: Option<Arc<PidFile>>,
}

impl Running {
    /// Does all that can fail.
    pub(super) fn prepare(
        &self,
        config: Config,
        source: &Source,
        current: &mut Current,
    ) -> Result<Prepared, StartError> {
        let before = current.generation.as_ref();
        let (mut generation, mut service) = Generation::new(config, source, &self.parts, before)?;
        generation.equip(&mut service, source, &self.parts, before)?;
        probe(&generation, source, before)?;
        recover(&generation, &mut current.recovered)?;
        // Before any socket is there at which somebody could wait for what is refused in the end.
        own::start(&service, source)?;
        let (chain, patience) = (Arc::clone(&service.chain), service.timeouts.shutdown);
        let prepared = self.settle(generation, service, source, current);
        // Who is asked to end meanwhile takes nothing new.
        let prepared = prepared.and_then(|prepared| self.is_at_work().map(|()| prepared));
        if prepared.is_err() {
            smol::block_on(chain.shutdown(patience));
        }
        prepared
    }

    /// Takes addresses and files.
    fn settle(
        &self,
        generation: Generation,
        service: Service,
        source: &Source,
        current: &mut Current,
    ) -> Result<Prepared, StartError> {
        let before = current.generation.as_ref();
        let is_same = before.is_some_and(|before| before.acme.is(&generation.acme));
        let passed = &mut current.passed;
        let config = &generation.config;
        let offers = &generation.offers;
        let (listeners, places) =
            binding::listeners((config, source), offers, &self.server, passed)?;
        let listed = Listed::new(config, places);
        let doors = (!is_same).then(|| generation.acme.doors(config, passed));
        let doors = doors.transpose()?;
        binding::all_are_taken(passed)?;
        let endpoint = current.endpoint.plan(config, &listeners)?;
        let questions = (endpoint, current.figures.plan(config)?);
        let log = process::log_change(&self.parts, before.map(|it| &*it.config), config, source)?;
        self.threads.grow_to(self.wanted_threads(&generation))?;
        let pid_before = self.pid_file();
        let pid_file = process::pid_file(config, source, before.is_some(), pid_before.as_ref())?;
        Ok(Prepared {
            generation,
            service,
            listeners,
            listed,
            questions,
            doors,
            log,
            pid_file,
        })
    }

    /// Puts it in the place of the present one.
    pub(super) async fn commit(&self, prepared: Prepared, current: &mut Current) -> Moved {
        let Prepared {
            generation,
            service,
            listeners,
            listed,
            questions,
            doors,
            log,
            pid_file,
        } = prepared;
        if let Some(log) = log {
            log.apply();
        }
        let service = Arc::new(service);
        let addresses = listeners.iter().map(|listener| listener.address.clone());
        let mut shown = Shown {
            addresses: addresses.collect(),
            listed: Arc::new(listed),
            offers: generation.offers.clone(),
            pid_file,
            ..Shown::default()
        };
        generation.tell(&self.parts.health);
        generation.disks.settle();
        self.hand_over(&generation);
        if let Some(doors) = doors {
            current.acme = generation
                .acme
                .start(doors, &self.executor, &self.parts.health);
        }
        self.answer(questions, (&generation, &service, &listeners), current)
            .await;
        shown.auth_http = current.endpoint.address();
        shown.metrics = current.figures.address();
        generation.offers.refresh();
        current.upkeep.set(&generation, &self.executor);
        current.generation = Some(generation);
        current.number += 1;
        let moved = self.server.open(listeners, service).await;
        let pid_file = shown.pid_file.clone();
        *write(&self.shown) = shown;
        // Who shuts down just now may have looked before that.
        if let Some(pid_file) = pid_file.filter(|_| self.shutdown.is_requested()) {
            pid_file.remove();
        }
        moved
    }

    /// Hands over what waits in queues as this configuration says.
    fn hand_over(&self, generation: &Generation) {
        let surroundings = Surroundings {
            executor: &self.executor,
            shutdown: &self.shutdown,
            events: &self.parts.events,
            health: &self.parts.health,
        };
        self.workers.set(generation.jobs(), &surroundings);
    }

    /// Answers questions over HTTP as this configuration says.
    async fn answer(
        &self,
        (endpoint, figures): (Plan, FiguresPlan),
        (generation, service, listeners): (&Generation, &Arc<Service>, &[Listener]),
        current: &mut Current,
    ) {
        let (executor, shutdown) = (&self.executor, &self.shutdown);
        let nginx = &mut current.endpoint;
        nginx.carry_out(endpoint, service, executor, shutdown).await;
        let about = (generation, &self.parts);
        let prometheus = &mut current.figures;
        prometheus
            .carry_out(figures, about, (service, listeners), (executor, shutdown))
            .await;
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

/// Looks at roots that are new. Who starts may be ahead of a disk, and defers mail until it is there;
/// where mail is stored now, a configuration with which that ends is refused.
pub(super) fn probe(
    generation: &Generation,
    source: &Source,
    before: Option<&Generation>,
) -> Result<(), ConfigError> {
    let Generation { store, disks, .. } = generation;
    let is_required = |store: &Store| store.settings().require_root;
    let as_before = before.filter(|before| is_required(&before.store) == is_required(store));
    let known: HashSet<&Arc<Path>> = as_before
        .iter()
        .flat_map(|before| before.disks.roots().flatten())
        .collect();
    for unsound in roots::find_unsound(store, disks, |root| !known.contains(root)) {
        if before.is_some() {
            let Unsound { root, error } = unsound;
            let key = key_of(&root, &generation.config);
            let message = format!("no mail could be stored below {}: {error}", root.display());
            return Err(source.error(key, message));
        }
        unsound.tell();
    }
    Ok(())
}

/// What the configuration says of a root.
fn key_of(root: &Path, config: &Config) -> &'static str {
    let is_spool = || config.spool().is_ok_and(|place| **place.root() == *root);
    if root_of(&config.maildir.path).is_ok_and(|of_path| *of_path == *root) {
        "maildir.path"
    } else if config.spool.path.is_some() && is_spool() {
        "spool.path"
    } else {
        "recipients.users"
    }
}

/// Brings to the Maildirs what was promised before a crash.
pub(super) fn recover(
    generation: &Generation,
    recovered: &mut HashSet<Arc<Path>>,
) -> io::Result<()> {
    let Generation { store, disks, .. } = generation;
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
