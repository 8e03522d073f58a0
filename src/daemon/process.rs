//! What belongs to the process and not to a single daemon: its logs, its pid, its descriptors.

use std::sync::Arc;

use super::generation::Parts;
use super::logging::{Change, Logging, listener_log_settings};
use super::pid_file::{PidFile, PidFileError};
use super::{Running, StartError, log_settings};
use crate::config::{Config, ConfigError, Descriptors, Source};
use crate::events::{ConfigChange, Event, ListenerChange, ServerChange};
use crate::logbook::Logbook;

/// Nobody would read a file that somebody else's log does not know of.
const FOREIGN: &str = "the log of this process is another one, so that nothing would be written there; call \
                       maiasaura::daemon::Logging::start first, or leave this key out";

impl Running {
    /// How many file descriptors may be needed when all limits are reached.
    pub fn descriptors(&self) -> Descriptors {
        let config = self.config();
        let deliveries = config.limits.deliveries * self.parts.disks.kinds();
        config.descriptors(deliveries)
    }

    /// Opens the files of the log anew, after they were renamed away; nothing is lost meanwhile.
    /// It does nothing where [`Logging::start`] was not called.
    pub fn reopen_logs(&self) {
        let Some(logging) = Logging::of_process() else {
            return;
        };
        logging.reopen();
        let events = self.events();
        events.tell(|| Event::ConfigChange(ConfigChange::ReopenLogFile));
        let listed = self.listed();
        for (index, listener) in listed.config.enabled() {
            if listener.log.file.is_some() {
                events.tell(|| {
                    Event::ServerChange(ServerChange {
                        listener: listed.name(index).to_string(),
                        change: ListenerChange::ReopenLogFile,
                    })
                });
            }
        }
    }
}

/// The log of a listener, if it has one of its own.
pub(super) fn logbook(
    config: &Config,
    source: &Source,
    index: usize,
) -> Result<Option<Logbook>, ConfigError> {
    let Some(settings) = listener_log_settings(config, &config.listeners[index]) else {
        return Ok(None);
    };
    let key = format!("listeners[{index}].log");
    let Some(logging) = Logging::of_process() else {
        return Err(source.error(&key, FOREIGN));
    };
    let error = |error| {
        let key = format!("{key}.file");
        source.error(&key, settings.target.fault(&error))
    };
    logging.logbook(&settings).map(Some).map_err(error)
}

/// How the log is to be changed; it was opened before the first configuration was taken.
pub(super) fn log_change(
    parts: &Parts,
    before: Option<&Config>,
    config: &Config,
    source: &Source,
) -> Result<Option<Change>, ConfigError> {
    let Some((logging, before)) = parts.logging.as_ref().zip(before) else {
        return Ok(None);
    };
    let (before, after) = (log_settings(before), log_settings(config));
    if before == after {
        return Ok(None);
    }
    let error = |error| source.error("log.file", after.target.fault(&error));
    logging.prepare(&after).map(Some).map_err(error)
}

/// Our pid in a file, where that is wanted; the file from `before` where it is the same. One that is
/// held refuses the program at its start, and in a reload what is written.
pub(super) fn pid_file(
    config: &Config,
    source: &Source,
    is_reload: bool,
    before: Option<&Arc<PidFile>>,
) -> Result<Option<Arc<PidFile>>, StartError> {
    let Some(path) = &config.pid_file else {
        return Ok(None);
    };
    if let Some(before) = before.filter(|before| before.is_at(path)) {
        return Ok(Some(Arc::clone(before)));
    }
    match PidFile::write(path) {
        Ok(file) => Ok(Some(Arc::new(file))),
        Err(error @ PidFileError::Taken { .. }) if !is_reload => Err(StartError::Taken(error)),
        Err(error) => Err(source.error("pid_file", error).into()),
    }
}
