//! The PHP application of a configuration.

use std::sync::Arc;
use std::time::Duration;

use super::handing::{Consumers, Habits, Queues};
use super::outlet::{Outlet, is_queued};
use crate::chain::Registry;
use crate::config::{Config, FastcgiConfig};
use crate::fastcgi::Bridge;
use crate::maildir::Store;
use crate::processor::{FastCgi, Postman};

/// The processor and its queue.
const NAME: &str = "FastCGI";
/// How much longer an attempt may take than PHP: it has an end of its own.
const SPARE: Duration = Duration::from_secs(10);

/// The way to PHP, or what is missing for it.
pub(super) struct Php {
    bridge: Result<Arc<Bridge>, String>,
    outlet: Outlet<Postman>,
}

impl Php {
    /// Goes on with the bridge from before, and what counts there, unless it is to be another one.
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Self {
        let bridge = bridge(config, before);
        let delivery = config.fastcgi.as_ref().map(|section| section.delivery);
        let outlet = Outlet::new(
            NAME,
            is_queued(NAME, delivery, config),
            bridge.clone().map(postman),
            before.map(|before| &before.outlet),
        );
        Self { bridge, outlet }
    }

    pub(super) fn add_consumer(&self, config: &Config, store: &Arc<Store>, all: &mut Consumers) {
        self.outlet.add_consumer(config, store, all);
    }

    pub(super) fn register(&self, registry: &mut Registry, config: &Config, queues: &Queues<'_>) {
        let processor = self.processor(config);
        self.outlet
            .register(registry, queues, processor, FastCgi::queued);
    }

    fn processor(&self, config: &Config) -> Result<FastCgi, String> {
        let bridge = self.bridge.clone()?;
        Ok(FastCgi::new(bridge, section(config)?.times()))
    }
}

fn section(config: &Config) -> Result<&FastcgiConfig, String> {
    config.fastcgi.as_ref().ok_or_else(|| {
        "the section fastcgi is missing: where PHP-FPM listens, and the script".to_owned()
    })
}

fn bridge(config: &Config, before: Option<&Php>) -> Result<Arc<Bridge>, String> {
    let settings = section(config)?.settings()?;
    let known = before.and_then(|before| before.bridge.as_ref().ok());
    let known = known.filter(|known| *known.settings() == settings);
    Ok(known.map_or_else(|| Arc::new(Bridge::new(settings)), Arc::clone))
}

fn postman(bridge: Arc<Bridge>) -> (Postman, Habits) {
    let settings = bridge.settings();
    // Who would only wait for a connection needs no thread meanwhile.
    let habits = Habits {
        timeout: settings.timeout + SPARE,
        at_once: settings.connections,
    };
    (Postman::new(bridge), habits)
}
