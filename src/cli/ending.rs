//! The end of the program, also where something holds it up: a start or a reload that waits for a
//! disk hears no signal.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::daemon::{Logging, PidFile, Request};
use crate::locks::lock;

/// What the end may take beside `timeouts.shutdown`: processors close, threads end.
const CLOSING: Duration = Duration::from_secs(5);

/// How long the end of a server may take.
fn patience(config: &Config) -> Duration {
    config.timeouts.shutdown.get() + CLOSING
}

/// What the end needs, and may not have to wait for.
pub(super) struct Ending {
    logging: Logging,
    patience: Mutex<Duration>,
    pid_file: Mutex<Option<Arc<PidFile>>>,
    finished: AtomicBool,
}

impl Ending {
    /// For a server that starts so.
    pub(super) fn new(logging: &Logging, config: &Config) -> Self {
        Self {
            logging: logging.clone(),
            patience: Mutex::new(patience(config)),
            pid_file: Mutex::default(),
            finished: AtomicBool::new(false),
        }
    }

    /// Hands on what signals ask for. After the first request to stop, a second one stops the program
    /// at once, and so does the time that it may take.
    pub(super) fn watch(self: &Arc<Self>, requests: Receiver<Request>) -> Receiver<Request> {
        let (hand_on, handed_on) = channel();
        let ending = Arc::clone(self);
        thread::spawn(move || {
            for request in &requests {
                if hand_on.send(request).is_err() {
                    return;
                }
                if request == Request::Stop {
                    break;
                }
            }
            ending.hurry(&requests);
        });
        handed_on
    }

    /// How it is now.
    pub(super) fn note(&self, config: &Config, pid_file: Option<Arc<PidFile>>) {
        *lock(&self.patience) = patience(config);
        *lock(&self.pid_file) = pid_file;
    }

    /// How long the end may take.
    pub(super) fn patience(&self) -> Duration {
        *lock(&self.patience)
    }

    /// What has finished is not cut short any more.
    pub(super) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    fn hurry(&self, requests: &Receiver<Request>) {
        let deadline = Instant::now() + self.patience() + CLOSING;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let why = match requests.recv_timeout(left) {
                Ok(Request::Stop) => "stopped at once",
                Ok(_) => continue,
                Err(RecvTimeoutError::Timeout) => "the end is held up; stopped all the same",
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if self.finished.load(Ordering::Acquire) {
                return;
            }
            log::warn!("{why}");
            if let Some(pid_file) = lock(&self.pid_file).as_ref() {
                pid_file.remove();
            }
            self.logging.flush();
            process::exit(1);
        }
    }
}
