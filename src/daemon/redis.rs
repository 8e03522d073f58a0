//! The Redis of a configuration, and what uses it.

use std::sync::Arc;
use std::time::Duration;

use super::handing::{Consumers, Habits, Queues};
use super::outlet::{Outlet, compression, is_queued};
use super::redis_users::RedisUsers;
use crate::chain::Registry;
use crate::config::{Config, RedisConfig};
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
pub(super) struct Redis {
    client: Result<Arc<Client>, String>,
    outlet: Outlet<RedisPostman>,
}

impl Redis {
    /// Goes on with the connections from before, unless it is to be another Redis.
    pub(super) fn new(config: &Config, before: Option<&Self>) -> Self {
        let client = client(config, before);
        let delivery = config.redis.as_ref().map(|section| section.delivery);
        let outlet = Outlet::new(
            NAME,
            is_queued(NAME, delivery, config),
            postman(config, &client),
            before.map(|before| &before.outlet),
        );
        Self { client, outlet }
    }

    /// Has it told on the board whether Redis answers, where something needs it.
    pub(super) fn tell(&self, health: &Health) {
        if let Ok(client) = &self.client {
            client.telling(health.part("redis"));
        }
    }

    /// The client, for others.
    ///
    /// # Errors
    ///
    /// What is missing in the section.
    pub(super) fn client(&self) -> Result<&Arc<Client>, String> {
        self.client.as_ref().map_err(Clone::clone)
    }

    pub(super) fn add_consumer(&self, config: &Config, store: &Arc<Store>, all: &mut Consumers) {
        self.outlet.add_consumer(config, store, all);
    }

    /// Who answers that question about users.
    pub(super) fn users(&self, question: &str) -> Result<Arc<dyn UserSource>, String> {
        let client = Arc::clone(self.client()?);
        Ok(Arc::new(RedisUsers::new(client, question)?))
    }

    pub(super) fn register(&self, registry: &mut Registry, config: &Config, queues: &Queues<'_>) {
        let processor = processor(config, &self.client);
        let queueing = processor::Redis::queued;
        self.outlet.register(registry, queues, processor, queueing);
        let stream = self.stream(config);
        registry.add("Stream", move || stream.clone());
    }

    fn stream(&self, config: &Config) -> Result<Arc<dyn Processor>, String> {
        let client = Arc::clone(self.client()?);
        let durable = config.redis.as_ref().is_some_and(|redis| redis.durable);
        let sink = Sink::new(client, config.stream_settings());
        Ok(Arc::new(Stream::new(sink, durable)))
    }
}

fn client(config: &Config, before: Option<&Redis>) -> Result<Arc<Client>, String> {
    let settings = config.redis_settings()?;
    let known = before.and_then(|before| before.client.as_ref().ok());
    match known.filter(|known| *known.settings() == settings) {
        Some(known) => Ok(Arc::clone(known)),
        None => Client::new(settings).map(Arc::new),
    }
}

fn processor(
    config: &Config,
    client: &Result<Arc<Client>, String>,
) -> Result<processor::Redis, String> {
    let client = client.clone()?;
    let section: Option<&RedisConfig> = config.redis.as_ref();
    let section = section.ok_or("the section redis is missing")?;
    let processor = processor::Redis::new(client, &section.prefix, section.expire.get());
    Ok(processor.durable(section.durable).digits(section.digits))
}

fn postman(
    config: &Config,
    client: &Result<Arc<Client>, String>,
) -> Result<(RedisPostman, Habits), String> {
    let processor = processor(config, client)?;
    let settings = client.as_ref()?.settings();
    let habits = Habits {
        timeout: settings.timeout * 2 + SPARE,
        // As many as others: they share pipelines.
        at_once: usize::MAX,
    };
    let postman = RedisPostman::new(&processor, compression(config));
    Ok((postman, habits))
}
