//! `maiasaura serve`: the receiver in the foreground.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;
use std::{process, thread};

use super::{Exit, Fault, Loaded, Outcome, descriptors, say};
use crate::config::{Config, Source};
use crate::daemon::{self, Daemon, Logging, Request, Running, notify};
use crate::server::Address;

/// What the end may take beside `timeouts.shutdown`: processors close, threads end.
const CLOSING: Duration = Duration::from_secs(5);

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
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

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Serve) -> Outcome {
    let (mut config, source) = load()?;
    if let Some(address) = &arguments.listen {
        config
            .listen_on(address)
            .map_err(|error| Fault::new(Exit::Usage, format!("--listen: {error}")))?;
    }
    if let Some(path) = &arguments.pid_file {
        config.pid_file = Some(path.clone());
    }
    let settings = daemon::log_settings(&config);
    let logging = Logging::start(&settings).map_err(|error| {
        let why = settings.target.fault(&error);
        Fault::new(Exit::Config, source.error("log.file", why))
    })?;
    let requests = daemon::requests().map_err(|error| Fault::new(Exit::Software, error))?;
    descriptors::raise();
    let welcome = welcome(&config, &source);
    let patience = config.timeouts.shutdown.get() + CLOSING;
    let running = Daemon::from_source(config, source)
        .start()
        .inspect_err(|error| notify::failed(&error.to_string()))?;
    descriptors::warn(running.descriptors());
    introduce(&running, &welcome);
    notify::ready(&running);
    notify::watchdog(&running);
    serve(running, &logging, requests, patience);
    logging.flush();
    Ok(())
}

/// Does what signals ask for, until one asks to stop.
fn serve(running: Running, logging: &Logging, requests: Receiver<Request>, patience: Duration) {
    for request in &requests {
        match request {
            Request::Reload => {
                notify::reloading();
                log::warn!("the configuration is read at start only: restart to apply a change");
                notify::ready(&running);
            }
            Request::ReopenLog => running.reopen_logs(),
            Request::Stop => break,
        }
    }
    notify::stopping(patience);
    log::info!("stopping: no new connections, what has begun is finished");
    let (hurry, pid_file) = (logging.clone(), running.pid_file());
    let finished = Arc::new(AtomicBool::new(false));
    let too_late = Arc::clone(&finished);
    thread::spawn(move || {
        let asked = requests.iter().any(|request| request == Request::Stop);
        // What has finished already has not been cut short.
        if asked && !too_late.load(Ordering::Acquire) {
            log::warn!("stopped at once");
            if let Some(pid_file) = &pid_file {
                pid_file.remove();
            }
            hurry.flush();
            process::exit(1);
        }
    });
    running.shutdown();
    finished.store(true, Ordering::Release);
    log::info!("stopped");
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

fn introduce(running: &Running, welcome: &[String]) {
    for line in welcome {
        say(line);
    }
    for address in running.addresses() {
        say(&format!("  listening  on {address}"));
    }
    if let Some(Address::Tcp(address)) = running
        .addresses()
        .iter()
        .find(|address| matches!(address, Address::Tcp(_)))
    {
        say(&format!(
            "  try it     printf 'Subject: hello\\r\\n\\r\\nIt works.\\r\\n' | curl smtp://{address} --mail-from me@localhost --mail-rcpt you@localhost -T -"
        ));
    }
    log::info!("started");
}
