//! `maiasaura serve`: the receiver in the foreground.

use std::path::PathBuf;
use std::sync::Arc;

use super::ending::Ending;
use super::{Exit, Fault, Loaded, Outcome, SIGNALS, say};
use crate::config::{Config, ConfigError, Source};
use crate::daemon::{
    self, Daemon, Logging, ReloadError, Request, Running, StartError, descriptors, notify,
};
use crate::recipients::Users;
use crate::server::Address;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = SIGNALS)]
pub(super) struct Serve {
    /// Listen here instead of where the configuration says: ip:port, [::]:port,
    /// unix:/path or systemd:name.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// Write our pid into this file, instead of where pid_file says.
    #[arg(short, long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

impl Serve {
    /// Whether any of them was given.
    pub(super) fn is_given(&self) -> bool {
        self.listen.is_some() || self.pid_file.is_some()
    }
}

pub(super) fn run(load: impl Fn() -> Loaded, arguments: &Serve) -> Outcome {
    let (config, source) = load()?;
    let config = arguments
        .apply(config)
        .map_err(|error| Fault::new(Exit::Usage, format!("--listen: {error}")))?;
    let settings = daemon::log_settings(&config);
    let logging = Logging::start(&settings).map_err(|error| {
        let why = settings.target.fault(&error);
        Fault::new(Exit::Config, source.error("log.file", why))
    })?;
    let requests = daemon::requests().map_err(|error| Fault::new(Exit::Software, error))?;
    let ending = Arc::new(Ending::new(&logging, &config));
    let requests = ending.watch(requests);
    descriptors::raise();
    let welcome = welcome(&config, &source);
    let whom = anybody(&config);
    let running = Daemon::from_source(config, source)
        .logging(&logging)
        .start()
        .inspect_err(|error| notify::failed(&error.to_string()))?;
    descriptors::warn(running.descriptors());
    introduce(&running, &welcome, &whom);
    notify::ready(&running);
    notify::watchdog(&running);
    let serving = Serving {
        running,
        logging,
        ending,
    };
    serving.note();
    for request in &requests {
        match request {
            Request::Reload => serving.reload(&load, arguments),
            Request::ReopenLog => serving.running.reopen_logs(),
            Request::Stop => break,
        }
    }
    serving.stop();
    Ok(())
}

impl Serve {
    /// The configuration, with what was said when the program was called.
    fn apply(&self, mut config: Config) -> Result<Config, String> {
        if let Some(address) = &self.listen {
            config.listen_on(address)?;
        }
        if let Some(path) = &self.pid_file {
            config.pid_file = Some(path.clone());
        }
        Ok(config)
    }
}

/// The receiver, and what a reload may change beside it.
struct Serving {
    running: Running,
    logging: Logging,
    ending: Arc<Ending>,
}

impl Serving {
    /// Takes the configuration as it is now, all of it or nothing.
    fn reload(&self, load: impl Fn() -> Loaded, arguments: &Serve) {
        notify::reloading();
        if let Err(error) = self.try_reload(load, arguments) {
            log::error!("{error}");
        }
        notify::ready(&self.running);
    }

    fn try_reload(&self, load: impl Fn() -> Loaded, arguments: &Serve) -> Result<(), ReloadError> {
        let refused = |error: ConfigError| ReloadError::from(StartError::from(error));
        let (config, source) = load().map_err(refused)?;
        let config = arguments
            .apply(config)
            .map_err(|error| refused(source.error("--listen", error)))?;
        let reloaded = self.running.reload_from(config, &source)?;
        self.note();
        descriptors::warn(self.running.descriptors());
        log::info!(generation = reloaded.generation, file = source.name(); "reloaded: {reloaded}");
        Ok(())
    }

    /// Keeps what the end will need.
    fn note(&self) {
        let running = &self.running;
        self.ending.note(&running.config(), running.pid_file());
    }

    /// Finishes what has begun.
    fn stop(self) {
        notify::stopping(self.ending.patience());
        log::info!("stopping: no new connections, what has begun is finished");
        self.running.shutdown();
        self.ending.finish();
        log::info!("stopped");
        self.logging.flush();
    }
}

/// What a person wants to know at start, beside the addresses.
fn welcome(config: &Config, source: &Source) -> Vec<String> {
    vec![
        format!(
            "maiasaura {} as {}, configured by {}",
            env!("CARGO_PKG_VERSION"),
            config.hostname(),
            source.name()
        ),
        format!(
            "  accepts    mail for {}",
            config.recipients().hosts.join(", ")
        ),
        format!(
            "  delivers   to {} (durability: {})",
            config.maildir.path, config.maildir.durability
        ),
    ]
}

/// An address that mail is taken for. Where there is a host that is no pattern somebody may live there;
/// the postmaster at our own name always does.
fn anybody(config: &Config) -> String {
    let recipients = config.recipients();
    let is_plain = |host: &&String| !host.starts_with('.') && !host.contains(['*', '?', '{']);
    let user = match recipients.users {
        Users::Any => "you",
        _ => "postmaster",
    };
    match recipients.hosts.iter().find(is_plain) {
        Some(host) => format!("{user}@{host}"),
        None => format!("postmaster@{}", config.hostname()),
    }
}

fn introduce(running: &Running, welcome: &[String], whom: &str) {
    for line in welcome {
        say(line);
    }
    for address in running.addresses() {
        say(&format!("  listening  on {address}"));
    }
    if let Some(address) = running.metrics() {
        say(&format!("  figures    on http://{address}/metrics"));
    }
    let addresses = running.addresses();
    let mut addresses = addresses.iter();
    if let Some(Address::Tcp(address)) =
        addresses.find(|address| matches!(address, Address::Tcp(_)))
    {
        say(&format!(
            "  try it     printf 'Subject: hello\\r\\n\\r\\nIt works.\\r\\n' | curl smtp://{address} --mail-from me@localhost --mail-rcpt {whom} -T -"
        ));
    }
    log::info!("started");
}
