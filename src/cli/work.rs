//! `maiasaura work`: a worker in the foreground.

use std::sync::Arc;

use super::ending::Ending;
use super::{Exit, Fault, Loaded, Outcome, say};
use crate::config::Config;
use crate::daemon::{self, Daemon, Logging, Request, descriptors, notify};

/// Arguments of `work`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Takes mail from the streams of the section stream, which receivers with the processor Stream fill, and
delivers it through stream.save. Any number of workers may run; docs/scale.md shows how.")]
pub(super) struct Work {
    /// Take mail from these partitions only, such as 0-7, instead of those of stream.consume.
    #[arg(long, value_name = "PARTITIONS", value_delimiter = ',')]
    consume: Vec<String>,
}

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Work) -> Outcome {
    let (mut config, source) = load()?;
    if !arguments.consume.is_empty() {
        config.stream.consume.clone_from(&arguments.consume);
        let usage = |error| Fault::new(Exit::Usage, format!("--consume: {error}"));
        config.stream.consumed().map_err(usage)?;
    }
    let logging = Logging::start(&daemon::log_settings(&config))
        .map_err(|error| Fault::new(Exit::Config, source.error("log.file", error)))?;
    let requests = daemon::requests().map_err(|error| Fault::new(Exit::Software, error))?;
    let ending = Arc::new(Ending::new(&logging, &config));
    let requests = ending.watch(requests);
    descriptors::raise();
    unused(&config);
    let lines = welcome(&config);
    let running = Daemon::from_source(config, source).work()?;
    for line in lines {
        say(&line);
    }
    notify::work();
    log::info!("started");
    for request in &requests {
        match request {
            Request::Reload => {
                log::warn!("the configuration is read at start only: restart to apply a change");
            }
            Request::ReopenLog => logging.reopen(),
            Request::Stop => break,
        }
    }
    log::info!("stopping: nothing new is taken, what has begun is finished");
    running.shutdown();
    ending.finish();
    log::info!("stopped");
    logging.flush();
    Ok(())
}

/// Says what is in the configuration and not for workers.
fn unused(config: &Config) {
    for (key, is_there) in [
        ("metrics", config.metrics.is_some()),
        ("pid_file", config.pid_file.is_some()),
    ] {
        if is_there {
            log::warn!("{key} is for the receiver: a worker does not use it");
        }
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
