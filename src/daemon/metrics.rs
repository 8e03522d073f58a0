//! The figures for Prometheus, if they are told.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::SystemTime;

use smol::Executor;

use super::binding::bind_error;
use super::{Daemon, StartError};
use crate::disks::Disks;
use crate::metrics::{self, Metrics, Sources};
use crate::server::{Address, Listener, Service, Shutdown};

/// They are told there, and nobody counts yet.
pub(super) struct Figures(Option<TcpListener>);

impl Figures {
    pub(super) fn bind(daemon: &Daemon) -> Result<Self, StartError> {
        let Some(metrics) = &daemon.config.metrics else {
            return Ok(Self(None));
        };
        let error = |error| bind_error(&Address::Tcp(metrics.address), error);
        let socket = TcpListener::bind(metrics.address).map_err(error)?;
        Ok(Self(Some(socket)))
    }

    /// Where they are told, with the port that was taken.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref()?.local_addr().ok()
    }

    /// Counts from now on, before anybody is served.
    pub(super) fn start(
        self,
        daemon: &Daemon,
        (service, disks, listeners): (&Arc<Service>, &Arc<Disks>, &[Listener]),
        executor: &Arc<Executor<'static>>,
        shutdown: &Shutdown,
    ) {
        let Some(socket) = self.0 else {
            return;
        };
        let names: Vec<String> = listeners.iter().map(|it| it.address.to_string()).collect();
        let encrypted = listeners.iter().zip(&names).filter_map(|(listener, name)| {
            let encryption = listener.encryption.as_ref()?;
            Some((name.clone(), Arc::clone(&encryption.offer)))
        });
        let sources = Sources {
            service: Arc::clone(service),
            disks: Arc::clone(disks),
            store: Arc::clone(&daemon.store),
            offers: encrypted.collect(),
            spool: daemon.config.spool().ok(),
            started: SystemTime::now(),
        };
        let metrics = Metrics::new(&daemon.events, daemon.health.clone(), sources, &names);
        let (inner, shutdown) = (Arc::clone(executor), shutdown.clone());
        let serve = async move {
            if let Err(error) = metrics::run(socket, Arc::new(metrics), inner, shutdown).await {
                log::error!(error:% = error; "metrics");
            }
        };
        executor.spawn(serve).detach();
    }
}
