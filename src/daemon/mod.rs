//! The daemon: puts the layers together from a [`Config`] and runs them.

mod line;
mod logging;
mod recovery;
mod signals;

use std::io;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use log::LevelFilter;
use smol::{Executor, Timer};

pub use line::{Addresses, Format};
pub use logging::{Logging, Settings as LogSettings, Target};
pub use signals::{Request, requests};

use crate::chain::{Chain, Registry};
use crate::config::{self, Config, ConfigError, Source};
#[cfg(feature = "fastcgi")]
use crate::fastcgi::Bridge;
use crate::maildir::{self, Store};
#[cfg(feature = "fastcgi")]
use crate::processor::FastCgi;
use crate::processor::{
    Compressor, Debugger, Hasher, Header, HeadersParser, MailDir, Processor, Wildcard,
};
use crate::recipients::{HostPatterns, Recipients};
use crate::server::{self, Address, Linger, Listener, PassedSockets, Service, Shutdown, Trigger};

/// How long threads may take to end when all sessions have.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the Maildirs are swept.
const SWEEP_EVERY: Duration = Duration::from_hours(24);

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
    registry: Registry,
    store: Arc<Store>,
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
        let registry = registry(&config, &store);
        Self {
            config,
            source,
            registry,
            store,
        }
    }

    /// Adds a processor that the chains may name.
    #[must_use]
    pub fn processor<C>(mut self, name: &str, constructor: C) -> Self
    where
        C: Fn() -> Result<Arc<dyn Processor>, String> + Send + Sync + 'static,
    {
        self.registry.add(name, constructor);
        self
    }

    /// The recipients and the chain, without any socket: for local delivery and for checks.
    pub fn service(&self) -> Result<Service, StartError> {
        let config = &self.config;
        let recipients = Recipients::new(&config.recipients()).map_err(|error| {
            self.source
                .error(&error.key, format!("{:?} {}", error.value, error.message))
        })?;
        let chain = Chain::new(
            &self.registry,
            &config.validate,
            &config.save,
            config.limits.deliveries,
        )
        .map_err(|error| self.source.error(error.chain, &error.message))?;
        Ok(Service {
            recipients,
            chain,
            limits: config.limits(),
            timeouts: config.timeouts(),
            linger: Linger::new(config.limits.deliveries),
            ids: crate::envelope::Ids::default(),
        })
    }

    /// Listens, and serves on threads of its own until [`Running::shutdown`].
    pub fn start(self) -> Result<Running, StartError> {
        let service = Arc::new(self.service()?);
        let roots = service.recipients.roots();
        self.probe(&roots);
        for recovered in self.store.recover(&roots)? {
            recovery::report(&recovered);
        }
        let listeners = self.listeners()?;
        let addresses = listeners
            .iter()
            .map(|listener| listener.address.clone())
            .collect();
        let executor = Arc::new(Executor::new());
        let (trigger, shutdown) = Shutdown::new();
        let (finished, all_served) = Shutdown::new();
        let sweep = self.sweep(roots);
        executor.spawn(sweep).detach();
        let serve = server::run(Arc::clone(&executor), listeners, service, shutdown);
        executor
            .spawn(async move {
                serve.await;
                finished.pull();
            })
            .detach();
        let threads = (0..self.threads())
            .map(|number| serve_on_thread(number, &executor, &all_served))
            .collect::<io::Result<_>>()?;
        Ok(Running {
            addresses,
            trigger,
            all_served,
            threads,
        })
    }

    fn listeners(&self) -> Result<Vec<Listener>, StartError> {
        let mut passed = PassedSockets::from_env();
        let mut listeners = Vec::new();
        for listener in &self.config.listeners {
            let bound = listener
                .address
                .bind(&mut passed)
                .map_err(|error| bind_error(&listener.address, error))?;
            listeners.push(bound.serve(Arc::new(self.config.profile(listener))));
        }
        if let Some(name) = passed.left() {
            let address = Address::Systemd(name.to_owned());
            let error = io::Error::other("systemd passed a socket that no listener names");
            return Err(bind_error(&address, error));
        }
        Ok(listeners)
    }

    /// Says at start, and not only with the first message, that mail cannot be stored.
    fn probe(&self, roots: &[Arc<Path>]) {
        for root in roots {
            if let Err(error) = self.store.probe(root) {
                log::error!(root:% = root.display(), error:% = error; "mail for Maildirs below this root will be deferred");
            }
        }
    }

    /// A delivery blocks its thread, and as many clients may be waited for on one
    /// each; beside these there are always some that serve sockets.
    fn threads(&self) -> usize {
        let serving = match self.config.threads {
            0 => thread::available_parallelism().map_or(2, NonZero::get),
            threads => threads,
        };
        serving + 2 * self.config.limits.deliveries
    }

    /// Removes what interrupted deliveries left in `tmp/`, now and every day.
    fn sweep(&self, roots: Vec<Arc<Path>>) -> impl Future<Output = ()> + use<> {
        let age = self.config.maildir.sweep_after.get();
        async move {
            loop {
                for root in &roots {
                    let root = Arc::clone(root);
                    smol::unblock(move || sweep(&root, age)).await;
                }
                Timer::after(SWEEP_EVERY).await;
            }
        }
    }
}

fn sweep(root: &Path, age: Duration) {
    match maildir::sweep(root, age, SystemTime::now()) {
        Ok(swept) if swept.files > 0 => {
            log::info!(root:% = root.display(), files = swept.files, octets = swept.octets; "swept old files out of tmp");
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::warn!(root:% = root.display(), error:% = error; "cannot sweep");
        }
        _ => {}
    }
}

fn bind_error(address: &Address, error: io::Error) -> StartError {
    let is_unix = matches!(address, Address::Unix(..));
    let hint = match error.kind() {
        io::ErrorKind::Other if matches!(address, Address::Systemd(_)) => {
            "; give every socket a FileDescriptorName= of its own, and every name a listener"
        }
        io::ErrorKind::NotFound if is_unix => "; make the folder first",
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it or choose another address"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE, a Unix socket needs a folder that is yours"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    };
    StartError::Bind {
        address: address.clone(),
        error,
        hint,
    }
}

/// What the configuration says of the log.
pub fn log_settings(config: &Config) -> LogSettings {
    let log = &config.log;
    LogSettings {
        level: match log.level {
            config::Level::Error => LevelFilter::Error,
            config::Level::Warn => LevelFilter::Warn,
            config::Level::Info => LevelFilter::Info,
            config::Level::Debug => LevelFilter::Debug,
            config::Level::Trace => LevelFilter::Trace,
        },
        format: match log.format {
            config::Format::Text => Format::Text,
            config::Format::Logfmt => Format::Logfmt,
            config::Format::Json => Format::Json,
        },
        target: match &log.file {
            config::File::Stderr => Target::Stderr,
            config::File::Stdout => Target::Stdout,
            config::File::Off => Target::Off,
            config::File::Path(path) => Target::File(path.clone()),
        },
        addresses: match log.addresses {
            config::Addresses::Full => Addresses::Full,
            config::Addresses::Domain => Addresses::Domain,
            config::Addresses::Hash => Addresses::Hash,
            config::Addresses::None => Addresses::None,
        },
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

/// The processors of this crate, with their settings.
fn registry(config: &Config, store: &Arc<Store>) -> Registry {
    let mut registry = Registry::default();
    let hops = config.limits.hops;
    registry.add("HeadersParser", || Ok(Arc::new(HeadersParser::default())));
    registry.add("Hasher", || Ok(Arc::new(Hasher)));
    registry.add("Header", move || Ok(Arc::new(Header::new(hops))));
    registry.add("Debugger", || Ok(Arc::new(Debugger)));
    let level = config.compressor.level;
    registry.add("Compressor", move || Ok(Arc::new(Compressor::new(level))));
    let hosts = config.wildcard_hosts();
    registry.add("Wildcard", move || {
        let hosts = hosts
            .as_ref()
            .ok_or("wildcard.hosts is missing: the list of host patterns that Wildcard accepts")?;
        let patterns =
            HostPatterns::new(hosts).map_err(|error| format!("wildcard.hosts: {error}"))?;
        Ok(Arc::new(Wildcard::new(patterns)))
    });
    let fastcgi = php(config);
    registry.add("FastCGI", move || fastcgi.clone());
    let (store, line_ends) = (Arc::clone(store), config.line_ends());
    let max_folders = config.recipients.subaddress.max_folders;
    registry.add("MailDir", move || {
        let store = Arc::clone(&store);
        Ok(Arc::new(MailDir::new(store, line_ends, max_folders)))
    });
    registry
}

/// The way to PHP, or what is missing for it.
#[cfg(feature = "fastcgi")]
fn php(config: &Config) -> Result<Arc<dyn Processor>, String> {
    let section = "the section fastcgi is missing: where PHP-FPM listens, and the script";
    let section = config.fastcgi.as_ref().ok_or(section)?;
    let saves = config
        .save
        .iter()
        .any(|name| name.eq_ignore_ascii_case("FastCGI"));
    if saves && section.delivery == config::Handover::Queued {
        return Err("fastcgi.delivery: there is no queue yet; write `delivery: inline`".into());
    }
    let bridge = Arc::new(Bridge::new(section.settings()?));
    Ok(Arc::new(FastCgi::new(bridge, section.times())))
}

/// This program was built without it.
#[cfg(not(feature = "fastcgi"))]
fn php(_: &Config) -> Result<Arc<dyn Processor>, String> {
    Err("FastCGI is not in this build: build with `--features fastcgi`".into())
}

/// A daemon at work.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<Address>,
    trigger: Trigger,
    all_served: Shutdown,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Where it listens, in the order of the configuration, with the ports that were taken.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
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
