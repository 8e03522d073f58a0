//! `maiasaura check`: is everything in order that the configuration names?

use std::io;
use std::path::Path;

use super::{Exit, Fault, Loaded, Outcome, say};
use crate::config::Config;
use crate::daemon::Daemon;
use crate::maildir::{self, Store};
use crate::server::{Address, PassedSockets};

pub(super) fn run(load: impl FnOnce() -> Loaded) -> Outcome {
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
    for root in service.recipients.roots() {
        faults += u32::from(!root_is_sound(&store, &root));
    }
    for listener in &config.listeners {
        faults += u32::from(!address_is_free(&listener.address));
    }
    hosts(&config, service.recipients.is_catch_all_host());
    match faults {
        0 => Ok(()),
        faults => Err(Fault::new(
            Exit::Config,
            format!("{faults} of the above must be mended"),
        )),
    }
}

fn root_is_sound(store: &Store, root: &Path) -> bool {
    let shown = root.display();
    if let Err(error) = store.probe(root) {
        say(&format!(
            "FAULT Maildirs below {shown}: {error}{}",
            hint(&error.error, root)
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
fn hint(error: &io::Error, root: &Path) -> String {
    let uid = rustix::process::geteuid().as_raw();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("; mend it with: chown {uid} {}", root.display())
        }
        io::ErrorKind::NotFound => format!("; mend it with: mkdir -p {}", root.display()),
        _ => String::new(),
    }
}

/// Tries to listen, unless that would leave something behind.
fn address_is_free(address: &Address) -> bool {
    if !matches!(address, Address::Tcp(_)) {
        say(&format!("ok    listener {address}: not tried"));
        return true;
    }
    let mut none = PassedSockets::from_env();
    match address.bind(&mut none) {
        Ok(_) => say(&format!("ok    listener {address}")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            say(&format!(
                "warn  listener {address}: in use (by a running maiasaura?)"
            ));
        }
        Err(error) => {
            say(&format!("FAULT listener {address}: {error}"));
            return false;
        }
    }
    true
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
