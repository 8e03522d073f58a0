//! `maiasaura work`: a worker in the foreground.

use std::path::PathBuf;
use std::sync::Arc;

use super::ending::Ending;
use super::{Exit, Fault, Loaded, Outcome, SIGNALS, say};
use crate::config::{Config, ConfigError};
use crate::daemon::{
    self, Daemon, Logging, ReloadError, Request, RunningWorker, StartError, descriptors, notify,
};

/// Arguments of `work`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Takes mail from the streams of the section stream, which receivers with the processor Stream fill, and
delivers it through stream.save. Any number of workers may run; docs/scale.md shows how.

{SIGNALS}"))]
pub(super) struct Work {
    /// Take mail from these partitions only, such as 0-7, instead of those of stream.consume.
    #[arg(long, value_name = "PARTITIONS", value_delimiter = ',')]
    consume: Vec<String>,

    /// Write our pid into this file, instead of where pid_file says.
    #[arg(short, long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
}

impl Work {
    /// The configuration, with what was said when the program was called.
    fn apply(&self, mut config: Config) -> Result<Config, String> {
        if !self.consume.is_empty() {
            config.stream.consume.clone_from(&self.consume);
            config.stream.consumed()?;
        }
        if let Some(path) = &self.pid_file {
            config.pid_file = Some(path.clone());
        }
        Ok(config)
    }
}

pub(super) fn run(load: impl Fn() -> Loaded, arguments: &Work) -> Outcome {
    let (config, source) = load()?;
    let config = arguments
        .apply(config)
        .map_err(|error| Fault::new(Exit::Usage, format!("--consume: {error}")))?;
    let settings = daemon::log_settings(&config);
    let logging = Logging::start(&settings).map_err(|error| {
        let why = settings.target.fault(&error);
        Fault::new(Exit::Config, source.error("log.file", why))
    })?;
    let requests = daemon::requests().map_err(|error| Fault::new(Exit::Software, error))?;
    let ending = Arc::new(Ending::new(&logging, &config));
    let requests = ending.watch(requests);
    descriptors::raise();
    unused(&config);
    let lines = welcome(&config);
    let running = Daemon::from_source(config, source)
        .logging(&logging)
        .work()
        .inspect_err(|error| notify::failed(&error.to_string()))?;
    for line in lines {
        say(&line);
    }
    notify::working(&running);
    notify::watchdog_of(&running);
    log::info!("started");
    let at_work = AtWork {
        running,
        logging,
        ending,
    };
    at_work.note();
    for request in &requests {
        match request {
            Request::Reload => at_work.reload(&load, arguments),
            Request::ReopenLog => at_work.logging.reopen(),
            Request::Stop => break,
        }
    }
    at_work.stop();
    Ok(())
}

/// The worker, and what a reload may change beside it.
struct AtWork {
    running: RunningWorker,
    logging: Logging,
    ending: Arc<Ending>,
}

impl AtWork {
    /// Takes the configuration as it is now, all of it or nothing.
    fn reload(&self, load: impl Fn() -> Loaded, arguments: &Work) {
        notify::reloading();
        if let Err(error) = self.try_reload(load, arguments) {
            log::error!("{error}");
        }
        notify::working(&self.running);
    }

    fn try_reload(&self, load: impl Fn() -> Loaded, arguments: &Work) -> Result<(), ReloadError> {
        let refused = |error: ConfigError| ReloadError::from(StartError::from(error));
        let (config, source) = load().map_err(refused)?;
        let config = arguments
            .apply(config)
            .map_err(|error| refused(source.error("--consume", error)))?;
        let reloaded = self.running.reload_from(config, &source)?;
        self.note();
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
        log::info!("stopping: nothing new is taken, what has begun is finished");
        self.running.shutdown();
        self.ending.finish();
        log::info!("stopped");
        self.logging.flush();
    }
}

/// Says what is in the configuration and not for workers.
fn unused(config: &Config) {
    if config.metrics.is_some() {
        log::warn!("metrics is for the receiver: a worker does not use it");
    }
}

/// What a person wants to know at start.
fn welcome(config: &Config) -> Vec<String> {
    let stream = &config.stream;
    let address = config.redis.as_ref().map(|redis| redis.address.join(", "));
    vec![
        format!("maiasaura {} works", env!("CARGO_PKG_VERSION")),
        format!(
            "  takes      mail from {}, partitions {} of {}",
            address.unwrap_or_default(),
            stream.consume.join(","),
            stream.partitions
        ),
        format!(
            "  delivers   through {} to {}",
            stream.save.join("|"),
            config.maildir.path
        ),
    ]
}
