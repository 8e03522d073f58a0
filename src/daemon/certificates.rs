//! Certificates of the listeners: read once for all that share them, and kept fresh.

use std::sync::Arc;
use std::time::Duration;

use smol::Timer;

use crate::config::{Config, ListenerConfig, Mode};
use crate::server::Encryption;
use crate::tls::{Certificates, Facts, Offer, Settings, TlsError};

/// How often files are looked at. Links on the way to a file, as certbot and Kubernetes make them,
/// are followed anew each time; a watch of the kernel would be on what they led to.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What listeners offer.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers(Vec<(Settings, Arc<Offer>)>);

impl Offers {
    /// Reads all certificates that are in files; `others` are for listeners that name none. An error
    /// is told with the key that names them. What was offered `before` and still is goes on, with
    /// the sessions that can be resumed; its files are read all the same, and must be sound.
    pub(super) fn new(
        config: &Config,
        others: Option<&Arc<dyn Certificates>>,
        before: Option<&Self>,
    ) -> Result<Self, (String, TlsError)> {
        let mut offers = Self::default();
        for (index, listener) in config.enabled() {
            let Some(settings) = config.tls(listener) else {
                continue;
            };
            if offers.of(&settings).is_none() {
                let others = others.filter(|_| config.uses_acme(listener));
                let offer = match others {
                    Some(others) => Offer::with(Arc::clone(others), settings.clone()),
                    None => Offer::new(settings.clone()),
                };
                let offer = offer.map_err(|error| (config.tls_key(index), error))?;
                let known = before.and_then(|before| before.of(&settings));
                let offer = match known.filter(|_| !settings.pairs.is_empty()) {
                    Some(known) => Arc::clone(known),
                    None => Arc::new(offer),
                };
                offers.0.push((settings, offer));
            }
        }
        Ok(offers)
    }

    /// How a listener is encrypted.
    pub(super) fn encryption(
        &self,
        config: &Config,
        listener: &ListenerConfig,
    ) -> Option<Encryption> {
        Some(Encryption {
            offer: Arc::clone(self.of(&config.tls(listener)?)?),
            implicit: config.mode(listener) == Mode::Implicit,
        })
    }

    /// What all certificates say.
    pub(super) fn facts(&self) -> Vec<Facts> {
        let mut facts: Vec<Facts> = Vec::new();
        for (_, offer) in &self.0 {
            let mut more = offer.facts();
            more.retain(|more| !facts.contains(more));
            facts.append(&mut more);
        }
        facts
    }

    /// Looks for newer certificates now.
    pub(super) fn refresh(&self) {
        for (_, offer) in &self.0 {
            offer.refresh();
        }
    }

    /// Looks for newer certificates, for ever.
    pub(super) async fn keep_fresh(self) {
        while !self.0.is_empty() {
            for (_, offer) in &self.0 {
                let offer = Arc::clone(offer);
                smol::unblock(move || offer.refresh()).await;
            }
            Timer::after(LOOK_EVERY).await;
        }
    }

    fn of(&self, settings: &Settings) -> Option<&Arc<Offer>> {
        let mut offers = self.0.iter();
        let found = offers.find(|(known, _)| known == settings);
        found.map(|(_, offer)| offer)
    }
}
