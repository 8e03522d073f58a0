//! What stands for Redis in a program that was built without it.

use std::sync::Arc;

use super::handing::{Consumers, Queues};
use crate::chain::Registry;
use crate::config::Config;
use crate::health::Health;
use crate::maildir::Store;
use crate::recipients::UserSource;

pub(super) struct Redis;

impl Redis {
    pub(super) fn new(_: &Config, _: Option<&Self>) -> Self {
        Self
    }

    pub(super) fn tell(&self, _: &Health) {}

    pub(super) fn add_consumer(&self, _: &Config, _: &Arc<Store>, _: &mut Consumers) {}

    pub(super) fn users(&self, _: &str) -> Result<Arc<dyn UserSource>, String> {
        Err("redis is not in this build: build with `--features redis`".into())
    }

    pub(super) fn register(&self, registry: &mut Registry, _: &Config, _: &Queues<'_>) {
        for name in ["Redis", "Stream"] {
            registry.add(name, move || {
                Err(format!(
                    "{name} is not in this build: build with `--features redis`"
                ))
            });
        }
    }
}
