//! The endpoint for nginx, if there is one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use smol::Executor;

use super::StartError;
use super::http::{Open, Place};
use crate::auth_http::{Desk, Settings};
use crate::config::Config;
use crate::server::{Address, Listener, Service, Shutdown};
use crate::smtp::Protocol;

/// The endpoint at work.
#[derive(Default)]
pub(super) struct Endpoint(Option<Open<Desk>>);

/// What it is to be.
pub(super) struct Plan(Option<(Place, Settings)>);

impl Endpoint {
    /// Listens, unless it does already, and answers nobody yet.
    pub(super) fn plan(&self, config: &Config, listeners: &[Listener]) -> Result<Plan, StartError> {
        let Some(auth_http) = &config.auth_http else {
            return Ok(Plan(None));
        };
        let place = Place::take(self.0.as_ref(), auth_http.address)?;
        let missing = || io::Error::other("no listener that nginx could use");
        let server = auth_http.server.or_else(|| first(listeners));
        let settings = Settings {
            trusted: auth_http.trusted.clone(),
            server: server.ok_or_else(missing)?,
            lenient_paths: config.lenient_paths(),
            logins: auth_http.auth.into(),
            login_failures: config.limits.auth_failures,
        };
        Ok(Plan(Some((place, settings))))
    }

    /// Where it listens, with the port that was taken.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref().map(|open| open.place.address)
    }

    /// Answers so from now on.
    pub(super) async fn carry_out(
        &mut self,
        plan: Plan,
        service: &Arc<Service>,
        executor: &Arc<Executor<'static>>,
        shutdown: &Shutdown,
    ) {
        let service = Arc::clone(service);
        match (plan.0, &mut self.0) {
            (Some((place, settings)), Some(open)) if open.is_at(&place) => {
                open.place = place;
                open.site.change(settings, service);
            }
            (Some((place, settings)), _) => {
                self.close().await;
                let desk = Arc::new(Desk::new(settings, service));
                self.0 = Some(Open::begin(place, desk, executor, shutdown));
            }
            (None, _) => self.close().await,
        }
    }

    async fn close(&mut self) {
        if let Some(open) = self.0.take() {
            open.close().await;
        }
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
