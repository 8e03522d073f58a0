//! `maiasaura serve`: the receiver in the foreground.

use std::path::PathBuf;
use std::sync::Arc;

use super::foreground::{self, Arguments, Foreground};
use super::{Loaded, Outcome, SIGNALS, say};
use crate::config::{Config, Source};
use crate::daemon::{
    Daemon, Logging, PidFile, ReloadError, Reloaded, Running, StartError, descriptors, notify,
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

impl Arguments for Serve {
    const OPTION: &'static str = "--listen";

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

pub(super) fn run(load: impl Fn() -> Loaded, arguments: &Serve) -> Outcome {
    foreground::run::<Running>(load, arguments)
}

impl Foreground for Running {
    const STOPPING: &'static str = "no new connections";

    fn start(config: Config, source: Source, logging: &Logging) -> Result<Self, StartError> {
        let welcome = welcome(&config, &source);
        let whom = anybody(&config);
        let running = Daemon::from_source(config, source)
            .logging(logging)
            .start()?;
        descriptors::warn(&running.descriptors());
        introduce(&running, &welcome, &whom);
        notify::watchdog(&running);
        Ok(running)
    }

    fn config(&self) -> Arc<Config> {
        self.config()
    }

    fn pid_file(&self) -> Option<Arc<PidFile>> {
        self.pid_file()
    }

    fn reload(&self, config: Config, source: &Source) -> Result<Reloaded, ReloadError> {
        let reloaded = self.reload_from(config, source)?;
        descriptors::warn(&self.descriptors());
        Ok(reloaded)
    }

    fn reopen_logs(&self, _: &Logging) {
        self.reopen_logs();
    }

    fn ready(&self) {
        notify::ready(self);
    }

    fn shutdown(self) {
        Self::shutdown(&self);
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
}
