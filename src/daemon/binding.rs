//! The sockets that clients connect to.

use std::io;
use std::sync::Arc;

use super::certificates::Offers;
use super::{StartError, process};
use crate::config::{Config, Source};
use crate::server::{Address, Listener, PassedSockets, Server};

/// Binds those of the configuration, some of which systemd may have passed, and some of which are
/// open already; and says where clients find each, if it is not switched off.
pub(super) fn listeners(
    (config, source): (&Config, &Source),
    offers: &Offers,
    server: &Server,
    passed: &mut PassedSockets,
) -> Result<(Vec<Listener>, Vec<Option<Address>>), StartError> {
    let addresses = config.enabled().map(|(_, it)| it.address.clone());
    let addresses: Vec<Address> = addresses.collect();
    let bound = server
        .bind(&addresses, passed)
        .map_err(|(address, error)| bind_error(&address, error))?;
    let mut listeners = Vec::new();
    let mut places = vec![None; config.listeners.len()];
    for ((index, listener), bound) in config.enabled().zip(bound) {
        places[index] = bound.first().map(|bound| bound.address().clone());
        let profile = Arc::new(config.profile(listener));
        let encryption = offers.encryption(config, listener);
        let trust = Config::trust(listener);
        let logbook = process::logbook(config, source, index)?;
        listeners.extend(bound.into_iter().map(|bound| {
            bound
                .serve(Arc::clone(&profile))
                .encrypted(encryption.clone())
                .trusting(trust.clone())
                .logged(logbook.clone())
        }));
    }
    Ok((listeners, places))
}

/// What systemd has passed and nobody took would have clients that wait for ever.
pub(super) fn all_are_taken(passed: &PassedSockets) -> Result<(), StartError> {
    let Some(name) = passed.left() else {
        return Ok(());
    };
    let address = Address::Systemd(name.to_owned());
    let message = format!("no listener has the address systemd:{name}");
    Err(bind_error(&address, io::Error::other(message)))
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
