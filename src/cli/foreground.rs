//! A program in the foreground: it starts, does what signals ask for, and ends.

use std::sync::Arc;

use super::ending::Ending;
use super::{Exit, Fault, Loaded, Outcome};
use crate::config::{Config, ConfigError, Source};
use crate::daemon::{
    self, Logging, PidFile, ReloadError, Reloaded, Request, StartError, descriptors, notify,
};

/// What was said when the program was called, which counts more than the configuration.
pub(super) trait Arguments {
    /// The option that may be wrong.
    const OPTION: &'static str;

    /// The configuration with it.
    ///
    /// # Errors
    ///
    /// What is wrong with that option.
    fn apply(&self, config: Config) -> Result<Config, String>;
}

/// What runs: a receiver or a worker.
pub(super) trait Foreground: Sized {
    /// What is said when its end begins.
    const STOPPING: &'static str;

    /// Starts it, and tells a person what it does.
    fn start(config: Config, source: Source, logging: &Logging) -> Result<Self, StartError>;

    /// The configuration that is in force.
    fn config(&self) -> Arc<Config>;

    fn pid_file(&self) -> Option<Arc<PidFile>>;

    /// Takes another configuration, all of it or nothing.
    fn reload(&self, config: Config, source: &Source) -> Result<Reloaded, ReloadError>;

    fn reopen_logs(&self, logging: &Logging);

    /// Tells systemd that it is at work.
    fn ready(&self);

    /// Finishes what has begun.
    fn shutdown(self);
}

/// Runs one until a signal ends it.
pub(super) fn run<F: Foreground>(load: impl Fn() -> Loaded, arguments: &impl Arguments) -> Outcome {
    let (config, source) = load()?;
    let config = with(arguments, config).map_err(|error| Fault::new(Exit::Usage, error))?;
    let settings = daemon::log_settings(&config);
    let logging = Logging::start(&settings).map_err(|error| {
        let why = settings.target.fault(&error);
        Fault::new(Exit::Config, source.error("log.file", why))
    })?;
    let requests = daemon::requests().map_err(|error| Fault::new(Exit::Software, error))?;
    let ending = Arc::new(Ending::new(&logging, &config));
    let requests = ending.watch(requests);
    descriptors::raise();
    let running = F::start(config, source, &logging)
        .inspect_err(|error| notify::failed(&error.to_string()))?;
    log::info!("started");
    running.ready();
    ending.note(&running.config(), running.pid_file());
    for request in &requests {
        match request {
            Request::Reload => {
                notify::reloading();
                if let Err(error) = reload(&running, &load, arguments, &ending) {
                    log::error!("{error}");
                }
                running.ready();
            }
            Request::ReopenLog => running.reopen_logs(&logging),
            Request::Stop => break,
        }
    }
    notify::stopping(ending.patience());
    log::info!("stopping: {}, what has begun is finished", F::STOPPING);
    running.shutdown();
    ending.finish();
    log::info!("stopped");
    logging.flush();
    Ok(())
}

fn with<A: Arguments>(arguments: &A, config: Config) -> Result<Config, String> {
    let config = arguments.apply(config);
    config.map_err(|error| format!("{}: {error}", A::OPTION))
}

/// Takes the configuration as it is now.
fn reload<F: Foreground, A: Arguments>(
    running: &F,
    load: impl Fn() -> Loaded,
    arguments: &A,
    ending: &Ending,
) -> Result<(), ReloadError> {
    let refused = |error: ConfigError| ReloadError::from(StartError::from(error));
    let (config, source) = load().map_err(refused)?;
    let config = arguments
        .apply(config)
        .map_err(|error| refused(source.error(A::OPTION, error)))?;
    let reloaded = running.reload(config, &source)?;
    ending.note(&running.config(), running.pid_file());
    log::info!(generation = reloaded.generation, file = source.name(); "reloaded: {reloaded}");
    Ok(())
}
