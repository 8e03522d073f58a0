//! What mail is handed to beside the Maildirs: an application, databases.

use std::sync::Arc;

use super::handing::Consumers;
use super::mysql::Sql;
use super::php::Php;
use super::redis::Redis;
use crate::chain::Registry;
use crate::config::Config;
use crate::disks::Disks;
use crate::maildir::Store;

/// All of them, as the configuration has them.
pub(super) struct Outside {
    php: Php,
    pub(super) sql: Sql,
    pub(super) redis: Redis,
}

impl Outside {
    pub(super) fn new(config: &Config) -> Self {
        let redis = Redis::new(config);
        Self {
            php: Php::new(config),
            sql: Sql::new(config, &redis),
            redis,
        }
    }

    /// Adds who hands over what waits for them.
    pub(super) fn add_consumers(&self, config: &Config, store: &Arc<Store>, all: &mut Consumers) {
        self.php.add_consumer(config, store, all);
        self.sql.add_consumers(config, store, all);
        self.redis.add_consumer(config, store, all);
    }

    /// Adds their processors.
    pub(super) fn register(
        &self,
        registry: &mut Registry,
        config: &Config,
        store: &Arc<Store>,
        disks: &Arc<Disks>,
    ) {
        self.php.register(registry, config, store, disks);
        self.sql.register(registry, config, store, disks);
        self.redis.register(registry, config, store, disks);
    }
}
