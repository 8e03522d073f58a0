//! `maiasaura serve`: the receiver in the foreground.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;
use std::{process, thread};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Exit, Fault, Loaded, Outcome, say};
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
}

impl Serve {
    /// Whether any of them was given.
    pub(super) fn is_given(&self) -> bool {
        self.listen.is_some()
    }
}

pub(super) fn run(load: impl FnOnce() -> Loaded, arguments: &Serve) -> Outcome {
    let (mut config, source) = load()?;
    if let Some(address) = &arguments.listen {
        config
            .listen_on(address)
            .map_err(|error| Fault::new(Exit::Usage, format!("--listen: {error}")))?;
    }
    let logging = Logging::start(&daemon::log_settings(&config))
        .map_err(|error| Fault::new(Exit::Config, source.error("log.file", error)))?;
    let requests = daemon::requests().map_err(|error| Fault::new(Exit::Software, error))?;
    raise_descriptor_limit(&config);
    let welcome = welcome(&config, &source);
    let patience = config.timeouts.shutdown.get() + CLOSING;
    let running = Daemon::from_source(config, source)
        .start()
        .inspect_err(|error| notify::failed(&error.to_string()))?;
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
            Request::ReopenLog => logging.reopen(),
            Request::Stop => break,
        }
    }
    notify::stopping(patience);
    log::info!("stopping: no new connections, what has begun is finished");
    let hurry = logging.clone();
    let finished = Arc::new(AtomicBool::new(false));
    let too_late = Arc::clone(&finished);
    thread::spawn(move || {
        let asked = requests.iter().any(|request| request == Request::Stop);
        // What has finished already has not been cut short.
        if asked && !too_late.load(Ordering::Acquire) {
            log::warn!("stopped at once");
            hurry.flush();
            process::exit(1);
        }
    });
    running.shutdown();
    finished.store(true, Ordering::Release);
    log::info!("stopped");
}

/// Every connection and every open Maildir takes descriptors; the soft limit of
/// 1,024 is for programs that use select(2), which this one is not.
fn raise_descriptor_limit(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let available = if setrlimit(Resource::Nofile, raised).is_ok() {
        limit.maximum
    } else {
        limit.current
    };
    let needed = config.descriptors();
    if available.is_some_and(|available| available < needed) {
        let available = available.unwrap_or_default();
        log::warn!(available = available, needed = needed; "few file descriptors: raise LimitNOFILE or `ulimit -n`, or lower limits.connections");
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
