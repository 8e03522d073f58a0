//! What belongs to the process and not to a single daemon: its logs, its pid, its descriptors.

use std::sync::Arc;
use std::time::Duration;

use smol::Timer;

use super::logging::{Logging, listener_log_settings};
use super::pid_file::{PidFile, PidFileError};
use super::{Daemon, Running, StartError};
use crate::config::{ConfigError, ListenerConfig};
use crate::events::{ConfigChange, Event};
use crate::logbook::Logbook;

/// Nobody would read a file that somebody else's log does not know of.
const FOREIGN: &str = "the log of this process is another one, so that nothing would be written there; call \
                       maiasaura::daemon::Logging::start first, or leave this key out";

impl Daemon {
    /// Writes our pid, where that is wanted.
    pub(super) fn pid_file(&self) -> Result<Option<Arc<PidFile>>, StartError> {
        let Some(path) = &self.config.pid_file else {
            return Ok(None);
        };
        match PidFile::write(path) {
            Ok(file) => Ok(Some(Arc::new(file))),
            Err(error @ PidFileError::Taken { .. }) => Err(StartError::Taken(error)),
            Err(error) => Err(self.source.error("pid_file", error).into()),
        }
    }

    /// The log of a listener, if it has one of its own.
    pub(super) fn logbook(
        &self,
        index: usize,
        listener: &ListenerConfig,
    ) -> Result<Option<Logbook>, ConfigError> {
        let Some(settings) = listener_log_settings(&self.config, listener) else {
            return Ok(None);
        };
        let key = format!("listeners[{index}].log");
        let Some(logging) = Logging::of_process() else {
            return Err(self.source.error(&key, FOREIGN));
        };
        let error = |error| {
            let key = format!("{key}.file");
            self.source.error(&key, settings.target.fault(&error))
        };
        logging.logbook(&settings).map(Some).map_err(error)
    }
}

impl Running {
    /// How many file descriptors may be needed when all limits are reached.
    pub fn descriptors(&self) -> u64 {
        self.descriptors
    }

    /// The file that has our pid, if there is one.
    pub fn pid_file(&self) -> Option<Arc<PidFile>> {
        self.pid_file.clone()
    }

    /// Opens the files of the log anew, after they were renamed away; nothing is lost meanwhile.
    /// It does nothing where [`Logging::start`] was not called.
    pub fn reopen_logs(&self) {
        if let Some(logging) = Logging::of_process() {
            logging.reopen();
            let told = || Event::ConfigChange(ConfigChange::ReopenLogFile);
            self.events.tell(told);
        }
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
}
