//! The certificate that is obtained by itself.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use smol::{Async, Executor, Task};

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

/// It, or what is wrong with which key.
pub(super) type Made = Result<Acme, (String, TlsError)>;

/// Where challenges will come in.
pub(super) struct Doors(Vec<Async<TcpListener>>);

impl Acme {
    /// Reads what is in the cache; an error is told with the key of the file.
    pub(super) fn new(config: &Config) -> Made {
        let settings = config.acme();
        let acme = settings.map(acme::Acme::new).transpose();
        let acme = acme.map_err(|error| ("tls.acme.directory_ca".to_owned(), error))?;
        Ok(Self(acme.map(Arc::new)))
    }

    /// The one for the next configuration, which goes on as long as what is said of it is the same.
    /// None where another one would be needed: this one may be in the middle of an order.
    pub(super) fn next(&self, before: &Config, config: &Config) -> Option<Made> {
        let is_same = before.tls.acme == config.tls.acme && before.acme() == config.acme();
        match (&self.0, &config.tls.acme) {
            (Some(_), Some(_)) => is_same.then(|| Ok(self.clone())),
            _ => Some(Self::new(config)),
        }
    }

    /// Whether it is the same as another one, so that there is nothing to begin.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
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

    /// Answers challenges and renews, as long as what is returned is kept.
    pub(super) fn start(
        &self,
        doors: Doors,
        executor: &Executor<'static>,
        health: &Health,
    ) -> Vec<Task<()>> {
        let Some(acme) = &self.0 else {
            return Vec::new();
        };
        let doors = doors.0.into_iter();
        let answer = |door| executor.spawn(Arc::clone(acme).answer_on(door));
        let mut tasks: Vec<_> = doors.map(answer).collect();
        tasks.push(executor.spawn(Arc::clone(acme).keep(health.part("acme"))));
        tasks
    }
}

fn door(address: &Address, passed: &mut PassedSockets) -> io::Result<Async<TcpListener>> {
    let no_tcp = || io::Error::other("it is no socket of TCP");
    address.bind(passed)?.into_tcp().ok_or_else(no_tcp)
}
