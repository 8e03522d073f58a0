//! The daemon: puts the layers together from a [`Config`] and runs them.

#[cfg_attr(not(feature = "acme"), path = "no_acme.rs")]
mod acme;
#[cfg_attr(not(feature = "auth-http"), path = "no_auth_http.rs")]
mod auth_http;
mod binding;
mod certificates;
mod handing;
mod line;
mod logging;
#[cfg_attr(not(feature = "mysql"), path = "no_mysql.rs")]
mod mysql;
pub mod notify;
mod outside;
#[cfg_attr(not(feature = "fastcgi"), path = "no_php.rs")]
mod php;
mod processors;
mod recipients;
mod recovery;
#[cfg_attr(not(feature = "redis"), path = "no_redis.rs")]
mod redis;
#[cfg(feature = "redis")]
mod redis_users;
mod roots;
mod signals;
#[cfg(feature = "redis")]
mod work;

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use smol::{Executor, Timer};

pub use line::{Addresses, Format};
pub use logging::{Logging, Settings as LogSettings, Target, log_settings};
pub use signals::{Request, requests};
#[cfg(feature = "redis")]
pub use work::RunningWorker;

use self::acme::Acme;
use self::auth_http::Endpoint;
use self::certificates::Offers;
use self::handing::Consumers;
use self::outside::Outside;
use crate::chain::{Chain, Registry};
use crate::config::{Config, ConfigError, Source};
use crate::credentials::Credentials;
use crate::disks::Disks;
use crate::maildir::Store;
use crate::processor::Processor;
use crate::recipients::{Recipients, UserSource};
use crate::server::{
    self, Address, Linger, Logins, PassedSockets, Service, Shutdown, Spooler, Trigger,
};
use crate::spool::Consumer;
use crate::tls::Facts;

/// How long threads may take to end when all sessions have.
const PATIENCE: Duration = Duration::from_secs(1);

/// A receiver that can be started.
///
/// ```no_run
/// use maiasaura::{config::Config, daemon::Daemon};
///
/// let running = Daemon::new(Config::default()).start().expect("port 2525 is free");
/// println!("listening on {}", running.addresses()[0]);
/// running.shutdown();
/// ```
pub struct Daemon {
    config: Config,
    source: Source,
    /// Processors that are not of this crate.
    added: Registry,
    store: Arc<Store>,
    consumers: Consumers,
    outside: Outside,
    /// Who knows the users, if that is not of this crate.
    users: Option<Arc<dyn UserSource>>,
}

/// Why a daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something in the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}{hint}")]
    Bind {
        /// Which one.
        address: Address,
        /// Why not.
        error: io::Error,
        /// How to mend it, if that is known.
        hint: &'static str,
    },
    /// A thread cannot be started, or the like.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

impl Daemon {
    /// A daemon with the processors of this crate.
    pub fn new(config: Config) -> Self {
        Self::from_source(config, Source::default())
    }

    /// As [`new`](Self::new), with errors that tell where in the file the mistake is.
    pub fn from_source(config: Config, source: Source) -> Self {
        let store = Arc::new(Store::new(config.maildir()));
        let outside = Outside::new(&config);
        let mut consumers = Consumers::default();
        outside.add_consumers(&config, &store, &mut consumers);
        Self {
            added: Registry::default(),
            store,
            consumers,
            outside,
            users: None,
            config,
            source,
        }
    }

    /// Adds an application that gets its mail later, and a processor `name` that chains may name:
    /// it puts mail into the application's queue, in one commit with the Maildirs.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    ///
    /// use maiasaura::spool::{Answer, Consumer, Letter, Pending};
    /// use maiasaura::{Config, Daemon};
    ///
    /// struct Mine;
    ///
    /// impl Consumer for Mine {
    ///     fn hand(&self, letter: Arc<Letter>, attempt: u32) -> Pending<'_, Answer> {
    ///         println!("{} for {}, attempt {attempt}", letter.slip.id, letter.slip.rcpt);
    ///         Box::pin(async { Answer::Delivered })
    ///     }
    /// }
    ///
    /// let mut config = Config::default();
    /// config.save.push("Mine".into());
    /// let running = Daemon::new(config).consumer("Mine", Arc::new(Mine)).start()?;
    /// # Ok::<(), maiasaura::StartError>(())
    /// ```
    #[must_use]
    pub fn consumer(mut self, name: &str, consumer: Arc<dyn Consumer>) -> Self {
        self.consumers.add(name, consumer);
        self
    }

    /// Adds a processor that the chains may name.
    #[must_use]
    pub fn processor<C>(mut self, name: &str, constructor: C) -> Self
    where
        C: Fn() -> Result<Arc<dyn Processor>, String> + Send + Sync + 'static,
    {
        self.added.add(name, constructor);
        self
    }

    /// The recipients and the chain, without any socket: for local delivery and for checks.
    pub fn service(&self) -> Result<Service, StartError> {
        Ok(self.assemble()?.0)
    }

    /// What serves mail, and the disks that it goes to.
    fn assemble(&self) -> Result<(Service, Arc<Disks>), StartError> {
        let config = &self.config;
        let recipients = recipients::load(config, self.users.as_ref(), &self.outside)
            .map_err(|(key, message)| self.source.error(&key, message))?;
        let disks = Arc::new(self.disks(&recipients));
        let mut registry = processors::registry(config, &self.store, &disks);
        self.consumers
            .register(&mut registry, config, &self.store, &disks);
        self.outside
            .register(&mut registry, config, &self.store, &disks);
        registry.extend(&self.added);
        let (validate, save) = (&config.validate, &config.save);
        let chain = Chain::new(&registry, validate, save, Arc::clone(&disks))
            .map_err(|error| self.source.error(error.chain, &error.message))?;
        let service = Service {
            recipients,
            chain,
            limits: config.limits(),
            timeouts: config.timeouts(),
            linger: Linger::new(config.limits.deliveries),
            spooler: self.spooler(&disks),
            logins: None,
            ids: crate::envelope::Ids::default(),
        };
        Ok((service, disks))
    }

    /// Who may log in.
    fn logins(&self) -> Result<Option<Logins>, StartError> {
        let Some((settings, users)) = self.config.logins() else {
            return Ok(None);
        };
        let credentials =
            Credentials::open(users).map_err(|error| self.source.error("auth.users", error))?;
        Ok(Some(Logins::new(settings, Arc::new(credentials))))
    }

    /// Those of the Maildirs, and that of the spool if there is one.
    fn disks(&self, recipients: &Recipients) -> Disks {
        let place = self.consumers.place(&self.config);
        let spool = place.map(|place| Arc::clone(place.root()));
        let mut roots = recipients.roots();
        roots.extend(spool.iter().cloned());
        roots.sort();
        roots.dedup();
        let limits = &self.config.limits;
        Disks::new(&roots, limits.deliveries, limits.disk_errors).always(spool)
    }

    /// Spools to the disk of the first mailbox: if that is full, the message has no place anyway.
    fn spooler(&self, disks: &Arc<Disks>) -> Spooler {
        let store = Arc::clone(&self.store);
        Spooler::new(Arc::clone(disks), move |recipient| {
            let first = recipient.destinations.first();
            store.unnamed(&first.ok_or(io::ErrorKind::NotFound)?.location)
        })
    }

    /// Listens, and serves on threads of its own until [`Running::shutdown`].
    pub fn start(self) -> Result<Running, StartError> {
        let (mut service, disks) = self.assemble()?;
        service.logins = self.logins()?;
        let service = Arc::new(service);
        self.recover(&disks)?;
        let (acme, offers) = self.offers()?;
        let mut passed = PassedSockets::from_env();
        let listeners = self.listeners(&offers, &mut passed)?;
        let doors = acme.doors(&self.config, &mut passed)?;
        binding::all_are_taken(&passed)?;
        let addresses = listeners
            .iter()
            .map(|listener| listener.address.clone())
            .collect();
        let endpoint = Endpoint::bind(&self.config, &listeners)?;
        let auth_http = endpoint.address();
        let executor = Arc::new(Executor::new());
        let (trigger, shutdown) = Shutdown::new();
        let (finished, all_served) = Shutdown::new();
        for roots in disks.roots() {
            let age = self.config.maildir.sweep_after.get();
            executor.spawn(roots::sweep(roots.to_vec(), age)).detach();
        }
        executor.spawn(offers.clone().keep_fresh()).detach();
        acme.start(doors, &executor);
        let threads = self.threads(&disks);
        let patience = self.config.timeouts.shutdown.get();
        let workers = self
            .consumers
            .start(&self.config, &self.store, &executor, &shutdown);
        endpoint.start(&service, &executor, &shutdown);
        let serve = server::run(Arc::clone(&executor), listeners, service, shutdown.clone());
        executor
            .spawn(async move {
                handing::finish(serve, workers, shutdown, patience).await;
                finished.pull();
            })
            .detach();
        let threads = (0..threads)
            .map(|number| serve_on_thread(number, &executor, &all_served))
            .collect::<io::Result<_>>()?;
        Ok(Running {
            addresses,
            auth_http,
            offers,
            executor,
            trigger,
            all_served,
            threads,
        })
    }

    /// Looks at the roots, and brings to its Maildirs what was promised before a crash.
    fn recover(&self, disks: &Disks) -> io::Result<()> {
        roots::probe(&self.store, disks);
        let all_roots: Vec<_> = disks.roots().flatten().cloned().collect();
        for recovered in self.store.recover(&all_roots)? {
            recovery::report(&recovered);
        }
        Ok(())
    }

    /// Reads the certificates.
    fn offers(&self) -> Result<(Acme, Offers), StartError> {
        let config = &self.config;
        let offers = Acme::new(config).and_then(|acme| {
            let offers = Offers::new(config, acme.certificates().as_ref())?;
            Ok((acme, offers))
        });
        offers.map_err(|(key, error)| self.source.error(&key, error.to_string()).into())
    }

    /// A delivery blocks its thread, and as many clients may be waited for on one
    /// each; beside these there are always some that serve sockets.
    fn threads(&self, disks: &Disks) -> usize {
        let serving = match self.config.threads {
            0 => thread::available_parallelism().map_or(2, NonZero::get),
            threads => threads,
        };
        let each = self.config.limits.deliveries;
        serving + disks.deliveries(each) + each
    }
}

/// Runs the tasks of all connections, until all are served.
fn serve_on_thread(
    number: usize,
    executor: &Arc<Executor<'static>>,
    all_served: &Shutdown,
) -> io::Result<JoinHandle<()>> {
    let (executor, all_served) = (Arc::clone(executor), all_served.clone());
    let work = move || {
        smol::block_on(smol::future::or(all_served.requested(), async {
            loop {
                executor.tick().await;
            }
        }));
    };
    thread::Builder::new()
        .name(format!("serve-{number}"))
        .spawn(work)
}

/// A daemon at work.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<Address>,
    auth_http: Option<SocketAddr>,
    offers: Offers,
    executor: Arc<Executor<'static>>,
    trigger: Trigger,
    all_served: Shutdown,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Where it listens, in the order of the configuration, with the ports that were taken.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Where nginx may ask, if it may.
    pub fn auth_http(&self) -> Option<SocketAddr> {
        self.auth_http
    }

    /// What the certificates say that it has now, in the order of the configuration.
    pub fn certificates(&self) -> Vec<Facts> {
        self.offers.facts()
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
        smol::block_on(self.all_served.requested());
        let patience = Instant::now() + PATIENCE;
        for thread in self.threads {
            // A thread that hangs in a disk cannot be waited for.
            while !thread.is_finished() && Instant::now() < patience {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
