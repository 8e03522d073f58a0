//! The certificate that is obtained by itself.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use smol::{Async, Executor};

use super::StartError;
use super::binding::bind_error;
use crate::acme;
use crate::config::Config;
use crate::health::Health;
use crate::server::{Address, PassedSockets};
use crate::tls::{Certificates, TlsError};

/// Who obtains it, if somebody does.
#[derive(Clone, Debug, Default)]
pub(super) struct Acme(Option<Arc<acme::Acme>>);

/// Where challenges will come in.
pub(super) struct Doors(Vec<Async<TcpListener>>);

impl Acme {
    /// Reads what is in the cache; an error is told with the key of the file.
    pub(super) fn new(config: &Config) -> Result<Self, (String, TlsError)> {
        let settings = config.acme();
        let acme = settings.map(acme::Acme::new).transpose();
        let acme = acme.map_err(|error| ("tls.acme.directory_ca".to_owned(), error))?;
        Ok(Self(acme.map(Arc::new)))
    }

    pub(super) fn certificates(&self) -> Option<Arc<dyn Certificates>> {
        let acme = self.0.clone()?;
        Some(acme)
    }

    /// Listens for challenges.
    pub(super) fn doors(
        &self,
        config: &Config,
        passed: &mut PassedSockets,
    ) -> Result<Doors, StartError> {
        let section = config.tls.acme.as_ref().filter(|_| self.0.is_some());
        let addresses = section.map(crate::config::AcmeConfig::addresses);
        let mut doors = Vec::new();
        for (address, is_needed) in addresses.unwrap_or_default() {
            loop {
                match door(&address, passed) {
                    Ok(socket) => {
                        log::info!(address:% = address; "challenges are answered");
                        doors.push(socket);
                    }
                    Err(error) if is_needed || error.kind() == io::ErrorKind::AddrInUse => {
                        return Err(bind_error(&address, error));
                    }
                    // A machine without IPv6.
                    Err(error) => {
                        log::info!(address:% = address, cause:% = error; "challenges are not answered here");
                    }
                }
                // A socket unit may listen at several addresses.
                if !matches!(&address, Address::Systemd(name) if passed.has(name)) {
                    break;
                }
            }
        }
        Ok(Doors(doors))
    }

    /// Answers challenges and renews, as long as the executor runs.
    pub(super) fn start(&self, doors: Doors, executor: &Executor<'static>, health: &Health) {
        let Some(acme) = &self.0 else {
            return;
        };
        for door in doors.0 {
            executor.spawn(Arc::clone(acme).answer_on(door)).detach();
        }
        executor.spawn(Arc::clone(acme).keep(health.part("acme")))
            .detach();
    }
}

fn door(address: &Address, passed: &mut PassedSockets) -> io::Result<Async<TcpListener>> {
    let no_tcp = || io::Error::other("it is no socket of TCP");
    address.bind(passed)?.into_tcp().ok_or_else(no_tcp)
}
