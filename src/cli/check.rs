//! `maiasaura check`: is everything in order that the configuration names?

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "acme")]
use super::acme;
#[cfg(feature = "fastcgi")]
use super::doctor;
use super::{Exit, Fault, Loaded, Outcome, certificates, files, say};
use crate::config::{Config, ListenerConfig};
use crate::credentials::Credentials;
use crate::daemon::{Daemon, descriptors};
use crate::disks::Disks;
use crate::maildir::{self, Store};
use crate::recipients::{User, Users};
use crate::server::{Address, PassedSockets};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[cfg(feature = "fastcgi")]
    #[command(flatten)]
    sample: doctor::Sample,
}

pub(super) fn run(load: impl FnOnce() -> Loaded, check: &Check) -> Outcome {
    let (config, source) = load()?;
    say(&format!("ok    configuration: {}", source.name()));
    let daemon = Daemon::from_source(config.clone(), source);
    let service = daemon.service()?;
    say(&format!(
        "ok    validate: {}; save: {}",
        config.validate.join("|"),
        config.save.join("|")
    ));
    let mut faults = 0;
    let store = Store::new(config.maildir());
    let mut roots = service.recipients.roots();
    if let (Some(_), Ok(spool)) = (&config.spool.path, config.spool()) {
        roots.push(Arc::clone(spool.root()));
    }
    for root in &roots {
        faults += u32::from(!root_is_sound(&store, root));
    }
    faults += u32::from(!owners_can_be_served(&config.recipients.users));
    faults += certificates::faults(&config);
    faults += acme_faults(&config);
    faults += listener_faults(&config.listeners);
    super::trust::warn(&config);
    faults += super::questions::faults(&config);
    faults += u32::from(!users_can_log_in(&config));
    faults += files::faults(&config);
    tell_of_descriptors(&config, &roots);
    hosts(&config, service.recipients.is_catch_all_host());
    faults += mysql_faults(&config);
    faults += redis_faults(&config);
    faults += php_faults(&config, &roots, check)?;
    match faults {
        0 => Ok(()),
        faults => Err(Fault::new(
            Exit::Config,
            format!("{faults} of the above must be mended"),
        )),
    }
}

#[cfg(feature = "fastcgi")]
fn php_faults(config: &Config, roots: &[Arc<Path>], check: &Check) -> Result<u32, Fault> {
    let roots: Vec<_> = roots.iter().map(|root| root.to_path_buf()).collect();
    let faults = doctor::faults(config, &roots);
    Ok(faults + check.sample.faults(config)?)
}

/// This program was built without FastCGI.
#[cfg(not(feature = "fastcgi"))]
fn php_faults(_: &Config, _: &[Arc<Path>], _: &Check) -> Result<u32, Fault> {
    Ok(0)
}

#[cfg(feature = "mysql")]
fn mysql_faults(config: &Config) -> u32 {
    super::mysql::faults(config)
}

/// This program was built without MySQL.
#[cfg(not(feature = "mysql"))]
fn mysql_faults(_: &Config) -> u32 {
    0
}

#[cfg(feature = "redis")]
fn redis_faults(config: &Config) -> u32 {
    super::redis::faults(config)
}

/// This program was built without Redis.
#[cfg(not(feature = "redis"))]
fn redis_faults(_: &Config) -> u32 {
    0
}

#[cfg(feature = "acme")]
fn acme_faults(config: &Config) -> u32 {
    acme::faults(config)
}

/// This program was built without ACME.
#[cfg(not(feature = "acme"))]
fn acme_faults(_: &Config) -> u32 {
    0
}

fn root_is_sound(store: &Store, root: &Path) -> bool {
    let shown = root.display();
    if let Err(error) = store.probe(root) {
        say(&format!(
            "FAULT Maildirs below {shown}: {error}{}",
            hint(&error.error, &error.path)
        ));
        return false;
    }
    match maildir::describe(root) {
        Ok(system) => match system.warning {
            Some(warning) => say(&format!(
                "warn  Maildirs below {shown} ({}): {warning}",
                system.name
            )),
            None => say(&format!("ok    Maildirs below {shown} ({})", system.name)),
        },
        Err(_) => say(&format!(
            "ok    Maildirs below {shown}: will be made with the first message"
        )),
    }
    true
}

/// The command that mends it, where there is one.
pub(super) fn hint(error: &io::Error, folder: &Path) -> String {
    let uid = rustix::process::geteuid().as_raw();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("; mend it with: chown {uid} {}", folder.display())
        }
        io::ErrorKind::NotFound => format!("; mend it with: mkdir -p {}", folder.display()),
        _ => String::new(),
    }
}

fn tell_of_descriptors(config: &Config, roots: &[Arc<Path>]) {
    let limits = &config.limits;
    let disks = Disks::new(roots, limits.deliveries, limits.disk_errors);
    let needed = config.descriptors(disks.deliveries(limits.deliveries));
    let total = needed.total();
    match descriptors::too_few(&needed) {
        Some((available, remedy)) => say(&format!(
            "warn  file descriptors: {available} may be opened here, and limits allow for {total}: {remedy}"
        )),
        None => say(&format!("ok    file descriptors: {total} at most")),
    }
}

/// Only root can give mail to other users.
fn owners_can_be_served(users: &Users) -> bool {
    let own = rustix::process::geteuid();
    let Users::Map(users) = users else {
        return true;
    };
    let foreign = |user: &User| user.owner.is_some_and(|owner| owner.uid != own.as_raw());
    let mut foreign = users.iter().filter(|(_, user)| foreign(user));
    let Some((name, _)) = foreign.next().filter(|_| !own.is_root()) else {
        return true;
    };
    say(&format!(
        "FAULT user {name}: has a uid other than ours, {}; run as root or take it away",
        own.as_raw()
    ));
    false
}

/// Tries to listen at all addresses, each alone and then all at once, unless that would leave
/// something behind.
fn listener_faults(listeners: &[ListenerConfig]) -> u32 {
    let mut none = PassedSockets::from_env();
    let addresses = listeners.iter().map(|listener| &listener.address);
    let alone: Vec<_> = addresses
        .map(|address| match address {
            Address::Tcp(_) => Some(address.bind(&mut none).map(drop)),
            _ => None,
        })
        .collect();
    let mut bound = Vec::new();
    let mut faults = 0;
    for (listener, alone) in listeners.iter().zip(alone) {
        let address = &listener.address;
        let is_sound = match alone {
            None => is_not_tried(address),
            Some(Err(error)) => is_in_use(address, &error),
            Some(Ok(())) => match address.bind(&mut none) {
                Ok(socket) => {
                    say(&format!("ok    listener {address}"));
                    bound.push(socket);
                    true
                }
                Err(error) => {
                    say(&format!(
                        "FAULT listener {address}: {error}: it collides with another listener"
                    ));
                    false
                }
            },
        };
        faults += u32::from(!is_sound);
    }
    faults
}

/// What can be told of a socket without making one.
fn is_not_tried(address: &Address) -> bool {
    let folder = match address {
        Address::Unix(path, _) => path.parent(),
        _ => None,
    };
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let folder = folder.display();
        say(&format!(
            "FAULT listener {address}: there is no folder {folder}; mend it with: mkdir -p {folder}"
        ));
        return false;
    }
    say(&format!("ok    listener {address}: not tried"));
    true
}

/// Whether the fault is only that someone listens there already.
fn is_in_use(address: &Address, error: &io::Error) -> bool {
    if error.kind() == io::ErrorKind::AddrInUse {
        say(&format!(
            "warn  listener {address}: in use (by a running maiasaura?)"
        ));
        return true;
    }
    say(&format!("FAULT listener {address}: {error}"));
    false
}

/// Whether the file of those who may log in is sound, and nobody else's to read.
fn users_can_log_in(config: &Config) -> bool {
    let Some(path) = &config.auth.users else {
        return true;
    };
    let shown = path.display();
    let users = match Credentials::open(path) {
        Ok(users) => users.current().len(),
        Err(error) => {
            say(&format!("FAULT auth.users: {error}"));
            return false;
        }
    };
    tell_if_open("auth.users", path);
    if config.logins().is_none() {
        say("warn  auth.users: no listener lets anybody log in; write auth: offered or required");
    }
    say(&format!("ok    users who may log in: {users}, in {shown}"));
    true
}

/// Warns of a file with secrets that is not only its owner's, and perhaps its group's to read.
pub(super) fn tell_if_open(key: &str, path: &Path) {
    let mode = fs::metadata(path).map_or(0, |file| file.mode());
    if mode & 0o037 != 0 {
        let shown = path.display();
        say(&format!(
            "warn  {key}: others than its owner can read or change {shown}; mend it with: chmod 600 {shown}"
        ));
    }
}

fn hosts(config: &Config, everything: bool) {
    if everything {
        say("warn  recipients.hosts holds \"*\": mail for every host in the world is accepted");
    } else {
        say(&format!(
            "ok    hosts: {}",
            config.recipients().hosts.join(", ")
        ));
    }
}
