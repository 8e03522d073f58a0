//! The daemon: puts the layers together from a [`Config`] and runs them.
//!
//! Inside a program, [`Daemon::start`] is all there is to it: it returns when clients can connect,
//! and threads of its own serve them until [`Running::shutdown`]. A program that is nothing else
//! does what `maiasaura serve` does: it starts the log of the process, and does what signals ask for.
//!
//! ```no_run
//! use maiasaura::daemon::{Logging, Request, log_settings, requests};
//! use maiasaura::{Config, Daemon};
//!
//! let (config, source) = Config::load(None)?;
//! let logging = Logging::start(&log_settings(&config))?;
//! let signals = requests()?;
//! let running = Daemon::from_source(config, source).logging(&logging).start()?;
//! for signal in signals {
//!     match signal {
//!         Request::Stop => break,
//!         Request::ReopenLog => running.reopen_logs(),
//!         Request::Reload => {
//!             let (config, source) = Config::load(None)?;
//!             match running.reload_from(config, &source) {
//!                 Ok(reloaded) => println!("{reloaded}"),
//!                 Err(error) => eprintln!("{error}"),
//!             }
//!         }
//!     }
//! }
//! running.shutdown();
//! logging.flush();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Lines about the sessions of a listener may go into a log of their own (`listeners[].log`), our
//! pid into a file ([`PidFile`], `pid_file`). [`notify`] tells systemd what goes on.

#[cfg_attr(not(feature = "acme"), path = "no_acme.rs")]
mod acme;
#[cfg_attr(not(feature = "auth-http"), path = "no_auth_http.rs")]
mod auth_http;
mod binding;
mod certificates;
mod changes;
pub mod descriptors;
mod generation;
mod handing;
#[cfg(any(feature = "auth-http", feature = "metrics"))]
mod http;
mod line;
mod listed;
mod logging;
#[cfg_attr(not(feature = "metrics"), path = "no_metrics.rs")]
mod metrics;
#[cfg_attr(not(feature = "mysql"), path = "no_mysql.rs")]
mod mysql;
pub mod notify;
#[cfg(any(feature = "fastcgi", feature = "mysql", feature = "redis"))]
mod outlet;
mod own;
#[cfg_attr(not(feature = "fastcgi"), path = "no_php.rs")]
mod php;
mod pid_file;
mod process;
mod processors;
mod recipients;
mod recovery;
#[cfg_attr(not(feature = "redis"), path = "no_redis.rs")]
mod redis;
#[cfg(feature = "redis")]
mod redis_users;
mod reload;
mod roots;
mod running;
mod signals;
mod subscriptions;
mod telling;
mod threads;
mod turns;
mod upkeep;
#[cfg(feature = "redis")]
mod work;
mod workers;

use std::io;
use std::sync::Arc;

#[doc(inline)]
pub use crate::tls::Facts;
pub use changes::{ReloadError, Reloaded};
#[doc(hidden)]
pub use line::{Addresses, Format};
#[doc(hidden)]
pub use logging::{Logging, Settings as LogSettings, Target, listener_log_settings, log_settings};
#[cfg(feature = "mysql")]
pub(crate) use mysql::sole_store;
pub use pid_file::{PidFile, PidFileError};
pub use running::Running;
pub use signals::{Request, requests};
#[cfg(feature = "redis")]
pub use work::RunningWorker;

use self::generation::{Generation, Parts};
use crate::config::{Config, ConfigError, Source};
use crate::server::{Address, Service};
use crate::spool::Consumer;

/// A receiver that can be started.
///
/// ```
/// use maiasaura::{Config, Daemon};
///
/// let mut config = Config::default();
/// config.listen_on("127.0.0.1:0")?; // any free port
/// # let folder = tempfile::tempdir()?;
/// # config.maildir.path = format!("{}/{{user}}", folder.path().display());
/// let running = Daemon::new(config).start()?;
/// println!("listening on {}", running.addresses()[0]);
/// running.shutdown();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Daemon {
    config: Config,
    source: Source,
    parts: Parts,
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
    /// Another instance runs.
    #[error("pid_file: {0}")]
    Taken(PidFileError),
    /// A reload was asked for by who is called in another one, such as `Processor::start`.
    #[error(
        "this one was asked for from within another: let Processor::start, or whoever else has asked, return first"
    )]
    Within,
    /// A reload has waited for another one, and for too long.
    #[error(
        "another one is under way, and has taken too long: try again when it is over; if it is in Processor::start that somebody waits for this one, it would be for ever"
    )]
    Busy,
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
        Self {
            config,
            source,
            parts: Parts::default(),
        }
    }

    /// Adds an application that gets its mail later, and a processor `name` that chains may name:
    /// it puts mail into the application's queue, in one commit with the Maildirs.
    ///
    /// ```
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
    /// # let folder = tempfile::tempdir()?;
    /// # config.listen_on("127.0.0.1:0")?;
    /// # config.maildir.path = format!("{}/{{user}}", folder.path().display());
    /// let running = Daemon::new(config).consumer("Mine", Arc::new(Mine)).start()?;
    /// # running.shutdown();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn consumer(mut self, name: &str, consumer: Arc<dyn Consumer>) -> Self {
        self.parts.consumers.add(name, consumer);
        self
    }

    /// Changes this log, too, when another configuration is taken.
    #[must_use]
    pub fn logging(mut self, logging: &Logging) -> Self {
        self.parts.logging = Some(logging.clone());
        self
    }

    /// The recipients and the chain, without any socket: for local delivery and for checks.
    pub fn service(&self) -> Result<Service, StartError> {
        let config = self.config.clone();
        let (_, service) = Generation::new(config, &self.source, &self.parts, None)?;
        Ok(service)
    }

    /// Listens, and serves on threads of its own until [`Running::shutdown`]. It does not wait.
    pub fn start(self) -> Result<Running, StartError> {
        Running::start(self.parts, self.config, &self.source)
    }
}
