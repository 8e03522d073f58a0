//! `maiasaura work`: a worker in the foreground.

use std::path::PathBuf;
use std::sync::Arc;

use super::foreground::{self, Arguments, Foreground};
use super::{Loaded, Outcome, SIGNALS, say};
use crate::config::{Config, Source};
use crate::daemon::{
    Daemon, Logging, PidFile, ReloadError, Reloaded, RunningWorker, StartError, notify,
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

impl Arguments for Work {
    const OPTION: &'static str = "--consume";

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
    foreground::run::<RunningWorker>(load, arguments)
}

impl Foreground for RunningWorker {
    const STOPPING: &'static str = "nothing new is taken";

    fn start(config: Config, source: Source, logging: &Logging) -> Result<Self, StartError> {
        unused(&config);
        let lines = welcome(&config);
        let running = Daemon::from_source(config, source)
            .logging(logging)
            .work()?;
        for line in lines {
            say(&line);
        }
        notify::watchdog_of(&running);
        Ok(running)
    }

    fn config(&self) -> Arc<Config> {
        self.config()
    }

    fn pid_file(&self) -> Option<Arc<PidFile>> {
        self.pid_file()
    }

    fn reload(&self, config: Config, source: &Source) -> Result<Reloaded, ReloadError> {
        self.reload_from(config, source)
    }

    /// A worker has one log.
    fn reopen_logs(&self, logging: &Logging) {
        logging.reopen();
    }

    fn ready(&self) {
        notify::working(self);
    }

    fn shutdown(self) {
        self.shutdown();
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
