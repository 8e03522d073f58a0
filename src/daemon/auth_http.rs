//! The endpoint for nginx, if there is one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use smol::Executor;

use super::StartError;
use super::binding::bind_error;
use crate::auth_http::{self, Settings};
use crate::config::Config;
use crate::server::{Address, Listener, Service, Shutdown};
use crate::smtp::Protocol;

/// It listens, and does not answer yet.
pub(super) struct Endpoint(Option<(TcpListener, Settings)>);

impl Endpoint {
    pub(super) fn bind(config: &Config, listeners: &[Listener]) -> Result<Self, StartError> {
        let Some(auth_http) = &config.auth_http else {
            return Ok(Self(None));
        };
        let error = |error| bind_error(&Address::Tcp(auth_http.address), error);
        let socket = TcpListener::bind(auth_http.address).map_err(error)?;
        let missing = || io::Error::other("no listener that nginx could use");
        let server = auth_http.server.or_else(|| first(listeners));
        let settings = Settings {
            trusted: auth_http.trusted.clone(),
            server: server.ok_or_else(missing)?,
            lenient_paths: config.lenient_paths(),
        };
        Ok(Self(Some((socket, settings))))
    }

    /// Where it listens, with the port that was taken.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let (socket, _) = self.0.as_ref()?;
        socket.local_addr().ok()
    }

    pub(super) fn start(
        self,
        service: &Arc<Service>,
        executor: &Arc<Executor<'static>>,
        shutdown: &Shutdown,
    ) {
        let Some((socket, settings)) = self.0 else {
            return;
        };
        let service = Arc::clone(service);
        let (inner, shutdown) = (Arc::clone(executor), shutdown.clone());
        let serve = async move {
            if let Err(error) = auth_http::run(socket, settings, service, inner, shutdown).await {
                log::error!(error:% = error; "auth_http");
            }
        };
        executor.spawn(serve).detach();
    }
}

/// The first listener that speaks SMTP over TCP, with the port that was taken.
fn first(listeners: &[Listener]) -> Option<SocketAddr> {
    listeners
        .iter()
        .find_map(|listener| match listener.address {
            Address::Tcp(address) if listener.profile.protocol == Protocol::Smtp => Some(address),
            _ => None,
        })
}
