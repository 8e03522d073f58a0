//! The figures for Prometheus, if they are told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use smol::Executor;

use super::StartError;
use super::generation::{Generation, Parts};
use super::http::{Open, Place};
use crate::config::Config;
use crate::metrics::{Metrics, Sources};
use crate::server::{Listener, Service, Shutdown};

/// The figures at work.
pub(super) struct Figures {
    open: Option<Open<Metrics>>,
    started: SystemTime,
}

/// Where they are to be told.
pub(super) struct FiguresPlan(Option<Place>);

impl Default for Figures {
    fn default() -> Self {
        Self {
            open: None,
            started: SystemTime::now(),
        }
    }
}

impl Figures {
    /// Listens, unless it does already, and tells nobody yet.
    pub(super) fn plan(&self, config: &Config) -> Result<FiguresPlan, StartError> {
        let Some(metrics) = &config.metrics else {
            return Ok(FiguresPlan(None));
        };
        let place = Place::take(self.open.as_ref(), metrics.address)?;
        Ok(FiguresPlan(Some(place)))
    }

    /// Where they are told, with the port that was taken.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.open.as_ref().map(|open| open.place.address)
    }

    /// Tells those of this generation from now on, before anybody is served by it. What was counted
    /// stays as long as somebody may ask.
    pub(super) async fn carry_out(
        &mut self,
        plan: FiguresPlan,
        (generation, parts): (&Generation, &Parts),
        (service, listeners): (&Arc<Service>, &[Listener]),
        (executor, shutdown): (&Arc<Executor<'static>>, &Shutdown),
    ) {
        let Some(place) = plan.0 else {
            self.close().await;
            return;
        };
        let sources = self.sources(generation, service, listeners);
        let metrics = match &mut self.open {
            Some(open) => {
                open.site.read_from(sources);
                if open.is_at(&place) {
                    open.place = place;
                    return;
                }
                Arc::clone(&open.site)
            }
            None => Arc::new(Metrics::new(&parts.events, parts.health.clone(), sources)),
        };
        self.close().await;
        self.open = Some(Open::begin(place, metrics, executor, shutdown));
    }

    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.close().await;
        }
    }

    fn sources(
        &self,
        generation: &Generation,
        service: &Arc<Service>,
        listeners: &[Listener],
    ) -> Sources {
        let listeners = listeners.iter().map(|listener| {
            let encryption = listener.encryption.as_ref();
            let offer = encryption.map(|encryption| Arc::clone(&encryption.offer));
            (listener.address.to_string(), offer)
        });
        Sources {
            service: Arc::clone(service),
            disks: Arc::clone(&generation.disks),
            store: Arc::clone(&generation.store),
            listeners: listeners.collect(),
            spool: generation.config.spool().ok(),
            started: self.started,
        }
    }
}
