//! The Redis of a configuration, and what uses it.

use std::sync::Arc;
use std::time::Duration;

use super::handing::{Consumers, Habits, has_letters, is_in_save, queued};
use super::redis_users::RedisUsers;
use crate::chain::Registry;
use crate::config::{Config, Handover};
use crate::disks::Disks;
use crate::health::Health;
use crate::maildir::Store;
use crate::processor::{self, Processor, RedisPostman, Stream};
use crate::recipients::UserSource;
use crate::redis::Client;
use crate::stream::Sink;

/// The processor and its queue.
const NAME: &str = "Redis";
/// How much longer an attempt may take than Redis: it has an end of its own.
const SPARE: Duration = Duration::from_secs(10);

/// The way to Redis, or what is missing for it. Who uses it shares its connections.
#[derive(Clone)]
pub(super) struct Redis(Result<Arc<Client>, String>);

impl Redis {
    /// Goes on with the connections from before, unless it is to be another Redis.
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Self {
        Self(config.redis_settings().and_then(|settings| {
            if let Some(Self(Ok(client))) = before
                && *client.settings() == settings
            {
                return Ok(Arc::clone(client));
            }
            Client::new(settings).map(Arc::new)
        }))
    }

    /// Has it told on the board whether Redis answers, where something needs it.
    pub(super) fn tell(&self, health: &Health) {
        if let Ok(client) = &self.0 {
            client.telling(health.part("redis"));
        }
    }

    /// The client, for others.
    ///
    /// # Errors
    ///
    /// What is missing in the section.
    pub(super) fn client(&self) -> Result<&Arc<Client>, String> {
        self.0.as_ref().map_err(Clone::clone)
    }

    /// Adds who hands over what waits: mail will be put into the queue, or some was before the
    /// configuration was changed.
    pub(super) fn add_consumer(&self, config: &Config, store: &Arc<Store>, all: &mut Consumers) {
        let (Ok(client), Some(section)) = (&self.0, &config.redis) else {
            return;
        };
        if !is_queued(config) && !has_letters(NAME, config, store) {
            return;
        }
        let settings = client.settings();
        let habits = Habits {
            timeout: settings.timeout * 2 + SPARE,
            at_once: config.spool.at_once,
        };
        let level = is_in_save("Compressor", config).then_some(config.compressor.level);
        let redis =
            processor::Redis::new(Arc::clone(client), &section.prefix, section.expire.get())
                .digits(section.digits);
        all.add_with(NAME, Arc::new(RedisPostman::new(&redis, level)), habits);
    }

    /// Who answers that question about users.
    pub(super) fn users(&self, question: &str) -> Result<Arc<dyn UserSource>, String> {
        let client = Arc::clone(self.client()?);
        Ok(Arc::new(RedisUsers::new(client, question)?))
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
        let stream = self.stream(config);
        registry.add("Stream", move || stream.clone());
    }

    fn processor(
        &self,
        config: &Config,
        store: &Arc<Store>,
        disks: &Arc<Disks>,
    ) -> Result<Arc<dyn Processor>, String> {
        let client = Arc::clone(self.client()?);
        let section = config
            .redis
            .as_ref()
            .ok_or("the section redis is missing")?;
        let processor = processor::Redis::new(client, &section.prefix, section.expire.get());
        let processor = processor.durable(section.durable).digits(section.digits);
        if !is_queued(config) {
            return Ok(Arc::new(processor));
        }
        let queued = queued(NAME, config, store, disks)?;
        Ok(Arc::new(processor.queued(queued)))
    }

    fn stream(&self, config: &Config) -> Result<Arc<dyn Processor>, String> {
        let client = Arc::clone(self.client()?);
        let durable = config.redis.as_ref().is_some_and(|redis| redis.durable);
        let sink = Sink::new(client, config.stream_settings());
        Ok(Arc::new(Stream::new(sink, durable)))
    }
}

/// Whether mail for Redis goes into a queue.
fn is_queued(config: &Config) -> bool {
    let section = config.redis.as_ref();
    section.is_some_and(|section| section.delivery == Handover::Queued) && is_in_save(NAME, config)
}
