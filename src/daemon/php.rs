//! The PHP application of a configuration.

use std::sync::Arc;
use std::time::Duration;

use super::handing::{Consumers, Habits, has_letters, is_in_save, queued};
use crate::chain::Registry;
use crate::config::{Config, Handover};
use crate::disks::Disks;
use crate::fastcgi::Bridge;
use crate::maildir::Store;
use crate::processor::{FastCgi, Postman, Processor, Times};

/// The processor and its queue.
const NAME: &str = "FastCGI";
/// How much longer an attempt may take than PHP: it has an end of its own.
const SPARE: Duration = Duration::from_secs(10);

/// The way to PHP, or what is missing for it.
#[derive(Clone)]
pub(super) struct Php(Result<Line, String>);

#[derive(Clone)]
struct Line {
    bridge: Arc<Bridge>,
    postman: Arc<Postman>,
    times: Times,
}

impl Php {
    /// Goes on with the bridge from before, and what counts there, unless it is to be another one.
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Self {
        let section = config.fastcgi.as_ref().ok_or_else(|| {
            "the section fastcgi is missing: where PHP-FPM listens, and the script".to_owned()
        });
        Self(section.and_then(|section| {
            let (settings, times) = (section.settings()?, section.times());
            if let Some(Self(Ok(line))) = before
                && *line.bridge.settings() == settings
            {
                let line = line.clone();
                return Ok(Line { times, ..line });
            }
            let bridge = Arc::new(Bridge::new(settings));
            let postman = Arc::new(Postman::new(Arc::clone(&bridge)));
            Ok(Line {
                bridge,
                postman,
                times,
            })
        }))
    }

    /// Adds who hands over what waits: mail will be put into the queue, or some was before the
    /// configuration was changed.
    pub(super) fn add_consumer(&self, config: &Config, store: &Arc<Store>, all: &mut Consumers) {
        let Ok(Line {
            bridge, postman, ..
        }) = &self.0
        else {
            return;
        };
        if is_queued(config) || has_letters(NAME, config, store) {
            let postman = Arc::clone(postman);
            let settings = bridge.settings();
            // Who would only wait for a connection needs no thread meanwhile.
            let habits = Habits {
                timeout: settings.timeout + SPARE,
                at_once: settings.connections,
            };
            all.add_with(NAME, postman, habits);
        }
    }

    pub(super) fn register(
        &self,
        registry: &mut Registry,
        config: &Config,
        store: &Arc<Store>,
        disks: &Arc<Disks>,
    ) {
        let processor = self.processor(config, store, disks);
        registry.add(NAME, move || processor.clone());
    }

    fn processor(
        &self,
        config: &Config,
        store: &Arc<Store>,
        disks: &Arc<Disks>,
    ) -> Result<Arc<dyn Processor>, String> {
        let Line { bridge, times, .. } = self.0.as_ref()?;
        let processor = FastCgi::new(Arc::clone(bridge), *times);
        if !is_queued(config) {
            return Ok(Arc::new(processor));
        }
        let queued = queued(NAME, config, store, disks)?;
        Ok(Arc::new(processor.queued(queued)))
    }
}

/// Whether mail for PHP goes into a queue.
fn is_queued(config: &Config) -> bool {
    let section = config.fastcgi.as_ref();
    section.is_some_and(|section| section.delivery == Handover::Queued) && is_in_save(NAME, config)
}
