//! What stands for the database in a program that was built without MySQL.

use std::sync::Arc;

use super::handing::{Consumers, Queues};
use super::redis::Redis;
use crate::chain::Registry;
use crate::config::Config;
use crate::health::Health;
use crate::maildir::Store;
use crate::recipients::UserSource;

const ABSENT: &str = "MySQL is not in this build: build with `--features mysql`";

pub(super) struct Sql;

impl Sql {
    pub(super) fn new(_: &Config, _: &Redis, _: Option<&Self>) -> Self {
        Self
    }

    pub(super) fn tell(&self, _: &Health) {}

    pub(super) fn add_consumers(&self, _: &Config, _: &Arc<Store>, _: &mut Consumers) {}

    pub(super) fn register(&self, registry: &mut Registry, _: &Config, _: &Queues<'_>) {
        for name in ["MySQL", "GuerrillaDbRedis"] {
            registry.add(name, || Err(ABSENT.into()));
        }
    }

    pub(super) fn users(&self, _: &str) -> Result<Arc<dyn UserSource>, String> {
        Err(ABSENT.into())
    }
}
