//! The sockets that clients connect to.

use std::io;
use std::sync::Arc;

use super::certificates::Offers;
use super::{Daemon, StartError};
use crate::config::Config;
use crate::server::{Address, Listener, PassedSockets};

impl Daemon {
    /// Binds those of the configuration, and what systemd has passed.
    pub(super) fn listeners(&self, offers: &Offers) -> Result<Vec<Listener>, StartError> {
        let mut passed = PassedSockets::from_env();
        let mut listeners = Vec::new();
        for listener in &self.config.listeners {
            let address = &listener.address;
            let profile = Arc::new(self.config.profile(listener));
            let encryption = offers.encryption(&self.config, listener);
            let trust = Config::trust(listener);
            loop {
                let bound = address
                    .bind(&mut passed)
                    .map_err(|error| bind_error(address, error))?;
                let listening = bound
                    .serve(Arc::clone(&profile))
                    .encrypted(encryption.clone());
                listeners.push(listening.trusting(trust.clone()));
                if !matches!(address, Address::Systemd(name) if passed.has(name)) {
                    break;
                }
            }
        }
        if let Some(name) = passed.left() {
            let address = Address::Systemd(name.to_owned());
            let message = format!("no listener has the address systemd:{name}");
            let error = io::Error::other(message);
            return Err(bind_error(&address, error));
        }
        Ok(listeners)
    }
}

/// Why an address cannot be listened on, and what to do.
pub(super) fn bind_error(address: &Address, error: io::Error) -> StartError {
    let is_unix = matches!(address, Address::Unix(..));
    let hint = match error.kind() {
        io::ErrorKind::Other if matches!(address, Address::Systemd(_)) => {
            "; give one to every FileDescriptorName= of a socket unit"
        }
        io::ErrorKind::NotFound if is_unix => "; make the folder first",
        io::ErrorKind::AlreadyExists if is_unix => "; remove it if nobody needs it",
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it or choose another address"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE, a Unix socket needs a folder that is yours"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    };
    StartError::Bind {
        address: address.clone(),
        error,
        hint,
    }
}
