//! A daemon at work: from one configuration to the next.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use smol::future::{or, zip};
use smol::{Executor, Task, Timer};

use super::auth_http::Endpoint;
use super::certificates::Offers;
use super::changes::{ReloadError, Reloaded, changed};
use super::generation::{Generation, Parts};
use super::listed::Listed;
use super::metrics::Figures;
use super::threads::Threads;
use super::turns::Turns;
use super::upkeep::Upkeep;
use super::workers::Workers;
use super::{PidFile, StartError, telling};
use crate::config::{Config, Source};
use crate::locks::read;
use crate::server::{Address, Moved, PassedSockets, Server, Shutdown, Trigger};
use crate::tls::Facts;

/// How long the end may wait for a disk: what is promised is safe without that.
const CLOSING: Duration = Duration::from_secs(3);

/// A daemon at work.
///
/// Where it is dropped without a [`shutdown`](Self::shutdown) it ends as well, but nobody waits for that:
/// its threads go on until what has begun has arrived, or the program ends.
#[must_use = "a daemon that is dropped stops at once; keep it, and end it with `shutdown`"]
pub struct Running {
    pub(super) parts: Parts,
    turns: Turns<Current>,
    /// What there is now, for whoever asks: nobody waits for a reload.
    pub(super) shown: RwLock<Shown>,
    pub(super) server: Arc<Server>,
    pub(super) workers: Arc<Workers>,
    pub(super) threads: Threads,
    pub(super) executor: Arc<Executor<'static>>,
    trigger: Trigger,
    pub(super) shutdown: Shutdown,
}

/// What the present configuration has become.
pub(super) struct Current {
    /// None before the first.
    pub(super) generation: Option<Generation>,
    /// How many there have been.
    pub(super) number: u64,
    pub(super) endpoint: Endpoint,
    pub(super) figures: Figures,
    pub(super) upkeep: Upkeep,
    pub(super) acme: Vec<Task<()>>,
    pub(super) passed: PassedSockets,
    /// Roots below which logs were looked for.
    pub(super) recovered: HashSet<Arc<Path>>,
}

/// What the present configuration has become, as far as others may see it.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) addresses: Vec<Address>,
    pub(super) auth_http: Option<SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) listed: Arc<Listed>,
    pub(super) offers: Offers,
    /// Removed when all is done.
    pub(super) pid_file: Option<Arc<PidFile>>,
}

impl Running {
    /// Where it listens, in the order of the configuration, with the ports that were taken.
    pub fn addresses(&self) -> Vec<Address> {
        read(&self.shown).addresses.clone()
    }

    /// Where nginx may ask, if it may.
    pub fn auth_http(&self) -> Option<SocketAddr> {
        read(&self.shown).auth_http
    }

    /// Where figures are told, if they are.
    pub fn metrics(&self) -> Option<SocketAddr> {
        read(&self.shown).metrics
    }

    /// What the certificates say that it has now, in the order of the configuration.
    pub fn certificates(&self) -> Vec<Facts> {
        let offers = read(&self.shown).offers.clone();
        offers.facts()
    }

    /// The configuration that is in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.listed().config)
    }

    /// The listeners of now.
    pub(super) fn listed(&self) -> Arc<Listed> {
        Arc::clone(&read(&self.shown).listed)
    }

    /// The file that has our pid, if there is one.
    pub fn pid_file(&self) -> Option<Arc<PidFile>> {
        read(&self.shown).pid_file.clone()
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
    ///
    /// Reloads wait for each other, but not for ever: one that is asked for in
    /// [`Processor::start`](crate::processor::Processor::start) is an error.
    pub fn reload(&self, config: Config) -> Result<Reloaded, ReloadError> {
        self.reload_from(config, &Source::default())
    }

    /// As [`reload`](Self::reload), with errors that tell where in the file the mistake is.
    pub fn reload_from(&self, config: Config, source: &Source) -> Result<Reloaded, ReloadError> {
        let mut current = self.turns.take()?;
        self.is_at_work()?;
        let prepared = self.prepare(config, source, &mut current)?;
        let before = current.generation.take();
        let listed = self.listed();
        let Moved { opened, closed } = smol::block_on(self.commit(prepared, &mut current));
        let mut reloaded = Reloaded {
            generation: current.number,
            changed: Vec::new(),
            opened,
            closed,
        };
        let events = if before.is_some() {
            let now = self.listed();
            reloaded.changed = changed(&listed.config, &now.config);
            telling::events(&reloaded, &listed, &now)
        } else {
            telling::started(&reloaded)
        };
        // Who hears of it may look at what there is now.
        drop(current);
        for event in events {
            self.parts.events.tell(|| event);
        }
        Ok(reloaded)
    }

    /// Who is asked to end begins nothing new.
    pub(super) fn is_at_work(&self) -> Result<(), StartError> {
        if self.shutdown.is_requested() {
            return Err(StartError::Io(io::Error::other("it was shut down")));
        }
        Ok(())
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

    /// Stops accepting, lets every message that has begun arrive, and returns when all is done, or
    /// when the shutdown timeout is over and processors and logs have had a moment (3 seconds at most)
    /// to close. From then on [`reload`](Self::reload) is an error; who calls this again waits for
    /// the same end. Folders that are kept open are so until the last handle of this is dropped.
    pub fn shutdown(&self) {
        self.trigger.pull();
        self.threads.finish();
        if let Some(pid_file) = self.pid_file() {
            pid_file.remove();
        }
        self.parts.events.end();
    }

    /// Listens and serves.
    pub(super) fn start(parts: Parts, config: Config, source: &Source) -> Result<Self, StartError> {
        let executor = Arc::new(Executor::new());
        let (trigger, shutdown) = Shutdown::new();
        let (finished, all_served) = Shutdown::new();
        let running = Self {
            parts,
            turns: Turns::new(Current {
                generation: None,
                number: 0,
                endpoint: Endpoint::default(),
                figures: Figures::default(),
                upkeep: Upkeep::default(),
                acme: Vec::new(),
                passed: PassedSockets::from_env(),
                recovered: HashSet::new(),
            }),
            shown: RwLock::default(),
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
        let (shutdown, stores) = (self.shutdown.clone(), self.parts.stores.clone());
        let finish = async move {
            let handed_over = async {
                shutdown.requested().await;
                workers.finish(server.patience()).await;
            };
            zip(server.finish(), handed_over).await;
            let closed = smol::unblock(move || stores.close());
            or(closed, late("a log did not close in time")).await;
            finished.pull();
        };
        self.executor.spawn(finish).detach();
    }
}

/// Says so, if it comes to that.
async fn late(what: &str) {
    Timer::after(CLOSING).await;
    log::warn!("{what}");
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}
