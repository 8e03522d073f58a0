//! The part of `maiasaura check` that is about certificates which are obtained by themselves.

use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::certificates::shown;
use super::say;
use crate::acme::{Acme, Settings};
use crate::config::{AcmeConfig, Config};
use crate::server::{Address, PassedSockets};
use crate::tls::Facts;

/// Says what is missing for a certificate.
pub(super) fn faults(config: &Config) -> u32 {
    let (Some(section), Some(settings)) = (&config.tls.acme, config.acme()) else {
        return 0;
    };
    let names = settings.domains.join(" ");
    let (directory, cache) = (settings.directory.clone(), settings.cache.clone());
    warn_of_names(&settings, &config.hostname());
    let mut faults = ports(section);
    let acme = match Acme::new(settings) {
        Ok(acme) => acme,
        Err(error) => {
            say(&format!("FAULT ACME: {error}"));
            return faults + 1;
        }
    };
    faults += u32::from(!folder_is_sound(&cache, &acme));
    let is_current = is_current(acme.cached().as_ref(), &names);
    if let Some(paused) = acme.paused() {
        say(&format!("warn  ACME: {paused}"));
    }
    match smol::block_on(acme.find_directory()) {
        Ok(()) => say(&format!("ok    ACME: {directory}")),
        // There is time to mend it.
        Err(fault) if is_current => say(&format!("warn  ACME: {fault}")),
        Err(fault) => {
            say(&format!("FAULT ACME: {fault}"));
            faults += 1;
        }
    }
    faults
}

/// Who cannot be written to, and a name that clients ask for in vain.
fn warn_of_names(settings: &Settings, hostname: &str) {
    if settings.contact.is_empty() {
        say(
            "warn  ACME: nobody is named whom the directory could write to; write contact: mailto:postmaster@example.org",
        );
    }
    if !settings.domains.contains(&hostname.to_ascii_lowercase()) {
        say(&format!(
            "warn  ACME: {hostname}, our hostname, is not among the domains; clients that verify it will not connect"
        ));
    }
}

/// Whether there is a certificate already that is still of use.
fn is_current(cached: Option<&Facts>, names: &str) -> bool {
    let is_current = cached.is_some_and(Facts::is_current);
    match cached {
        Some(facts) if is_current => say(&format!(
            "ok    ACME: certificate in the cache ({})",
            shown(facts)
        )),
        Some(facts) => say(&format!(
            "warn  ACME: the certificate in the cache has expired ({})",
            shown(facts)
        )),
        None => say(&format!(
            "ok    ACME: no certificate yet; it will be for {names}"
        )),
    }
    is_current
}

/// A folder is not made here: it might be another user's than who will run the receiver.
fn folder_is_sound(cache: &Path, acme: &Acme) -> bool {
    let shown = cache.display();
    let outcome = if cache.exists() {
        acme.prepare().map_err(|error| error.to_string())
    } else {
        let mut above = cache.ancestors().skip(1);
        let above = above.find(|it| it.exists() || it.as_os_str().is_empty());
        let above = above.filter(|it| !it.as_os_str().is_empty());
        let above = above.unwrap_or(Path::new("."));
        accessat(
            CWD,
            above,
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        )
        .map_err(|error| format!("{shown}: cannot be made in {}: {error}", above.display()))
    };
    match &outcome {
        Ok(()) => say(&format!("ok    ACME: account and certificate in {shown}")),
        Err(error) => say(&format!("FAULT ACME: {error}")),
    }
    outcome.is_ok()
}

/// Whether the sockets for challenges can be had.
fn ports(section: &AcmeConfig) -> u32 {
    let mut faults = 0;
    let mut none = PassedSockets::from_env();
    for (address, is_needed) in section.addresses() {
        let Address::Tcp(_) = address else {
            say(&format!("ok    ACME: challenges at {address}: not tried"));
            continue;
        };
        match address.bind(&mut none) {
            Ok(_) => say(&format!("ok    ACME: challenges at {address}")),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => say(&format!(
                "warn  ACME: challenges at {address}: in use (by a running maiasaura?)"
            )),
            Err(error) if !is_needed => {
                say(&format!("warn  ACME: challenges at {address}: {error}"));
            }
            Err(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "; ports below 1024 need CAP_NET_BIND_SERVICE, or a socket from systemd"
                    }
                    _ => "",
                };
                say(&format!(
                    "FAULT ACME: challenges at {address}: {error}{hint}"
                ));
                faults += 1;
            }
        }
    }
    faults
}
